# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turning a tree, file by file in batches, so that every file is whole at every moment: the old one or the new one.

Each file of a batch is copied under a lease that notices whoever wants to write to it. When all copies are on disk,
each changes places with its file; when that is on disk too, the old files are removed. A thread waits for the disk while
the next batch is copied; nothing else is left to it, for two that make many short calls hold each other up. What is still
to be done is what still lacks the flag, so an interrupted conversion needs no list to go on.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from ..errors import reason
from . import kernel
from .copying import DIRECT_FROM, Copier, Wanted
from .leases import Leases
from .obstacles import NotDone, Wish, not_ours, obstacle
from .placing import MEANWHILE, Batch, Copied, Placing, Turned, extents_of
from .staging import Entry, Report, Staging, forget, locked, opened
from .walk import Count, Directory, Tree, Walk, join

_BATCH_BYTES = 256 * 1024 * 1024
# Of the free space, for two batches at once leave most to the programs that write meanwhile.
_SHARE = 8
_BATCH_FILES = 2000
_AHEAD = 64
# Old and new, in the batch that is copied and in the one before it.
_DESCRIPTORS_OF_A_FILE = 4
_OTHER_DESCRIPTORS = 64 + _AHEAD
_FULL = (errno.ENOSPC, errno.EDQUOT)


class _Stopped(Exception):
    """A batch failed as a whole, which is no failure of the file that is copied meanwhile."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


def _most_files() -> int:
    """How many files a batch may have, as they stay open; raises the limit of this process."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _BATCH_FILES * _DESCRIPTORS_OF_A_FILE + _OTHER_DESCRIPTORS
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return (allowed - _OTHER_DESCRIPTORS) // _DESCRIPTORS_OF_A_FILE


def free_space(descriptor: int) -> int:
    """How many bytes can still be written to the file system."""
    room = os.fstatvfs(descriptor)
    return room.f_bavail * room.f_frsize


def _read_ahead(files: Iterator[tuple[str, int, int]]) -> Iterator[tuple[str, int, int]]:
    """Have the kernel read the next files while the first is copied."""
    waiting: deque[tuple[str, int, int]] = deque()
    try:
        for file in files:
            # Large ones are read around the cache.
            os.posix_fadvise(file[1], 0, DIRECT_FROM, os.POSIX_FADV_WILLNEED)
            waiting.append(file)
            if len(waiting) > _AHEAD:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        for _name, descriptor, _flags in waiting:
            os.close(descriptor)


def recover(base: int, shown: str, report: Report) -> None:
    """Bring to an end what an earlier conversion in this directory left."""
    with locked(base, shown):
        _recover(base, shown, report)


def _recover(base: int, shown: str, report: Report) -> None:
    left = Staging.find(base, shown, report)
    if left is not None:
        left.settle()
        left.close()
    forget(base)


class Conversion:
    """The conversion of one tree, within one subvolume."""

    def __init__(self, tree: Tree, wish: Wish, leases: Leases, turned: Turned, not_done: NotDone) -> None:
        self._tree = tree
        self._wish = wish
        self._leases = leases
        self._turned = turned
        self._not_done = not_done
        self._copier = Copier(wish.nocow)
        self._most_files = _most_files()
        self._most_bytes = min(_BATCH_BYTES, free_space(tree.base) // _SHARE)
        self._batch = Batch()
        self._placing: Batch | None = None
        self._stages: Iterator[Future[None]] = iter(())
        self._synced: Future[None] | None = None  # what the batch that is placed waits for
        self._staging: Staging | None = None
        self._number = 0
        self._groups: dict[int, list[str]] = {}

    def run(self, until: float | None) -> bool:
        """Convert what there is; False where time was up before the end (of time.monotonic).

        OSError where the file system fails as a whole: what was begun is then undone, as far as the system still lets us.
        """
        tree = self._tree
        with contextlib.ExitStack() as stack:
            stack.enter_context(locked(tree.base, tree.base_path))
            # Opened first, so that no write that fails on the way to disk goes unnoticed.
            self._sync_descriptor = stack.enter_context(opened(tree.base, ""))
            self._thread = stack.enter_context(ThreadPoolExecutor(1))
            _recover(tree.base, tree.base_path, self._not_done.add)
            try:
                ended = all(self._time_is_left(until) for _step in self._steps())
                self._hand_over()
                self._wait()
            except BaseException as exc:
                with contextlib.suppress(OSError, _Stopped):
                    self._wait()
                with contextlib.suppress(OSError):
                    self._clear_up()
                if isinstance(exc, _Stopped):
                    raise exc.error from exc
                raise
            self._clear_up()
        return ended

    def _time_is_left(self, until: float | None) -> bool:
        return until is None or not self._turned.files or time.monotonic() < until

    def _clear_up(self) -> None:
        for copied in self._batch.copied + (self._placing.copied if self._placing else []):
            with contextlib.suppress(OSError):  # closed already, by a batch that failed half-way
                copied.close(self._leases)
        if self._staging is not None:
            os.close(self._staging.descriptor)
        _recover(self._tree.base, self._tree.base_path, self._not_done.add)

    # --- Walking ---

    def _steps(self) -> Iterator[None]:
        """Do the work, and yield wherever it may stop."""
        walk = Walk(self._tree, NotDone())
        for directory in walk.directories():
            if self._tree.only is None:
                self._directory(directory)
            differing = walk.differing(directory, self._wish.nocow, (Count(), Count()))
            for name, file, flags in _read_ahead(differing):
                self._go_on()
                self._file(join(directory.path, name), file, flags)
                if self._batch_is_full():
                    self._hand_over()
                    yield
        for places in self._groups.values():
            self._go_on()
            self._group(places, whole=False)
            if self._batch_is_full():
                self._hand_over()
                yield

    def _batch_is_full(self) -> bool:
        return len(self._batch.copied) >= self._most_files or self._batch.bytes >= self._most_bytes

    def _directory(self, directory: Directory) -> None:
        """Turned before what is in it, so that what others make in it from now on is as it shall be."""
        flags = directory.flags
        if bool(flags & kernel.NOCOW_FLAG) == self._wish.nocow or obstacle(flags, self._wish):
            return
        try:
            kernel.turn(directory.descriptor, flags, self._wish.nocow)
            self._turned.directories += 1
        except PermissionError:
            pass  # Another account's, as the survey has said.

    def _file(self, path: str, file: int, flags: int) -> None:
        """Take over one file that lacks the flag, and the descriptor with it."""
        status = os.fstat(file)
        if obstacle(flags, self._wish) or (status.st_size and not self._wish.convert):
            os.close(file)
        elif status.st_nlink == 1:
            self._turn([path], file, flags, status)
        else:
            os.close(file)
            self._linked(path, status)

    def _turn(self, places: list[str], file: int, flags: int, status: os.stat_result) -> None:
        """Convert one file all of whose names are known; takes over the descriptor."""
        if status.st_size and not_ours(status) is None:
            self._copy(places, file, flags)
            return
        try:
            if not status.st_size:
                self._empty(places, file, flags)
        finally:
            os.close(file)

    def _empty(self, places: list[str], file: int, flags: int) -> None:
        with contextlib.suppress(PermissionError):  # another account's, as the survey has said
            kernel.turn(file, flags, self._wish.nocow)
        if bool(kernel.flags(file) & kernel.NOCOW_FLAG) == self._wish.nocow:
            self._turned.files += len(places)
        elif os.fstat(file).st_size:
            self._not_done.add(self._tree.shown(places[0]), *MEANWHILE)

    def _linked(self, path: str, status: os.stat_result) -> None:
        """Wait until all names of a file were met: they are exchanged together."""
        places = self._groups.setdefault(status.st_ino, [])
        places.append(path)
        if len(places) == status.st_nlink:
            del self._groups[status.st_ino]
            self._group(places, whole=True)

    def _group(self, places: list[str], whole: bool) -> None:
        """Convert a file of several names, whether or not they are all its names."""
        try:
            with opened(self._tree.base, places[0]) as descriptor:
                file = os.dup(descriptor)
        except (FileNotFoundError, NotADirectoryError):
            return  # It was moved or removed meanwhile.
        except OSError as exc:
            self._failed(places[0], exc)
            return
        status = os.fstat(file)
        if whole or not status.st_size or "outside_links" in self._wish.accept:
            self._turn(places, file, kernel.flags(file), status)
            return
        os.close(file)
        self._not_done.obstacle(self._tree.shown(places[0]), "outside_links")

    # --- Copying ---

    def _copy(self, places: list[str], file: int, flags: int) -> None:
        """Copy one file into the batch, which takes over the descriptor."""
        try:
            leased = self._leases.take(file)
        except PermissionError:  # another account's, as the survey has said
            os.close(file)
            return
        try:
            if not leased:
                raise Wanted
            copied = self._copied(places, file, flags)
            # Not before: to make room, the batch may have become another one.
            self._batch.copied.append(copied)
            return
        except Wanted:
            self._not_done.add(self._tree.shown(places[0]), *MEANWHILE)
        except OSError as exc:
            if self._staging is None or exc.errno == errno.EROFS:
                raise
            self._failed(places[0], exc)
        self._leases.close(file)

    def _copied(self, places: list[str], file: int, flags: int) -> Copied:
        status = os.fstat(file)
        try:
            target, staged = self._duplicate(file, status, flags)
        except OSError as exc:
            if exc.errno not in _FULL or self._staging is None:
                raise
            self._make_room()
            target, staged = self._duplicate(file, status, flags)
        self._batch.bytes += status.st_blocks * 512
        entry = Entry(
            staged=staged,
            old=status.st_ino,
            new=os.fstat(target).st_ino,
            size=status.st_size,
            mtime=status.st_mtime_ns,
            held_flags=flags & kernel.HELD_FLAGS,
            places=places,
        )
        return Copied(entry, file, target, status, extents_of(file, status))

    def _duplicate(self, file: int, status: os.stat_result, flags: int) -> tuple[int, str]:
        if self._staging is None:
            self._staging = Staging.make(self._tree.base, self._tree.base_path, self._wish.nocow, self._not_done.add)
        self._number += 1
        name = f"{self._number}.copy"
        return self._copier.copy(file, status, flags, self._staging.descriptor, name), name

    def _make_room(self) -> None:
        """Room comes back when the batches in hand are through, and what was removed is so on disk."""
        self._hand_over()
        self._wait()
        try:
            kernel.sync_filesystem(self._sync_descriptor)
        except OSError as exc:
            # It is told once, and may be about any file.
            raise _Stopped(exc) from exc

    def _failed(self, place: str, error: OSError) -> None:
        """Note a file that the system does not let us copy, and go on."""
        shown = self._tree.shown(place)
        if not self._turned.failed:
            self._turned.first_failure = f"{shown} ({reason(error)})"
        self._turned.failed += 1
        remedy = "make room, then run the task again" if error.errno in _FULL else "mend it, then run the task again"
        self._not_done.add(shown, f"copying it failed: {reason(error)}", remedy)

    # --- Placing ---

    def _sync(self) -> Future[None]:
        """Have the disk take all that was written, while something else is done."""
        return self._thread.submit(kernel.sync_filesystem, self._sync_descriptor)

    def _hand_over(self) -> None:
        """Begin to place the batch, once the one before is through."""
        self._wait()
        self._placing, self._batch = self._batch, Batch()
        if self._staging is not None and self._placing.copied:
            placing = Placing(self._tree, self._staging, self._leases, self._turned, self._not_done)
            self._stages = placing.stages(self._placing, self._sync)
        self._next_stage()

    def _go_on(self) -> None:
        """Place the batch as far as it goes without waiting."""
        while self._synced is not None and self._synced.done():
            self._next_stage()

    def _wait(self) -> None:
        """Place the batch to the end."""
        while self._synced is not None:
            self._next_stage()

    def _next_stage(self) -> None:
        synced, self._synced = self._synced, None
        try:
            if synced is not None:
                synced.result()
            self._synced = next(self._stages, None)
        except OSError as exc:
            raise _Stopped(exc) from exc
        if self._synced is None:
            self._placing = None
