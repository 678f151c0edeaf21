# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert a path in a process of its own, which tests can kill, and print the result as JSON.

The arguments are one JSON object: path, and any of state, convert, subvolumes, accept, check, files (of a batch).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

from ansible_collections.patriark.homelab.plugins.module_utils.btrfs import conversion, nocow
from ansible_collections.patriark.homelab.plugins.module_utils.btrfs.obstacles import Wish
from ansible_collections.patriark.homelab.plugins.module_utils.btrfs.target import Creation
from ansible_collections.patriark.homelab.plugins.module_utils.errors import HomelabError

EVERYTHING = ["compressed", "immutable"]


def convert_here(path, **given):
    """Convert the path in this process; the module's result."""
    conversion._BATCH_FILES = given.get("files", 2000)
    wish = Wish(
        nocow=given.get("state", "present") == "present",
        convert=given.get("convert", "all") == "all",
        subvolumes=given.get("subvolumes", False),
        accept=frozenset(given.get("accept", [])),
    )
    creation = Creation(**given.get("creation", {}))
    part = nocow.Slice(given.get("seconds"), given.get("goes_on", False))
    try:
        return nocow.ensure(str(path), wish, creation, given.get("check", False), part)
    except HomelabError as exc:
        return {"msg": exc.message, "failed": True, **exc.details}


def argv(path, **given):
    """The program that converts the path."""
    return [
        sys.executable,
        "-m",
        "ansible_collections.patriark.homelab.tests.loop_btrfs.convert",
        json.dumps({"path": str(path), **given}),
    ]


def convert(path, prefix=(), **given):
    """Convert the path in a process of its own; its result, or None where it did not live to say one."""
    done = subprocess.run([*prefix, *argv(path, **given)], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return json.loads(done.stdout)
    if done.returncode in (-9, 137):
        return None
    raise RuntimeError(done.stderr)


def convert_as(uid, path, **given):
    """Convert the path without root, as another account."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            os.write(write_end, json.dumps(convert_here(path, **given)).encode())
        finally:
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as stream:
        answer = stream.read()
    os.waitpid(child, 0)
    return json.loads(answer)


if __name__ == "__main__":
    # Not by the system call that the conversion writes with, so that tests can let that fail.
    os.writev(1, [json.dumps(convert_here(**json.loads(sys.argv[1]))).encode()])
