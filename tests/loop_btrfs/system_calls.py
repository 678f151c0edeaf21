# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The system calls with which a conversion changes anything, and strace as the thing that goes wrong at one of them."""

from __future__ import annotations

import os
import re
import subprocess

from ansible_collections.patriark.homelab.tests.loop_btrfs.convert import argv, convert

_MUTATING = (
    "openat",
    "mkdirat",
    "unlinkat",
    "linkat",
    "renameat2",
    "pwrite64",
    "write",
    "fallocate",
    "ftruncate",
    "fchown",
    "fchmod",
    "utimensat",
    "ioctl",
    "fsetxattr",
    "fremovexattr",
    "syncfs",
)
# Of these only some change anything.
_CHANGES = {"openat": "O_CREAT", "ioctl": "FS_IOC_SETFLAGS"}


def calls(path, log, **given):
    """Each mutating call of a conversion of the path, as its name and its number among the calls of that name."""
    prefix = ["strace", "-f", "-qq", "-o", log, "-e", f"trace={','.join(_MUTATING)}"]
    convert(path, prefix, **given)
    found, numbers = [], dict.fromkeys(_MUTATING, 0)
    started = False
    with open(log, encoding="utf-8", errors="replace") as stream:
        for line in stream:
            called = re.match(r"\d+ +(\w+)\(", line)
            if not called or called.group(1) not in numbers:
                continue
            name = called.group(1)
            numbers[name] += 1
            # Before, Python starts; afterwards it only says the result.
            started = started or "btrfs_nocow" in line or "FS_IOC_SETFLAGS" in line
            if started and _CHANGES.get(name, "") in line:
                found.append((name, numbers[name]))
    return found


def struck(path, call, fault, **given):
    """Convert the path with a fault at one call: its result, None where it was killed."""
    name, number = call
    prefix = [
        "strace",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        f"trace={name}",
        "-e",
        f"inject={name}:{fault}:when={number}",
    ]
    return convert(path, prefix, **given)


def started(path, **given):
    """Start a conversion of the path and do not wait for it."""
    return subprocess.Popen(argv(path, **given), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ)


def sample(found, chance, most):
    """So many of the calls that each name has its share, the first and the last of each among them."""
    by_name = {}
    for name, number in found:
        by_name.setdefault(name, []).append(number)
    chosen = set()
    for name, numbers in by_name.items():
        share = max(1, most // len(by_name))
        ends = [numbers[0], numbers[-1]][:share]
        chosen.update((name, number) for number in ends + chance.sample(numbers, min(share - len(ends), len(numbers))))
    return sorted(chosen)
