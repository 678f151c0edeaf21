# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What on the way to Immich and oCIS trips a photo timeline or an upload: from the router through its middlewares and its entry point.

Nothing is changed here. Every number that is told stands with the file and line that it was read from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from .applications import Finding
from .traefik_config import Configuration, Path, Setting

_TITLES = {"immich": "Immich", "ocis": "oCIS"}
_PORTS = {2283: "immich", 9200: "ocis"}
# A timeline asks for a hundred modules and some hundred thumbnails within seconds, and where rootless Podman publishes the
# port, the whole household is one address to Traefik. 200 a minute with a burst of 100 broke both; 200 with 800 did not.
_BURST = 800
_A_MINUTE = 200
# A folder of small files is several requests for each, ten files a second and more.
_UPLOADS_A_MINUTE = 3000
# Immich's documentation asks for 600 seconds at least, oCIS's example has 12 hours: the whole of an upload is one read.
_READ_SECONDS = 600
_READ_FITS = "12h (at least 600s), or 0 for no end"
_TRAEFIKS_READ_SECONDS = 60
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_HOST = re.compile(r"Host\(\s*[`\"']([^`\"']+)[`\"']")


class Router(NamedTuple):
    """A router that leads to one of the applications. ``provider`` is file or docker, where names without @ are looked for."""

    name: str
    application: str
    provider: str
    path: Path


class Route(NamedTuple):
    """How an application is reached from outside: by which name, through which entry point, encrypted or not."""

    host: str
    entry_point: str
    encrypted: bool


class Traefik(NamedTuple):
    """Everything that was read: the static configuration and the dynamic ones by provider."""

    static: Configuration
    dynamic: Mapping[str, Configuration]


def seconds(duration: str) -> float | None:
    """A duration as Go writes it, or a plain number of seconds; None where it is neither."""
    if re.fullmatch(r"\d+", duration):
        return float(duration)
    parts = _DURATION.findall(duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def routers(read: Traefik, names: Mapping[str, set[str]], label_owner: Callable[[str], str]) -> list[Router]:
    """The routers of the applications. ``names`` are what their containers answer to, ``label_owner`` whose a unit's labels are."""
    found = []
    for provider, configuration in read.dynamic.items():
        for name in configuration.names("http", "routers"):
            path = ("http", "routers", name)
            setting = configuration.settings[path]
            application = _leads_to(configuration, path, read, provider, names) or (label_owner(setting.file) if provider == "docker" else "")
            if application:
                found.append(Router(name, application, provider, path))
    return found


def _leads_to(configuration: Configuration, router: Path, read: Traefik, provider: str, names: Mapping[str, set[str]]) -> str:
    service, _at, where = configuration.text(*router, "service").lower().partition("@")
    services = read.dynamic.get(where or provider, configuration)
    for number in services.names("http", "services", service, "loadbalancer", "servers") if service else []:
        application = _of_url(services.text("http", "services", service, "loadbalancer", "servers", number, "url"), names)
        if application:
            return application
    return ""


def _of_url(url: str, names: Mapping[str, set[str]]) -> str:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    by_name = next((application for application, known in names.items() if host in {name.lower() for name in known}), "")
    # By its address or through the host, it is known by the port that only this application has.
    return by_name or (_PORTS.get(port or 0, "") if "." in host or ":" in host else "")


def entry_points(read: Traefik, router: Router) -> list[str]:
    """The entry points of a router, without those that only send elsewhere."""
    listed = [name.lower() for name in read.dynamic[router.provider].listed(*router.path, "entrypoints")]
    known = [name for name in read.static.names("entrypoints") if name != "traefik"]
    return [name for name in listed or known if not read.static.get("entrypoints", name, "http", "redirections")]


def route(read: Traefik, found: Sequence[Router], application: str) -> Route | None:
    """The public name of an application, preferably encrypted."""
    routes = []
    for router in found:
        configuration = read.dynamic[router.provider]
        host = _HOST.search(configuration.text(*router.path, "rule"))
        if router.application != application or not host:
            continue
        for name in entry_points(read, router):
            encrypted = bool(configuration.get(*router.path, "tls") or read.static.get("entrypoints", name, "http", "tls"))
            routes.append(Route(host[1], name, encrypted))
    return next((one for one in routes if one.encrypted), routes[0] if routes else None)


def findings(read: Traefik, found: Sequence[Router]) -> list[Finding]:
    """What trips the applications, each place once for each application."""
    told: dict[Finding, None] = {}
    for router in found:
        for name, definition in _middlewares(read, router):
            for kind, setting in definition:
                told.update(dict.fromkeys(_middleware_findings(read, router, name, kind, setting)))
        for name in entry_points(read, router):
            told.update(dict.fromkeys(_entry_point_findings(read, router, name)))
    return list(told)


class _Place(NamedTuple):
    """Where a middleware is defined."""

    configuration: Configuration
    path: Path


def _middlewares(read: Traefik, router: Router) -> Iterator[tuple[str, list[tuple[str, _Place]]]]:
    """The middlewares on a router's way, those of chains and entry points included, each with what it is made of."""
    waiting = [(name, router.provider) for name in read.dynamic[router.provider].listed(*router.path, "middlewares")]
    for entry_point in entry_points(read, router):
        waiting += [(name, "file") for name in read.static.listed("entrypoints", entry_point, "http", "middlewares")]
    seen = set()
    while waiting:
        written, default = waiting.pop(0)
        name, _at, where = written.lower().partition("@")
        provider = where or default
        if (name, provider) in seen or provider not in read.dynamic:
            continue
        seen.add((name, provider))
        configuration = read.dynamic[provider]
        path = ("http", "middlewares", name)
        waiting += [(inner, provider) for inner in configuration.listed(*path, "chain", "middlewares")]
        yield name, [(kind, _Place(configuration, (*path, kind))) for kind in configuration.names(*path)]


def _middleware_findings(read: Traefik, router: Router, name: str, kind: str, place: _Place) -> list[Finding]:
    setting = place.configuration.settings[place.path]
    title, on = _TITLES[router.application], f"on the router {router.name}"
    if kind == "ratelimit":
        return _rate_limit(router, name, place)
    if kind == "retry":
        attempts = place.configuration.text(*place.path, "attempts") or "some"
        what = f"the middleware {name} {on} sends a request again that failed ({attempts} attempts): an upload's body is gone by then"
        return [_finding(setting, what, f"no retry on {title}'s router")]
    if kind == "circuitbreaker":
        trips = place.configuration.text(*place.path, "expression") or "no expression"
        what = f"the middleware {name} {on} is a circuit breaker ({trips}): broken-off uploads open it, and then everybody gets 503"
        return [_finding(setting, what, f"no circuit breaker on {title}'s router")]
    if kind == "buffering":
        largest = place.configuration.text(*place.path, "maxrequestbodybytes")
        refuses = f", and refuses more than {largest} bytes" if largest not in ("", "0") else ""
        what = f"the middleware {name} {on} takes in the whole of an upload before {title} sees the first byte{refuses}"
        return [_finding(setting, what, f"no buffering on {title}'s router")]
    return []


def _finding(setting: Setting, what: str, fits: str) -> Finding:
    return Finding("traefik", setting.file, setting.line, what, fits)


def _rate_limit(router: Router, name: str, place: _Place) -> list[Finding]:
    configuration, path = place.configuration, place.path
    average, burst = (_number(configuration.text(*path, key)) for key in ("average", "burst"))
    period = configuration.text(*path, "period") or "1s"
    if not average:
        return []  # Traefik takes no average, or 0, for no limit.
    a_minute = average * 60 / (seconds(period) or 1)
    needed = _UPLOADS_A_MINUTE if router.application == "ocis" else _A_MINUTE
    if (burst or 1) >= _BURST and a_minute >= needed:
        return []
    setting = configuration.get(*path, "burst") if (burst or 1) < _BURST else configuration.get(*path, "average")
    what = (
        f"the rate limit {name} on the router {router.name} lets {average} requests per {period} through, "
        f"and {burst or 1} at once: {_TITLES[router.application]} needs more and gets 429"
    )
    return [_finding(setting or configuration.settings[path], what, f"burst {_BURST} and {needed} a minute at least, or no rate limit on this router")]


def _number(text: str) -> int:
    return int(text) if re.fullmatch(r"\d+", text) else 0


def _entry_point_findings(read: Traefik, router: Router, name: str) -> list[Finding]:
    path = ("entrypoints", name)
    setting = read.static.get(*path, "transport", "respondingtimeouts", "readtimeout")
    if setting is None:
        place = read.static.get(*path)
        what = f"the entry point {name} has no readTimeout, so that an upload ends after {_TRAEFIKS_READ_SECONDS} seconds"
        return [_finding(place, what, f"transport.respondingTimeouts.readTimeout: {_READ_FITS}")] if place else []
    value = seconds(setting.value)
    if value is None or value == 0 or value >= _READ_SECONDS:
        return []
    return [_finding(setting, f"the entry point {name} ends an upload after {setting.value} (readTimeout)", _READ_FITS)]
