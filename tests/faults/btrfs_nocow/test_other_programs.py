# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that write, rename, link, delete and create in the tree while it is converted lose nothing."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.btrfs import kernel, staging
from ansible_collections.patriark.homelab.tests.loop_btrfs.convert import convert_here
from ansible_collections.patriark.homelab.tests.loop_btrfs.filesystem import Filesystem
from ansible_collections.patriark.homelab.tests.loop_btrfs.manifest import copy_on_write, leftovers
from ansible_collections.patriark.homelab.tests.loop_btrfs.system_calls import started
from ansible_collections.patriark.homelab.tests.loop_btrfs.trees import write

_APPEND = "import sys; stream = open(sys.argv[1], 'ab', buffering=0); stream.write(b' and the end'); print('done')"


@pytest.fixture
def tree(shelf):
    """A small tree on a file system of its own."""
    with Filesystem("400M", owner=shelf) as filesystem:
        top = f"{filesystem.path}/tree"
        os.mkdir(top)
        for name in "abc":
            write(f"{top}/{name}", b"the beginning")
        yield top


@pytest.fixture
def at_sync(monkeypatch):
    """Let something happen when a conversion brings a batch to disk: at the first sync, before the exchange, or the second."""

    def arrange(which, action):
        numbers = iter(range(1, 1000))
        real = kernel.sync_filesystem

        def sync(descriptor):
            if next(numbers) == which:
                action()
            real(descriptor)

        monkeypatch.setattr(kernel, "sync_filesystem", sync)

    return arrange


def read(path):
    """All of a file."""
    with open(path, "rb") as stream:
        return stream.read()


def append(path):
    """Append to a file in another process, and wait until it has ended: it must not be held up."""
    assert subprocess.run([sys.executable, "-c", _APPEND, path], capture_output=True, check=True).stdout == b"done\n"


def test_a_file_that_is_written_to_after_it_was_copied_stays_as_it_is_and_is_named(tree, at_sync):
    """Fails where files are exchanged without another look at them."""
    at_sync(1, lambda: append(f"{tree}/b"))
    result = convert_here(tree)
    assert read(f"{tree}/b") == b"the beginning and the end"
    assert copy_on_write(tree) == [b"b"]
    assert [one["path"] for one in result["not_done"]] == [f"{tree}/b"]
    assert result["files"] == {"nocow": 0, "converted": 2, "cow": 1}
    assert leftovers(tree) == []


def test_a_file_that_is_opened_before_and_written_to_after_the_exchange_keeps_what_is_written(tree, at_sync):
    """Fails where only size and time are compared before the exchange: the bytes go to the old file, which is removed."""
    writers = []
    at_sync(1, lambda: writers.append(os.open(f"{tree}/b", os.O_WRONLY | os.O_APPEND)))
    at_sync(2, lambda: os.write(writers[0], b" and the end"))
    convert_here(tree)
    os.close(writers[0])
    assert read(f"{tree}/b") == b"the beginning and the end"


def test_what_is_written_to_a_file_after_the_exchange_is_in_the_new_one(tree, at_sync):
    at_sync(2, lambda: append(f"{tree}/b"))
    convert_here(tree)
    assert read(f"{tree}/b") == b"the beginning and the end"
    assert copy_on_write(tree) == []


def test_a_reader_of_the_old_file_that_begins_to_write_to_it_gets_it_back(tree, at_sync):
    """Fails where the old file is removed without a look at its lease."""
    reader = os.open(f"{tree}/b", os.O_RDONLY)
    at_sync(2, lambda: append(f"/proc/{os.getpid()}/fd/{reader}"))
    result = convert_here(tree)
    os.close(reader)
    assert read(f"{tree}/b") == b"the beginning and the end"
    assert [one["path"] for one in result["not_done"]] == [f"{tree}/b"]


def test_where_both_the_old_and_the_new_file_were_written_to_both_are_kept(tree, at_sync):
    reader = os.open(f"{tree}/b", os.O_RDONLY)

    def both():
        append(f"/proc/{os.getpid()}/fd/{reader}")
        write(f"{tree}/b", b"something else")

    at_sync(2, both)
    result = convert_here(tree)
    os.close(reader)
    kept = [name for name in os.listdir(tree) if ".kept-" in name]
    assert len(kept) == 1
    assert {read(f"{tree}/b"), read(f"{tree}/{kept[0]}")} == {b"the beginning and the end", b"something else"}
    assert kept[0] in result["not_done"][0]["reason"]


def kept_in(tree):
    """What the files hold that were kept beside others."""
    return [read(f"{tree}/{name}") for name in os.listdir(tree) if ".kept-" in name]


def test_what_is_written_to_the_new_file_while_the_old_one_comes_back_is_kept(tree, at_sync, monkeypatch):
    """Fails where what has lost its place is removed on the word of a look from before."""
    reader = os.open(f"{tree}/b", os.O_RDONLY)
    at_sync(2, lambda: append(f"/proc/{os.getpid()}/fd/{reader}"))
    real = staging.Staging.give_back

    def late(self, *given):
        append(f"{tree}/b")
        real(self, *given)

    monkeypatch.setattr(staging.Staging, "give_back", late)
    convert_here(tree)
    os.close(reader)
    assert read(f"{tree}/b") == b"the beginning and the end"
    assert kept_in(tree) == [b"the beginning and the end"]


def test_a_name_more_of_a_file_that_is_written_to_is_no_loss(tree):
    """A run that was killed while it joined parted hard links: fails where what is touched is kept whatever other names it has."""
    base = os.open(tree, os.O_RDONLY)
    os.link(f"{tree}/a", f"{tree}/other")
    left = staging.Staging.make(base, tree, True, lambda *_report: None)
    os.link(f"{tree}/a", "1.copy.joined", dst_dir_fd=left.descriptor)
    left.write_journal([staging.Entry("1.copy", 1, os.stat(f"{tree}/a").st_ino, 0, 0, 0, ["a", "other"])], {})
    os.close(left.descriptor)
    os.close(base)
    convert_here(tree)
    assert (kept_in(tree), copy_on_write(tree), leftovers(tree)) == ([], [], [])
    assert os.stat(f"{tree}/a").st_ino == os.stat(f"{tree}/other").st_ino


def moved(top):
    """Rename the directory."""
    os.rename(f"{top}/d", f"{top}/moved")


def moved_behind_a_link(top):
    """Rename it, and lead its old name there."""
    moved(top)
    os.symlink("moved", f"{top}/d")


@pytest.mark.parametrize("move", [moved, moved_behind_a_link])
def test_a_late_writers_bytes_are_kept_where_the_directory_has_moved(tree, at_sync, move):
    """Fails where the old file is removed because its place is no longer there."""
    os.mkdir(f"{tree}/d")
    write(f"{tree}/d/f", b"the beginning")
    reader = os.open(f"{tree}/d/f", os.O_RDONLY)

    def meddle():
        append(f"/proc/{os.getpid()}/fd/{reader}")
        move(tree)

    at_sync(2, meddle)
    result = convert_here(tree)
    os.close(reader)
    assert kept_in(tree) == [b"the beginning and the end"]
    assert any(".kept-" in one["reason"] for one in result["not_done"])
    assert read(f"{tree}/moved/f") == b"the beginning"


def test_the_times_of_a_directory_stay_where_a_file_in_it_comes_back(tree, at_sync):
    os.mkdir(f"{tree}/d")
    write(f"{tree}/d/f", b"the beginning")
    before = os.stat(f"{tree}/d").st_mtime_ns
    reader = os.open(f"{tree}/d/f", os.O_RDONLY)
    at_sync(2, lambda: append(f"/proc/{os.getpid()}/fd/{reader}"))
    convert_here(tree)
    os.close(reader)
    assert read(f"{tree}/d/f") == b"the beginning and the end"
    assert os.stat(f"{tree}/d").st_mtime_ns == before


def test_that_something_was_made_in_the_directory_meanwhile_stays_to_be_seen(tree, at_sync):
    """Fails where the directory simply gets its old times back: who looks for new files by them misses one."""
    made = []

    def make():
        write(f"{tree}/new", b"new")
        made.append(os.stat(tree).st_mtime_ns)

    at_sync(1, make)
    convert_here(tree)
    assert os.stat(tree).st_mtime_ns == made[0]


@pytest.mark.parametrize("which", [1, 2])
@pytest.mark.parametrize(
    ("meddle", "expected"),
    [
        (lambda top: os.rename(f"{top}/b", f"{top}/moved"), {"a": b"the beginning", "moved": b"the beginning"}),
        (lambda top: os.unlink(f"{top}/b"), {"a": b"the beginning"}),
        (lambda top: os.link(f"{top}/b", f"{top}/linked"), {"b": b"the beginning", "linked": b"the beginning"}),
        (
            lambda top: (write(f"{top}/.new", b"saved"), os.rename(f"{top}/.new", f"{top}/b")),
            {"b": b"saved"},
        ),
        (lambda top: os.chmod(f"{top}/b", 0o600), {"b": b"the beginning"}),
    ],
    ids=["rename", "delete", "link", "replace", "chmod"],
)
def test_what_is_done_to_names_meanwhile_stays_done(tree, at_sync, which, meddle, expected):
    """Fails where a copy is renamed over its file whatever is there by then."""
    at_sync(which, lambda: meddle(tree))
    convert_here(tree)
    names = set(os.listdir(tree))
    assert names == {"a", "c"} | set(expected) - {"c"} | ({"b"} & set(expected))
    assert {name: read(f"{tree}/{name}") for name in expected} == expected
    if "linked" in expected:
        assert os.stat(f"{tree}/b").st_ino == os.stat(f"{tree}/linked").st_ino
    if expected == {"b": b"the beginning"}:
        assert os.stat(f"{tree}/b").st_mode & 0o777 == 0o600
    assert leftovers(tree) == []


class Meddler:
    """Does things to a tree and knows what has to be in it."""

    def __init__(self, top, chance):
        self._top = top
        self._chance = chance
        self._number = 0
        self.contents = {}
        for _file in range(300):
            self.create()

    def _new(self):
        self._number += 1
        return f"{self._top}/{self._number}"

    def _any(self):
        return self._chance.choice(sorted(self.contents))

    def create(self):
        path = self._new()
        self.contents[path] = [self._chance.randbytes(self._chance.choice((10, 5000, 50000)))]
        write(path, self.contents[path][0])

    def rename(self):
        old, new = self._any(), self._new()
        os.rename(old, new)
        self.contents[new] = self.contents.pop(old)

    def link(self):
        old, new = self._any(), self._new()
        os.link(old, new)
        self.contents[new] = self.contents[old]

    def delete(self):
        path = self._any()
        os.unlink(path)
        del self.contents[path]

    def replace(self):
        path, data = self._any(), self._chance.randbytes(3000)
        write(f"{self._top}/.saved", data)
        os.rename(f"{self._top}/.saved", path)
        self.contents[path] = [data]

    def append(self):
        path, data = self._any(), self._chance.randbytes(100)
        with open(path, "ab") as stream:
            stream.write(data)
        self.contents[path][0] += data

    def something(self):
        getattr(self, self._chance.choice(("create", "rename", "link", "delete", "replace", "append")))()


def test_a_program_that_changes_the_tree_all_the_while_finds_it_as_it_left_it(shelf, chance, full, record_property):
    """Fails where leases are ignored (bytes appended are lost), and where copies are renamed over their files."""
    rounds = 20 if full else 1
    record_property("rounds", rounds)
    for _round in range(rounds):
        with Filesystem("800M", owner=shelf) as filesystem:
            top = f"{filesystem.path}/tree"
            os.mkdir(top)
            meddler = Meddler(top, chance)
            converted = 0
            # To and fro: files that are made in a directory which is turned already are right from the start.
            states = itertools.cycle(("present", "absent"))
            while converted < 150:
                # A part that goes on leaves out what the first would refuse for: here, names that appear while they are counted.
                running = started(top, files=20, goes_on=True, state=next(states))
                while running.poll() is None:
                    meddler.something()
                converted += json.loads(running.stdout.read())["files"]["converted"]
            found = {f"{top}/{name}": read(f"{top}/{name}") for name in os.listdir(top) if ".kept-" not in name}
            assert found.keys() == meddler.contents.keys()
            assert [path for path in found if found[path] != meddler.contents[path][0]] == []
            assert leftovers(top) == []
