# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked for, what keeps a file or directory from it, and what is said of those that are left out."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from . import kernel

LISTED = 100

# What keeps a file or directory from being converted: what is the matter, and what to do about it.
OBSTACLES = {
    "writer": ("something has it open for writing", "stop the program that writes to it"),
    "immutable": ("it is immutable or append-only (lsattr shows i or a)", "chattr -i -a it, or accept: [immutable]"),
    "outside_links": (
        "it has names outside the tree, which would keep the old data",
        "convert a tree that holds all its names, or accept: [outside_links]",
    ),
    "held_for_root": ("it is immutable or append-only, which only root can change", "run the task as root"),
    "directory_held": (
        "the directory that it is in is immutable or append-only",
        "chattr -i -a the directory, or accept: [immutable]",
    ),
    "compressed": ("its compression flag or property excludes NOCOW", "chattr -c it, or accept: [compressed]"),
    "verity": ("fs-verity seals it", "leave it, or replace it by a plain copy"),
    "other_account": ("it belongs to another account", "run the task as root or as its owner"),
    "other_group": ("its group is none of this account's", "run the task as root"),
    "unreadable": ("it may not be read", "run the task as root, or change its mode"),
    "base_closed": ("this account may not change the directory that path names", "run the task as root"),
    "directory_closed": (
        "this account may not change the directory that it is in",
        "run the task as root, or change the directory's mode",
    ),
    "subvolume": ("it is a subvolume of its own", "name it in a task of its own, or set subvolumes: true"),
    "read_only_subvolume": ("it is a read-only subvolume", "leave it, or btrfs property set it to ro=false"),
    "mount": ("another file system or directory is mounted on it", "name what is mounted in a task of its own"),
    "has_data": ("it holds data, and convert is none", "set convert: all"),
}
# These stop the whole task before its first write; the others leave out what they name.
REFUSALS = ("writer", "immutable", "directory_held", "outside_links", "compressed")


@dataclass
class Wish:
    """What a run is asked for."""

    nocow: bool = True
    convert: bool = True
    subvolumes: bool = False
    accept: frozenset[str] = frozenset()


@dataclass
class NotDone:
    """What is left out and why: the first of them, and how many they are."""

    listed: list[dict[str, str]] = field(default_factory=list)
    total: int = 0

    def add(self, path: str, why: str, remedy: str) -> None:
        """Note one."""
        self.total += 1
        if len(self.listed) < LISTED:
            self.listed.append({"path": path, "reason": why, "remedy": remedy})

    def merge(self, other: NotDone) -> None:
        """Take over what another has noted."""
        self.total += other.total
        self.listed += other.listed[: LISTED - len(self.listed)]

    def obstacle(self, path: str, kind: str) -> None:
        """Note one that a known obstacle keeps back."""
        self.add(path, *OBSTACLES[kind])


def obstacle(flags: int, wish: Wish) -> str | None:
    """What keeps this one file or directory from being converted, judged by its flags.

    That it shall not be compressed (m, which the kernel itself sets on what compresses badly) is none: NOCOW implies it.
    """
    if flags & kernel.VERITY_FLAG:
        return "verity"
    if flags & kernel.HELD_FLAGS:
        if "immutable" not in wish.accept:
            return "immutable"
        if os.geteuid() != 0:
            return "held_for_root"
    if wish.nocow and flags & kernel.COMPRESSED_FLAG and "compressed" not in wish.accept:
        return "compressed"
    return None


def not_ours(status: os.stat_result) -> str | None:
    """What keeps an account that is not root from making another file just like this one."""
    if os.geteuid() == 0:
        return None
    if status.st_uid != os.geteuid():
        return "other_account"
    return None if status.st_gid in {os.getegid(), *os.getgroups()} else "other_group"
