# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a set on the disk: which it wrote before, what they hold, and writing them all together.

Each set keeps a record of its files in its directory. The record names a file before the file itself appears, and
forgets it after it is gone, so that a run that is killed leaves nothing of which nobody knows whose it is.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from ... import files
from ...errors import HomelabError
from ...files import Change
from ..search_path import RECORD
from .request import Request


class OnDisk(NamedTuple):
    """A file as it was found."""

    content: bytes
    mode: int
    changed: float


class Record(NamedTuple):
    """What a set wrote: absolute paths, and those of them that held a secret."""

    paths: frozenset[str]
    hidden: frozenset[str]

    def written(self, home: str) -> bytes:
        """The record as bytes. Its paths are relative to the home, which may move."""
        relative = {
            kind: sorted(os.path.relpath(path, home) for path in paths) for kind, paths in self._asdict().items()
        }
        return (json.dumps({"files": relative["paths"], "hidden": relative["hidden"]}, indent=1) + "\n").encode(
            "utf-8", "surrogateescape"
        )

    def joined(self, other: Record) -> Record:
        return Record(self.paths | other.paths, self.hidden | other.hidden)


NOTHING = Record(frozenset(), frozenset())


def asked(request: Request) -> Record:
    """The record of a set that is as the request says."""
    wanted = request.everything
    return Record(frozenset(wanted), frozenset(path for path, one in wanted.items() if one.hidden))


def read_record(path: str, home: str) -> Record:
    """The record there, or an empty one where there is none."""
    raw = files.read(path)
    if raw is None:
        return NOTHING
    try:
        content = json.loads(raw.decode("utf-8", "surrogateescape"))
        found = [
            frozenset(os.path.normpath(os.path.join(home, name)) for name in content[kind])
            for kind in ("files", "hidden")
        ]
    except (ValueError, TypeError, KeyError) as exc:
        raise HomelabError(
            f"{path}, the list of the set's own files, cannot be read. Restore it, or remove it to begin a new one, then run the task again."
        ) from exc
    return Record(*found)


def other_records(request: Request, home: str) -> dict[str, Record]:
    """The records of the other sets beside this one, by name."""
    base, own = os.path.split(request.directory)
    names = sorted(os.listdir(base)) if os.path.isdir(base) else []
    return {
        name: read_record(os.path.join(base, name, RECORD), home)
        for name in names
        if name != own and os.path.isdir(os.path.join(base, name))
    }


def on_disk(paths: Iterable[str]) -> dict[str, OnDisk]:
    """Those of the files that exist."""
    found = {}
    for path in paths:
        content = files.read(path)
        if content is not None:
            status = os.stat(path)
            found[path] = OnDisk(content, stat.S_IMODE(status.st_mode), status.st_mtime)
    return found


def file_changes(request: Request, owned: Collection[str], found: Mapping[str, OnDisk]) -> list[Change]:
    """What has to be written, and what this set wrote before and no longer has. Refuses to replace what it did not write."""
    wanted = request.everything
    changes = []
    for path, one in wanted.items():
        old = found.get(path)
        same = old is not None and old.content == one.content
        if old is not None and not same and path not in owned:
            raise HomelabError(
                f"{path} exists, holds something else, and was not written by the set {request.name}: it is left as it is."
                " Move it aside, then run the task again."
            )
        if not same or (old is not None and one.mode is not None and old.mode != one.mode):
            changes.append(Change(path, old.content if old else None, one.content, one.mode))
    changes += [
        Change(path, found[path].content, None) for path in sorted(owned) if path not in wanted and path in found
    ]
    return changes


def _beside(request: Request, recorded: Record) -> list[str]:
    """The directories in which something of the set lies or shall lie, links followed."""
    paths = (request.record, *request.everything, *recorded.paths)
    found = {os.path.realpath(os.path.dirname(path)) for path in paths}
    return sorted(found | {os.path.dirname(os.path.realpath(path)) for path in paths})


def write(request: Request, home: str, recorded: Record, changes: Sequence[Change]) -> None:
    """Make the changes, all or none, bring the record up to date, and remove what a killed run left half-way."""
    final = None if request.state == "absent" else asked(request).written(home)
    before = files.read(request.record)
    if not changes and before == final:
        files.tidy(_beside(request, recorded))
        return
    if before is not None or final is not None:
        for directory in sorted(
            {request.directory, *(os.path.dirname(change.path) for change in changes if change.after is not None)}
        ):
            files.make_directories(directory)
        with contextlib.ExitStack() as locks:
            beside = [directory for directory in _beside(request, recorded) if os.path.isdir(directory)]
            for directory in beside:
                locks.enter_context(files.locked(directory))
                files.remove_leftovers(directory)
            _write(request, recorded.joined(asked(request)).written(home), before, final, changes, beside)
    if request.state == "absent":
        with contextlib.suppress(OSError):  # What others keep in it stays, and the directory with it.
            os.rmdir(request.directory)


def _write(
    request: Request,
    during: bytes,
    before: bytes | None,
    final: bytes | None,
    changes: Sequence[Change],
    beside: Iterable[str],
) -> None:
    files.replace_all([Change(request.record, before, during), *changes])
    if final != during:
        # The files are as asked by now. A record that names too many does no harm, and the next run prunes it;
        # one that has forgotten a directory would never again look there for what is left half-way.
        with contextlib.suppress(HomelabError):
            for directory in beside:
                files.remove_leftovers(directory)
            files.replace_all([Change(request.record, during, final)])
