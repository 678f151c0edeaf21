# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Podman's own generator: what it makes of units that are not written yet, and what it made of those that are loaded.

It is asked over a staged copy of the whole search path, because a unit may name units of other directories, and a
drop-in may lie in any of them.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from .. import command
from ..errors import HomelabError
from .rules import GENERATORS
from .unit_file import BrokenUnit, UnitFile, parse

_SERVICE = re.compile(r"^---(.+\.service)---$", re.MULTILINE)
_COMMANDS = ("ExecStart", "ExecStop", "ExecStopPost", "ExecReload")
_PREFIX = re.compile(r"^quadlet-generator\[\d+\]: ")


class Service(NamedTuple):
    """What the generator makes of one unit: a systemd service. ``text`` is comparable, without comments."""

    name: str
    source: str  # the unit file's path
    text: str
    start: tuple[str, ...]  # the words of the command that starts it
    image: str | None  # as the unit says it: a reference, or the name of an .image or .build unit
    secrets: tuple[str, ...]
    needs: tuple[str, ...]  # services that it cannot do without
    after: tuple[str, ...]

    @property
    def unit(self) -> str:
        return os.path.basename(self.source)

    @property
    def kind(self) -> str:
        return self.source.rpartition(".")[2]

    @property
    def runs(self) -> bool:
        """Whether it stays running. The others make something once, which then exists."""
        return self.kind in ("container", "pod", "kube")

    @property
    def is_template(self) -> bool:
        return self.name.endswith("@.service")

    @property
    def made(self) -> str | None:
        """The Podman name of the network or volume that it makes."""
        return self.start[-1] if self.kind in ("network", "volume") and self.start else None


def unknown(source: str) -> Service:
    """A unit of which nothing is known but its file, where the generator could not be asked."""
    return Service("", source, "", (), None, (), (), ())


class Yield(NamedTuple):
    """The generator's answer: services, and sentences on the units of which it makes none."""

    services: list[Service]
    complaints: list[str]


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()


def _all(unit: UnitFile, section: str, *keys: str) -> list[str]:
    return [
        word for one in unit.assignments if one.section == section and one.key in keys for word in one.value.split()
    ]


def _comparable(line: str) -> str:
    """A command's words in one order, for the generator puts the options of some keys in another one each time."""
    key, _equals, words = line.partition("=")
    return f"{key}={' '.join(sorted(words.split()))}" if key in _COMMANDS else line


def _service(name: str, text: str) -> Service:
    lines = [line for line in text.strip().splitlines() if not line.startswith(("#", ";"))]
    unit = parse(("\n".join(lines).strip() + "\n").encode("utf-8", "surrogateescape"))
    source = unit.last("Unit", "SourcePath")
    path = source.value if source else ""
    section = f"X-{path.rpartition('.')[2].capitalize()}"
    image = unit.last(section, "Image")
    command_line = unit.last("Service", "ExecStart")
    start = _words(command_line.value if command_line else "")
    return Service(
        name=name,
        source=path,
        text="\n".join(_comparable(line) for line in lines).strip() + "\n",
        start=tuple(start),
        image=image.value.strip('"') if image and image.value else None,
        secrets=tuple(sorted({after.split(",")[0] for word, after in zip(start, start[1:]) if word == "--secret"})),
        needs=tuple(_all(unit, "Unit", "Requires", "BindsTo")),
        after=tuple(_all(unit, "Unit", "After")),
    )


def _complaints(text: str) -> list[str]:
    lines = (_PREFIX.sub("", line.strip()) for line in text.splitlines())
    return [
        line
        for line in lines
        if line and not line.startswith(("Loading source ", "Warning: ", "No files parsed from "))
    ]


def read_answer(out: str, err: str) -> Yield:
    """The generator's two streams as plain values."""
    parts = _SERVICE.split(out)
    return Yield([_service(name, text) for name, text in zip(parts[1::2], parts[2::2])], _complaints(err))


def ask(directories: Sequence[str] | None = None, user: bool = True) -> Yield:
    """Run the generator as the calling account: over its own search path or the system's, or over these directories alone."""
    answer = _run(directories, user)
    return read_answer(answer.out, answer.err)


def makes_another(service: str, loaded: bytes, user: bool) -> bool:
    """Whether the generator would now make something else of a service than what systemd has loaded."""
    before = _service(service, loaded.decode("utf-8", "replace"))
    return before.text not in [one.text for one in ask(user=user).services if one.name == service]


def _run(directories: Sequence[str] | None, user: bool = True) -> command.Answer:
    program = next((path for path in GENERATORS if os.path.exists(path)), None)
    if program is None:
        raise HomelabError(
            "Podman's Quadlet generator is not on this host: install podman 5.4 or newer, then run the task again."
        )
    environment = {} if directories is None else {"QUADLET_UNIT_DIRS": ":".join(directories)}
    return command.run([program, "-dryrun", *(["-user"] if user else [])], environment=environment)


def _copy(source: str, target: str) -> None:
    """Copy one entry of a search directory as the generator would meet it. What it can never read is left out."""
    if os.path.isdir(source) and not source.endswith(".d"):
        os.mkdir(target)  # Searched in its own right; here its name alone matters.
    elif os.path.islink(source):
        aim = os.readlink(source)
        os.symlink(aim if "/" not in aim else os.path.join(os.path.dirname(source), aim), target)
    elif os.path.isdir(source):
        os.mkdir(target)
        for name in os.listdir(source):
            _copy(os.path.join(source, name), os.path.join(target, name))
    elif os.path.isfile(source):
        shutil.copyfile(source, target)


def ask_staged(
    stage: str, directories: Sequence[str], own: str, units: Mapping[str, bytes], gone: Iterable[str]
) -> Yield:
    """What the generator would make of the search path if ``own`` held these units and no longer those that are gone.

    ``directories`` are the search directories in order, without their subdirectories; ``stage`` is an empty directory.
    """
    places = [*directories] if own in directories else [*directories, own]
    left_out = {*units, *gone}
    for number, directory in enumerate(places):
        target = _place(stage, number)
        os.mkdir(target)
        for name in os.listdir(directory) if os.path.isdir(directory) else ():
            if not (directory == own and name in left_out):
                _copy(os.path.join(directory, name), os.path.join(target, name))
        if directory == own:
            for name, content in units.items():
                with open(os.path.join(target, name), "wb") as stream:
                    stream.write(content)
    answer = _run([_place(stage, number) for number in range(len(places))])

    def real(text: str) -> str:
        for number, directory in enumerate(places):
            text = text.replace(_place(stage, number), directory)
        return text

    return read_answer(real(answer.out), real(answer.err))


def _place(stage: str, number: int) -> str:
    return os.path.join(stage, f"{number:04d}")


def loaded(runtime_dir: str) -> list[Service]:
    """What the generator yielded when the account's systemd last loaded its units."""
    directory = f"{runtime_dir}/systemd/generator"
    found = []
    for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else ():
        path = os.path.join(directory, name)
        if name.endswith(".service") and os.path.isfile(path) and not os.path.islink(path):
            with open(path, encoding="utf-8", errors="surrogateescape", newline="") as stream:
                text = stream.read()
            try:
                service = _service(name, text)
            except BrokenUnit:
                continue  # Another generator's.
            if service.source:
                found.append(service)
    return found
