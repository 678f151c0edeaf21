# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One look at everything that a path names, the subvolumes in it included."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..errors import reason
from . import kernel
from .obstacles import NotDone, Wish
from .survey import Survey, survey
from .walk import Tree, join


@dataclass
class Found:
    """One look at everything that is asked for: a tree for each subvolume, and what is in them."""

    trees: list[Tree]
    survey: Survey = field(default_factory=Survey)
    snapshots: int | None = None  # None where that cannot be told
    mirrored: str | None = None  # None where nothing could be looked at

    @property
    def shown(self) -> str:
        """The path that was asked for."""
        tree = self.trees[0]
        return tree.shown(join(tree.top, tree.only) if tree.only else tree.top)

    @property
    def refused(self) -> NotDone:
        """All that the whole is refused for."""
        everything = NotDone()
        for refused in self.survey.refused.values():
            everything.merge(refused)
        return everything


def at(tree: Tree) -> Found:
    """What can be told of the place of a tree, before anything in it was looked at."""
    return Found([tree], snapshots=_snapshots(tree), mirrored=kernel.mirrored_profile(tree.base))


@contextlib.contextmanager
def looked_at(tree: Tree, wish: Wish, count_extents: bool = False) -> Iterator[Found]:
    """Look, and keep the subvolumes open that were entered."""
    found = at(tree)
    with contextlib.ExitStack() as stack:
        survey(tree, wish, found.survey, count_extents)
        # It grows while the subvolumes in subvolumes are looked at.
        for path in found.survey.subvolumes:
            inner = _subvolume(stack, path, found, wish)
            if inner is not None:
                found.trees.append(inner)
                if found.snapshots is not None:
                    found.snapshots += _snapshots(inner) or 0
                survey(inner, wish, found.survey, count_extents)
        yield found


def _subvolume(stack: contextlib.ExitStack, path: str, found: Found, wish: Wish) -> Tree | None:
    """The tree of a nested subvolume, or None, and a note why not, where it is left out."""
    not_done = found.survey.not_done
    if not wish.subvolumes:
        not_done.obstacle(path, "subvolume")
        return None
    outer = next(tree for tree in reversed(found.trees) if path.startswith(tree.base_path.rstrip("/") + "/"))
    try:
        inner = outer.below(path)
    except OSError as exc:
        not_done.add(path, f"it cannot be opened: {reason(exc)}", "mend it and run the task again")
        return None
    stack.callback(os.close, inner.base)
    if kernel.subvolume(inner.base).read_only:
        not_done.obstacle(path, "read_only_subvolume")
        return None
    return inner


def _snapshots(tree: Tree) -> int | None:
    uuid = kernel.subvolume(tree.base).uuid
    if not any(uuid):
        return None  # The top of a file system that an old mkfs made: all that is no snapshot would count as one of it.
    try:
        return kernel.snapshots_of(tree.base, uuid)
    except PermissionError:
        return None
