# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether podman auto-update moves a unit's image, and which of the three ways of saying so it is that says so."""

from __future__ import annotations

from typing import NamedTuple

from .merged import Found, Unit

_LABEL = "io.containers.autoupdate"
_OFF = ("", "disabled")


class AutoUpdate(NamedTuple):
    """One setting. ``key`` is AutoUpdate, Label or PodmanArgs."""

    value: str
    key: str
    found: Found

    @property
    def is_on(self) -> bool:
        return self.value not in _OFF


def settings(unit: Unit) -> list[AutoUpdate]:
    """Every setting in the order of Podman's command line, where the last one wins."""
    if unit.kind == "kube":
        return [
            AutoUpdate(word.rpartition("/")[2], "AutoUpdate", found)
            for word, found in unit.words("AutoUpdate", escapes=False)
        ]
    if unit.kind != "container":
        return []
    said = []
    own = unit.last("AutoUpdate")
    if own and own.value:
        said.append(AutoUpdate(own.value, "AutoUpdate", own))
    for key, words in (("Label", unit.words("Label")), ("PodmanArgs", unit.options("--label", "-l"))):
        for word, found in words:
            name, equals, value = word.partition("=")
            if name == _LABEL and equals:
                said.append(AutoUpdate(value, key, found))
    return said


def in_force(unit: Unit) -> AutoUpdate | None:
    """The setting that wins, where podman auto-update would look at the unit."""
    said = settings(unit)
    return said[-1] if said and said[-1].is_on else None
