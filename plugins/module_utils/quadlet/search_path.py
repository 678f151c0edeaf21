# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files Podman's generator reads: the directories in their order, whose copy of a unit wins, which drop-ins apply.

A name counts once over all directories: the first readable file of that name is the unit. One file that cannot be
read as a unit makes every unit of its own directory vanish, and the vanished names still hide later copies.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from ..account import Account
from ..errors import reason
from ..files import contents
from .rules import Rules
from .unit_file import BrokenUnit, UnitFile, parse

# Contents that are planned and not written, by resolved path.
Overlay = Mapping[str, bytes]
_ADMIN = "/etc/containers/systemd"
_VENDOR = "/usr/share/containers/systemd"
# Where quadlet_units notes in a set's directory which files are its own. The generator reads no file of this name.
RECORD = ".homelab-set.json"


class Base(NamedTuple):
    """One place where the generator begins to look. ``wanted`` says of a resolved directory whether it is read."""

    path: str
    wanted: Callable[[str], bool]


class Source(NamedTuple):
    """A file that was read as a unit or drop-in."""

    path: str
    unit: UnitFile


class Broken(NamedTuple):
    """A file that the generator cannot read. ``line`` is None where the file itself cannot be opened."""

    path: str
    line: int | None
    why: str


def _everything(_path: str) -> bool:
    return True


def _users_directory(root: str) -> str:
    return os.path.realpath(f"{root}{_ADMIN}/users")


def system_bases(root: str = "") -> list[Base]:
    """Where the system's generator looks. ``root`` goes before every path, for tests."""
    users = _users_directory(root)

    def not_for_users(path: str) -> bool:
        # A plain prefix, as in the generator: users-web/ is passed over as well.
        return not path.startswith(users)

    return [Base(f"{root}{path}", not_for_users) for path in ("/run/containers/systemd", _ADMIN, _VENDOR)]


def user_bases(account: Account, rules: Rules, config_home: str | None = None, root: str = "") -> list[Base]:
    """Where an account's generator looks. ``config_home`` is its XDG_CONFIG_HOME, where it has one."""
    users = _users_directory(root)
    level = users.count("/") + 1

    def for_all_users(path: str) -> bool:
        parts = path.split("/")
        return (
            not path.startswith(users) or len(parts) == level or (len(parts) > level and not _is_number(parts[level]))
        )

    bases = [
        Base(f"{root}{account.runtime_dir}/containers/systemd", _everything),
        Base(f"{root}{config_home or account.home + '/.config'}/containers/systemd", _everything),
    ]
    for place in (_ADMIN, _VENDOR) if rules.vendor_users else (_ADMIN,):
        bases.append(Base(f"{root}{place}/users", for_all_users))
        bases.append(Base(f"{root}{place}/users/{account.uid}", _everything))
    return bases


def plain_bases(directories: Iterable[str]) -> list[Base]:
    """Directories that are read instead of the search path."""
    return [Base(path, _everything) for path in directories]


def _is_number(name: str) -> bool:
    return all(character in "0123456789" for character in name)


def _names(path: str) -> tuple[list[str], list[str]]:
    """The names in a directory and which of them are directories, both in the generator's order."""
    names: list[str] = []
    directories: list[str] = []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                names.append(entry.name)
                if entry.is_dir():
                    directories.append(entry.name)
    except OSError:
        pass  # The generator passes over a directory that it cannot list.
    return sorted(names, key=os.fsencode), sorted(directories, key=os.fsencode)


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISCHR(mode):
            return b""  # /dev/null, which masks
        if not stat.S_ISREG(mode):
            raise OSError(0, "it is not a regular file")
        return contents(descriptor)
    finally:
        os.close(descriptor)


class Tree:
    """Everything that the generator finds.

    ``units`` are those it loads; ``dropped`` those it would load if their directory had no broken file; ``copies`` the
    later files of a name, in order. ``broken`` lists unit files: a drop-in that cannot be read is skipped alone.
    """

    def __init__(self, rules: Rules, overlay: Overlay) -> None:
        self.rules = rules
        self.units: dict[str, Source] = {}
        self.dropped: dict[str, Source] = {}
        self.copies: dict[str, list[str]] = {}
        self.broken: list[Broken] = []
        self.directories: list[str] = []
        self._overlay = overlay
        self._drop_in_directories: dict[str, list[int]] = {}
        self._drop_ins: dict[str, list[str]] = {}
        self._loaded: dict[str, Source] = {}

    def add(self, directory: str, names: Sequence[str], subdirectories: Sequence[str]) -> None:
        """Take in one resolved directory; the calls are made in the generator's order."""
        names = self._with_planned(directory, names)
        for name in subdirectories:
            if name.endswith(".d"):
                self._drop_in_directories.setdefault(name, []).append(len(self.directories))
        self.directories.append(directory)
        good: dict[str, Source] = {}
        broken: list[Broken] = []
        for name in names:
            stem_and_dot, extension = name[: name.rfind(".") + 1], name[name.rfind(".") + 1 :]
            if not stem_and_dot or extension not in self.rules.extensions:
                continue
            path = os.path.join(directory, name)
            if name in self.units or name in self.dropped:
                self.copies.setdefault(name, []).append(path)
                continue
            try:
                good[name] = self._load(path)
            except BrokenUnit as exc:
                broken.append(Broken(path, exc.line, exc.why))
            except OSError as exc:
                broken.append(Broken(path, None, reason(exc)))
        self.broken += broken
        (self.dropped if broken else self.units).update(good)

    def drop_ins(self, unit: str) -> tuple[list[Source], list[Broken]]:
        """The drop-ins of a unit in the order in which they are merged, and those that cannot be read."""
        places = [
            (rank, index, name)
            for rank, name in enumerate(drop_in_names(unit))
            for index in self._drop_in_directories.get(name, ())
        ]
        if not self.rules.specific_drop_ins_first:
            places.sort(key=lambda place: (place[1], place[0]))
        chosen: dict[str, str] = {}
        for _rank, index, name in places:
            for path in self._drop_ins_in(os.path.join(self.directories[index], name)):
                chosen.setdefault(os.path.basename(path), path)
        sources: list[Source] = []
        broken: list[Broken] = []
        for name in sorted(chosen, key=os.fsencode):
            try:
                sources.append(self._load(chosen[name]))
            except BrokenUnit as exc:
                broken.append(Broken(chosen[name], exc.line, exc.why))
            except OSError as exc:
                broken.append(Broken(chosen[name], None, reason(exc)))
        return sources, broken

    def _drop_ins_in(self, directory: str) -> list[str]:
        if directory not in self._drop_ins:
            names = self._with_planned(os.path.realpath(directory), _names(directory)[0])
            self._drop_ins[directory] = [os.path.join(directory, name) for name in names if name.endswith(".conf")]
        return self._drop_ins[directory]

    def _with_planned(self, directory: str, names: Sequence[str]) -> Sequence[str]:
        if not self._overlay:
            return names
        planned = {os.path.basename(path) for path in self._overlay if os.path.dirname(path) == directory}
        return sorted(planned.union(names), key=os.fsencode)

    def _load(self, path: str) -> Source:
        if path not in self._loaded:
            planned = self._overlay.get(os.path.realpath(path)) if self._overlay else None
            self._loaded[path] = Source(path, parse(_read(path) if planned is None else planned))
        return self._loaded[path]


def _walk(base: Base, path: str, tree: Tree, seen: set[str], planned_directories: set[str]) -> None:
    resolved = os.path.realpath(path)
    if resolved in seen or resolved.endswith(".d") or not base.wanted(resolved) or not os.path.isdir(resolved):
        return
    seen.add(resolved)
    names, subdirectories = _names(resolved)
    planned = {
        os.path.basename(directory) for directory in planned_directories if os.path.dirname(directory) == resolved
    }
    tree.add(resolved, names, sorted(planned.union(subdirectories), key=os.fsencode))
    for name in subdirectories:
        _walk(base, os.path.join(resolved, name), tree, seen, planned_directories)


def scan(bases: Sequence[Base], rules: Rules, overlay: Overlay | None = None) -> Tree:
    """Read all units below the bases, as if what ``overlay`` plans were written already."""
    tree = Tree(rules, overlay or {})
    seen: set[str] = set()
    planned_directories = {os.path.dirname(path) for path in overlay or ()}
    for base in bases:
        _walk(base, base.path, tree, seen, planned_directories)
    return tree


def drop_in_names(unit: str) -> list[str]:
    """The names of the directories that hold a unit's drop-ins, most specific first."""
    stem, _dot, extension = unit.rpartition(".")
    base, at, instance = stem.partition("@")
    names = [f"{unit}.d"]
    if instance:
        names.append(f"{base}@.{extension}.d")
    parts = base.split("-")
    for count in range(len(parts) - 1, 0, -1):
        truncated = "-".join(parts[:count]) + "-"
        if at:
            names.append(f"{truncated}@.{extension}.d")
        names.append(f"{truncated}.{extension}.d")
    names.append(f"{extension}.d")
    return names
