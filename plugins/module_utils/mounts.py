# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is mounted where, out of the texts of /proc/self/mountinfo and /etc/fstab."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Mount:
    """One mount. ``root`` is the directory of the file system that is seen at ``path``."""

    path: str
    fstype: str
    source: str
    root: str
    options: str


def _unescaped(field: str) -> str:
    """Both files write blanks, tabs, line ends and backslashes as three octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), field)


def parse(mountinfo: str) -> list[Mount]:
    """Every mount, in the kernel's order: of several at one path the last is the one that is seen."""
    mounts = []
    for line in mountinfo.split("\n"):
        before, separator, after = line.partition(" - ")
        if not separator:
            continue
        fields, (fstype, source) = before.split(" "), after.split(" ")[:2]
        mounts.append(Mount(_unescaped(fields[4]), fstype, _unescaped(source), _unescaped(fields[3]), fields[5]))
    return mounts


def parse_fstab(fstab: str) -> list[Mount]:
    """What fstab says shall be mounted; ``root`` is empty, for fstab does not name it."""
    mounts = []
    for line in fstab.split("\n"):
        fields = line.split()
        if len(fields) >= 4 and not line.lstrip().startswith("#"):
            mounts.append(Mount(_unescaped(fields[1]), fields[2], _unescaped(fields[0]), "", fields[3]))
    return mounts


def at(path: str, mounts: list[Mount]) -> Mount | None:
    """The mount that is seen at exactly this path, or None. People write a path with or without a slash at its end."""
    sought = path.rstrip("/")
    return next((mount for mount in reversed(mounts) if mount.path.rstrip("/") == sought), None)
