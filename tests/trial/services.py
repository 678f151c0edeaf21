"""What the running host says of its services: asked through Traefik as a browser would, and of Podman.

Nothing here knows which versions the inventory wants; what is shown is what runs.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

_SECONDS = 60  # for a service that was just started to answer through Traefik


class Row(NamedTuple):
    service: str
    url: str
    version: str
    health: str
    seconds: str

    @property
    def healthy(self) -> bool:
        return self.health == "healthy"


class _Service(NamedTuple):
    name: str
    host: str
    path: str
    version: Callable[[str], str]  # from what the path answers; "" where that does not tell


_SERVICES = (
    _Service("immich", "photos.localhost", "/api/server/version", lambda body: "{major}.{minor}.{patch}".format(**json.loads(body))),
    _Service("ocis", "cloud.localhost", "/status.php", lambda body: str(json.loads(body)["productversion"])),
    _Service("homepage", "home.localhost", "/", lambda body: ""),
)


def look(host: Mapping[str, Any], seconds: Mapping[str, float]) -> list[Row]:
    """A row for each service; `seconds` is what the play took for each role."""
    containers = _containers(str(host["name"]))
    rows = [_traefik(host, containers, seconds)]
    for service in _SERVICES:
        url = f"https://{service.host}:{host['https_port']}"
        version, trouble = _ask(service, int(host["https_port"]))
        trouble = trouble or _unhealthy(service.name, containers)
        version = version or _tag(service.name, containers)
        rows.append(Row(service.name, url, version, trouble or "healthy", _shown(seconds, service.name)))
    return rows


def table(rows: list[Row]) -> str:
    lines = [Row._fields, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(Row._fields))]
    padded = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]
    return "\n".join([padded[0], "  ".join("-" * width for width in widths), *padded[1:]])


def _traefik(host: Mapping[str, Any], containers: list[dict[str, Any]], seconds: Mapping[str, float]) -> Row:
    url = f"http://localhost:{host['http_port']}"
    trouble = _unhealthy("traefik", containers)
    try:
        connection = http.client.HTTPConnection("127.0.0.1", int(host["http_port"]), timeout=10)
        connection.request("GET", "/", headers={"Host": "home.localhost"})
        status = connection.getresponse().status
        trouble = trouble or ("" if status in (301, 302, 307, 308) else f"answers {status} where it should redirect to HTTPS")
    except OSError as error:
        trouble = str(error)
    return Row("traefik", url, _tag("traefik", containers), trouble or "healthy", _shown(seconds, "traefik"))


def _ask(service: _Service, port: int) -> tuple[str, str]:
    """The version that the service tells, and what is wrong with its answer."""
    end = time.monotonic() + _SECONDS
    while True:
        try:
            status, body = _get(service.host, port, service.path)
            if status == 200:
                return service.version(body), ""
            trouble = f"{service.path} answers {status}"
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            trouble = f"{service.path}: {error}"
        if time.monotonic() > end:
            return "", trouble
        time.sleep(0.5)


def _get(name: str, port: int, path: str) -> tuple[int, str]:
    """Ask 127.0.0.1 under that name, as a browser does with names below localhost; Python does not resolve them."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the host's own certificate
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        connection = http.client.HTTPSConnection(name, port, timeout=10)
        connection.sock = context.wrap_socket(plain, server_hostname=name)
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")


def _containers(host: str) -> list[dict[str, Any]]:
    """What Podman says of each container of every account that has some; one line of JSON for each account."""
    script = (
        "cd / && for runtime in /run/user/*; do uid=${runtime##*/}; [ \"$uid\" = 0 ] ||"
        " setpriv --reuid=$uid --regid=$uid --clear-groups env HOME=$(getent passwd $uid | cut -d: -f6)"
        " XDG_RUNTIME_DIR=$runtime sh -c 'podman inspect $(podman ps --all --quiet)' | tr -d '\\n'; echo; done"
    )
    command = [sys.executable, "tests/test_host", "shell", host, "--", "sh", "-c", script]
    done = subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return [container for line in done.stdout.splitlines() if line for container in json.loads(line)]


def _of(service: str, containers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The service's containers, the one named like it first."""
    own = [container for container in containers if re.match(rf"(systemd-)?{service}\b", container["Name"])]
    return sorted(own, key=lambda container: len(container["Name"]))


def _unhealthy(service: str, containers: list[dict[str, Any]]) -> str:
    own = _of(service, containers)
    states = {container["Name"]: (container["State"].get("Health") or {}).get("Status") or container["State"]["Status"] for container in own}
    bad = [f"{name} is {state}" for name, state in states.items() if state not in ("healthy", "running")]
    return "no container runs" if not own else ", ".join(bad)


def _tag(service: str, containers: list[dict[str, Any]]) -> str:
    """The version in the tag of the image that runs. Podman keeps the tag in the command alone where there is a digest."""
    for container in _of(service, containers):
        repository = re.split(r"@|:(?!.*/)", container["ImageName"])[0]
        for word in container["Config"]["CreateCommand"]:
            if tag := re.match(rf"{re.escape(repository)}:v?([^@]+)", word):
                return tag[1]
    return "unknown"


def _shown(seconds: Mapping[str, float], role: str) -> str:
    return f"{seconds.get(role, 0):.1f}"
