# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a set of units asks for, read from a task's parameters. Nothing here looks at the host."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...errors import HomelabError
from ..search_path import RECORD

# The generator never searches a directory whose name ends in .d, and a hidden set would be hard to find.
_SET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(?<!\.d)")
_UNIT_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@:-]*\.(container|network|volume|image|build|pod|kube)")
# Podman's own rule, so that the sentence comes before the first write and a name is never taken for an option.
_SECRET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,252}")


class Wanted(NamedTuple):
    """One file as it shall be. ``mode`` None keeps what is there; ``restart`` are units that read it at their start."""

    path: str
    content: bytes
    mode: int | None
    restart: tuple[str, ...]
    hidden: bool  # what it holds is never shown


class Request(NamedTuple):
    """One task. ``units`` and ``files`` are keyed by absolute path; there are none of them where the state is absent."""

    name: str
    state: str
    directory: str
    units: dict[str, Wanted]
    files: dict[str, Wanted]
    secrets: dict[str, str]
    pull: str
    wait: bool
    timeout: float

    @property
    def record(self) -> str:
        """Where the set notes which files are its own. Quadlet reads no file of this name."""
        return os.path.join(self.directory, RECORD)

    @property
    def everything(self) -> dict[str, Wanted]:
        return {**self.units, **self.files}


def _mode(text: str | None, dest: str) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"0?[0-7]{3,4}", text):
        raise HomelabError(f"The mode {text!r} of {dest} is not an octal mode. Write it in quotes, for example '0600'.")
    return int(text, 8)


def _unit(directory: str, template: str, rendered: Mapping[str, Any]) -> Wanted:
    name = os.path.basename(template).removesuffix(".j2")
    if not _UNIT_NAME.fullmatch(name):
        raise HomelabError(
            f"{name} is not the name of a Quadlet unit: it has to end in .container, .network, .volume, .image, .build, .pod or .kube. Rename its template."
        )
    return Wanted(os.path.join(directory, name), rendered["content"].encode("utf-8"), None, (), rendered["hidden"])


def _file(home: str, one: Mapping[str, Any], rendered: Mapping[str, Any], unit_names: Sequence[str]) -> Wanted:
    dest = one["dest"]
    restart = tuple(one["restart"])
    for name in restart:
        if name not in unit_names:
            raise HomelabError(
                f"{dest} asks for a restart of {name}, which is not a unit of this set. Correct restart, or add the unit."
            )
    path = os.path.normpath(os.path.join(home, dest))
    return Wanted(path, rendered["content"].encode("utf-8"), _mode(one["mode"], dest), restart, rendered["hidden"])


def _refuse_twice(wanted: Sequence[Wanted]) -> None:
    paths = [one.path for one in wanted]
    for path in paths:
        if paths.count(path) > 1:
            raise HomelabError(f"{path} is asked for twice. Give each file once.")


def read_request(parameters: Mapping[str, Any], home: str, search_directory: str) -> Request:
    """The task's parameters, checked. ``rendered`` holds what the controller made of the templates, as JSON, in their order.

    ``search_directory`` is where the account's units lie, with links resolved, because the generator says it so.
    """
    name = parameters["name"]
    if not _SET_NAME.fullmatch(name):
        raise HomelabError(
            f"{name!r} cannot be the name of a set: use letters, digits, - and _, beginning with a letter or digit and not ending in .d."
        )
    for secret, value in (parameters["secrets"] or {}).items():
        if not _SECRET_NAME.fullmatch(secret):
            raise HomelabError(
                f"{secret!r} cannot be the name of a Podman secret: use letters, digits, - _ and . only."
            )
        if value in (None, ""):
            raise HomelabError(
                f"The secret {secret} has no value. Set the variable that holds it, then run the task again."
            )
        if not isinstance(value, str):
            raise HomelabError(
                f"The value of the secret {secret} is not text. Put it in quotes, then run the task again."
            )
    absent = parameters["state"] == "absent"
    directory = os.path.join(search_directory, name)
    units: list[Wanted] = []
    wanted_files: list[Wanted] = []
    if not absent:
        if not parameters["units"]:
            raise HomelabError(f"The set {name} has no units. Name at least one in units, or say state: absent.")
        if not parameters["rendered"]:
            raise HomelabError(
                "The templates were not rendered: call this module as a task of its own, patriark.homelab.quadlet_units."
            )
        rendered = json.loads(parameters["rendered"])
        units = [_unit(directory, *pair) for pair in zip(parameters["units"], rendered["units"])]
        names = [os.path.basename(unit.path) for unit in units]
        wanted_files = [_file(home, *pair, names) for pair in zip(parameters["files"], rendered["files"])]
    _refuse_twice([*units, *wanted_files])
    return Request(
        name=name,
        state=parameters["state"],
        directory=directory,
        units={unit.path: unit for unit in units},
        files={file.path: file for file in wanted_files},
        secrets={} if absent else dict(parameters["secrets"] or {}),
        pull=parameters["pull"],
        wait=parameters["wait"],
        timeout=parameters["timeout"],
    )
