"""The stand-in for Homepage reads, loses and reports what Homepage does."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import homepage_config
import homepage_yaml
import pytest
import web
from conftest import HERE, Program, Start

TILE = "- Photos:\n    - Immich:\n        href: http://x\n"


def configured(
    folder: pathlib.Path, services: str, version: str = "1.12.3", **environment: str
) -> homepage_config.Configuration:
    (folder / "services.yaml").write_text(services)
    return homepage_config.Configuration(folder, tuple(map(int, version.split("."))), environment)


# ---- YAML


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("key: {{HOMEPAGE_VAR_X}}", {"key": {"[object Object]": None}}),  # PyYAML: unhashable key
        ("key:\tvalue", {"key": "value"}),  # PyYAML: no tabs
        ("a: yes\nb: 0123\nc: 1:30", {"a": "yes", "b": 123, "c": "1:30"}),  # PyYAML: True, 83, 90
        ("1: a\ntrue: b", {"1": "a", "true": "b"}),
        ("a: &x {k: 1}\nb: {<<: *x, k: 2}", {"a": {"k": 1}, "b": {"k": 2}}),
        ("\ufeff--- \na: 0x10\n...\n", {"a": 16}),
        ("a: 1.5\nb: ~\nc:", {"a": 1.5, "b": None, "c": None}),
    ],
)
def test_yaml_as_js_yaml_reads_it(text: str, value: Any) -> None:
    assert homepage_yaml.load(text) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: 1\na: 2", "duplicated mapping key"),  # PyYAML: the last one wins
        ("a: !vault x", "unknown tag"),
        ("a:\n\tb: 1", "cannot start any token"),
        ("a: {{X}}/x", "expected"),
        ("a: 1\n---\nb: 2", "expected a single document"),
    ],
)
def test_yaml_that_js_yaml_refuses(text: str, reason: str) -> None:
    with pytest.raises(homepage_yaml.YamlError, match=reason):
        homepage_yaml.load(text)


# ---- groups


@pytest.mark.parametrize(
    "services",
    ["Photos: {}", "text", "- Photos:", "- Photos: text", "- Photos: {a: 1}", "- Photos: [null]", TILE + "- Photos"],
)
def test_one_wrong_group_and_all_are_gone(services: str, tmp_path: pathlib.Path) -> None:
    """Silently: a naive one skips the wrong entry and shows the rest."""
    found = configured(tmp_path, TILE + services if services.startswith("- P") else services)
    assert found.shown_groups() == []
    assert [fault for fault in found.validate() if fault["config"] == "services.yaml"] == []


def names(groups: list[dict[str, Any]]) -> list[Any]:
    return [
        [group["name"], [service["name"] for service in group["services"]], names(group["groups"])] for group in groups
    ]


@pytest.mark.parametrize(
    ("services", "shown"),
    [
        (TILE + TILE.replace("Immich", "Other"), [["Photos", ["Immich"], []]]),
        ("- A:\n    - name: Immich\n      href: x", [["A", ["name"], []]]),
        ("- A:\n    - Immich:\n    - text\n    - B: http://x", [["A", ["0", "B"], []]]),
        (
            "- Outer:\n    - Direct: {a: 1}\n    - Inner:\n        - Immich: {a: 1}",
            [["Outer", ["Direct"], [["Inner", ["Immich"], []]]]],
        ),
        ("- A: []", []),
        ("", []),
        ("- A:\n    - one: {a: 1}\n    - two: {a: 1, weight: 10}", [["A", ["two", "one"], []]]),
    ],
)
def test_what_is_lost_on_the_way(services: str, shown: list[Any], tmp_path: pathlib.Path) -> None:
    assert names(configured(tmp_path, services).shown_groups()) == shown


@pytest.mark.parametrize(
    ("given", "old", "new"), [(None, 1, None), (2, 2, 2), ("2", 2, 2), ("2.3.1", 2, None), (3, 3, 3)]
)
def test_widget_versions(given: Any, old: int | None, new: int | None) -> None:
    assert homepage_config.widget_version(given, (1, 7, 0)) == old
    assert homepage_config.widget_version(given, (1, 12, 3)) == new


# ---- placeholders


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("{{HOMEPAGE_VAR_K}}", "abc"),
        ('"{{HOMEPAGE_VAR_K}}"', "abc"),
        ('"{{ HOMEPAGE_VAR_K }}"', "{{ HOMEPAGE_VAR_K }}"),
        ('"{{HOMEPAGE_VAR_NONE}}"', "{{HOMEPAGE_VAR_NONE}}"),
    ],
)
def test_placeholders_are_text(text: str, key: str, tmp_path: pathlib.Path) -> None:
    found = configured(tmp_path, f"{TILE}        widget: {{type: immich, key: {text}}}", HOMEPAGE_VAR_K="abc")
    service = found.find("Photos", "Immich")
    assert service and service["widget"]["key"] == key


@pytest.mark.parametrize("text", ["{{HOMEPAGE_VAR_K}}", '"{{HOMEPAGE_VAR_K}}"', "'{{HOMEPAGE_VAR_K}}'"])
def test_a_value_with_quotes_breaks_everything(text: str, tmp_path: pathlib.Path) -> None:
    found = configured(tmp_path, f"{TILE}        key: {text}", HOMEPAGE_VAR_K="a: 'b\" c")
    assert found.shown_groups() == []


def test_placeholders_in_comments_count(tmp_path: pathlib.Path) -> None:
    assert configured(tmp_path, f"# {{{{HOMEPAGE_VAR_K}}}}\n{TILE}", HOMEPAGE_VAR_K="one\ntwo").shown_groups() == []


# ---- the server


class FakeImmich:
    """Answers as Immich 2 does; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str | None]] = []
        self.alive = True
        self.server = web.Server(0, self.answer, web.Faults("v2", "", "/nowhere"), "127.0.0.1")
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, request: web.Request) -> web.Answer:
        key = request.headers.get("X-API-Key")
        self.asked.append((request.method, request.path, key))
        if not self.alive:
            return web.as_json({"message": "down"}, 503)
        if request.path == "/api/server/statistics":
            return (
                web.as_json({"photos": 1}) if key == "secret-key" else web.as_json({"message": "Invalid API key"}, 401)
            )
        if request.path in ("/api/server/ping", "/api/server/version"):
            return web.as_json({"res": "pong"})
        return web.as_json({"message": f"Cannot GET {request.path}"}, 404)


@pytest.fixture
def immich() -> Iterator[FakeImmich]:
    found = FakeImmich()
    yield found
    found.server.shutdown()


@pytest.fixture
def folder(tmp_path: pathlib.Path, immich: FakeImmich) -> pathlib.Path:
    made = tmp_path / "config"
    made.mkdir()
    for name in homepage_config.FILES:
        (made / name).write_text("")
    tile = {"siteMonitor": f"{immich.url}/api/server/ping", "ping": f"{immich.url}/api/server/ping", "href": "http://x"}
    widget = {"type": "immich", "url": immich.url, "key": "{{HOMEPAGE_VAR_KEY}}", "version": 2}
    (made / "services.yaml").write_text(json.dumps([{"Photos": [{"Immich": {**tile, "widget": widget}}]}]))
    return made


@pytest.fixture
def environment(folder: pathlib.Path, port: int) -> dict[str, str]:
    return {
        "STAND_IN_VERSION": "v1.12.3",
        "PORT": str(port),
        "HOMEPAGE_CONFIG_DIR": str(folder),
        "HOMEPAGE_VAR_KEY": "secret-key",
    }


def statistics(homepage: Program, endpoint: str = "statistics_v2") -> Any:
    return homepage.ask(
        "/api/services/proxy?" + urlencode({"group": "Photos", "service": "Immich", "index": 0, "endpoint": endpoint})
    )


def test_tiles(environment: dict[str, str], port: int, start: Start, immich: FakeImmich) -> None:
    homepage = start("homepage", port, **environment).wait()
    assert homepage.ask("/api/healthcheck").body == b"up"
    assert homepage.ask("/api/validate").json() == []
    everything = homepage.ask("/api/services").body + homepage.ask("/").body
    assert b"Immich" in everything and b"stand-in" in everything
    assert b"secret-key" not in everything
    assert statistics(homepage).json() == {"photos": 1}
    removed = statistics(homepage, "stats")
    assert (removed.status, removed.json()["error"]["resultData"]["message"]) == (
        404,
        "Cannot GET /api/server-info/stats",
    )
    monitor = "/api/siteMonitor?groupName=Photos&serviceName=Immich"
    assert homepage.ask(monitor).json()["status"] == 200
    immich.alive = False
    assert homepage.ask(monitor).json()["status"] == 503
    # The report's way: green while Immich is dead.
    assert homepage.ask("/api/ping?groupName=Photos&serviceName=Immich").json()["alive"] is True
    assert immich.asked[-2:] == [("HEAD", "/api/server/ping", None), ("GET", "/api/server/ping", None)]


def test_a_wrong_key_is_seen(environment: dict[str, str], port: int, start: Start) -> None:
    homepage = start("homepage", port, **{**environment, "HOMEPAGE_VAR_KEY": "bad"}).wait()
    found = statistics(homepage)
    assert (found.status, found.json()["error"]["resultData"]["message"]) == (401, "Invalid API key")


def test_files_are_read_at_every_call_and_the_environment_is_not(
    environment: dict[str, str], folder: pathlib.Path, port: int, start: Start
) -> None:
    homepage = start("homepage", port, **environment).wait()
    before, rendered = homepage.ask("/api/hash").json(), homepage.ask("/").body
    (folder / "settings.yaml").write_text("title: Another title")
    assert homepage.ask("/api/hash").json() != before
    assert homepage.ask("/").body == rendered
    homepage.ask("/api/revalidate")
    assert b"Another title" in homepage.ask("/").body
    (folder / "services.yaml").write_text("- New:\n    - Tile: {a: 1}\n")
    assert [group["name"] for group in homepage.ask("/api/services").json()] == ["New"]


def test_hosts_that_are_not_allowed(environment: dict[str, str], port: int, start: Start) -> None:
    homepage = start("homepage", port, **environment, HOMEPAGE_ALLOWED_HOSTS="home.example.org:8443").wait()
    assert homepage.ask("/api/services", Host="home.example.org:8443").status == 200
    assert homepage.ask("/api/services", Host="home.example.org").status == 400
    assert homepage.ask("/", Host="elsewhere").status == 200


def test_a_broken_file_is_shown_to_everybody(
    environment: dict[str, str], folder: pathlib.Path, port: int, start: Start
) -> None:
    (folder / "services.yaml").write_text("- A:\n    - B:\n        key: literal\n        x: 1\n        x: 2\n")
    homepage = start("homepage", port, **environment).wait()
    assert homepage.ask("/api/validate").json()[0]["config"] == "services.yaml"
    assert b"literal" in homepage.ask("/").body


@pytest.mark.parametrize("name", homepage_config.FILES)
def test_a_missing_file_ends_it_where_it_cannot_be_written(name: str, tmp_path: pathlib.Path) -> None:
    """A folder that does not exist stands for a read-only one, which root could write to. A naive one reads nothing and goes on."""
    code = f"""
import pathlib, sys
sys.path.insert(0, {str(HERE / "applications")!r})
import homepage_config
homepage_config.Configuration(pathlib.Path({str(tmp_path / "none")!r}), (1, 7), {{}}).require({name!r})
"""
    found = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert found.returncode == 1 and f"Failed to initialize required config: {tmp_path / 'none' / name}" in found.stdout


def test_a_missing_file_is_made_where_it_can_be(tmp_path: pathlib.Path) -> None:
    found = homepage_config.Configuration(tmp_path, (1, 12, 3), {})
    assert names(found.shown_groups()) == [["My First Group", ["My First Service"], []]]
