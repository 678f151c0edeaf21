"""A services file that a person keeps stays theirs: only what has to be right of single tiles changes.

Writing the whole file, or a version that is not asked for, fails here.
"""

from __future__ import annotations

from typing import Any

import pytest
from conftest import SCENARIO, VERSIONS, immich

BEFORE = (SCENARIO / "files" / "services.yaml.txt").read_text()
PATH = "/home/photos/containers/config/homepage/services.yaml"
TILES: dict[str, Any] = {
    "homepage_manage": "tiles",
    "homepage_unit": "dashboard.container",
    "homepage_tiles": ["immich"],
    "homepage_places": {"immich": {"group": "Media & Photos"}},
    "homepage_immich_key_name": "PHOTOS_KEY",
    "homepage_immich_version": "",
}
PING = "        ping: http://immich-server:2283/api/server/ping   # green is good\n"
FIELDS = '          fields: ["photos", "storage"]\n'


def monitor(name: str) -> str:
    return f"        siteMonitor: http://immich-{name}:2283/api/server/ping\n"


def expected(name: str) -> str:
    """The file with nothing changed but what the Immich of this name needs."""
    text = BEFORE.replace(PING, "").replace("url: http://immich-server:2283", f"url: http://immich-{name}:2283")
    return text.replace(FIELDS, f"{FIELDS}          version: {VERSIONS[name][1]}\n{monitor(name)}")


@pytest.fixture(autouse=True)
def as_it_was(host: Any, homepage: None) -> None:
    host.run_expect([0], f"cat > {PATH} <<'END'\n{BEFORE}END")


@pytest.fixture(scope="module")
def homepage(keys: Any, site: Any) -> None:
    site.done("hand_kept.yml", immich_key=keys["2-3"]["good"])


@pytest.mark.parametrize("name", VERSIONS)
def test_the_version_is_asked_of_immich(name: str, site: Any, host: Any) -> None:
    site.done("converge.yml", **TILES, **immich(name))
    assert host.file(PATH).content_string == expected(name)
    assert (host.file(PATH).user, host.file(PATH).mode) == ("photos", 0o600)


def test_verify_names_a_tile_that_is_not_right(site: Any) -> None:
    assert "is not what the variables say: Immich." in site.refused("verify_role.yml", **TILES, **immich("2-3"))


def test_check_mode_foresees_it_and_a_second_run_changes_nothing(site: Any, host: Any) -> None:
    foreseen = site.done("converge.yml", "--check", **TILES, **immich("2-3"))
    assert host.file(PATH).content_string == BEFORE
    assert foreseen.changed
    site.done("converge.yml", **TILES, **immich("2-3"))
    assert not site.done("converge.yml", **TILES, **immich("2-3")).changed
    site.done("verify_role.yml", **TILES, **immich("2-3"))


@pytest.fixture
def stopped(services: Any) -> Any:
    """An Immich that does not run, by its name."""
    services.run("systemctl", "--user", "stop", "immich-3-0.service")
    yield "3-0"
    services.run("systemctl", "--user", "start", "immich-3-0.service")


def test_while_immich_is_down_nothing_changes_and_it_is_said(stopped: str, site: Any, host: Any) -> None:
    run = site.done("converge.yml", **TILES, **immich(stopped))
    assert not run.changed
    assert "did not tell its version" in run.printed
    assert host.file(PATH).content_string == BEFORE


def test_a_tile_can_be_forced_to_show_no_counts(site: Any, host: Any) -> None:
    site.done("converge.yml", **TILES, **immich("3-0"), homepage_immich_tile="site_monitor")
    start, end = BEFORE.index("        widget:"), BEFORE.index(FIELDS) + len(FIELDS)
    assert host.file(PATH).content_string == (BEFORE[:start] + monitor("3-0") + BEFORE[end:]).replace(PING, "")


def test_a_broken_file_is_refused_with_its_line_and_stays(site: Any, host: Any) -> None:
    broken = BEFORE.replace("    - Notes:", "\t- Notes:")
    host.run_expect([0], f"cat > {PATH} <<'END'\n{broken}END")
    own = [{"Media & Photos": [{"Notes": {"widget": {"type": "notes", "key": "a-key-that-stands-in-the-tile"}}}]}]
    said = site.play("converge.yml", **TILES, **immich("2-3"), homepage_services=own)
    assert f"{PATH}, line 16: a tab" in said.printed
    # A loop over the tiles themselves prints them whole where a task fails.
    assert "a-key-that-stands-in-the-tile" not in said.printed
    assert host.file(PATH).content_string == broken
