# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replacing files so that a reader, a crash or a full disk never meets half of one.

New contents are written beside the target under a name that Quadlet, Traefik and Homepage do not load, brought to
disk, given owner, mode, ACL and label of what they replace, and renamed into place. A set is written out whole before
its first file is renamed; when a rename fails, those already done are put back.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .errors import HomelabError, reason

# Ends in no suffix that a loader of units (.container, .conf, ...) or of YAML knows, and begins with a dot.
_SUFFIX = ".homelab-tmp"


@dataclass(frozen=True)
class Change:
    """One file: what it held when the change was computed, and what it shall hold. None means: no such file."""

    path: str
    before: bytes | None
    after: bytes | None
    mode: int | None = None  # None keeps the old file's mode; new files are then 0644


def read(path: str) -> bytes | None:
    """The file's bytes, or None where there is no such file. Only regular files are read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise HomelabError(f"Cannot read {path}: {reason(exc)}.") from exc
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise HomelabError(f"Cannot read {path}: it is not a regular file. Move it aside, then run the task again.")
        return contents(descriptor)
    finally:
        os.close(descriptor)


def contents(descriptor: int) -> bytes:
    """All bytes of an open file. A stream would take twice as long, which counts where files are small and many."""
    parts = []
    while part := os.read(descriptor, 1 << 20):
        parts.append(part)
    return b"".join(parts)


@contextlib.contextmanager
def locked(directory: str) -> Iterator[None]:
    """Hold the directory against another run of this collection."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as exc:
        raise HomelabError(f"Cannot open the directory {directory}: {reason(exc)}.") from exc
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise HomelabError(f"Another run is working in {directory}: wait until it has ended, then run the task again.") from exc
        yield
    finally:
        os.close(descriptor)


def _sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directories(path: str, mode: int = 0o755) -> list[str]:
    """Make the directory and its parents; the list of those that were made, outermost first."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for directory in reversed(missing):
        try:
            os.mkdir(directory, mode)
            _sync_directory(os.path.dirname(directory))
        except OSError as exc:
            raise HomelabError(f"Cannot make the directory {directory}: {reason(exc)}.") from exc
    return missing[::-1]


def remove_leftovers(directory: str) -> list[str]:
    """Remove what a killed run left in the directory; the names that were removed."""
    try:
        names = sorted(name for name in os.listdir(directory) if name.startswith(".") and name.endswith(_SUFFIX))
    except FileNotFoundError:
        return []
    for name in names:
        try:
            os.unlink(os.path.join(directory, name))
        except FileNotFoundError:
            continue
        except OSError as exc:
            raise HomelabError(f"Cannot remove {os.path.join(directory, name)}, which a killed run left: {reason(exc)}.") from exc
    return names


def tidy(directories: Iterable[str]) -> None:
    """Remove what killed runs left in the directories, but where another run is at work."""
    for directory in directories:
        with contextlib.suppress(HomelabError), locked(directory):
            remove_leftovers(directory)


def _copy_identity(descriptor: int, path: str, mode: int | None) -> None:
    """Give the new file the owner, mode, ACL, label and other attributes of the one at path, where there is one."""
    try:
        old = os.stat(path)
    except FileNotFoundError:
        os.fchmod(descriptor, 0o644 if mode is None else mode)
        return
    new = os.fstat(descriptor)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        os.fchown(descriptor, old.st_uid, old.st_gid)
    for name in os.listxattr(path):
        value = os.getxattr(path, name)
        # The kernel may have set the same label already, and only root may set it again.
        with contextlib.suppress(OSError):
            if os.getxattr(descriptor, name) == value:
                continue
        os.setxattr(descriptor, name, value)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode) if mode is None else mode)


def _stage(change: Change) -> str:
    """Write the new contents beside their target and bring them to disk; the temporary path."""
    directory, name = os.path.split(change.path)
    staged = os.path.join(directory, f".{name}.{os.getpid()}{_SUFFIX}")
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(change.after or b"")
            stream.flush()
            _copy_identity(descriptor, change.path, change.mode)
            os.fsync(descriptor)
    except BaseException:
        os.unlink(staged)
        raise
    return staged


def _keep(path: str) -> str:
    """A second name for the file as it is, so that it can be put back with everything that it has."""
    directory, name = os.path.split(path)
    kept = os.path.join(directory, f".{name}.{os.getpid()}.old{_SUFFIX}")
    os.link(path, kept, follow_symlinks=False)
    return kept


def _spared(kept: str) -> str:
    """The kept file under a name that no later run takes for a leftover, where that can be had."""
    spared = kept[: -len(_SUFFIX)]
    with contextlib.suppress(OSError):
        os.rename(kept, spared)
        return spared
    return kept


def _put_back(done: Sequence[Change], kept: dict[str, str]) -> str:
    """Undo what was done; a sentence on how it went. What cannot be put back stays under the name that it was kept by."""
    left = []
    for change in reversed(done):
        try:
            if change.path in kept:
                os.replace(kept[change.path], change.path)
            else:
                os.unlink(change.path)
        except FileNotFoundError:
            pass
        except OSError as exc:
            old = _spared(kept.pop(change.path)) if change.path in kept else None
            left.append(f"{change.path} could not be put back ({reason(exc)}){f': its old contents are in {old}' if old else ''}")
    return f"{'; '.join(left)}. Mend that first." if left else "Every file is as it was before."


def _real(path: str, removed: bool) -> str:
    """Where the file lies. One that is removed is the name itself: what a link names stays."""
    if removed:
        return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    return os.path.realpath(path)


def replace_all(changes: Sequence[Change]) -> None:
    """Make every change, or none: links are followed once, so that a linked file is changed where it lies.

    Raises HomelabError when a file is no longer what it was when the change was computed, and for whatever the
    operating system refuses; every file is then as it was, or named. After a kill each file is whole, old or new.
    """
    real = [Change(_real(c.path, c.after is None), c.before, c.after, c.mode) for c in changes]
    staged: dict[str, str] = {}
    kept: dict[str, str] = {}
    done: list[Change] = []
    path = ""
    try:
        for change in real:
            path = change.path
            if change.after is not None:
                staged[path] = _stage(change)
        for change in real:
            path = change.path
            if read(path) != change.before:
                raise HomelabError(f"{path} was changed by somebody else while this task ran, and is left as it is. Run the task again.")
            if change.before is not None:
                kept[path] = _keep(path)
        for change in real:
            path = change.path
            if change.after is None:
                os.unlink(path)
            else:
                os.replace(staged[path], path)
            done.append(change)
        for directory in sorted({os.path.dirname(change.path) for change in real}):
            path = directory
            _sync_directory(directory)
    except OSError as exc:
        raise HomelabError(f"Cannot replace {path}: {reason(exc)}. {_put_back(done, kept)}") from exc
    except BaseException:
        _put_back(done, kept)
        raise
    finally:
        for leftover in [*staged.values(), *kept.values()]:
            with contextlib.suppress(OSError):
                os.unlink(leftover)


def as_diff(path: str, before: bytes | None, after: bytes | None) -> dict[str, str]:
    """The shape that Ansible prints as a unified diff."""
    return {
        "before_header": path,
        "after_header": path,
        "before": (before or b"").decode("utf-8", "replace"),
        "after": (after or b"").decode("utf-8", "replace"),
    }
