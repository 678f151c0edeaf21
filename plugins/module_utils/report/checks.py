# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's own verification list, asked of the host itself: through the proxy, of the kernel, of the containers."""

from __future__ import annotations

import http.client
import json
import os
import re
import ssl
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..btrfs import kernel
from ..errors import HomelabError
from .applications import Application
from .traefik import Route

_SECONDS = 5
_PUBLISHED = re.compile(r"(?:(?P<address>\[[^]]*\]|[^:]*):)?(?P<host>\d+):(?P<inside>\d+)(?:/tcp)?\Z")
_HERE = "127.0.0.1"
_EVERYWHERE = ("", "0.0.0.0", "::")


class Check(NamedTuple):
    """One line of the list. ``fine`` is None where it tells something that is neither right nor wrong."""

    service: str
    what: str
    found: str
    fine: bool | None


class Door(NamedTuple):
    """Where an application answers on this host, and by which name it has to be asked."""

    address: str
    port: int
    host: str
    encrypted: bool


def published(application: Application, inside: int) -> tuple[str, int] | None:
    """The address and port of the host behind which a port of the container is."""
    if application.unit.text("Network") == "host":
        return _HERE, inside
    for found in application.unit.every("PublishPort"):
        match = _PUBLISHED.match(found.value)
        if match and int(match["inside"]) == inside:
            address = (match["address"] or "").strip("[]")
            return _HERE if address in _EVERYWHERE else address, int(match["host"])
    return None


def door(route: Route | None, proxy: Application | None, addresses: Mapping[str, int], own: Application, own_port: int) -> Door | None:
    """The way through the proxy where there is one, else the port that the application publishes itself."""
    if route and proxy and route.entry_point in addresses:
        place = published(proxy, addresses[route.entry_point])
        if place:
            return Door(*place, route.host, route.encrypted)
    place = published(own, own_port)
    return Door(*place, "localhost", False) if place else None


def ask(to: Door, path: str) -> tuple[int, str]:
    """The status and the text of an answer; 0 and the reason where there is none."""
    connection: http.client.HTTPConnection
    if to.encrypted:
        # The question goes to this very host, whose certificate is for the public name.
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = _Named(to, context)
    else:
        connection = http.client.HTTPConnection(to.address, to.port, timeout=_SECONDS)
    usual = 443 if to.encrypted else 80
    try:
        connection.request("GET", path, headers={"Host": to.host if to.port == usual else f"{to.host}:{to.port}"})
        answer = connection.getresponse()
        return answer.status, answer.read(1 << 20).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as exc:
        return 0, str(exc) or type(exc).__name__
    finally:
        connection.close()


class _Named(http.client.HTTPSConnection):
    """A connection to this host that names the public one, by which the proxy chooses its certificate."""

    def __init__(self, to: Door, context: ssl.SSLContext) -> None:
        super().__init__(to.address, to.port, timeout=_SECONDS, context=context)
        self._name, self._trusting = to.host, context

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        self.sock = self._trusting.wrap_socket(self.sock, server_hostname=self._name)


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _said(status: int, text: str) -> str:
    return f"HTTP {status}" if status else f"no answer: {text}"


_NO_DOOR = "not asked: neither a route nor a published port was found"


def immich(to: Door | None, version: str) -> list[Check]:
    """Ping and version."""
    if to is None:
        return [Check("immich", "Immich answers a ping", _NO_DOOR, None)]
    status, text = ask(to, "/api/server/ping")
    pong = _json(text).get("res") == "pong"
    checks = [Check("immich", "Immich answers a ping", "pong" if pong else _said(status, text), pong)]
    status, text = ask(to, "/api/server/version")
    parts = _json(text)
    found = ".".join(str(parts[key]) for key in ("major", "minor", "patch") if key in parts)
    return [*checks, Check("immich", "Immich's version", found or _said(status, text), found == version if version and found else bool(found))]


def ocis(to: Door | None, through_proxy: bool) -> list[Check]:
    """Its page and its status."""
    title = "oCIS answers through the proxy" if through_proxy else "oCIS answers"
    if to is None:
        return [Check("ocis", title, _NO_DOOR, None)]
    status, text = ask(to, "/")
    checks = [Check("ocis", title, _said(status, text), status == 200)]
    status, text = ask(to, "/status.php")
    version = str(_json(text).get("productversion", ""))
    return [*checks, Check("ocis", "oCIS's version", version or _said(status, text), bool(version))]


def nocow(data: str) -> Check:
    """Whether the data directory is NOCOW, as lsattr -d shows it. Only a wish can say whether it should be."""
    what = f"lsattr -d {data}"
    try:
        descriptor = os.open(data, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as exc:
        return Check("ocis", what, f"cannot be looked at: {exc.strerror}", None)
    try:
        flags = kernel.flags(descriptor)
    except (OSError, HomelabError):
        return Check("ocis", what, "this file system has no such flags", None)
    finally:
        os.close(descriptor)
    return Check("ocis", what, "C (NOCOW)" if flags & kernel.NOCOW_FLAG else "no C (copy on write, with checksums)", None)


def memory(pid: int) -> int | None:
    """The memory of a container in bytes, by its control group, or by its processes where that does not count it."""
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8") as stream:
            own = next(line[3:].strip() for line in stream if line.startswith("0::"))
        group = f"/sys/fs/cgroup{own}"
        if os.path.exists(f"{group}/memory.current"):
            with open(f"{group}/memory.current", encoding="utf-8") as stream:
                return int(stream.read())
        with open(f"{group}/cgroup.procs", encoding="utf-8") as stream:
            return sum(_resident(int(line)) for line in stream)
    except (OSError, StopIteration, ValueError):
        return None


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as stream:
            return next((int(line.split()[1]) * 1024 for line in stream if line.startswith("VmRSS:")), 0)
    except OSError:
        return 0


def resources(one: Application) -> Check:
    """The memory and the health of a container."""
    what = f"{one.of.service}: memory and health"
    if one.container is None:
        return Check(one.name, what, "does not run", False)
    used = memory(one.container.pid)
    size = "memory unknown" if used is None else f"{round(used / (1 << 20))} MiB"
    health = one.container.health or "not checked"
    return Check(one.name, what, f"{size}, {health}", None if health in ("not checked", "starting") else health == "healthy")
