# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read leases on many files at once, each given up the moment that somebody wants to write to its file.

The kernel holds such a program up until the lease is gone and tells the holder by SIGIO. A thread waits for that
signal, so that the program goes on at once, whatever the conversion is doing (bringing a batch to disk takes seconds).
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

from . import kernel


@contextlib.contextmanager
def signal_held() -> Iterator[None]:
    """Keep the signal that a broken lease sends from ending this process. Every lease is taken within this."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGIO})
    try:
        yield
    finally:
        # To ignore a signal for a moment throws away those that are pending.
        handler = signal.signal(signal.SIGIO, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGIO, handler)


class Leases:
    """To be entered within signal_held. While ``lock`` is held, no lease is given up."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._held: set[int] = set()
        self._ended = False
        # It inherits the blocked signal, so that its wait is the only place where the signal arrives.
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        self._watcher.start()

    def __exit__(self, *_exception: object) -> None:
        self._ended = True
        os.kill(os.getpid(), signal.SIGIO)
        self._watcher.join()
        for descriptor in list(self._held):
            self.close(descriptor)

    def _watch(self) -> None:
        while not self._ended:
            signal.sigwait({signal.SIGIO})
            with self.lock:
                for descriptor in self._held:
                    if not kernel.has_lease(descriptor):
                        kernel.drop_lease(descriptor)

    def take(self, descriptor: int) -> bool:
        """Take a lease and watch over it; False where something has the file open for writing. PermissionError for another's."""
        with self.lock:
            if not kernel.take_lease(descriptor):
                return False
            self._held.add(descriptor)
            return True

    def close(self, descriptor: int) -> None:
        """Close the file, and so give up the lease."""
        with self.lock:
            self._held.discard(descriptor)
            os.close(descriptor)
