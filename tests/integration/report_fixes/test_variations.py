"""Hand-made hosts that differ from the report's: what each of them catches is said with it.

Most units are not started: what is pinned, and where, can be told from the files of an exact version alone.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

SERVER = "ghcr.io/immich-app/immich-server"
ML = "ghcr.io/immich-app/immich-machine-learning"
OCIS = "docker.io/owncloud/ocis:7.1.3"
DIGEST = "sha256:" + "a" * 64
AUTO = "AutoUpdate=registry\n"


def unit(image: str, more: str = "") -> str:
    return f"# mine\n[Container]\nImage={image}\n{more}"


def immich(more: str = AUTO, tag: str = ":v2.3.1") -> dict[str, Any]:
    return {"immich-server.container": unit(SERVER + tag, more), "immich-ml.container": unit(ML + tag, more)}


def test_rootful(trees: Any) -> None:
    """Catches looking into an account's folders and asking an account's systemd, where the units are the system's."""
    trees.lay({f"/etc/containers/systemd/{name}": text for name, text in immich().items()}, owner="root")
    _done, changed = trees.story(user="")
    gone = ["-AutoUpdate=registry"]
    assert changed == {"/etc/containers/systemd/immich-server.container": gone, "/etc/containers/systemd/immich-ml.container": gone}


def test_no_auto_update(trees: Any) -> None:
    """Catches writing a file that is right already: its time would tell."""
    trees.lay(immich(more=""))
    done, changed = trees.story()
    assert (done.changed, changed) == ([], {})


def test_digest_pins_already(trees: Any) -> None:
    """Catches taking a digest for no pin, and putting a tag in its place."""
    trees.lay(immich(more="", tag=f"@{DIGEST}"))
    done, changed = trees.story()
    assert (done.changed, changed) == ([], {})


def test_a_version_that_cannot_be_compared_is_said(trees: Any) -> None:
    """Catches letting another version than the one that is asked for pass without a word, and a digest that costs another image its tag."""
    trees.lay({"immich-server.container": unit(f"{SERVER}@{DIGEST}", AUTO), "immich-ml.container": unit(f"{ML}:v2.3.1@{DIGEST}")})
    done, changed = trees.story(immich_version="9.9.9")
    assert changed == {f"{trees.units}/immich-server.container": ["-AutoUpdate=registry"]}
    (said,) = [one for one in done.result("Look at the host")["left_alone"] if "9.9.9" in one]
    assert f"{trees.units}/immich-server.container:3" in said


def test_a_drop_in_with_the_image(trees: Any) -> None:
    """Catches pinning the unit's own line, which the drop-in outdoes."""
    files = immich(tag=":release", more="")
    files["immich-server.container.d/version.conf"] = f"[Container]\nImage={SERVER}:v2.3.1\n{AUTO}"
    files["immich-.container.d/version.conf"] = "[Container]\n"
    files["immich-ml.container"] = unit(f"{ML}:v2.3.1")
    trees.lay(files)
    _done, changed = trees.story()
    assert changed == {f"{trees.units}/immich-server.container.d/version.conf": ["-AutoUpdate=registry"]}


def test_image_units(trees: Any) -> None:
    """Catches looking for Immich by Image= in the container, which names another unit here."""
    files = {"immich-server.container": unit("photos.image", AUTO), "photos.image": f"[Image]\nImage={SERVER}:v2.3.1\n"}
    trees.lay(files)
    _done, changed = trees.story()
    assert changed == {f"{trees.units}/immich-server.container": ["-AutoUpdate=registry"]}


def test_a_unit_folder_that_is_a_link_into_a_git_checkout(trees: Any) -> None:
    """Catches putting a folder or a file in the place of a link, and leaving a file that git would show as new."""
    files = {f"~/checkout/units/{name}": text for name, text in immich().items()}
    trees.lay({**files, "~/checkout/.git/HEAD": "ref: refs/heads/main\n", trees.units: {"to": f"{trees.home}/checkout/units"}})
    _done, changed = trees.story()
    assert {path.rpartition("/")[2] for path in changed} == {"immich-server.container", "immich-ml.container"}
    assert trees.host.shell("readlink", trees.units).strip() == f"{trees.home}/checkout/units"


LABELS = (
    'Label="traefik.http.routers.photos.rule=Host(`photos.example.org`)" traefik.http.routers.photos.middlewares=slow,again@file\n'
    "Label=traefik.http.middlewares.slow.ratelimit.average=200\nLabel=traefik.http.middlewares.slow.ratelimit.period=1m\n"
)


def test_traefik_labels_instead_of_files(trees: Any) -> None:
    """Catches reading the dynamic folder alone, and taking the command line for no configuration."""
    arguments = "Exec=--entrypoints.websecure.address=:443 --providers.file.directory=/dynamic\nVolume=%h/config:/dynamic\n"
    files = {"immich-server.container": unit(f"{SERVER}:v2.3.1", LABELS), "proxy.container": unit("docker.io/library/traefik:v3.7.15", arguments)}
    trees.lay({**files, "~/config/more.yml": "http:\n  middlewares:\n    again:\n      retry: {attempts: 4}\n"})
    done, changed = trees.story()
    assert changed == {}
    told = {(one["path"], one["line"]): one["what"] for one in done.result("Look at the host")["findings"] if one["service"] == "traefik"}
    assert "200 requests per 1m" in told[(f"{trees.units}/immich-server.container", 5)]
    assert "4 attempts" in told[(f"{trees.home}/config/more.yml", 4)]
    assert "no readTimeout" in told[(f"{trees.units}/proxy.container", 4)]


def test_the_units_of_another_user_than_the_one_that_connects(trees: Any) -> None:
    """Catches taking the connection's home for the account's: an admin connects, becomes root, and means photos.

    Without pipelining it takes setfacl to become photos, which a host need not have.
    """
    trees.host.shell("bash", "-euc", "rm --force $(command -v setfacl)")
    trees.host.shell("bash", "-euc", "id admin >/dev/null 2>&1 || useradd --create-home admin; echo 'admin ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/admin")
    trees.lay(immich())
    _done, changed = trees.story(ansible_user="admin", ansible_become=True)
    assert set(changed) == {f"{trees.units}/immich-server.container", f"{trees.units}/immich-ml.container"}


def test_a_connecting_account_without_root(trees: Any) -> None:
    """Catches every task that needs root or sudo for what is the account's own."""
    external = "Volume=%h/config:/etc/ocis\nVolume=%h/checkout:/var/lib/ocis/external:ro\n"
    trees.lay(immich() | {"ocis.container": unit(OCIS, external), "~/checkout/letter.txt": "letter", "~/config/ocis.yaml": ""})
    _done, changed = trees.story(ansible_user="photos", ocis_remove_external_mounts=True)
    assert changed[f"{trees.units}/ocis.container"] == ["-Volume=%h/checkout:/var/lib/ocis/external:ro"]
    assert len(changed) == 3


def test_a_floating_tag_is_pinned_to_what_runs(trees: Any) -> None:
    """Catches pinning to what the tag means today in the registry, or by a restart."""
    trees.lay(immich(tag=":release", more=f"{AUTO}Pull=never\nEntrypoint=sleep\nExec=infinity\nStopTimeout=0\n"))
    for repository in (SERVER, ML):
        trees.host.as_account(f"podman pull -q {repository}:v2.3.1; podman tag {repository}:v2.3.1 {repository}:release")
    trees.host.as_account("systemctl --user daemon-reload; systemctl --user restart immich-server immich-ml")
    running = trees.host.as_account("podman ps --format {{.ID}} | sort")
    _done, changed = trees.story()
    for repository, name in ((SERVER, "immich-server"), (ML, "immich-ml")):
        *gone, came = changed[f"{trees.units}/{name}.container"]
        assert gone == [f"-Image={repository}:release", "-AutoUpdate=registry"]
        assert came.startswith(f"+Image={repository}:v2.3.1@sha256:")
        trees.host.as_account(f"podman image exists {came.removeprefix('+Image=').replace(':v2.3.1@', '@')}")
    assert trees.host.as_account("podman ps --format {{.ID}} | sort") == running
    trees.host.as_account("systemctl --user stop immich-server immich-ml")


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({**immich(), "notes.container": "remember the milk\n"}, "Quadlet cannot read"),
        ({"blog.container": unit("registry.example.org/busybox:1")}, "No unit of Immich, oCIS, Homepage or Traefik was found"),
    ],
    ids=["a broken unit", "nothing known"],
)
def test_a_host_that_is_not_understood_is_left_alone(trees: Any, files: dict[str, Any], sentence: str) -> None:
    """Catches working with half of the units, where Quadlet itself has dropped the folder."""
    trees.lay(files)
    done, changed = trees.story()
    assert (done.changed, changed) == ([], {})
    assert sentence in done.result("Look at the host")["not_understood"]


def test_a_host_without_immich_and_homepage_gets_the_rest(trees: Any) -> None:
    """Catches a failure on what is not there, and a restart of what somebody stopped."""
    external = "Volume=%h/config:/var/lib/ocis\nVolume=%h/checkout:/mnt/shares\n"
    trees.lay({"ocis.container": unit(OCIS, external), "~/checkout/letter.txt": "letter", "~/config/x": ""})
    done, changed = trees.story(ocis_remove_external_mounts=True)
    assert changed == {f"{trees.units}/ocis.container": ["-Volume=%h/checkout:/mnt/shares"]}
    assert "Start oCIS" not in done.changed


def test_what_is_not_understood_in_one_part_does_not_keep_the_rest_back(trees: Any) -> None:
    """Catches giving up on a file with Go templates, a variable in Image=, or two units of one application."""
    files = {
        "immich-server.container": unit(f"{SERVER}:${{VERSION}}"),
        "ocis.container": unit(OCIS, "Volume=%h/checkout:/mnt/shares\n"),
        "homepage.container": unit("ghcr.io/gethomepage/homepage:v1.7.0"),
    }
    files["proxy.container"] = unit("docker.io/library/traefik:v3.7.15", "Exec=--providers.file.directory=/dynamic\nVolume=%h/config:/dynamic\n")
    trees.lay({**files, "~/config/x.yml": 'http:\n{{ range $i, $e := until 3 }}\n  x: y\n{{ end }}\n', "~/checkout/letter.txt": ""})
    done, changed = trees.story(ocis_remove_external_mounts=True)
    assert list(changed) == [f"{trees.units}/ocis.container"]
    left_alone = json.dumps(done.result("Look at the host")["left_alone"])
    for words in ("systemd fills in", "x.yml, line 2", "no services.yaml"):
        assert words in left_alone
