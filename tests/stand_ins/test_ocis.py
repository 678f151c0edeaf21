"""The stand-in for oCIS, run as its container runs it."""

from __future__ import annotations

import base64
import pathlib
import subprocess
import sys

import pytest
from conftest import HERE, Program, Start


@pytest.fixture
def environment(tmp_path: pathlib.Path, port: int) -> dict[str, str]:
    return {
        "STAND_IN_VERSION": "7.1.3",
        "OCIS_CONFIG_DIR": str(tmp_path / "config"),
        "OCIS_BASE_DATA_PATH": str(tmp_path / "data"),
        "OCIS_URL": "https://cloud.example.org",
        "PROXY_TLS": "false",
        "PROXY_HTTP_ADDR": f"127.0.0.1:{port}",
        "PROXY_ENABLE_BASIC_AUTH": "true",
        "OCIS_INSECURE": "false",
        "IDM_ADMIN_PASSWORD": "first-password",
    }


def command(environment: dict[str, str], *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    call = [sys.executable, str(HERE / "applications" / "ocis.py"), *arguments]
    return subprocess.run(call, check=False, env=environment, input=text, capture_output=True, text=True)


@pytest.fixture
def ocis(environment: dict[str, str], port: int, start: Start) -> Program:
    assert command(environment, "init").returncode == 0
    return start("ocis", port, "server", **environment).wait()


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()


ADMIN = basic("first-password")


def test_init_happens_once(environment: dict[str, str], tmp_path: pathlib.Path) -> None:
    """A naive one writes new secrets, under which the data is lost."""
    first = command(environment, "init")
    config = tmp_path / "config" / "ocis.yaml"
    before = config.read_bytes()
    assert "first-password" in first.stdout
    assert config.stat().st_mode & 0o777 == 0o600
    second = command(environment, "init")
    assert (second.returncode, config.read_bytes()) == (1, before)
    assert "already exists" in second.stderr


def test_init_asks_where_nobody_can_answer(environment: dict[str, str], tmp_path: pathlib.Path) -> None:
    del environment["OCIS_INSECURE"]
    assert command(environment, "init").returncode == 1
    assert not (tmp_path / "config" / "ocis.yaml").exists()
    assert command(environment, "init", text="no\n").returncode == 0


def test_no_server_without_a_configuration(environment: dict[str, str], tmp_path: pathlib.Path) -> None:
    found = command(environment, "server")
    assert found.returncode == 1 and "jwt_secret" in found.stderr
    assert not (tmp_path / "data").exists()


def test_it_says_what_it_is(ocis: Program) -> None:
    status = ocis.ask("/status.php").json()
    assert (status["installed"], status["productversion"]) == (True, "7.1.3")
    assert ocis.ask("/.well-known/openid-configuration").json()["issuer"] == "https://cloud.example.org"
    assert b"stand-in" in ocis.ask("/").body
    assert "stand-in" in ocis.log.read_text()


def test_files_come_and_go(ocis: Program, environment: dict[str, str]) -> None:
    path = "/remote.php/dav/files/admin/a%20folder"
    assert ocis.ask(f"{path}/file", b"one", "PUT", Authorization=ADMIN).status == 409
    assert ocis.ask(path, method="MKCOL", Authorization=ADMIN).status == 201
    assert ocis.ask(path, method="MKCOL", Authorization=ADMIN).status == 405
    assert ocis.ask(f"{path}/file", b"one", "PUT", Authorization=ADMIN).status == 201
    assert ocis.ask(f"{path}/file", b"two", "PUT", Authorization=ADMIN).status == 204
    moved = ocis.ask(
        f"{path}/file",
        method="MOVE",
        Authorization=ADMIN,
        Destination="https://cloud.example.org/remote.php/webdav/other",
    )
    assert moved.status == 201
    assert ocis.ask("/remote.php/webdav/other", Authorization=ADMIN).body == b"two"
    assert ocis.ask(f"{path}/file", Authorization=ADMIN).status == 404
    assert b"<d:displayname>other<" in ocis.ask("/remote.php/webdav/", method="PROPFIND", Authorization=ADMIN).body
    assert ocis.ask("/remote.php/webdav/other", method="DELETE", Authorization=ADMIN).status == 204
    assert command(environment, "backup", "consistency", "--fail").returncode == 0


@pytest.mark.parametrize("harm", ["truncate", "remove"])
def test_harm_to_the_data_is_found(
    ocis: Program, environment: dict[str, str], tmp_path: pathlib.Path, harm: str
) -> None:
    """A naive check looks for the folders only."""
    ocis.ask("/remote.php/webdav/file", b"content", "PUT", Authorization=ADMIN)
    blob = next(path for path in (tmp_path / "data").rglob("blobs/*/*/*/*/*") if path.is_file())
    blob.write_bytes(b"") if harm == "truncate" else blob.unlink()
    found = command(environment, "backup", "consistency", "--fail")
    assert found.returncode == 1 and str(blob) in found.stdout


def test_passwords_are_asked_for_and_kept(ocis: Program, environment: dict[str, str], port: int, start: Start) -> None:
    """What the variable says later changes nothing, and the data can be opened by one process at a time."""
    assert ocis.ask("/graph/v1.0/me").status == 401
    assert ocis.ask("/graph/v1.0/me", Authorization=basic("wrong")).status == 401
    assert command(environment, "idm", "resetpassword", text="second\n").returncode == 1
    ocis.stop()
    again = start("ocis", port, "server", **{**environment, "IDM_ADMIN_PASSWORD": "changed"}).wait()
    assert again.ask("/graph/v1.0/me", Authorization=basic("changed")).status == 401
    assert again.ask("/graph/v1.0/me", Authorization=ADMIN).status == 200
    again.stop()
    assert command(environment, "idm", "resetpassword", text="second\n").returncode == 0
    last = start("ocis", port, "server", **environment).wait()
    assert last.ask("/graph/v1.0/me", Authorization=basic("second")).status == 200


def test_another_configuration_does_not_open_the_data(
    ocis: Program, environment: dict[str, str], port: int, start: Start
) -> None:
    ocis.stop()
    assert command(environment, "init", "--force-overwrite").returncode == 0
    foreign = start("ocis", port, "server", **environment).wait()
    assert foreign.ask("/graph/v1.0/me", Authorization=ADMIN).status == 401
    assert "does not belong to this data" in foreign.log.read_text()


def test_basic_authentication_is_off_by_default(environment: dict[str, str], port: int, start: Start) -> None:
    del environment["PROXY_ENABLE_BASIC_AUTH"]
    command(environment, "init")
    assert start("ocis", port, "server", **environment).wait().ask("/graph/v1.0/me", Authorization=ADMIN).status == 401


def test_a_token_needs_the_public_address(ocis: Program) -> None:
    """A naive one believes its own tokens, and a host on which containers do not find the public name passes."""
    login = ocis.ask("/signin/v1/identifier/_/logon", {"params": ["admin", "first-password", "1"]})
    assert ocis.ask("/signin/v1/identifier/_/logon", {"params": ["admin", "wrong", "1"]}).status == 204
    assert ocis.ask("/graph/v1.0/me", Authorization=f"Bearer {login.json()['access_token']}").status == 401
    assert "failed to authenticate" in ocis.log.read_text()
