# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pure parts of looking at a tree, refusing and saying."""

from __future__ import annotations

import os

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.btrfs import kernel, nocow, target, writers
from ansible_collections.patriark.homelab.plugins.module_utils.btrfs.staging import Entry
from ansible_collections.patriark.homelab.plugins.module_utils.btrfs.survey import (
    OBSTACLES,
    REFUSALS,
    Count,
    NotDone,
    Survey,
    Tree,
    Wish,
    join,
    obstacle,
)
from ansible_collections.patriark.homelab.plugins.module_utils.errors import HomelabError


@pytest.mark.parametrize(
    ("flags", "accept", "expected"),
    [
        (0, (), None),
        (kernel.NOT_COMPRESSED_FLAG, (), None),
        (kernel.COMPRESSED_FLAG, (), "compressed"),
        (kernel.COMPRESSED_FLAG, ("compressed",), None),
        (kernel.IMMUTABLE_FLAG, (), "immutable"),
        (kernel.APPEND_FLAG, ("compressed",), "immutable"),
        (kernel.VERITY_FLAG, ("compressed", "immutable"), "verity"),
    ],
)
def test_flags_are_judged(flags, accept, expected):
    assert obstacle(flags, Wish(accept=frozenset(accept))) == expected


def test_what_only_root_can_take_off_is_left_out_without_root(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert obstacle(kernel.IMMUTABLE_FLAG, Wish(accept=frozenset({"immutable"}))) == "held_for_root"
    assert "held_for_root" not in REFUSALS


def test_compression_is_no_obstacle_on_the_way_back():
    assert obstacle(kernel.COMPRESSED_FLAG, Wish(nocow=False)) is None


def test_every_refusal_has_its_words():
    assert set(REFUSALS) <= set(OBSTACLES)


@pytest.mark.parametrize("path", ["/", "/etc", "/usr/local/lib", "/var", "/var/lib", "/home", "/mnt", "/boot/efi"])
def test_the_systems_own_paths(path):
    assert target.is_system_path(path)


@pytest.mark.parametrize("path", ["/mnt/pool", "/home/photos/data", "/var/lib/postgresql", "/srv/data", "/etcetera"])
def test_paths_for_data(path):
    assert not target.is_system_path(path)


@pytest.mark.parametrize(
    ("fdinfo", "expected"),
    [
        ("pos:\t0\nflags:\t0100000\nmnt_id:\t29\n", False),
        ("pos:\t0\nflags:\t0100001\nmnt_id:\t29\n", True),
        ("pos:\t0\nflags:\t02100002\nmnt_id:\t29\n", True),
        ("pos:\t0\n", False),
    ],
)
def test_who_writes_by_a_descriptor(fdinfo, expected):
    assert writers.may_write(fdinfo) == expected


def test_who_writes_by_a_mapping():
    maps = (
        "7f0000000000-7f0000001000 rw-s 00000000 00:2a 257 /mnt/pool/shared\n"
        "7f0000002000-7f0000003000 r--s 00000000 00:2a 258 /mnt/pool/read\n"
        "7f0000004000-7f0000005000 rw-p 00000000 00:2a 259 /mnt/pool/private\n"
    )
    assert writers.shared_writable(maps) == ["7f0000000000-7f0000001000"]


def test_this_process_is_found(tmp_path):
    path = tmp_path / "file"
    with open(path, "wb") as stream:
        status = os.fstat(stream.fileno())
        file = (status.st_dev, status.st_ino)
        assert writers.writers([file])[file].startswith(f"pid {os.getpid()} ")
    assert writers.writers([file]) == {}


def test_the_list_of_what_is_left_out_is_bounded_and_its_number_is_not():
    noted = NotDone()
    for number in range(150):
        noted.obstacle(f"/{number}", "mount")
    assert (len(noted.listed), noted.total) == (100, 150)
    more = NotDone()
    more.merge(noted)
    more.merge(noted)
    assert (len(more.listed), more.total) == (100, 300)


def test_a_path_below_the_base():
    tree = Tree(-1, "/mnt/pool", top="data")
    assert tree.shown("") == "/mnt/pool"
    assert tree.shown(join("data", "file")) == "/mnt/pool/data/file"
    assert join("", "file") == "file"


@pytest.mark.parametrize("state", [True, False])
def test_what_could_not_be_turned_stays_what_it_was(state):
    counted = nocow._count(Count(nocow=1, converted=10, cow=2), 7, Wish(nocow=state))
    assert counted == ({"nocow": 1, "converted": 7, "cow": 5} if state else {"nocow": 4, "converted": 7, "cow": 2})


def test_the_difference_is_in_lines_a_person_reads():
    found = nocow._Found([Tree(-1, "/mnt/pool", "data")])
    result = {kind: {"nocow": 1, "converted": 2, "cow": 3} for kind in ("directories", "files", "bytes")}
    shown = nocow._difference(found, Wish(), result)
    assert shown["before_header"] == "/mnt/pool/data"
    assert shown["before"].splitlines()[1] == "files: 1 NOCOW, 5 copy-on-write"
    assert shown["after"].splitlines()[1] == "files: 3 NOCOW, 3 copy-on-write"


def test_what_snapshots_there_are_is_unknown_without_root():
    found = nocow._Found([Tree(-1, "/mnt/pool")], Survey(), snapshots=None)
    assert any(cost.startswith("Snapshots: unknown") for cost in nocow._costs(found, Wish()))


def test_each_name_of_a_file_has_its_own_in_the_staging_directory():
    entry = Entry("7.copy", 1, 2, 3, 4, 0, ["a", "b"])
    assert entry.staged_names() == ["7.copy.0", "7.copy.1"]
    assert Entry("7.copy", 1, 2, 3, 4, 0, ["a"]).staged_names() == ["7.copy"]


def test_owner_group_and_mode_of_a_new_directory():
    assert target.Creation("0", "0", "2750").ids() == (0, 0)
    assert target.Creation().ids() == (-1, -1)
    assert target.Creation(mode="2750").bits() == 0o2750
    assert target.Creation().bits() == 0o755
    for mode in ("rwx", "99", "777777"):
        with pytest.raises(HomelabError, match="octal"):
            target.Creation(mode=mode).bits()
    with pytest.raises(HomelabError, match="no-such-account"):
        target.Creation(owner="no-such-account").ids()
