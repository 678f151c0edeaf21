# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of one look at a large tree, each in a process of its own that only looks and says what it has seen."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
from collections.abc import Iterator
from typing import Callable, TypeVar

Answer = TypeVar("Answer")

_MOST = 4


def how_many() -> int:
    """How many processes are worth having, this one included."""
    return min(_MOST, len(os.sched_getaffinity(0)))


@contextlib.contextmanager
def helper(work: Callable[[], Answer]) -> Iterator[Callable[[], Answer | None]]:
    """Do the work in a process of its own, to be asked once for its answer: None where there is none, for whatever reason."""
    reading, writing = os.pipe()
    try:
        process = os.fork()
    except OSError:
        process = -1  # There are too many already.
    if process == 0:
        _answer(work, writing)
    os.close(writing)
    waits = process > 0

    def answer() -> Answer | None:
        nonlocal waits
        text = b"".join(iter(lambda: os.read(reading, 1 << 20), b""))
        if not waits:
            return None
        waits = False
        _process, status = os.waitpid(process, 0)
        return pickle.loads(text) if status == 0 and text else None

    try:
        yield answer
    finally:
        os.close(reading)
        if waits:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


def _answer(work: Callable[[], Answer], writing: int) -> None:
    status = 1
    try:
        text = memoryview(pickle.dumps(work()))
        while text:
            text = text[os.write(writing, text) :]
        status = 0
    finally:
        # Nothing of what this process has inherited is its own to clear up.
        os._exit(status)
