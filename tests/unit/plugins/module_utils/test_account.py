# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose account is meant, and work that is done as it."""

from __future__ import annotations

import os
import signal

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils import account
from ansible_collections.patriark.homelab.plugins.module_utils.errors import HomelabError

ME = account.current()


def test_an_unknown_account_is_refused_by_name():
    with pytest.raises(HomelabError, match="nobody-has-this-name"):
        account.lookup("nobody-has-this-name")


def test_a_user_id_without_an_account_is_named(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000_000)
    with pytest.raises(HomelabError, match="4000000000"):
        account.current()


@pytest.mark.parametrize(
    ("uid", "user", "scope", "expected"),
    [
        (0, None, None, "system"),
        (0, ME.name, None, ME.name),
        (0, None, "user", "Root has no user scope"),
        (1000, None, None, ME.name),
        (1000, ME.name, None, ME.name),
        (1000, "somebody", None, "cannot work as somebody"),
        (1000, None, "system", "needs root"),
    ],
)
def test_scope_and_user(monkeypatch, uid, user, scope, expected):
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(account, "current", lambda: ME)
    try:
        found = account.resolve(user, scope)
    except HomelabError as exc:
        assert expected in exc.message
    else:
        assert (found.name if found else "system") == expected


def test_work_happens_in_another_process_and_comes_back():
    answer = account.run_as(ME, lambda: {"pid": os.getpid(), "home": os.environ["HOME"], "runtime": os.environ["XDG_RUNTIME_DIR"]})
    assert answer["pid"] != os.getpid()
    assert (answer["home"], answer["runtime"]) == (ME.home, f"/run/user/{ME.uid}")


def test_names_that_are_not_utf8_survive_the_way_back():
    assert account.run_as(ME, lambda: {"name": os.fsdecode(b"\xff")}) == {"name": os.fsdecode(b"\xff")}


def test_a_refusal_comes_back_as_one():
    def refuse():
        raise HomelabError("Nothing was touched.", path="/x")

    with pytest.raises(HomelabError, match="Nothing was touched") as caught:
        account.run_as(ME, refuse)
    assert caught.value.details == {"path": "/x"}


def test_an_operating_system_error_becomes_one_sentence():
    def fail():
        return {"text": open("/missing/file", encoding="utf-8").read()}

    with pytest.raises(HomelabError, match="/missing/file: No such file or directory"):
        account.run_as(ME, fail)


def test_a_killed_child_is_named_as_such():
    def die():
        os.kill(os.getpid(), signal.SIGKILL)
        return {}

    with pytest.raises(HomelabError, match="SIGKILL"):
        account.run_as(ME, die)


def test_a_fault_of_our_own_does_not_die_in_silence():
    with pytest.raises(HomelabError, match="KeyError"):
        account.run_as(ME, lambda: {"x": {}["missing"]})
