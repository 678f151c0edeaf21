# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which programs have a file open for writing, as far as /proc shows them to this account."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator

# Device and inode number.
File = tuple[int, int]


def may_write(fdinfo: str) -> bool:
    """Whether a descriptor is open for writing, out of the text of /proc/PID/fdinfo/FD."""
    found = re.search(r"^flags:\s*([0-7]+)$", fdinfo, re.MULTILINE)
    return found is not None and int(found.group(1), 8) & os.O_ACCMODE != os.O_RDONLY


def shared_writable(maps: str) -> list[str]:
    """The address ranges of a process that write to a file, out of the text of /proc/PID/maps."""
    return re.findall(r"^([0-9a-f]+-[0-9a-f]+) .w.s ", maps, re.MULTILINE)


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read()


def _held_by(process: str) -> Iterator[File]:
    for number in os.listdir(f"{process}/fd"):
        with contextlib.suppress(OSError):
            status = os.stat(f"{process}/fd/{number}")
            if may_write(_read(f"{process}/fdinfo/{number}")):
                yield status.st_dev, status.st_ino
    for addresses in shared_writable(_read(f"{process}/maps")):
        with contextlib.suppress(OSError):
            status = os.stat(f"{process}/map_files/{addresses}")
            yield status.st_dev, status.st_ino


def writers(wanted: Iterable[File]) -> dict[File, str]:
    """For each of the files that a visible process writes to, the process's number and command."""
    sought = set(wanted)
    found: dict[File, str] = {}
    for number in os.listdir("/proc") if sought else []:
        if number.isdigit():
            with contextlib.suppress(OSError):
                for file in _held_by(f"/proc/{number}"):
                    if file in sought:
                        found[file] = f"pid {number} {_read(f'/proc/{number}/comm').strip()}"
    return found
