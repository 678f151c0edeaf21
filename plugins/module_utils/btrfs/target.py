# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree that a path means: opened once, with the links at and above it followed, and held by its descriptor."""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from .. import files, mounts
from ..errors import HomelabError, reason
from . import kernel
from .staging import locked
from .walk import STAGING, Tree

# Everything in the first, and exactly the second, is the system's own.
_SYSTEM = ("/bin", "/boot", "/etc", "/lib", "/lib32", "/lib64", "/sbin", "/usr")
_SYSTEM_TOPS = ("/", "/home", "/media", "/mnt", "/opt", "/root", "/srv", "/tmp", "/var", "/var/lib")


def is_system_path(path: str) -> bool:
    """Whether a tree is the system's own, so that turning it is hardly what is meant."""
    return path in _SYSTEM_TOPS or any(path == top or path.startswith(top + "/") for top in _SYSTEM)


def _below(path: str, directory: str) -> bool:
    return path != directory and path.startswith(directory.rstrip("/") + "/")


def _mounted(directory: str) -> frozenset[str]:
    text = (files.read("/proc/self/mountinfo") or b"").decode("utf-8", "surrogateescape")
    return frozenset(mount.path for mount in mounts.parse(text) if _below(mount.path, directory))


@contextlib.contextmanager
def opened_tree(path: str, accept: frozenset[str]) -> Iterator[Tree]:
    """The tree that a path means; HomelabError where there is none."""
    with contextlib.ExitStack() as stack:
        try:
            found = _opened(stack, path, os.O_PATH)
        except OSError as exc:
            raise HomelabError(f"Cannot open {path}: {reason(exc)}. Correct path, or run the task as root.") from exc
        real = os.readlink(f"/proc/self/fd/{found}")
        status = os.fstat(found)
        if not stat.S_ISDIR(status.st_mode) and not stat.S_ISREG(status.st_mode):
            raise HomelabError(
                f"{real} is neither a directory nor a regular file, and so cannot be NOCOW. Correct path."
            )
        try:
            if stat.S_ISDIR(status.st_mode):
                base = _opened_quietly(stack, f"/proc/self/fd/{found}")
                tree = Tree(base, real)
            else:
                base = _opened_quietly(stack, os.path.dirname(real), os.O_NOFOLLOW)
                tree = Tree(base, os.path.dirname(real), only=os.path.basename(real))
            tree = _where_one_can_work(stack, tree, accept)
        except PermissionError as exc:
            raise HomelabError(f"Cannot open {real}: {reason(exc)}. Run the task as root, or as its owner.") from exc
        yield tree


def _opened(stack: contextlib.ExitStack, path: str, options: int, directory: int | None = None) -> int:
    descriptor = os.open(path, options | os.O_CLOEXEC, dir_fd=directory)
    stack.callback(os.close, descriptor)
    return descriptor


def _opened_quietly(stack: contextlib.ExitStack, path: str, options: int = 0, directory: int | None = None) -> int:
    """Open a directory so that reading it leaves its access time alone, which the kernel lets its owner and root do."""
    options |= os.O_RDONLY | os.O_DIRECTORY
    try:
        return _opened(stack, path, options | os.O_NOATIME, directory)
    except PermissionError:
        return _opened(stack, path, options, directory)


def _where_one_can_work(stack: contextlib.ExitStack, tree: Tree, accept: frozenset[str]) -> Tree:
    """Nothing can be made in an immutable directory, so the work is then done from the one above it."""
    try:
        kernel.filesystem_id(tree.base)
    except OSError as exc:
        raise HomelabError(f"{tree.base_path} is not on a Btrfs, and only Btrfs knows NOCOW. Correct path.") from exc
    held = kernel.flags(tree.base) & kernel.HELD_FLAGS
    if held and "immutable" in accept:
        above = _opened_quietly(stack, "..", directory=tree.base)
        outermost = os.fstat(tree.base).st_ino == kernel.SUBVOLUME_INODE or os.path.ismount(tree.base_path)
        if outermost or kernel.flags(above) & kernel.HELD_FLAGS:
            raise HomelabError(
                f"{tree.base_path} is immutable or append-only, and there is no place beside it to work in. "
                "Take the flag off for the conversion (chattr -i -a)."
            )
        directory, name = os.path.split(tree.base_path)
        tree = Tree(above, directory, name, tree.only)
    tree.mounted = _mounted(tree.base_path)
    return tree


def left_above(tree: Tree) -> Tree | None:
    """The directory above the tree, where a conversion of the tree was left there because the tree was immutable."""
    if os.fstat(tree.base).st_ino == kernel.SUBVOLUME_INODE:
        return None
    try:
        above = os.open("..", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=tree.base)
    except OSError:
        return None
    try:
        status = os.stat(STAGING, dir_fd=above, follow_symlinks=False)
    except OSError:
        os.close(above)
        return None
    if status.st_uid != os.geteuid():
        os.close(above)
        return None
    return Tree(above, os.path.dirname(tree.base_path))


@dataclass(frozen=True)
class Creation:
    """What a directory that is created shall be like."""

    owner: str | None = None
    group: str | None = None
    mode: str | None = None

    def ids(self) -> tuple[int, int]:
        """The numbers of owner and group, -1 for what this process gives it."""
        uid = gid = -1
        try:
            if self.owner is not None:
                uid = int(self.owner) if self.owner.isdigit() else pwd.getpwnam(self.owner).pw_uid
            if self.group is not None:
                gid = int(self.group) if self.group.isdigit() else grp.getgrnam(self.group).gr_gid
        except KeyError as exc:
            raise HomelabError(
                f"This host has no account or group of that name: {exc.args[0]}. Create it, or correct owner and group."
            ) from exc
        return uid, gid

    def bits(self) -> int:
        """The mode as a number."""
        try:
            bits = int(self.mode or "0755", 8)
        except ValueError:
            bits = -1
        if not 0 <= bits <= 0o7777:
            raise HomelabError(f"The mode {self.mode} is not an octal number such as '0750'. Write it in quotes.")
        return bits


def create(path: str, nocow: bool, creation: Creation) -> None:
    """Make a directory that has everything that it shall have from the moment that it has its name."""
    parent, name = os.path.split(path)
    uid, gid = creation.ids()
    with contextlib.ExitStack() as stack:
        above = _opened(stack, parent, os.O_RDONLY | os.O_DIRECTORY)
        stack.enter_context(locked(above, parent))
        unfinished = f"{STAGING}-new"
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(unfinished, dir_fd=above)
        os.mkdir(unfinished, 0o700, dir_fd=above)
        try:
            made = _opened(stack, unfinished, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, above)
            if os.listdir(made):  # somebody else's, put there in this moment
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), unfinished)
            kernel.turn(made, kernel.flags(made), nocow)
            os.fchown(made, uid, gid)
            os.fchmod(made, creation.bits())
            kernel.rename_new(above, unfinished, name)
        except BaseException:
            with contextlib.suppress(OSError):
                os.rmdir(unfinished, dir_fd=above)
            raise
        os.fsync(above)
