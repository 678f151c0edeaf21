# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One look at a host that a person set up by hand: what it runs, what the report's fixes would change, what a person should see to."""

from __future__ import annotations

import functools
import os
import re
import shutil
from collections.abc import Iterator
from typing import Any

from .. import account, files, podman
from ..errors import HomelabError
from ..quadlet import auto_update, editing, image_info, image_reference
from ..quadlet.conversion import Units
from ..quadlet.effective import effective, key_of
from ..quadlet.place import Place, on_this_host
from ..quadlet.rules import found_version, too_old
from ..quadlet.running import running_containers
from ..yaml_text.nodes import Fault
from . import checks, homepage, immich, ocis, text, traefik
from .applications import Application, Change, Finding, exact_tag, find
from .traefik_config import Configuration, from_words, from_yaml

_STATIC_NAMES = ("traefik.yml", "traefik.yaml")
_ENTRY_PORT = re.compile(r":(\d+)")


def look(user: str | None, scope: str | None, immich_version: str) -> dict[str, Any]:
    """Everything in one call, as plain values. Nothing is changed."""
    if user and os.geteuid() == 0 and not account.exists(user):
        return _not_understood(f"This host has no account {user}. Correct the account's name.")
    if not shutil.which("podman"):
        return _not_understood("Podman is not installed on this host.")
    if why := too_old(found_version()):
        return _not_understood(why)
    who = account.resolve(user, scope)
    found = account.run_as(who, lambda: _Look(on_this_host(who, ()), immich_version).result())
    return {**found, "root": os.geteuid() == 0, "account": who.name if who else ""}


def _not_understood(sentence: str) -> dict[str, Any]:
    return {**_NOTHING, "not_understood": sentence, "lines": [f"LEFT ALONE: {sentence}"]}


_NOTHING: dict[str, Any] = {
    "not_understood": "", "refused": "", "left_alone": [], "facts": [], "changes": [], "findings": [], "checks": [],
    "lines": [], "table": [], "markdown": "", "pins": [], "tiles": [], "ocis": None, "root": False, "account": "",
}  # fmt: skip


class _Look:
    """The parts of one look, which share what was read."""

    def __init__(self, place: Place, immich_version: str) -> None:
        self.place = place
        self.wanted_version = immich_version.lstrip("v")
        self.units: Units = place.read()
        self.containers = running_containers() or {}
        self.home = place.account.home if place.account else os.path.expanduser("~root")
        self.image_of = functools.lru_cache(maxsize=None)(podman.image)
        self.found = find(self.units, self.containers, self.home)
        self.facts: list[str] = []
        self.changes: list[Change] = []
        self.findings: list[Finding] = []
        self.left_alone: list[str] = []
        self.refused = ""

    def result(self) -> dict[str, Any]:
        if self.units.tree.broken:
            broken = self.units.tree.broken[0]
            return _not_understood(
                f"Quadlet cannot read {broken.path}: {broken.why}, so every unit of that directory is missing at the next boot. Mend or move that file first."
            )
        if not any(self.found.values()):
            owner = self.place.account.name if self.place.account else "the system"
            return _not_understood(f"No unit of Immich, oCIS, Homepage or Traefik was found where Quadlet looks for the units of {owner}.")
        pins = self._immich()
        tiles = self._homepage()
        cloud = self._ocis()
        read = self._traefik()
        self._floating()
        verified = self._checks(read)
        return {
            "not_understood": "",
            "refused": self.refused,
            "left_alone": self.left_alone,
            "facts": self.facts,
            "changes": text.plain(self.changes),
            "findings": text.plain(self.findings),
            "checks": text.plain(verified),
            "lines": text.lines(self.facts, self.changes, self.findings, self.left_alone),
            "table": text.table(verified),
            "markdown": text.markdown(verified, self.findings, self.left_alone),
            "pins": pins,
            "tiles": tiles,
            "ocis": cloud,
        }

    def _one(self, name: str, title: str) -> Application | None:
        """The application's only unit; where there are several, none of them is touched."""
        several = self.found[name]
        if len(several) > 1:
            paths = ", ".join(one.unit.path for one in several)
            self.left_alone.append(f"{title} is left alone: several units run it ({paths}), and which of them is meant cannot be told.")
        return several[0] if len(several) == 1 else None

    # --- Immich ---

    def _immich(self) -> list[dict[str, str]]:
        parts = [one for one in (self._one("immich", "Immich"), self._one("machine_learning", "Immich's machine learning")) if one]
        server = parts[0] if parts and parts[0].name == "immich" else None
        if server is None or any(len(self.found[name]) > 1 for name in ("immich", "machine_learning")):
            return []
        try:
            pins = immich.pins(parts, self.image_of)
        except HomelabError as exc:
            self.left_alone.append(exc.message)
            return []
        version = exact_tag(pins[0].image).lstrip("v")
        media = [volume.host for volume in server.volumes if volume.host and volume.inside in ("/data", "/usr/src/app/upload")]
        photos = f"; its photos are in {media[0]}" if media else ""
        self.facts.append(f"Immich {version or 'of unknown version'}: {', '.join(one.unit.path for one in parts)}{photos}")
        if self.wanted_version and version and self.wanted_version != version:
            self.refused = (
                f"The host runs Immich {version} and immich_version asks for {self.wanted_version}. This playbook keeps what runs and "
                f"upgrades nothing, because Immich migrates its database one way: leave immich_version out, or set it to {version}."
            )
        if self.wanted_version and not version:
            self.left_alone.append(
                f"immich_version {self.wanted_version} could not be compared with what runs: the image at {server.path}:{server.line} tells no version. "
                "Immich tells its own in the verification list."
            )
        self.changes += [change for pin in pins for change in pin.changes]
        if not any(pin.changes for pin in pins) and not any(self._is_stale(one) for one in parts):
            return []
        return [{"unit": pin.unit, "image": pin.image} for pin in pins]

    def _is_stale(self, one: Application) -> bool:
        """Whether systemd has loaded something else than the files say, as after a run that was cut off."""
        holder = one.of.holder
        image = self._loaded(one.of.holder_service, holder.section, key_of(holder))
        updates = self._loaded(one.of.service, "Container", "AutoUpdate")
        written = [found.value for found in one.unit.assigned("AutoUpdate")]
        return (image is not None and image[-1:] != [found.value for found in holder.assigned(key_of(holder))][-1:]) or updates not in (None, written)

    def _loaded(self, service: str, section: str, key: str) -> list[str] | None:
        loaded = self.place.loaded(service)
        return None if loaded is None else [one.value for one in loaded.assignments if (one.section, one.key) == (f"X-{section}", key)]

    # --- Homepage ---

    def _homepage(self) -> list[dict[str, Any]]:
        one = self._one("homepage", "Homepage")
        if one is None:
            return []
        self.facts.append(f"Homepage {one.version or 'of unknown version'}: {one.unit.path}")
        path = one.on_host("/app/config/services.yaml")
        try:
            data = files.read(path) if path else None
            if path is None or data is None:
                raise HomelabError(f"there is no services.yaml in what {one.unit.path} mounts at /app/config")
            if not (editing.is_own(path) and editing.is_own(os.path.dirname(path))):
                raise HomelabError(f"{path} or its folder belongs to another account")
            server = self.found["immich"]
            version = exact_tag(self._running_image(server[0])).lstrip("v") if server else None
            looked = homepage.look(path, data.decode("utf-8", "surrogateescape"), version, one.version)
        except HomelabError as exc:
            self.left_alone.append(f"Homepage is left alone: {exc.message}.")
            return []
        except Fault as fault:
            self.left_alone.append(f"Homepage is left alone: {path}, line {fault.line}: {fault.why}.")
            return []
        self.changes += looked.changes
        self.findings += looked.findings
        return [{"path": path, **mended._asdict()} for mended in looked.mended]

    def _running_image(self, server: Application) -> str:
        try:
            return immich.pins([server], self.image_of)[0].image
        except HomelabError:
            return ""

    # --- oCIS ---

    def _ocis(self) -> dict[str, Any] | None:
        one = self._one("ocis", "oCIS")
        if one is None:
            return None
        data = one.on_host(ocis.DATA)
        self.facts.append(f"oCIS {one.version or 'of unknown version'}: {one.unit.path}{f'; its data is in {data}' if data else ''}")
        found = ocis.mounts(one)
        self.changes += ocis.changes(one, found)
        self.findings += ocis.findings(one)
        return {
            "unit": one.unit.name,
            "service": one.of.service,
            "data": data,
            "volumes": found.values,
            "external": [f"{volume.found.value} ({volume.found.place})" for volume in found.external],
            "restart": found.container_has_more,
            "running": one.container is not None,
            "enabled": any(one.unit.every(key, "Install") for key in ("WantedBy", "RequiredBy")),
        }

    # --- Traefik ---

    def _traefik(self) -> _Read | None:
        one = self._one("traefik", "Traefik")
        if one is None:
            return None
        self.facts.append(f"Traefik {one.version or 'of unknown version'}: {one.unit.path}")
        static = self._static(one)
        dynamic = {"file": self._dynamic(one, static), "docker": Configuration()}
        for name in self.units.tree.units:
            if name.endswith(".container"):
                labels = [(word, found.source.path, found.assignment.line) for word, found in self.units[name].words("Label")]
                dynamic["docker"].add(from_words(labels, "traefik."))
        read = traefik.Traefik(static, dynamic)
        names = {name: one.names for name in ("immich", "ocis") for one in self.found[name]}
        routers = traefik.routers(read, names, self._owner)
        self.findings += traefik.findings(read, routers)
        for name, title in (("immich", "Immich"), ("ocis", "oCIS")):
            if self.found[name] and not any(router.application == name for router in routers):
                self.left_alone.append(f"Traefik: no router to {title} was found in its files and labels, so that nothing is said of the way there.")
        return _Read(one, read, routers)

    def _owner(self, file: str) -> str:
        """Whose labels stand in a file."""
        return next((name for name in ("immich", "ocis") for one in self.found[name] if file in [source.path for source in one.unit.sources]), "")

    def _static(self, one: Application) -> Configuration:
        configuration = Configuration()
        words = [(word, found.source.path, found.assignment.line) for word, found in one.unit.words("Exec")]
        configuration.add(from_words(words, "--"))
        named = configuration.text("configfile")
        for inside in [named] if named else [f"/etc/traefik/{name}" for name in _STATIC_NAMES]:
            path = one.on_host(inside)
            if path and self._read_into(configuration, path):
                break
        else:
            if not configuration.get("entrypoints"):
                self.left_alone.append(
                    f"Traefik: no static configuration in YAML or in Exec= was found by {one.unit.path}, so that nothing is said of its entry points."
                )
        return configuration

    def _dynamic(self, one: Application, static: Configuration) -> Configuration:
        configuration = Configuration()
        for key in ("directory", "filename"):
            inside = static.text("providers", "file", key)
            path = one.on_host(os.path.normpath(inside)) if inside else None
            for file in _yaml_files(path) if path and key == "directory" else [path] if path else []:
                self._read_into(configuration, file)
        return configuration

    def _read_into(self, configuration: Configuration, path: str) -> bool:
        try:
            data = files.read(path)
            if data is None:
                return False
            configuration.add(from_yaml(data.decode("utf-8", "surrogateescape"), path))
        except HomelabError as exc:
            self.left_alone.append(f"Traefik: {exc.message}")
        except Fault as fault:
            self.left_alone.append(f"Traefik: {path}, line {fault.line}, was not understood: {fault.why}.")
        return True

    # --- The rest ---

    def _floating(self) -> None:
        """Images that mean another one tomorrow. Immich's own are in the changes."""
        own = {one.unit.name for name in ("immich", "machine_learning") for one in self.found[name]}
        for name in sorted(self.units.tree.units):
            of = effective(name, self.units)
            if name in own or not name.endswith((".container", ".image")) or not of.found or of.holder is not of.unit:
                continue
            setting = auto_update.in_force(of.unit)
            moves = image_info.kind_of(of.unit) in image_reference.FLOATING
            if moves or setting:
                why = " and ".join([*(["it can mean another image tomorrow"] if moves else []), *(["podman auto-update moves it"] if setting else [])])
                what = f"{name} runs {of.found.value}: {why}"
                self.findings.append(Finding("images", of.found.source.path, of.found.assignment.line, what, "the version that runs, written out"))

    def _checks(self, read: _Read | None) -> list[checks.Check]:
        told: list[checks.Check] = []
        proxy = read.unit if read else None
        addresses = _addresses(read.of.static) if read else {}

        def door_to(one: Application, port: int) -> checks.Door | None:
            route = traefik.route(read.of, read.routers, one.name) if read else None
            return checks.door(route, proxy, addresses, one, port)

        for server in self.found["immich"][:1]:
            told += checks.immich(door_to(server, 2283), exact_tag(self._running_image(server)).lstrip("v"))
        for cloud in self.found["ocis"][:1]:
            told += checks.ocis(door_to(cloud, 9200), read is not None)
            data = cloud.on_host(ocis.DATA)
            if data:
                told.append(checks.nocow(data))
        for name in ("immich", "machine_learning", "ocis"):
            told += [checks.resources(one) for one in self.found[name]]
        return told


class _Read:
    """Traefik's unit, its configuration, and the routers that matter."""

    def __init__(self, unit: Application, of: traefik.Traefik, routers: list[traefik.Router]) -> None:
        self.unit, self.of, self.routers = unit, of, routers


def _addresses(static: Configuration) -> dict[str, int]:
    """The port of each entry point inside the container."""
    found = {name: _ENTRY_PORT.search(static.text("entrypoints", name, "address")) for name in static.names("entrypoints")}
    return {name: int(match[1]) for name, match in found.items() if match}


def _yaml_files(directory: str) -> Iterator[str]:
    """The files of a dynamic folder and those below it, as Traefik reads them."""
    for root, folders, names in os.walk(directory, followlinks=False):
        folders.sort()
        yield from (os.path.join(root, name) for name in sorted(names) if name.endswith((".yml", ".yaml")))
