# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Podman's and systemd's answers as plain values. The texts are what Podman 5.4.2 and systemd 257 print, shortened."""

from __future__ import annotations

import json

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils import command, podman, systemd
from ansible_collections.patriark.homelab.plugins.module_utils.account import Account
from ansible_collections.patriark.homelab.plugins.module_utils.errors import HomelabError


@pytest.fixture
def answers(monkeypatch):
    """Give ``command.run`` its answers, and collect what it was called with."""
    prepared, calls = [], []

    def run(argv, stdin="", timeout=60, environment=None):
        calls.append((list(argv), stdin))
        return prepared.pop(0)

    monkeypatch.setattr(command, "run", run)

    def prepare(out="", err="", code=0):
        prepared.append(command.Answer(code, out, err))
        return calls

    return prepare


def test_times_of_podman_and_systemd_agree():
    assert podman.timestamp("1970-01-01T01:00:00.5+01:00") == 0.5
    assert podman.timestamp("1970-01-02T00:00:00Z") == 86400
    assert systemd.timestamp("Thu 1970-01-01 00:00:00.500000 UTC") == 0.5
    assert systemd.timestamp("") is None
    with pytest.raises(HomelabError, match="cannot be read: yesterday"):
        podman.timestamp("yesterday")


def test_a_secret_shows_in_no_repr_and_goes_by_standard_input(answers):
    calls = answers(
        out=json.dumps([{"Spec": {"Name": "key"}, "UpdatedAt": "1970-01-01T00:00:01Z", "SecretData": "horse"}]),
        err='no such secret "other"',
        code=125,
    )
    found = podman.secrets(["other", "key"])
    assert found == {"key": podman.Secret(1.0, "horse")}
    assert "horse" not in repr(found)
    answers()
    podman.write_secret("key", "new horse")
    argv, stdin = calls[-1]
    assert "horse" not in " ".join(argv)
    assert stdin == "new horse"
    answers(err="Error: database is locked", code=125)
    with pytest.raises(HomelabError, match="database is locked"):
        podman.secrets(["key"])


def test_containers_are_read_with_unit_health_and_networks(answers):
    answers(
        out=json.dumps(
            [
                {
                    "Names": ["systemd-toy"],
                    "Labels": {"PODMAN_SYSTEMD_UNIT": "toy.service"},
                    "Image": "toy:1",
                    "ImageID": "abc",
                    "Status": "Up 2 seconds (healthy)",
                    "Networks": ["toy"],
                },
                {
                    "Names": None,
                    "Labels": None,
                    "Image": "",
                    "ImageID": "",
                    "Status": "Exited (0) 1 second ago",
                    "Networks": None,
                },
            ]
        )
    )
    assert podman.containers() == [
        podman.Container("systemd-toy", "toy.service", "toy:1", "abc", "healthy", ("toy",)),
        podman.Container("", "", "", "", None, ()),
    ]


def test_only_networks_that_nobody_uses_are_removed(answers):
    answers(err="Error: network is being used by 1 container", code=2)
    answers(err="Error: unable to find network: network not found", code=1)
    podman.remove_unused_networks(["used", "gone"])
    answers(err="Error: permission denied", code=125)
    with pytest.raises(HomelabError, match="permission denied"):
        podman.remove_unused_networks(["other"])


SHOWN = """Type=notify
RemainAfterExit=no
Result=success
LoadState=loaded
ActiveState=active
SubState=running
FragmentPath=/run/user/1000/systemd/generator/toy.service
NeedDaemonReload=yes
InactiveExitTimestamp=Thu 1970-01-01 00:00:01.000000 UTC
ActiveEnterTimestamp=Thu 1970-01-01 00:00:02.000000 UTC
Job=17

Type=oneshot
RemainAfterExit=no
Result=success
LoadState=loaded
ActiveState=inactive
SubState=dead
FragmentPath=
NeedDaemonReload=no
InactiveExitTimestamp=Thu 1970-01-01 00:00:01.000000 UTC
ActiveEnterTimestamp=
"""


def test_many_services_are_asked_for_at_once(answers):
    answers(out=SHOWN)
    found = systemd.show(["toy.service", "once.service"])
    toy, once = found["toy.service"], found["once.service"]
    assert (toy.active, toy.stale, toy.busy, toy.started, toy.active_since, toy.up, toy.finished) == (
        "active",
        True,
        True,
        1.0,
        2.0,
        True,
        False,
    )
    assert (once.busy, once.up, once.finished) == (False, False, True)
    assert systemd.show([]) == {}
    answers(out=SHOWN)
    with pytest.raises(HomelabError, match="asked for 1 units and told of 2"):
        systemd.show(["toy.service"])


def test_last_words_leave_out_what_podman_notes_of_itself(answers):
    identity = "0" * 64
    answers(
        out=f"Started toy.\n2026-01-01 00:00:00.0 +0000 UTC m=+0.1 container start {identity} (image=x)\n{identity}\n\ncannot read toy.conf\n"
    )
    assert systemd.last_words(Account("photos", 1000, 1000, "/home/photos"), "toy.service") == [
        "Started toy.",
        "cannot read toy.conf",
    ]


def test_a_program_that_fails_speaks_for_itself():
    failed = command.run(["sh", "-c", "echo first >&2; echo last >&2; exit 3"])
    assert (failed.code, failed.complaint) == (3, "first last")
    assert command.run(["false"]).complaint == "it ended with status 1 and said nothing"
    with pytest.raises(HomelabError, match="Cannot see: no"):
        command.output("see", ["sh", "-c", "echo no >&2; exit 1"])
    with pytest.raises(HomelabError, match="no-such-program is not installed"):
        command.run(["no-such-program"])
    with pytest.raises(HomelabError, match=r"no answer within 0\.1 seconds"):
        command.run(["sleep", "10"], timeout=0.1)
    assert command.output("pass it on", ["cat"], stdin="grün") == "grün"
    assert command.output("ask", ["sh", "-c", "echo $LC_ALL"]) == "C\n", "so that messages can be compared"
