# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing a set's files while something else is at work in the same directories. Writing without locks fails the first two."""

from __future__ import annotations

import os

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils import files
from ansible_collections.patriark.homelab.plugins.module_utils.errors import HomelabError
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.deployment import own_files
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.deployment.request import Request, Wanted


@pytest.fixture
def request_(tmp_path):
    paths = [str(tmp_path / "units/toy/a.container"), str(tmp_path / "config/toy.conf")]
    unit, file = (Wanted(path, b"[Container]\nImage=a:1\n", None, (), False) for path in paths)
    directory = str(tmp_path / "units/toy")
    return Request("toy", "started", directory, {unit.path: unit}, {file.path: file}, {}, "missing", True, 1.0)


def write(request, home):
    recorded = own_files.read_record(request.record, home)
    changes = own_files.file_changes(request, recorded.paths, own_files.on_disk({*request.everything, *recorded.paths}))
    own_files.write(request, home, recorded, changes)


def names(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


WRITTEN = ["config/toy.conf", "units/toy/.homelab-set.json", "units/toy/a.container"]


@pytest.mark.parametrize("busy", ["config", "units/toy"])
def test_another_run_in_one_of_the_directories_is_not_disturbed(tmp_path, request_, busy):
    (tmp_path / busy).mkdir(parents=True)
    staged = tmp_path / busy / ".other.container.1.homelab-tmp"
    staged.write_bytes(b"")
    with files.locked(str(tmp_path / busy)), pytest.raises(HomelabError, match="Another run is working in"):
        write(request_, str(tmp_path))
    assert names(tmp_path) == [str(staged.relative_to(tmp_path))]
    write(request_, str(tmp_path))
    assert names(tmp_path) == WRITTEN


def test_nobody_else_works_there_while_it_writes(tmp_path, request_, monkeypatch):
    replace_all, refused = files.replace_all, []

    def watched(changes):
        for directory in ("units/toy", "config"):
            with pytest.raises(HomelabError, match="Another run"), files.locked(str(tmp_path / directory)):
                pass
            refused.append(directory)
        replace_all(changes)

    monkeypatch.setattr(files, "replace_all", watched)
    write(request_, str(tmp_path))
    assert refused == ["units/toy", "config"]
    assert names(tmp_path) == WRITTEN


def test_a_killed_runs_leftovers_are_removed_also_where_nothing_is_to_write(tmp_path, request_):
    write(request_, str(tmp_path))
    for left in ("units/toy/.a.container.1.homelab-tmp", "config/.toy.conf.1.old.homelab-tmp"):
        (tmp_path / left).write_bytes(b"")
    with files.locked(str(tmp_path / "config")):
        write(request_, str(tmp_path))
        assert names(tmp_path) == ["config/.toy.conf.1.old.homelab-tmp", *WRITTEN]
    write(request_, str(tmp_path))
    assert names(tmp_path) == WRITTEN


def test_a_linked_directory_is_locked_once(tmp_path, request_):
    (tmp_path / "disk").mkdir()
    os.symlink(tmp_path / "disk", tmp_path / "config")
    write(request_, str(tmp_path))
    write(request_._replace(state="absent", units={}, files={}), str(tmp_path))
    assert names(tmp_path) == []
    assert os.path.islink(tmp_path / "config")
