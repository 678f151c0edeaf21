"""Homepage's configuration as Homepage reads it: files, placeholders, groups of services, and what gets lost on the way."""

from __future__ import annotations

import hashlib
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import homepage_yaml
import web

Version = tuple[int, ...]
Item = dict[str, Any]

FILES = (
    "docker.yaml",
    "settings.yaml",
    "services.yaml",
    "bookmarks.yaml",
    "widgets.yaml",
    "kubernetes.yaml",
    "proxmox.yaml",
    "custom.css",
    "custom.js",
)
VALIDATED = ("docker.yaml", "settings.yaml", "services.yaml", "bookmarks.yaml", "kubernetes.yaml", "proxmox.yaml")
SKELETON = {
    "services.yaml": "- My First Group:\n    - My First Service:\n        href: http://localhost/\n        description: Homepage is awesome\n",
    "bookmarks.yaml": "- Developer:\n    - Github:\n        - abbr: GH\n          href: https://github.com/\n",
    "widgets.yaml": "- resources:\n    cpu: true\n    memory: true\n    disk: /\n",
}
# Of a widget, the page gets these; addresses and keys stay here.
SHOWN_OF_WIDGET = ("type", "version", "fields", "hide_errors", "mappings", "display", "refreshInterval")


class Configuration:
    def __init__(self, folder: pathlib.Path, version: Version, environment: dict[str, str]) -> None:
        self.folder, self.version = folder, version
        # Read once: a changed variable needs a restart.
        self.placeholders = {
            name: value for name, value in environment.items() if name.startswith(("HOMEPAGE_VAR_", "HOMEPAGE_FILE_"))
        }

    def require(self, name: str) -> pathlib.Path:
        """The file, copied from the skeleton where it is missing; the process ends where that cannot be done."""
        path = self.folder / name
        if not path.exists():
            try:
                path.write_text(SKELETON.get(name, "---\n" if name.endswith(".yaml") else ""))
            except OSError as problem:
                web.log(f"error: Failed to initialize required config: {path}")
                web.log(f"error: Reason: {problem}")
                web.log("error: Hint: make the config folder writable, or provide the file.")
                os._exit(1)
            web.log(f"info: {name} was copied to the config folder")
        return path

    def substituted(self, name: str) -> str:
        """The file's text with the placeholders replaced: plain text, before anybody parses it, in comments too."""
        text = self.require(name).read_text()
        for key, value in self.placeholders.items():
            placeholder = "{{" + key + "}}"
            if placeholder in text:
                text = text.replace(
                    placeholder, pathlib.Path(value).read_text() if key.startswith("HOMEPAGE_FILE_") else value
                )
        return text

    def validate(self) -> list[Item]:
        """What is wrong with the files as they lie there, placeholders and all."""
        found = []
        for name in VALIDATED:
            try:
                homepage_yaml.load(self.require(name).read_text())
            except homepage_yaml.YamlError as problem:
                found.append({**problem.fields, "config": name})
        return found

    def hash(self) -> str:
        return hashlib.sha256(b"".join(self.require(name).read_bytes() for name in FILES)).hexdigest()

    def load(self, name: str) -> Any:
        """The parsed file; None, and a line in the log, where it cannot be parsed. Nobody is told."""
        try:
            return homepage_yaml.load(self.substituted(name))
        except (homepage_yaml.YamlError, OSError) as problem:
            web.log(f"error: Failed to load {name}, please check for errors")
            web.log(f"error: {problem}")
            return None

    def settings(self) -> Item:
        loaded = self.load("settings.yaml")
        return loaded if isinstance(loaded, dict) else {}

    def listed(self, name: str) -> list[Any]:
        """A file that is a list of single-key mappings: widgets, bookmarks."""
        loaded = self.load(name)
        return [item for item in loaded if isinstance(item, dict)] if isinstance(loaded, list) else []

    def groups(self) -> list[Item]:
        """The groups with all that their services hold. One wrong group and all of them are gone; of two with one name the second."""
        loaded = self.load("services.yaml")
        try:
            found = parse_groups(loaded, first_weight=0 if self.version < (1, 8) else 100) if loaded else []
        except NotReadable as problem:
            web.log("error: Failed to load services.yaml, please check for errors")
            web.log(f"error: TypeError: {problem}")
            return []
        named: dict[str, Item] = {}
        for group in found:
            named.setdefault(group["name"], group)
        return list(named.values())

    def shown_groups(self) -> list[Item]:
        return [shown(group, self.version) for group in self.groups() if group["services"] or group["groups"]]

    def find(self, group: str, service: str) -> Item | None:
        """The first service of that name in the first group of that name, at any depth."""
        for candidate in walk(self.groups()):
            if candidate["name"] == group:
                return next((item for item in candidate["services"] if item["name"] == service), None)
        return None


class NotReadable(Exception):
    """Where Homepage's code throws a TypeError."""


def parse_groups(items: Any, first_weight: int) -> list[Item]:
    if not isinstance(items, list):
        raise NotReadable("services.map is not a function")
    groups = []
    for item in items:
        name, entries = first_property(item)
        if not isinstance(entries, list):
            raise NotReadable(f"{name}: forEach is not a function")
        services: list[Item] = []
        nested: list[Item] = []
        for entry in entries:
            service, content = first_property(entry)
            if not content:
                web.log(f'warn: Error parsing service "{service}" from config. Ensure required fields are present.')
            elif isinstance(content, list):
                nested += parse_groups([{service: content}], first_weight)
            else:
                given = content if isinstance(content, dict) else {}
                weight = given.get("weight") or first_weight + 100 * len(services)
                services.append({"name": service, **given, "weight": weight, "type": "service"})
        services.sort(key=lambda service: service["weight"] if isinstance(service["weight"], (int, float)) else 0)
        groups.append({"name": name, "type": "group", "services": services, "groups": nested})
    return groups


def first_property(item: Any) -> tuple[str, Any]:
    """Of a mapping only the first key counts; a text is a list of its characters."""
    if isinstance(item, str) and item:
        return "0", item[0]
    if isinstance(item, dict) and item:
        return next(iter(item.items()))
    raise NotReadable("Cannot convert undefined or null to object")


def walk(groups: list[Item]) -> Iterator[Item]:
    for group in groups:
        yield group
        yield from walk(group["groups"])


def widgets_of(service: Item) -> list[Item]:
    listed = service.get("widgets")
    single = service.get("widget")
    found = [single] if isinstance(single, dict) else []
    return found + [widget for widget in listed if isinstance(widget, dict)] if isinstance(listed, list) else found


def widget_version(given: Any, version: Version) -> int | None:
    """What reaches the widget's code: until 1.12.2 as parseInt reads it, later a whole number or nothing."""
    if given is None:
        return 1 if version < (1, 12, 3) else None
    text = str(given)
    if version < (1, 12, 3):
        text = text.partition(".")[0]
    return int(text) if text.lstrip("-").isdigit() else None


def shown(group: Item, version: Version) -> Item:
    services = []
    for service in group["services"]:
        clean = {name: value for name, value in service.items() if name not in ("widget", "widgets")}
        widgets = []
        for index, widget in enumerate(widgets_of(service)):
            fields = {name: widget[name] for name in SHOWN_OF_WIDGET if name in widget}
            fields["version"] = widget_version(widget.get("version"), version)
            widgets.append({**fields, "service_name": service["name"], "service_group": group["name"], "index": index})
        services.append({**clean, "widgets": widgets})
    return {**group, "services": services, "groups": [shown(nested, version) for nested in group["groups"]]}
