"""The report's fixes, and nothing else, on a host that somebody set up by hand.

Rendering the units anew, dumping services.yaml as YAML, a restart of all that was written to, or an order of tasks that
check mode cannot foresee: each of them fails here.
"""

from __future__ import annotations

import difflib
import http.client
import pathlib
import ssl
from collections.abc import Callable
from typing import Any

import pytest
from conftest import DYNAMIC, OCIS_DATA, SCENARIO, SERVICES_FILE, UNITS, Services, Story, Tree, play
from playbook_runs import CHECKOUT, run_playbook

# Per file that changes: the lines that go and those that come, in the order of the file.
CHANGED_LINES = {
    f"{UNITS}/immich-server.container": ["-AutoUpdate=registry"],
    f"{UNITS}/immich-ml.container": ["-AutoUpdate=registry"],
    f"{UNITS}/ocis.container": [
        "-Volume=/mnt/btrfs-pool/subvol1-docs:/var/lib/ocis/external/docs:ro",
        "-Volume=/mnt/btrfs-pool/subvol2-pics:/var/lib/ocis/external/pics:ro",
        "-Volume=/mnt/btrfs-pool/subvol3-opptak:/mnt/opptak:ro",
    ],
    SERVICES_FILE: [
        "-        ping: http://immich-server:2283/api/server/ping",
        "+            version: 2",
        "+        siteMonitor: http://immich-server:2283/api/server/ping",
    ],
}
NOCOW_TASK = "Make the data of oCIS NOCOW"
SOURCES = {
    f"{UNITS}/": SCENARIO / "files" / "units",
    SERVICES_FILE: SCENARIO / "files" / "config" / "homepage" / "services.yaml.txt",
}


def original(path: str) -> str:
    source = SOURCES.get(path) or SOURCES[f"{UNITS}/"] / pathlib.Path(path).name
    return source.read_text(encoding="utf-8")


def test_every_run_that_should_succeed_does(story: Story) -> None:
    for run in (story.foreseen, story.done, story.again):
        assert run.status == 0, run.printed


@pytest.mark.parametrize("path", CHANGED_LINES)
def test_exactly_the_intended_lines_differ(story: Story, host: Any, path: str) -> None:
    now = host.file(path).content_string
    differing = [line for line in difflib.unified_diff(original(path).split("\n"), now.split("\n"), n=0) if not line.startswith(("---", "+++", "@@"))]
    assert differing == CHANGED_LINES[path]


def test_everything_else_is_the_same_to_its_timestamps(story: Story) -> None:
    differing = {path for path in story.before.keys() | story.after.keys() if story.before.get(path) != story.after.get(path)}
    # A file is replaced by a rename, which its folder's time tells.
    folders = {str(pathlib.Path(path).parent) for path in CHANGED_LINES}
    assert differing == {*CHANGED_LINES, *folders}
    for path in CHANGED_LINES:
        assert story.before[path][:3] == story.after[path][:3], "mode and owner"


def test_check_mode_foresaw_it_and_wrote_nothing(story: Story) -> None:
    assert story.after_check == story.before
    assert len(story.done.changed) >= 5
    assert story.foreseen.changed == story.done.changed
    # While oCIS writes to its files no difference can be had of them, and a sentence stands for it.
    assert story.foreseen.diffs == [(task, diff) for task, diff in story.done.diffs if task != NOCOW_TASK]
    (said,) = [str(result["msg"]) for task, result in story.foreseen.tasks if task == NOCOW_TASK and "msg" in result and result.get("changed")]
    assert OCIS_DATA in said


def test_a_second_run_changes_nothing(story: Story) -> None:
    assert story.again.changed == []
    assert story.after_again == story.after
    assert story.containers_after_again == story.containers_after


def test_only_ocis_was_started_anew(story: Story) -> None:
    anew = {name for name, identity in story.containers_before.items() if story.containers_after[name] != identity}
    assert anew == {"ocis"}


def test_without_leave_the_mounts_are_named_and_nothing_is_touched(story: Story) -> None:
    assert story.refused.status != 0
    for place in (f"{UNITS}/ocis.container:14", "subvol2-pics", "ocis_remove_external_mounts"):
        assert place in story.refused.printed
    assert story.after_refusal == story.before


def test_ocis_no_longer_sees_the_shares_and_its_old_data_is_nocow(story: Story, host: Any, services: Services) -> None:
    inside = {mount["Destination"] for mount in services.inspect("ocis")["Mounts"]}
    assert inside >= {"/etc/ocis", "/var/lib/ocis", "/etc/localtime"}
    assert not {path for path in inside if "external" in path or "opptak" in path}
    for path in (OCIS_DATA, f"{OCIS_DATA}/old/holiday.mp4"):
        assert "C" in host.check_output(f"lsattr -d {path}").split()[0]


@pytest.mark.parametrize(
    ("name", "path", "said"),
    [("photos", "/api/server/ping", b"pong"), ("cloud", "/status.php", b"7.1.3"), ("home", "/", b"Homepage")],
)
def test_the_services_answer(story: Story, host: Any, name: str, path: str, said: bytes) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    port = host.ansible.get_variables()["homelab_https_port"]
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=context)
    connection.request("GET", path, headers={"Host": f"{name}.localhost:{port}"})
    answer = connection.getresponse()
    assert answer.status == 200
    assert said in answer.read()


FINDINGS = [
    (f"{DYNAMIC}/middleware.yml", 8, "rate-limit-public on the router immich-secure lets 200 requests per 1m"),
    (f"{DYNAMIC}/middleware.yml", 13, "the router ocis lets 100 requests per 1m"),
    (f"{DYNAMIC}/middleware.yml", 22, "3 attempts"),
    (f"{DYNAMIC}/middleware.yml", 26, "circuit breaker"),
    (f"{DYNAMIC}/middleware.yml", 29, "1073741824 bytes"),
    ("/home/photos/containers/config/traefik/traefik.yml", 8, "60 seconds"),
    (f"{UNITS}/ocis.container", 23, "OCIS_ADMIN_USER_PASSWORD"),
    (f"{UNITS}/ocis.container", 24, "no UUID"),
    (f"{UNITS}/ocis.container", 25, "STORAGE_USERS_OCIS_ROOT"),
    (SERVICES_FILE, 16, "Radio"),
    (SERVICES_FILE, 19, "ownCloud"),
    ("/etc/containers/systemd/users/redis-immich.container", 3, "8-bookworm"),
]


@pytest.mark.parametrize(("path", "line", "words"), FINDINGS)
def test_what_is_only_told_stands_with_its_line(story: Story, path: str, line: int, words: str) -> None:
    found = story.foreseen.result("Look at the host")["findings"]
    assert [one["fits"] for one in found if (one["path"], one["line"]) == (path, line) and words in one["what"]]


def test_the_middleware_of_another_router_is_not_told(story: Story) -> None:
    found = story.foreseen.result("Look at the host")["findings"]
    assert not [one for one in found if "the router dashboard" in one["what"]]


def test_the_list_is_said_as_a_table_and_written_as_markdown(story: Story) -> None:
    table = "\n".join(story.done.result("Verify")["msg"])
    markdown = (CHECKOUT / "tests" / "output" / "existing_host.md").read_text(encoding="utf-8")
    for words in ("Immich answers a ping", "2.3.1", "oCIS answers through the proxy", "HTTP 200", f"lsattr -d {OCIS_DATA}", "C (NOCOW)", "MiB"):
        assert words in table
        assert words in markdown
    assert "NOT OK" not in table


def test_no_secret_of_the_owner_is_printed(story: Story) -> None:
    for run in (story.refused, story.foreseen, story.done, story.again):
        for secret in ("hunter2hunter2", "canary-jwt-5f1d", "canary-ocis-77", "canary-homepage-key"):
            assert secret not in run.printed


def test_another_version_of_immich_is_refused(story: Story, picture: Callable[[], Tree]) -> None:
    refused = run_playbook(
        "patriark.homelab.report_fixes", [CHECKOUT / "molecule/shared/inventory.py"], "--extra-vars=homelab_user=photos immich_version=2.5.2"
    )
    assert refused.status != 0
    assert "2.3.1" in refused.printed and "2.5.2" in refused.printed
    assert picture() == story.after_again


def test_what_a_run_that_was_cut_off_wrote_is_put_into_force(story: Story, host: Any, services: Services) -> None:
    """Deciding by what this run changed leaves the old container running for good."""
    external = "Volume=/mnt/btrfs-pool/subvol1-docs:/var/lib/ocis/external/docs:ro"
    host.check_output(f"sed -i 's#^Volume=/etc/localtime#{external}\\n&#' {UNITS}/ocis.container")
    host.check_output(f"sed -i 's/^# keep it fresh$/&\\nAutoUpdate=registry/' {UNITS}/immich-server.container")
    services.run("systemctl", "--user", "daemon-reload")
    services.run("systemctl", "--user", "restart", "ocis")
    # As far as a run comes that is killed behind its last write.
    host.check_output(f"sed -i '/subvol1-docs/d' {UNITS}/ocis.container; sed -i /^AutoUpdate/d {UNITS}/immich-server.container")
    healed = play()
    assert (healed.status, healed.changed) == (0, ["Stop oCIS", "Start oCIS"]), healed.printed
    assert not [mount for mount in services.inspect("ocis")["Mounts"] if "external" in mount["Destination"]]
    runtime = f"/run/user/{host.user('photos').uid}"
    assert "AutoUpdate" not in host.file(f"{runtime}/systemd/generator/immich-server.service").content_string
    assert play().changed == []


def test_a_refusal_behind_the_stop_leaves_ocis_running(story: Story, host: Any, services: Services) -> None:
    """Refusing what oCIS itself has open fails the foreseen run; refusing nothing, or stopping outside of a block, fails here."""
    copied = f"{OCIS_DATA}/copied"
    host.check_output(f"mkdir {copied}; chattr -C {copied}; echo letter >{copied}/letter.txt; chown -R photos: {copied}")
    host.check_output(f"systemd-run --quiet --unit=holder sh -c 'exec sleep infinity 3>>{copied}/letter.txt'")
    refused = play()
    assert refused.status != 0
    assert "something has it open for writing" in refused.trouble and "letter.txt" in refused.trouble
    assert refused.changed == ["Stop oCIS", "Start oCIS"]
    assert services.active("ocis.service") == "active"
    host.check_output(f"systemctl stop holder; rm -r {copied}")
