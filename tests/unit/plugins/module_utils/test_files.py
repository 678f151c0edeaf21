# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Safe replacement of files. A naive ``open(path, "w")`` fails every test of what stays when something goes wrong."""

from __future__ import annotations

import errno
import os

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils import files
from ansible_collections.patriark.homelab.plugins.module_utils.errors import HomelabError
from ansible_collections.patriark.homelab.plugins.module_utils.files import Change


def names(directory):
    return sorted(os.listdir(directory))


def test_a_set_is_replaced_created_and_removed_together(tmp_path):
    (tmp_path / "old").write_bytes(b"1")
    (tmp_path / "gone").write_bytes(b"2")
    files.replace_all(
        [
            Change(str(tmp_path / "old"), b"1", b"one"),
            Change(str(tmp_path / "new"), None, b"new", 0o600),
            Change(str(tmp_path / "gone"), b"2", None),
        ]
    )
    assert names(tmp_path) == ["new", "old"]
    assert (tmp_path / "old").read_bytes() == b"one"
    assert (tmp_path / "new").stat().st_mode & 0o7777 == 0o600


def test_the_mode_of_the_old_file_is_kept(tmp_path):
    path = tmp_path / "unit"
    path.write_bytes(b"1")
    path.chmod(0o640)
    files.replace_all([Change(str(path), b"1", b"2")])
    assert path.stat().st_mode & 0o7777 == 0o640


def test_a_linked_file_is_changed_where_it_lies_and_stays_linked(tmp_path):
    (tmp_path / "checkout").mkdir()
    target = tmp_path / "checkout" / "unit"
    target.write_bytes(b"1")
    link = tmp_path / "unit"
    link.symlink_to(target)
    files.replace_all([Change(str(link), b"1", b"2")])
    assert link.is_symlink()
    assert target.read_bytes() == b"2"


def test_of_a_link_that_is_removed_only_the_name_goes(tmp_path):
    (tmp_path / "checkout").write_bytes(b"1")
    (tmp_path / "unit").symlink_to("checkout")
    files.replace_all([Change(str(tmp_path / "unit"), b"1", None)])
    assert names(tmp_path) == ["checkout"]
    assert (tmp_path / "checkout").read_bytes() == b"1"


def test_what_cannot_be_put_back_is_kept_and_named_and_the_rest_is_put_back(tmp_path, monkeypatch):
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(b"old")
    replace, calls = os.replace, []

    def failing(source, target):
        calls.append(os.path.basename(target))
        # c cannot be replaced, and b cannot be put back after that.
        if calls in (["a", "b", "c"], ["a", "b", "c", "b"]):
            raise OSError(errno.EIO, "Input/output error", source)
        replace(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(HomelabError) as caught:
        files.replace_all([Change(str(tmp_path / name), b"old", b"new") for name in ("a", "b", "c")])
    kept = f".b.{os.getpid()}.old"
    assert files.remove_leftovers(str(tmp_path)) == [], "the next run does not take it away"
    assert names(tmp_path) == sorted([kept, "a", "b", "c"])
    assert [(tmp_path / name).read_bytes() for name in (kept, "a", "b", "c")] == [b"old", b"old", b"new", b"old"]
    assert f"{tmp_path / 'b'} could not be put back (Input/output error)" in caught.value.message
    assert f"its old contents are in {tmp_path / kept}" in caught.value.message
    assert "Every file is as it was" not in caught.value.message


def test_extended_attributes_are_kept(tmp_path):
    path = tmp_path / "unit"
    path.write_bytes(b"1")
    os.setxattr(path, "user.note", b"kept")
    files.replace_all([Change(str(path), b"1", b"2")])
    assert os.getxattr(path, "user.note") == b"kept"


def test_somebody_elses_change_is_not_overwritten(tmp_path):
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_bytes(b"1")
    other.write_bytes(b"theirs")
    with pytest.raises(HomelabError, match="changed by somebody else"):
        files.replace_all([Change(str(path), b"1", b"2"), Change(str(other), b"what it was", b"ours")])
    assert (path.read_bytes(), other.read_bytes()) == (b"1", b"theirs")
    assert names(tmp_path) == ["a", "b"]


@pytest.mark.parametrize("call", ["fsync", "replace", "unlink", "link"])
def test_whatever_fails_leaves_every_file_as_it_was(tmp_path, monkeypatch, call):
    """The last call of its kind fails, when the other files have been replaced already."""
    before = {"a": b"1", "b": b"2", "gone": b"3"}
    for name, data in before.items():
        (tmp_path / name).write_bytes(data)
    inode = (tmp_path / "a").stat().st_ino
    changes = [Change(str(tmp_path / "a"), b"1", b"x"), Change(str(tmp_path / "b"), b"2", b"y"), Change(str(tmp_path / "gone"), b"3", None)]
    real, count, failed = getattr(os, call), {"fsync": 3, "replace": 2, "unlink": 1, "link": 3}[call], []

    def failing(*args, **kwargs):
        nonlocal count
        count -= 1
        if count == 0 and not failed:
            failed.append(call)
            raise OSError(errno.ENOSPC, "No space left on device", args[0])
        return real(*args, **kwargs)

    monkeypatch.setattr(os, call, failing)
    with pytest.raises(HomelabError, match="No space left on device"):
        files.replace_all(changes)
    monkeypatch.undo()
    assert failed
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before
    assert (tmp_path / "a").stat().st_ino == inode, "what is put back is the old file itself, not a copy of it"


def test_a_killed_runs_leftovers_are_removed_and_nothing_else(tmp_path):
    (tmp_path / ".unit.1234.homelab-tmp").write_bytes(b"")
    (tmp_path / ".hidden").write_bytes(b"")
    assert files.remove_leftovers(str(tmp_path)) == [".unit.1234.homelab-tmp"]
    assert names(tmp_path) == [".hidden"]
    assert files.remove_leftovers(str(tmp_path / "missing")) == []


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(HomelabError, match="not a regular file"):
        files.read(str(tmp_path / "pipe"))
    assert files.read(str(tmp_path / "missing")) is None


def test_two_runs_do_not_meet(tmp_path):
    with files.locked(str(tmp_path)), pytest.raises(HomelabError, match="Another run"), files.locked(str(tmp_path)):
        pass
    with files.locked(str(tmp_path)):
        pass


def test_directories_are_tidied_but_where_another_run_is_at_work(tmp_path):
    for name in ("free", "busy"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".unit.1234.homelab-tmp").write_bytes(b"")
    with files.locked(str(tmp_path / "busy")):
        files.tidy([str(tmp_path / name) for name in ("missing", "busy", "free")])
    assert (names(tmp_path / "free"), names(tmp_path / "busy")) == ([], [".unit.1234.homelab-tmp"])


def test_a_directory_that_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(HomelabError, match=r"Cannot open the directory .*missing: No such file"), files.locked(str(tmp_path / "missing")):
        pass


def test_missing_directories_are_named_outermost_first(tmp_path):
    made = files.make_directories(str(tmp_path / "a" / "b"))
    assert made == [str(tmp_path / "a"), str(tmp_path / "a" / "b")]
    assert files.make_directories(str(tmp_path / "a" / "b")) == []
