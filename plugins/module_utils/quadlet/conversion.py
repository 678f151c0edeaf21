# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether Podman's generator makes a service of a unit, under which name, and why it makes none."""

from __future__ import annotations

import csv
import re

from .merged import Unit
from .search_path import Tree

_SUFFIXES = {
    "volume": "-volume",
    "network": "-network",
    "image": "-image",
    "build": "-build",
    "pod": "-pod",
    "artifact": "-artifact",
}
# Both as loose as the generator's own.
_PORT = re.compile(r"\d(/udp|/tcp)?\Z")
_URL = re.compile(r"^(https?|git://)|github\.com/.")
_DEPENDENCIES = (
    "After", "Before", "BindsTo", "Conflicts", "OnFailure", "OnSuccess", "PartOf", "PropagatesReloadTo", "PropagatesStopTo",
    "ReloadPropagatedFrom", "Requires", "Requisite", "StopPropagatedFrom", "Upholds", "Wants",
)  # fmt: skip


class _Refused(Exception):
    """Completes the sentence "Quadlet makes no service of UNIT: ..."."""


class Units:
    """Every unit that the generator loads, merged with its drop-ins when it is first asked for."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.rules = tree.rules
        self._merged: dict[str, Unit] = {}
        self._refusals: dict[str, str | None] = {}

    def __contains__(self, name: str) -> bool:
        return name in self.tree.units

    def __getitem__(self, name: str) -> Unit:
        if name not in self._merged:
            drop_ins, broken = self.tree.drop_ins(name)
            own = self.tree.units.get(name) or self.tree.dropped[name]
            self._merged[name] = Unit(name, [own, *drop_ins], broken, self.rules)
        return self._merged[name]

    def service(self, name: str) -> str:
        """The name of the service that comes or would come of a unit."""
        unit = self[name]
        named = unit.last("ServiceName")
        if named:
            return f"{named.value}.service"
        suffix = _SUFFIXES.get(unit.kind, "")
        if unit.stem.endswith("@") and self.rules.suffix_before_at:
            return f"{unit.stem[:-1]}{suffix}@.service"
        return f"{unit.stem}{suffix}.service"

    def refusal(self, name: str) -> str | None:
        """Why no service comes of a unit, or None where one does."""
        if name not in self._refusals:
            self._refusals[name] = None  # Units may name each other in a circle.
            self._refusals[name] = self._why_none(name)
        return self._refusals[name]

    def _why_none(self, name: str) -> str | None:
        if name in self.tree.dropped:
            return "another file of its directory cannot be read, and so Quadlet drops the whole directory"
        try:
            _convert(self[name], self)
        except _Refused as exc:
            return str(exc)
        return None

    def container_name(self, name: str) -> str | None:
        """The name of the container of a unit, or None where only systemd can tell."""
        unit = self[name]
        named = unit.text("ContainerName") or ("systemd-%p_%i" if "@" in name else "systemd-%N")
        resolved = named.replace("%N", self.service(name)[: -len(".service")])
        return None if "%" in resolved else resolved


def _convert(unit: Unit, units: Units) -> None:
    """Go through what can make the generator refuse a unit, whose kind decides which of it applies."""
    _keys(unit)
    if units.rules.unit_dependencies:
        _dependencies(unit, units)
    if unit.kind == "container":
        _container(unit, units)
    elif unit.kind == "volume":
        _volume(unit, units)
    elif unit.kind == "network":
        _network(unit)
    elif unit.kind == "build":
        _build(unit, units)
    elif unit.kind == "pod":
        _networks(unit, units)
        _mappings(unit, manual=True)
        _volumes(unit, units)
    elif unit.kind == "kube":
        _kube(unit)
        _service_section(unit)
        _networks(unit, units)
        _mappings(unit, manual=False)
        _context(unit, "yaml", "Yaml")
    else:
        _needs(unit, unit.section)


def _keys(unit: Unit) -> None:
    for section in (unit.section, "Quadlet"):
        for key in unit.keys(section):
            if key not in unit.rules.keys[section]:
                raise _Refused(f"this version does not know the key {key} in [{section}]")


def _dependencies(unit: Unit, units: Units) -> None:
    for key in _DEPENDENCIES:
        for word, _found in unit.words(key, "Unit", escapes=False):
            if word.rpartition(".")[2] in units.rules.extensions and "." in word and word not in units:
                raise _Refused(f"{key}= names {word}, and there is no such unit")


def _needs(unit: Unit, key: str) -> None:
    if not unit.text(key):
        raise _Refused(f"it has no {key}=")


def _named_unit(name: str, units: Units, key: str) -> None:
    if name not in units:
        raise _Refused(f"{key}= names {name}, and there is no such unit")


def _image(unit: Unit, units: Units) -> None:
    image = unit.text("Image")
    if image.endswith((".image", ".build")):
        _named_unit(image, units, "Image")


def _container(unit: Unit, units: Units) -> None:
    image, root = unit.text("Image"), unit.text("Rootfs")
    if not image and not root:
        raise _Refused("it has neither Image= nor Rootfs=")
    if image and root:
        raise _Refused("it has both Image= and Rootfs=")
    _image(unit, units)
    _service_section(unit)
    if unit.text("ReloadCmd") and unit.text("ReloadSignal"):
        raise _Refused("it has both ReloadCmd= and ReloadSignal=")
    if unit.text("Group") and not unit.text("User"):
        raise _Refused("it has Group= without User=")
    _networks(unit, units)
    _mappings(unit, manual=True)
    _volumes(unit, units)
    for found in unit.every("ExposeHostPort"):
        if not _PORT.search(found.value.strip()):
            raise _Refused(f"ExposeHostPort={found.value} is not a port")
    for word, _found in unit.words("Mount"):
        _mount(word, units)
    pod = unit.text("Pod")
    if pod and not pod.endswith(".pod"):
        raise _Refused(f"Pod={pod} is not the name of a .pod unit")
    if pod:
        _named_unit(pod, units, "Pod")


def _service_section(unit: Unit) -> None:
    kill_mode = unit.last("KillMode", "Service")
    if kill_mode and kill_mode.value not in ("mixed", "control-group"):
        raise _Refused(f"KillMode={kill_mode.value} in [Service] is neither mixed nor control-group")
    kind = unit.last("Type", "Service")
    if kind and kind.value not in ("notify", "oneshot"):
        raise _Refused(f"Type={kind.value} in [Service] is neither notify nor oneshot")


def _networks(unit: Unit, units: Units) -> None:
    for found in unit.every("Network"):
        name, colon, _options = found.value.partition(":")
        if not name.endswith((".network", ".container")):
            continue
        _named_unit(name, units, "Network")
        joins = name.endswith(".container")
        if units.container_name(name) is None if joins else units.refusal(name) is not None:
            raise _Refused(f"Network= names {name}, which yields nothing to join")
        if joins and colon:
            raise _Refused(f"Network={found.value} gives options to another container's network")


def _mappings(unit: Unit, manual: bool) -> None:
    if not any(unit.last(key) for key in ("RemapUid", "RemapGid", "RemapUsers")):
        return
    explicit = any(unit.text(key) for key in ("UserNS", "SubUIDMap", "SubGIDMap"))
    if explicit or any(unit.words(key, escapes=False) for key in ("UIDMap", "GIDMap")):
        raise _Refused("it has Remap keys beside explicit mappings")
    assigned = unit.assigned("RemapUsers")
    remap = assigned[-1].value if assigned else ""
    if remap not in ("", "auto", "keep-id", *(("manual",) if manual else ())):
        raise _Refused(f"RemapUsers={remap} is not known")
    counts = [len(unit.words(key, escapes=False)) for key in ("RemapUid", "RemapGid")]
    if (not remap and any(counts)) or (remap == "keep-id" and max(counts) > 1):
        raise _Refused("its Remap keys do not go together")


def _storage(source: str, units: Units, kinds: tuple[str, ...]) -> None:
    if source.startswith((".", "/")):
        return
    if source.endswith(kinds):
        _named_unit(source, units, "Volume")


def _volumes(unit: Unit, units: Units) -> None:
    artifact = (".artifact",) if "artifact" in units.rules.extensions else ()
    for found in unit.every("Volume"):
        parts = found.value.split(":", 2)
        if len(parts) > 1:
            _storage(parts[0], units, (".volume", *artifact))


def _mount(value: str, units: Units) -> None:
    artifact = (".artifact",) if "artifact" in units.rules.extensions else ()
    try:
        rows = list(csv.reader([value], strict=True))
    except csv.Error:
        rows = []
    kinds = [token[5:] for token in rows[0] if token.startswith("type=") and token.count("=") == 1] if rows else []
    if rows and units.rules.mounts_are_volumes:
        kinds.append("volume")
    if not kinds:
        raise _Refused(f"Mount={value} has no type")
    if kinds[0] in ("volume", "bind", "glob", "image", *(kind[1:] for kind in artifact)):
        sources = [token.partition("=")[2] for token in rows[0] if token.partition("=")[0] in ("source", "src")]
        if not sources or not sources[-1]:
            raise _Refused(f"Mount={value} has no source")
        _storage(sources[-1], units, (".volume", ".image", *artifact))


def _volume(unit: Unit, units: Units) -> None:
    if unit.text("Driver") == "image":
        if not unit.last("Image"):
            raise _Refused("it has Driver=image and no Image=")
        _image(unit, units)
    elif not unit.text("Device"):
        for key in ("Type", "Options"):
            if unit.text(key):
                raise _Refused(f"it has {key}= without Device=")


def _network(unit: Unit) -> None:
    subnets, gateways, ranges = (len(unit.every(key)) for key in ("Subnet", "Gateway", "IPRange"))
    if gateways > subnets or ranges > subnets:
        raise _Refused("it has more Gateway= or IPRange= than Subnet=")


def _build(unit: Unit, units: Units) -> None:
    if not unit.every("ImageTag"):
        raise _Refused("it has no ImageTag=")
    _networks(unit, units)
    _volumes(unit, units)
    file = unit.text("File")
    if _context(unit, "file", "File") or unit.text("SetWorkingDirectory") or unit.text("WorkingDirectory", "Service"):
        return
    if not file:
        raise _Refused("it has neither SetWorkingDirectory= nor File=")
    if not file.startswith("/") and not _URL.search(file):
        raise _Refused(f"File={file} is relative and there is no SetWorkingDirectory=")


def _kube(unit: Unit) -> None:
    if not unit.rules.several_yaml:
        _needs(unit, "Yaml")
        return
    paths = unit.words("Yaml", escapes=False)
    if not paths:
        raise _Refused("it has no Yaml=")
    if len(paths) > 1 and unit.text("SetWorkingDirectory").lower() == "yaml":
        raise _Refused("it has SetWorkingDirectory=yaml and several Yaml=")


def _context(unit: Unit, word: str, key: str) -> str:
    """What SetWorkingDirectory= names beyond its words: the context of a build. ``word`` stands for the file in ``key``."""
    wanted = unit.text("SetWorkingDirectory")
    lower = wanted.lower()
    if lower == word and not unit.last(key):
        raise _Refused(f"SetWorkingDirectory={wanted} needs {key}=")
    if lower in ("", "unit", word):
        return ""
    if unit.kind != "build" or lower == "yaml":
        raise _Refused(f"SetWorkingDirectory={wanted} is not for a .{unit.kind} unit")
    return wanted
