# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Power cuts: clones of the image taken while a conversion runs, each of them what a device holds at one moment.

The device of this model keeps every write that it has accepted. What a device loses that said it had written, and
writes that arrive in another order, are not modelled.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time

from ansible_collections.patriark.homelab.tests.loop_btrfs.convert import EVERYTHING, convert_here
from ansible_collections.patriark.homelab.tests.loop_btrfs.filesystem import Filesystem, command
from ansible_collections.patriark.homelab.tests.loop_btrfs.manifest import (
    NOCOW,
    copy_on_write,
    differences,
    flags,
    leftovers,
    manifest,
)
from ansible_collections.patriark.homelab.tests.loop_btrfs.system_calls import started

_OPTIONS = {"accept": EVERYTHING, "files": 10}
_CUTS_OF_A_RUN = 4
_START_SYNC = 0x80089418


@contextlib.contextmanager
def committing(path):
    """Have the file system write down its state all the while, as the kernel does every thirty seconds: without the files' data."""
    descriptor = os.open(path, os.O_RDONLY)
    ended = threading.Event()

    def commit():
        while not ended.wait(0.002):
            fcntl.ioctl(descriptor, _START_SYNC, bytearray(8))

    thread = threading.Thread(target=commit)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        os.close(descriptor)


def begun(filesystem):
    """A conversion that has changed something."""
    tree = f"{filesystem.path}/tree"
    running = started(tree, **_OPTIONS)
    while running.poll() is None and not flags(tree) & NOCOW:
        time.sleep(0.001)
    return running


def seconds(filesystem):
    """How long a conversion goes on changing things."""
    running, start = begun(filesystem), time.monotonic()
    assert running.wait() == 0
    return time.monotonic() - start


def cut(filesystem, images, moments):
    """Convert, and take clones at these moments, in seconds since it began."""
    running, start = begun(filesystem), time.monotonic()
    for image, moment in zip(images, moments):
        time.sleep(max(0, start + moment - time.monotonic()))
        filesystem.clone(image)
    assert running.wait() == 0


def test_a_power_cut_at_any_moment_leaves_every_file_whole_and_the_next_run_finishes(
    fresh, shelf, chance, full, record_property
):
    """Fails where nothing is brought to disk before the old files are removed: files are then empty or cut off."""
    wanted, taken, unfinished, whole = 100 if full else 8, 0, 0, None
    while unfinished < wanted:
        assert taken < 10 * wanted, "hardly a cut came before the conversion's end"
        with fresh() as filesystem:
            filesystem.remount("commit=1")
            tree = f"{filesystem.path}/tree"
            before, meanwhile = manifest(tree), manifest(tree, ended=False)
            with committing(filesystem.path):
                if whole is None:
                    whole = seconds(filesystem)
                    continue
                images = [f"{shelf}/cut-{number}" for number in range(_CUTS_OF_A_RUN)]
                cut(filesystem, images, sorted(chance.random() * whole for _image in images))
        for image in images:
            command("btrfs", "check", image)
            with Filesystem(image=image, owner=shelf) as after:
                tree = f"{after.path}/tree"
                unfinished += bool(copy_on_write(tree))
                assert differences(meanwhile, manifest(tree, ended=False)) == [], image
                again = convert_here(tree, **_OPTIONS)
                assert not again.get("failed"), again
                assert differences(before, manifest(tree)) == [], image
                assert (copy_on_write(tree), leftovers(tree)) == ([], []), image
            taken += 1
    record_property("power_cuts", unfinished)
    record_property("after_the_end", taken - unfinished)
