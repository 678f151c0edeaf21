# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that look for this one."""

from __future__ import annotations

import os
import time

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.btrfs import helpers


def test_a_large_answer_arrives_whole():
    with helpers.helper(lambda: "x" * 5_000_000) as answer:
        assert answer() == "x" * 5_000_000


def test_a_process_that_fails_has_no_answer():
    with helpers.helper(lambda: 1 // 0) as answer:
        assert answer() is None
    with helpers.helper(lambda: os._exit(0)) as answer:
        assert answer() is None


def test_without_a_process_there_is_no_answer(monkeypatch):
    def refused():
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", refused)
    with helpers.helper(lambda: 1) as answer:
        assert answer() is None


# Without the end in `finally` the process outlives the one that has stopped asking.
def test_nobody_who_is_no_longer_asked_is_left():
    with pytest.raises(ValueError, match="stopped"), helpers.helper(lambda: time.sleep(60)):
        raise ValueError("stopped")
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
