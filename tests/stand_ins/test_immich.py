"""The stand-in for Immich on its own PostgreSQL and Valkey, all from the built images' layers. Needs root, for chroot."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import HERE, Program, free_port

ENTER = """
root=$1 account=$2; shift 2
mount --rbind /dev "$root/dev"
mount --bind /proc "$root/proc"
exec chroot --userspec="$account:$account" "$root" "$@"
"""


def inside(root: pathlib.Path, account: int, *command: str) -> list[str]:
    return [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-euc",
        ENTER,
        "sh",
        str(root),
        str(account),
        *command,
    ]


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The root file system of the Immich image, unpacked."""
    assert os.geteuid() == 0, "these tests need root: they run the images' programs in a chroot"
    build = subprocess.run([sys.executable, HERE, "build"], check=True, stdout=subprocess.PIPE, text=True)
    registry = pathlib.Path(build.stdout.strip())

    def blob(digest: str) -> pathlib.Path:
        return registry / "blobs" / "sha256" / digest.removeprefix("sha256:")

    index = json.loads(
        blob((registry / "tags" / "ghcr.io" / "immich-app" / "immich-server" / "v2.3.1").read_text()).read_text()
    )
    manifest = json.loads(blob(index["manifests"][0]["digest"]).read_text())
    folder = tmp_path_factory.mktemp("root")
    for layer in manifest["layers"]:
        with tarfile.open(blob(layer["digest"])) as archive:
            archive.extractall(folder, filter="fully_trusted")
    for name in ("dev", "proc"):
        (folder / name).mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def servers(root: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """PostgreSQL and Valkey, as variables for Immich."""
    logs = tmp_path_factory.mktemp("logs")
    database, cache = free_port(), free_port()
    options = ["-p", str(database), "-c", "fsync=off", "-c", "dynamic_shared_memory_type=mmap"]
    path = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    running = [
        Program(
            inside(root, 999, "postgresql.sh", "postgres", *options),
            {**path, "PGDATA": "/var/lib/postgresql/data", "POSTGRES_PASSWORD": "password"},
            database,
            logs / "postgresql",
        ),
        Program(
            inside(root, 999, "valkey.sh", "valkey-server", "--port", str(cache), "--save", ""),
            path,
            cache,
            logs / "valkey",
        ),
    ]
    try:
        for program in running:
            program.wait()
        yield {
            **path,
            "DB_HOSTNAME": "127.0.0.1",
            "DB_PORT": str(database),
            "DB_PASSWORD": "password",
            "REDIS_HOSTNAME": "127.0.0.1",
            "REDIS_PORT": str(cache),
        }
    finally:
        for program in running:
            program.stop()


class Household:
    """One Immich installation of its own: a database, a folder for media, and the versions that run on it."""

    number = 0

    def __init__(self, root: pathlib.Path, servers: dict[str, str], logs: pathlib.Path) -> None:
        Household.number += 1
        self.root, self.logs = root, logs
        self.name = f"immich{Household.number}"
        self.media = root / "media" / self.name
        self.media.mkdir(parents=True)
        self.environment = {**servers, "DB_DATABASE_NAME": self.name, "IMMICH_MEDIA_LOCATION": f"/media/{self.name}"}
        self.running: list[Program] = []
        self.sql(f"CREATE DATABASE {self.name}", "postgres")

    def sql(self, statement: str, database: str | None = None) -> list[str]:
        call = [
            "psql",
            "-h",
            "127.0.0.1",
            "-p",
            self.environment["DB_PORT"],
            "-U",
            "postgres",
            "-d",
            database or self.name,
            "-qAt",
            "-c",
            statement,
        ]
        environment = {**os.environ, **self.environment, "PGPASSWORD": "password"}
        done = subprocess.run(
            inside(self.root, 999, *call), check=True, env=environment, capture_output=True, text=True
        )
        return done.stdout.splitlines()

    def begin(self, version: str, faults: dict[str, Any] | None = None, **environment: str) -> Program:
        self.stop()
        port = free_port()
        more = {"STAND_IN_VERSION": version, "IMMICH_PORT": str(port), "STAND_IN_FAULTS": json.dumps(faults or {})}
        log = self.logs / f"{self.name}-{version}-{len(self.running)}.log"
        self.running.append(
            Program(inside(self.root, 0, "immich-server"), {**self.environment, **more, **environment}, port, log)
        )
        return self.running[-1]

    def run(self, version: str, faults: dict[str, Any] | None = None, **environment: str) -> Program:
        return self.begin(version, faults, **environment).wait()

    def refused(self, version: str, faults: dict[str, Any] | None = None, **environment: str) -> str:
        program = self.begin(version, faults, **environment)
        said = program.ended()
        assert program.process.returncode == 1
        return said

    def stop(self) -> None:
        for program in self.running:
            program.stop()


@pytest.fixture
def household(root: pathlib.Path, servers: dict[str, str], tmp_path: pathlib.Path) -> Iterator[Household]:
    made = Household(root, servers, tmp_path)
    yield made
    made.stop()


PERSON = {"email": "admin@example.org", "password": "password", "name": "Admin"}


def key_of(immich: Program, permissions: list[str], email: str = PERSON["email"]) -> str:
    """A new API key of that person; the administrator signs up on the way."""
    immich.ask("/api/auth/admin-sign-up", PERSON)
    login = immich.ask("/api/auth/login", {"email": email, "password": "password"}).json()
    made = immich.ask(
        "/api/api-keys", {"name": "k", "permissions": permissions}, Authorization=f"Bearer {login['accessToken']}"
    )
    secret: str = made.json()["secret"]
    return secret


def upload(immich: Program, key: str, name: str, content: bytes) -> Any:
    form = (
        b'--b\r\nContent-Disposition: form-data; name="assetData"; filename="%s"\r\nContent-Type: image/jpeg\r\n\r\n%s\r\n--b--\r\n'
        % (name.encode(), content)
    )
    return immich.ask("/api/assets", form, Content_Type="multipart/form-data; boundary=b", x_api_key=key)


def counts(immich: Program, key: str) -> tuple[int, int]:
    found = immich.ask("/api/server/statistics", x_api_key=key).json()
    return found["photos"], found["videos"]


# ---- starts and upgrades


def test_it_listens_only_after_its_migrations(household: Household) -> None:
    """A naive one listens first, and a gate that asks for an open port passes too early."""
    immich = household.begin("v2.3.1", {"migration_seconds": 0.6})
    while not household.sql("SELECT to_regclass('public.kysely_migrations')")[0]:
        assert immich.process.poll() is None
    assert not immich.listens()
    immich.wait()
    assert "v2.3.1" in household.sql('SELECT \'v\' || "version" FROM "version_history"')
    assert {"asset", "user", "album", "album_asset", "asset_exif", "library"} <= set(
        household.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    )


def test_an_upgrade_through_all_versions_keeps_everything(household: Household) -> None:
    immich = household.run("v1.117.0")
    key = key_of(immich, ["all"])
    assert upload(immich, key, "one.jpg", b"one").json()["status"] == "created"
    assert {"assets", "users", "albums"} <= set(
        household.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    )
    assert "typeorm-upgrade" in household.refused("v2.3.1")
    for version in ("v1.118.0", "v1.132.3", "v2.2.3", "v2.3.1", "v2.5.2", "v3.0.3"):
        immich = household.run(version)
        assert counts(immich, key) == (1, 0)
        assert immich.ask("/api/server/version").json() == dict(
            zip(("major", "minor", "patch"), map(int, version[1:].split(".")), strict=True)
        )
    assert "corrupted migrations" in household.refused("v2.3.1")
    assert counts(household.run("v3.0.3"), key) == (1, 0)


def test_a_migration_that_fails_leaves_what_the_old_version_refuses(household: Household) -> None:
    household.run("v2.3.1")
    assert "told to" in household.refused("v2.5.2", {"only": "v2.5.2", "migration_fails": True})
    assert "corrupted migrations" in household.refused("v2.3.1", {"only": "v2.5.2", "migration_fails": True})


def test_no_database_no_start(household: Household) -> None:
    household.environment["DB_PASSWORD"] = "wrong"
    immich = household.begin("v2.3.1")
    for _attempt in range(100):
        if "password authentication failed" in immich.log.read_text():
            break
        with contextlib.suppress(subprocess.TimeoutExpired):
            immich.process.wait(0.1)
    assert "password authentication failed" in immich.log.read_text()
    assert not immich.listens()


def test_a_password_from_a_file(household: Household) -> None:
    (household.root / "tmp" / "password").write_text("password\n")
    del household.environment["DB_PASSWORD"]
    household.run("v2.3.1", DB_PASSWORD_FILE="/tmp/password")


def test_an_empty_folder_in_the_place_of_the_photos(household: Household) -> None:
    """A naive one starts, and shows photos that are not there."""
    household.run("v2.3.1")
    (household.media / "upload" / ".immich").unlink()
    assert "Is the right disk mounted?" in household.refused("v2.3.1")
    household.run("v2.3.1", IMMICH_IGNORE_MOUNT_CHECK_ERRORS="true")


# ---- the API


@pytest.mark.parametrize(
    ("version", "path", "status"),
    [
        ("v1.117.0", "/api/server-info/version", 200),
        ("v1.117.0", "/api/server-info/stats", 404),
        ("v1.117.0", "/api/server/version", 200),
        ("v1.118.0", "/api/server-info/version", 404),
        ("v1.118.0", "/api/server/version", 200),
        ("v3.0.3", "/api/server/stats", 404),
    ],
)
def test_which_version_has_which_address(household: Household, version: str, path: str, status: int) -> None:
    found = household.run(version).ask(path)
    assert found.status == status
    if status == 404:
        assert found.json()["message"] == f"Cannot GET {path}"


def test_keys(household: Household) -> None:
    immich = household.run("v2.3.1")
    everything, little = key_of(immich, ["all"]), key_of(immich, ["server.about"])
    immich.ask("/api/admin/users", {**PERSON, "email": "other@example.org"}, x_api_key=everything)
    other = key_of(immich, ["all"], "other@example.org")

    def refusal(key: str | None, path: str = "/api/server/statistics") -> tuple[int, Any]:
        found = immich.ask(path, **({"x_api_key": key} if key is not None else {}))
        return found.status, found.json().get("message")

    assert refusal(everything) == (200, None)
    assert refusal("wrong") == refusal("undefined") == (401, "Invalid API key")
    assert refusal(None) == refusal("") == (401, "Authentication required")
    assert refusal(little) == (403, "Missing required permission: server.statistics")
    assert refusal(little, "/api/server/about") == (200, None)
    assert refusal(other) == (403, "Forbidden")
    head = immich.ask("/api/server/ping", method="HEAD")
    assert (head.status, head.body) == (200, b"")


def test_a_file_is_there_when_the_answer_is(household: Household) -> None:
    immich = household.run("v2.3.1")
    key = key_of(immich, ["all"])
    first = upload(immich, key, "a.jpg", b"content")
    again = upload(immich, key, "b.jpg", b"content")
    assert (first.status, again.status, again.json()) == (201, 200, {"id": first.json()["id"], "status": "duplicate"})
    assert immich.ask(f"/api/assets/{first.json()['id']}/original", x_api_key=key).body == b"content"
    assert [path.read_bytes() for path in household.media.rglob("*.jpg")] == [b"content"]
    assert upload(immich, key, "a.txt", b"content").status == 400


def test_an_external_library_that_goes_offline(household: Household) -> None:
    """Its photos vanish from the counts and every health check stays green; they are back when the folder is."""
    immich = household.run("v2.3.1")
    key = key_of(immich, ["all"])
    folder = household.root / "media" / f"{household.name}-library"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(b"%d" % number)
    owner = immich.ask("/api/users/me", x_api_key=key).json()["id"]
    library = immich.ask(
        "/api/libraries", {"ownerId": owner, "importPaths": [f"/media/{folder.name}"]}, x_api_key=key
    ).json()["id"]
    seen = []
    for where in (folder, folder.with_name("elsewhere"), folder):
        (folder if folder.exists() else folder.with_name("elsewhere")).rename(where)
        assert immich.ask(f"/api/libraries/{library}/scan", b"", x_api_key=key).status == 204
        offline = household.sql('SELECT count(*) FROM "asset" WHERE "isOffline" AND "deletedAt" IS NOT NULL')[0]
        seen.append((counts(immich, key), offline, immich.ask("/api/server/ping").status))
    assert seen == [((3, 0), "0", 200), ((0, 0), "3", 200), ((3, 0), "0", 200)]


# ---- the page


def modules_of(immich: Program) -> list[str]:
    return sorted(set(re.findall(r"/_app/immutable/[\w./-]+", immich.ask("/").body.decode())))


def test_the_page_and_its_modules(household: Household) -> None:
    immich = household.run("v2.3.1")
    page = immich.ask("/")
    assert (page.headers["Cache-Control"], b"stand-in" in page.body) == ("no-store", True)
    modules = modules_of(immich)
    assert len(modules) > 100
    for path in modules:
        found = immich.ask(path)
        assert (found.status, found.headers["Cache-Control"]) == (200, "public,max-age=31536000,immutable")
        assert found.headers["Content-Type"] in ("text/javascript", "text/css")
    # What is not there is 200 and HTML: a check of the status alone does not see it.
    missing = immich.ask("/_app/immutable/nodes/0.00000000.js")
    assert (missing.status, missing.headers["Content-Type"].split(";")[0], missing.headers["Cache-Control"]) == (
        200,
        "text/html",
        "no-store",
    )
    version = immich.ask("/_app/version.json")
    assert version.json()["version"] == "v2.3.1" and version.headers["Cache-Control"] is None
    assert not set(modules) & set(modules_of(household.run("v2.5.2")))


def test_maintenance_mode(household: Household) -> None:
    immich = household.run("v2.3.1")
    admin = inside(household.root, 0, "immich-admin", "enable-maintenance-mode")
    subprocess.run(admin, check=True, env={**os.environ, **household.environment, "STAND_IN_VERSION": "v2.3.1"})
    assert immich.ask("/api/server/config").json()["maintenanceMode"] is True
    assert (immich.ask("/photos").status, immich.ask("/photos").headers["Location"]) == (302, "/maintenance")


# ---- the websocket


def frames(connection: socket.socket) -> Callable[[], str]:
    stream = connection.makefile("rb")
    assert b" 101 " in stream.readline()
    while stream.readline().strip():
        pass

    def receive() -> str:
        first, second = stream.read(2)
        assert first == 0x81
        length = second if second < 126 else struct.unpack("!H", stream.read(2))[0]
        text: bytes = stream.read(length)
        return text.decode()

    return receive


def dial(immich: Program) -> tuple[socket.socket, Callable[[], str]]:
    connection = socket.create_connection(("127.0.0.1", immich.port), timeout=2)
    key = base64.b64encode(os.urandom(16))
    connection.sendall(
        b"GET /api/socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
        b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n"
    )
    return connection, frames(connection)


def test_the_websocket_answers(household: Household) -> None:
    connection, receive = dial(household.run("v2.3.1"))
    assert receive().startswith('0{"sid"')
    connection.sendall(b"\x81\x82\0\0\0\0" + b"40")
    assert receive().startswith('40{"sid"')
    assert '"on_server_version"' in receive()
    connection.close()


# ---- faults


def test_faults(household: Household) -> None:
    immich = household.run(
        "v2.3.1", {"status": {"/api/server/ping": 0, "/api/": 500}, "modules_missing": 2, "websocket_dead": True}
    )
    assert immich.ask("/api/server/ping").status == 200
    assert immich.ask("/api/server/version").status == 500
    missing = [path for path in modules_of(immich) if immich.ask(path).headers["Content-Type"].startswith("text/html")]
    assert len(missing) == 2
    control = household.root / "stand-in" / "faults.json"
    control.write_text('{"websocket_dead": true}')
    try:
        assert immich.ask("/api/server/version").status == 200
        connection, receive = dial(immich)
        with pytest.raises(TimeoutError):
            receive()
        connection.close()
    finally:
        control.unlink()


def test_photos_that_are_lost_in_an_upgrade(household: Household) -> None:
    immich = household.run("v2.3.1")
    key = key_of(immich, ["all"])
    upload(immich, key, "a.jpg", b"content")
    immich = household.run("v2.5.2", {"assets_lost": True})
    assert (counts(immich, key), immich.ask("/api/server/ping").json()) == ((0, 0), {"res": "pong"})
