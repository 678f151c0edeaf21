# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Btrfs file systems on loop devices, in memory; needs root."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import functools
import os
import shutil
import subprocess
import tempfile

_CLONE = 0x40049409
_NEW_MOUNT_NAMESPACE = 0x20000
_MEMORY = "/dev/shm"


def command(*argv):
    """Run a program; what it wrote. Its complaint where it fails."""
    done = subprocess.run(argv, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.decode(errors='replace')}")
    return done.stdout.decode(errors="replace")


@functools.cache
def _memory():
    """A directory in memory, in mounts of this process's own: whatever ends it and its children, nothing stays behind."""
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_MOUNT_NAMESPACE):
        raise OSError(ctypes.get_errno(), "cannot have mounts of our own; run this as root")
    command("mount", "--make-rprivate", "/")
    command("mount", "-t", "tmpfs", "tmpfs", _MEMORY)
    return _MEMORY


class Filesystem:
    """One Btrfs in an image file, mounted at ``path``. A context manager that takes everything down."""

    def __init__(self, size="1G", image=None, make=(), options="noatime", owner=None):
        self._directory = tempfile.mkdtemp(prefix="loop-btrfs-", dir=owner or _memory())
        self.image = image or os.path.join(self._directory, "image")
        self.path = os.path.join(self._directory, "mounted")
        self._options = options
        os.mkdir(self.path)
        if image is None:
            with open(self.image, "wb"):
                pass
            command("truncate", "-s", size, self.image)
            command("mkfs.btrfs", "-q", "-m", "single", *make, self.image)

    def mount(self, *options):
        """Mount it, with further options."""
        command("mount", "-o", ",".join(["loop", self._options, *options]), self.image, self.path)
        return self

    def unmount(self):
        """Unmount it and whatever is mounted in it."""
        command("umount", "-R", self.path)

    def remount(self, *options):
        """Unmount and mount it, so that nothing of it is cached."""
        self.unmount()
        self.mount(*options)

    def clone(self, path):
        """A copy of the image at this moment, as a power cut would leave it; the image has to lie on a Btrfs."""
        with open(self.image, "rb") as source, open(path, "wb") as target:
            fcntl.ioctl(target.fileno(), _CLONE, source.fileno())

    def __enter__(self):
        try:
            return self.mount()
        except RuntimeError:
            shutil.rmtree(self._directory)
            raise

    def __exit__(self, *_exception):
        with contextlib.suppress(RuntimeError):
            self.unmount()
        shutil.rmtree(self._directory)
