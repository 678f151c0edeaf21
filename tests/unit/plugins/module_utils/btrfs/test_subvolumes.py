# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is described, and what differs from it: the part that decides, without a file system."""

from __future__ import annotations

import pwd

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils import account
from ansible_collections.patriark.homelab.plugins.module_utils.btrfs import pool, subvolumes
from ansible_collections.patriark.homelab.plugins.module_utils.errors import HomelabError

ME = account.current()
GROUP = subvolumes.Owner("photos", "photos", 1000, 1000)


def described(check_mode=False, **more):
    subvolume = {"path": "/mnt/pool/immich", "owner": ME.name, "mode": "0750", **more}
    return subvolumes.describe("/mnt/pool", [subvolume], subvolumes.Ids(check_mode))


def wanted(**more):
    return subvolumes.Wanted(("immich",), GROUP, 0o750, **more)


def found(**more):
    whole = {
        "uid": 1000,
        "gid": 1000,
        "mode": 0o750,
        "subvolume": True,
        "nocow": False,
        "marked": False,
        "occupied": False,
        "in_pool": True,
    }
    return pool.Found(**{**whole, **more})


def changes(want, have):
    return [change.what for change in subvolumes.differences(want, have, "/mnt/pool/immich")]


def test_parents_come_before_what_is_in_them():
    directories = [{"path": "database", "mode": "0700"}, {"path": "database/wal", "mode": "0700", "nocow": True}]
    assert [one.parts for one in described(directories=directories)] == [
        ("immich",),
        ("immich", "database"),
        ("immich", "database", "wal"),
    ]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"path": "/mnt/pool"}, "does not lie below the pool"),
        ({"path": "/mnt/pool2/immich"}, "does not lie below the pool"),
        ({"path": "/mnt/pool/../etc"}, "without empty, . and .. parts"),
        ({"path": "/mnt/pool//immich"}, "without empty, . and .. parts"),
        ({"directories": [{"path": "a/../../b", "mode": "0755"}]}, "without empty, . and .. parts"),
        ({"directories": [{"path": "/etc", "mode": "0755"}]}, "without empty, . and .. parts"),
        ({"mode": "rwx"}, "not an octal number"),
        ({"mode": "0888"}, "not an octal number"),
        ({"mode": "-1"}, "not an octal number"),
        ({"mode": "10000"}, "not an octal number"),
        ({"marker": "a/b"}, "not the plain name"),
        ({"owner": "nobody-has-this-name"}, "no such account"),
        ({"group": "nobody-has-this-name"}, "no such group"),
    ],
)
def test_what_cannot_be_meant_is_refused(more, words):
    with pytest.raises(HomelabError, match=words):
        described(**more)


def test_check_mode_notes_an_account_that_is_not_there_yet_once():
    ids = subvolumes.Ids(check_mode=True)
    one = {"path": "/mnt/pool/a", "owner": "nobody-has-this-name", "mode": "0750"}
    directories = [{"path": "database", "mode": "0700", "container_uid": 999}]
    made = subvolumes.describe("/mnt/pool", [{**one, "directories": directories}], ids)
    assert [each.owner.uid for each in made] == [None, None]
    assert len(ids.notes) == 1


def test_a_container_id_without_enough_subordinate_ids_is_refused(monkeypatch):
    monkeypatch.setattr(subvolumes.files, "read", lambda path: b"")
    with pytest.raises(HomelabError, match="/etc/subuid hands out too few ids"):
        described(directories=[{"path": "database", "mode": "0700", "container_uid": 999}])


def test_a_container_id_is_translated(monkeypatch):
    monkeypatch.setattr(subvolumes.files, "read", lambda path: f"{ME.name}:100000:65536\n".encode())
    _subvolume, database = described(directories=[{"path": "database", "mode": "0700", "container_uid": 999}])
    assert (database.owner.uid, database.owner.gid) == (100998, 100998)


def test_an_account_without_a_group_of_its_name_keeps_its_own(monkeypatch):
    entry = pwd.struct_passwd(("photos", "x", 1000, 100, "", "/home/photos", "/bin/sh"))
    monkeypatch.setattr(account.pwd, "getpwnam", lambda name: entry)
    assert described(owner="photos")[0].owner.gid == 100


def test_nothing_differs():
    assert changes(wanted(subvolume=True, marker=".homelab-immich"), found(marked=True, occupied=True)) == []


def test_all_that_differs_is_named_in_the_order_of_the_work():
    """NOCOW before the first file, the marker last: whoever finds it finds a whole subvolume."""
    want = wanted(subvolume=True, marker=".homelab-immich", nocow=True)
    assert changes(want, found(uid=0, mode=0o700)) == ["nocow", "owner", "mode", "marker"]


def test_an_unknown_owner_is_no_difference():
    unknown = subvolumes.Owner("photos", "photos", None, None)
    assert changes(subvolumes.Wanted(("immich",), unknown, 0o750), found(uid=7)) == []


@pytest.mark.parametrize(
    ("want", "have", "words"),
    [
        ({"subvolume": True}, {"subvolume": False, "occupied": True}, "cp -a --reflink=always"),
        ({"subvolume": True}, {"subvolume": False}, "rmdir /mnt/pool/immich"),
        ({"subvolume": True, "marker": ".homelab-x"}, {"occupied": True}, "touch /mnt/pool/immich/.homelab-x"),
        ({"nocow": True}, {"subvolume": False, "occupied": True}, "btrfs_nocow"),
        ({}, {"in_pool": False, "subvolume": False}, "something is mounted there"),
    ],
)
def test_what_this_collection_did_not_make_is_left_as_it_is(want, have, words):
    with pytest.raises(HomelabError, match=words):
        changes(wanted(**want), found(**have))


def test_an_empty_subvolume_without_a_marker_was_left_by_a_kill_and_is_taken():
    assert changes(wanted(subvolume=True, marker=".homelab-immich"), found()) == ["marker"]
