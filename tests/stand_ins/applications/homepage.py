"""Stand-in for Homepage: its API over the same files, its probes and its widget proxy, and a page that looks like a dashboard."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import socket
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Callable

import homepage_page
import web
from homepage_config import Configuration, Item, widgets_of

# What a widget may ask for, by the names that the page uses.
WIDGETS: dict[str, dict[str, str]] = {
    "immich": {
        "version": "server-info/version",
        "statistics": "server-info/statistics",
        "stats": "server-info/stats",
        "version_v2": "server/version",
        "statistics_v2": "server/statistics",
    },
    "traefik": {"traefik": "overview"},
}


class Homepage:
    def __init__(self, configuration: Configuration, version: str, allowed_hosts: set[str]) -> None:
        self.configuration, self.version, self.allowed_hosts = configuration, version, allowed_hosts
        self.page: str | None = None
        self.started = str(time.time())
        self.calls: dict[str, Callable[[web.Request], web.Answer]] = {
            "/api/healthcheck": lambda request: web.as_text("up"),
            "/api/validate": lambda request: web.as_json(configuration.validate()),
            "/api/services": lambda request: web.as_json(configuration.shown_groups()),
            "/api/bookmarks": lambda request: web.as_json(configuration.listed("bookmarks.yaml")),
            "/api/widgets": lambda request: web.as_json(configuration.listed("widgets.yaml")),
            "/api/widgets/resources": lambda request: web.as_json(resources()),
            "/api/hash": lambda request: web.as_json({"hash": configuration.hash() + self.started}),
            "/api/revalidate": self.revalidate,
            "/api/siteMonitor": self.site_monitor,
            "/api/ping": self.ping,
            "/api/services/proxy": self.proxy,
            "/api/config/custom.css": lambda request: self.file("custom.css", "text/css"),
            "/api/config/custom.js": lambda request: self.file("custom.js", "text/javascript"),
        }

    def answer(self, request: web.Request) -> web.Answer:
        if not request.path.startswith("/api/"):
            return self.show_page(request)
        host = request.headers.get("Host", "")
        if "*" not in self.allowed_hosts and host not in self.allowed_hosts:
            web.log(
                f"error: Host validation failed for: {host}. Hint: Set the HOMEPAGE_ALLOWED_HOSTS environment variable to allow requests from this host / port."
            )
            return web.as_json({"error": "Host validation failed. See logs for more details."}, 400)
        if request.path.startswith("/api/config/") and request.path not in self.calls:
            return web.as_text("Unsupported file", 422)
        call = self.calls.get(request.path)
        return call(request) if call else web.as_text("404: This page could not be found.", 404)

    # ---- the page

    def show_page(self, request: web.Request) -> web.Answer:
        """Rendered once, and again when /api/revalidate was called; the tiles on it are always asked for anew."""
        if request.path != "/":
            return web.as_text("404: This page could not be found.", 404)
        if self.page is None:
            configuration = self.configuration
            settings, bookmarks = configuration.settings(), configuration.listed("bookmarks.yaml")
            self.page = homepage_page.render(
                self.version, settings, configuration.validate(), bookmarks, configuration.listed("widgets.yaml")
            )
        return web.as_text(self.page, Cache_Control="s-maxage=31536000")

    def revalidate(self, request: web.Request) -> web.Answer:
        self.page = None
        return web.as_json({"revalidated": True})

    def file(self, name: str, media_type: str) -> web.Answer:
        return web.Answer(200, self.configuration.require(name).read_bytes(), media_type)

    # ---- probes

    def service(self, request: web.Request, group: str, service: str) -> Item:
        found = self.configuration.find(request.query.get(group, ""), request.query.get(service, ""))
        if found is None:
            raise web.Refusal(web.as_json({"error": "Unable to find service, see log for details."}, 400))
        return found

    def site_monitor(self, request: web.Request) -> web.Answer:
        """HEAD, and GET where that was refused; no answer at all counts as 500."""
        url = str(self.service(request, "groupName", "serviceName").get("siteMonitor") or "")
        if not urllib.parse.urlsplit(url).hostname or not url.startswith("http"):
            return web.as_json({"error": f"Invalid URL: {url}"}, 400)
        begun = time.monotonic()
        status, _body = ask(url, {}, "HEAD")
        if status > 403:
            begun = time.monotonic()
            status, _body = ask(url, {}, "GET")
        return web.as_json({"status": status, "latency": 1000 * (time.monotonic() - begun)})

    def ping(self, request: web.Request) -> web.Answer:
        """The real one sends ICMP to the host name. A name that resolves is all that this one needs: a container that runs, a dead
        application in it or not."""
        target = str(self.service(request, "groupName", "serviceName").get("ping") or "")
        host = urllib.parse.urlsplit(target).hostname if "://" in target else target
        try:
            socket.getaddrinfo(host, None)
        except OSError:
            return web.as_json({"host": host, "alive": False, "time": "unknown"})
        return web.as_json({"host": host, "alive": True, "time": 0})

    def proxy(self, request: web.Request) -> web.Answer:
        """Asks the application on behalf of a widget, so that the key stays here."""
        widgets = widgets_of(self.service(request, "group", "service"))
        index = int(request.query.get("index") or 0)
        if index >= len(widgets):
            return web.as_json({"error": "Unknown proxy service type"}, 403)
        widget = widgets[index]
        if widget.get("type") == "customapi":
            url, headers = str(widget.get("url")), {str(k): str(v) for k, v in (widget.get("headers") or {}).items()}
        else:
            endpoint = WIDGETS.get(str(widget.get("type")), {}).get(request.query.get("endpoint", ""))
            if not endpoint:
                return web.as_json({"error": "Unsupported service endpoint"}, 403)
            url = f"{str(widget.get('url')).rstrip('/')}/api/{endpoint}"
            headers = {"X-API-Key": str(widget.get("key", "undefined"))} if widget["type"] == "immich" else {}
        status, body = ask(url, headers, "GET")
        if status >= 400:
            web.log(f"error: HTTP Error {status} calling {url}")
            return web.as_json({"error": {"message": "HTTP Error", "url": url, "resultData": as_data(body)}}, status)
        return web.Answer(status, body)


def ask(url: str, headers: dict[str, str], method: str) -> tuple[int, bytes]:
    """Status and body, of errors too. Certificates are not checked, as Homepage does not."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    # An HTTP client strips what follows a key, be it the end of the file that it was read from.
    clean = {name: value.strip() for name, value in headers.items()}
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "homepage (stand-in)", **clean}, method=method)
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read()
    except (OSError, ValueError) as problem:
        return 500, json.dumps({"error": {"message": str(problem), "url": url}}).encode()


def as_data(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


def resources() -> Item:
    """What the bars at the top show, of the machine below."""
    memory = dict(line.split(":") for line in pathlib.Path("/proc/meminfo").read_text().splitlines())
    total, free = (int(memory[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
    disk = shutil.disk_usage("/")
    cpu = 100 * os.getloadavg()[0] / (os.cpu_count() or 1)
    return {
        "cpu": min(cpu, 100),
        "memory": {"total": total, "free": free},
        "disk": {"total": disk.total, "free": disk.free},
    }


def main() -> None:
    version = os.environ["STAND_IN_VERSION"]
    faults = web.Faults(version)
    web.start("Homepage", faults)
    port = os.environ.get("PORT", "3000")
    folder = pathlib.Path(os.environ.get("HOMEPAGE_CONFIG_DIR", "/app/config"))
    try:
        (folder / "logs").mkdir(exist_ok=True)
        (folder / "logs" / "homepage.log").touch()
    except OSError as problem:
        sys.exit(f"error: {problem}: Homepage writes its log into {folder}/logs")
    named = os.environ.get("HOMEPAGE_ALLOWED_HOSTS", "")
    allowed = {
        f"localhost:{port}",
        f"127.0.0.1:{port}",
        f"[::1]:{port}",
        *(name.strip() for name in named.split(",") if name.strip()),
    }
    numbers = tuple(int(part) for part in version.removeprefix("v").split("."))
    homepage = Homepage(Configuration(folder, numbers, dict(os.environ)), version, allowed)
    web.log(f"listening on port {port}")
    web.Server(int(port), homepage.answer, faults).serve_forever()


if __name__ == "__main__":
    main()
