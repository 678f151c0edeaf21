# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files are found, in which order, and which drop-ins apply."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.account import Account
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.rules import rules_of
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.search_path import (
    drop_in_names,
    plain_bases,
    scan,
    system_bases,
    user_bases,
)

DEBIAN_13 = rules_of((5, 4, 2))
FORKY = rules_of((5, 8, 6))
PHOTOS = Account("photos", 1000, 1000, "/home/photos")


def lay(root: Path, *names: str, text: str = "[Container]\nImage=a:1\n") -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def paths(root: Path, tree) -> dict:
    return {name: os.path.relpath(source.path, root) for name, source in tree.units.items()}


def test_user_directories_in_order(tmp_path: Path) -> None:
    lay(
        tmp_path,
        "run/user/1000/containers/systemd/a.container",
        "home/photos/.config/containers/systemd/a.container",
        "home/photos/.config/containers/systemd/apps/b.container",
        "etc/containers/systemd/users/b.container",
        "etc/containers/systemd/users/c.container",
        "etc/containers/systemd/users/1000/c.container",
        "etc/containers/systemd/users/1000/d.container",
        "etc/containers/systemd/users/1001/e.container",
        "etc/containers/systemd/f.container",
    )
    tree = scan(user_bases(PHOTOS, DEBIAN_13, root=str(tmp_path)), DEBIAN_13)
    assert paths(tmp_path, tree) == {
        "a.container": "run/user/1000/containers/systemd/a.container",
        "b.container": "home/photos/.config/containers/systemd/apps/b.container",
        "c.container": "etc/containers/systemd/users/c.container",
        "d.container": "etc/containers/systemd/users/1000/d.container",
    }
    assert tree.copies["a.container"] == [str(tmp_path / "home/photos/.config/containers/systemd/a.container")]


def test_system_scope_passes_over_what_is_for_users(tmp_path: Path) -> None:
    lay(
        tmp_path,
        "etc/containers/systemd/users/a.container",
        "etc/containers/systemd/users-web/b.container",
        "etc/containers/systemd/c.container",
    )
    tree = scan(system_bases(str(tmp_path)), DEBIAN_13)
    assert list(tree.units) == ["c.container"]


def test_link_loops_and_linked_folders(tmp_path: Path) -> None:
    lay(tmp_path, "checkout/apps/a.container")
    (tmp_path / "units").symlink_to("checkout")
    (tmp_path / "checkout/apps/again").symlink_to("..")
    tree = scan(plain_bases([str(tmp_path / "units")]), DEBIAN_13)
    assert [os.path.relpath(path, tmp_path) for path in tree.directories] == ["checkout", "checkout/apps"]
    assert list(tree.units) == ["a.container"]


def test_one_unreadable_file_drops_its_directory_and_still_hides_copies(tmp_path: Path) -> None:
    lay(tmp_path, "one/a.container", "two/a.container", "two/sub/c.container", "one/sub/c.container")
    (tmp_path / "one/b.container").mkdir()
    tree = scan(plain_bases([str(tmp_path / "one"), str(tmp_path / "two")]), DEBIAN_13)
    assert list(tree.units) == ["c.container"]
    assert list(tree.dropped) == ["a.container"]
    assert [(os.path.relpath(b.path, tmp_path), b.line) for b in tree.broken] == [("one/b.container", None)]


def test_a_pipe_does_not_hang_the_scan(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.container")
    assert len(scan(plain_bases([str(tmp_path)]), DEBIAN_13).broken) == 1


@pytest.mark.parametrize(
    ("unit", "names"),
    [
        ("a.container", ["a.container.d", "container.d"]),
        ("a-b-c.image", ["a-b-c.image.d", "a-b-.image.d", "a-.image.d", "image.d"]),
        ("t-u@.container", ["t-u@.container.d", "t-@.container.d", "t-.container.d", "container.d"]),
        (
            "t-u@i-j.container",
            ["t-u@i-j.container.d", "t-u@.container.d", "t-@.container.d", "t-.container.d", "container.d"],
        ),
    ],
)
def test_drop_in_names(unit: str, names: list) -> None:
    assert drop_in_names(unit) == names


def test_same_drop_in_name_directory_first_until_5_5_and_specific_first_from_5_6(tmp_path: Path) -> None:
    lay(tmp_path, "one/container.d/10.conf", "two/a.container", "two/a.container.d/10.conf", "two/container.d/05.conf")
    bases = plain_bases([str(tmp_path / "one"), str(tmp_path / "two")])
    for rules, winner in ((DEBIAN_13, "one/container.d/10.conf"), (FORKY, "two/a.container.d/10.conf")):
        sources, broken = scan(bases, rules).drop_ins("a.container")
        assert [os.path.relpath(source.path, tmp_path) for source in sources] == ["two/container.d/05.conf", winner]
        assert broken == []


def test_what_is_planned_is_seen_as_written(tmp_path: Path) -> None:
    lay(tmp_path, "real/a.container")
    (tmp_path / "units").symlink_to("real")
    bases = plain_bases([str(tmp_path / "units")])
    planned = {
        str(tmp_path / "real/a.container"): b"[Container]\nImage=b:2\n",
        str(tmp_path / "real/a.container.d/90-image-pin.conf"): b"[Container]\nImage=c:3\n",
    }
    tree = scan(bases, DEBIAN_13, planned)
    assert tree.units["a.container"].unit.last("Container", "Image").value == "b:2"
    assert [source.unit.last("Container", "Image").value for source in tree.drop_ins("a.container")[0]] == ["c:3"]
