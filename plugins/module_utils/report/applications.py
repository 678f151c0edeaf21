# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The applications of a host that a person set up by hand: which unit runs which, and what of the host it sees."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .. import podman
from ..quadlet import image_reference
from ..quadlet.conversion import Units
from ..quadlet.effective import Effective, effective
from ..quadlet.merged import Found, Unit

# By how the repository ends, so that a registry's mirror is known too.
_REPOSITORIES = {
    "immich": re.compile(r"/immich-server$"),
    "machine_learning": re.compile(r"/immich-machine-learning$"),
    "ocis": re.compile(r"/ocis(-rolling)?$"),
    "homepage": re.compile(r"/gethomepage/homepage$"),
    "traefik": re.compile(r"/traefik$"),
}
_SPECIFIER = re.compile("%(.)")


class Finding(NamedTuple):
    """Something that is told and not touched: where it stands, what it is, and what would fit."""

    service: str
    path: str
    line: int | None
    what: str
    fits: str


class Change(NamedTuple):
    """Something that is or would be changed: where, what, and why."""

    service: str
    path: str
    line: int | None
    what: str
    why: str


class Volume(NamedTuple):
    """One value of Volume=. ``host`` is the path on the host, None where Podman or systemd alone know it."""

    found: Found
    host: str | None
    inside: str


class Application(NamedTuple):
    """A unit that runs an application, and the container that runs it now, where one does."""

    name: str
    of: Effective
    container: podman.Container | None
    volumes: Sequence[Volume]

    @property
    def unit(self) -> Unit:
        return self.of.unit

    @property
    def path(self) -> str:
        """The file that names its image."""
        return self.of.found.source.path if self.of.found else self.unit.path

    @property
    def line(self) -> int | None:
        """The line that names its image."""
        return self.of.found.assignment.line if self.of.found else None

    @property
    def version(self) -> str:
        """The version in the tag of its image, or nothing where there is none."""
        return exact_tag(self.of.image or "").lstrip("v")

    @property
    def names(self) -> set[str]:
        """What other containers may call it."""
        own = self.unit.text("ContainerName") or f"systemd-{self.unit.stem}"
        aliases = {found.value for found in self.unit.every("NetworkAlias")}
        return {own.replace("%N", self.unit.stem).replace("%n", self.unit.stem), *aliases, *filter(None, [self.unit.text("HostName")])}

    def on_host(self, inside: str) -> str | None:
        """Where a path of the container lies on the host, by the volume that covers it most closely."""
        covering = [one for one in self.volumes if f"{inside}/".startswith(f"{one.inside.rstrip('/')}/")]
        closest = max(covering, key=lambda one: len(one.inside), default=None)
        if closest is None or closest.host is None:
            return None
        return closest.host + inside[len(closest.inside.rstrip("/")) :]


def exact_tag(image: str) -> str:
    """The tag of a reference where it names one version, else nothing."""
    name = image.partition("@")[0]
    tag = name.rpartition("/")[2].partition(":")[2]
    return tag if image_reference.kind(name) == "exact" else ""


def volume(found: Found, home: str) -> Volume:
    """One value of Volume= in its parts, with the account's home in place of %h."""
    source, colon, rest = found.value.partition(":")
    inside = rest.partition(":")[0] if colon else source
    host = _SPECIFIER.sub(lambda match: {"h": home, "%": "%"}.get(match[1], match[0]), source)
    known = colon and host.startswith("/") and not _SPECIFIER.search(host)
    return Volume(found, os.path.normpath(host) if known else None, os.path.normpath(inside))


def find(units: Units, containers: Mapping[str, Sequence[podman.Container]], home: str) -> dict[str, list[Application]]:
    """The units that run an application, by its name."""
    found: dict[str, list[Application]] = {name: [] for name in _REPOSITORIES}
    for unit in sorted(units.tree.units):
        if not unit.endswith(".container"):
            continue
        of = effective(unit, units)
        image = of.found.value if of.found else ""
        repository = image_reference.repository(image) or image.partition("@")[0].partition(":")[0]
        for name, pattern in _REPOSITORIES.items():
            if pattern.search(f"/{repository}"):
                running = [one for one in containers.get(of.service, ()) if one.pid]
                volumes = [volume(one, home) for one in of.unit.every("Volume")]
                found[name].append(Application(name, of, running[0] if running else None, volumes))
    return found
