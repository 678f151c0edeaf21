# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as a task of a playbook: progress, several hosts, check mode, async."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
from ansible_collections.patriark.homelab.tests.loop_btrfs.manifest import copy_on_write
from ansible_collections.patriark.homelab.tests.loop_btrfs.trees import write

# ansible-playbook, with a slice that ends after the first batch.
_SHORT_SLICES = """
import sys
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader()
from ansible_collections.patriark.homelab.plugins.action import btrfs_nocow
btrfs_nocow._SLICE = 0.0
from ansible.cli.playbook import main
main(sys.argv)
"""


@pytest.fixture
def played(filesystem, tmp_path):
    """Runs a task for each directory of the file system as if it were a host; what ansible-playbook printed."""

    def play(*options, hosts, keywords=None, **arguments):
        task = {
            "patriark.homelab.btrfs_nocow": {"path": f"{filesystem.path}/{{{{ inventory_hostname }}}}", **arguments},
            "register": "result",
            **(keywords or {}),
        }
        told = {"ansible.builtin.debug": {"var": "result"}}
        playbook = tmp_path / "playbook.yml"
        playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task, told]}]))
        variables = json.dumps({"ansible_python_interpreter": sys.executable})
        argv = ["-i", ",".join(hosts) + ",", "-c", "local", "-e", variables, *options, str(playbook)]
        done = subprocess.run([sys.executable, "-c", _SHORT_SLICES, *argv], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return play


@pytest.fixture
def many(filesystem):
    """Two directories with more files than a batch has."""
    for host in ("one", "two"):
        os.mkdir(f"{filesystem.path}/{host}")
        for number in range(4500):
            write(f"{filesystem.path}/{host}/{number}", b"data")
    return filesystem.path


def test_progress_is_shown_for_each_host_and_the_result_is_that_of_one_call(played, many):
    shown = played("-f", "20", hosts=["one", "two"])
    for host in ("one", "two"):
        line = re.compile(rf"^{host}: \d+ of 4500 files, .* of 17.6 KiB, .*/s, about .* left$", re.MULTILINE)
        assert line.search(shown), shown
        assert copy_on_write(f"{many}/{host}") == []
    assert shown.count('"converted": 4500') == 2
    assert "unfinished" not in shown


def test_check_mode_shows_no_progress_and_changes_nothing(played, many):
    shown = played("--check", "--diff", hosts=["one"])
    assert '"converted": 4500' in shown
    assert "+files: 4500 NOCOW, 0 copy-on-write" in shown
    assert "left" not in shown
    assert len(copy_on_write(f"{many}/one")) == 4501


def test_async_is_one_call_that_goes_on_by_itself(played, many):
    shown = played(hosts=["one"], keywords={"async": 120, "poll": 1})
    assert '"converted": 4500' in shown
    assert copy_on_write(f"{many}/one") == []


def test_a_refusal_is_a_failed_task_with_the_reasons(played, many):
    with open(f"{many}/one/1", "ab"):
        shown = played(hosts=["one"], keywords={"ignore_errors": True})
    assert "Nothing was changed in" in shown
    assert "open for writing" in shown
