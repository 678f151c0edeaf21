"""The tile of Immich is right for every version and key, or the role says why not.

A tile without a version, with the version of the newest Immich everywhere, or with ping, fails here.
"""

from __future__ import annotations

from typing import Any

import pytest
from conftest import VERSIONS, immich

PLACE = ("Photos and files", "Immich")
HOUSE = [{"House": [{"Printer": {"href": "http://printer.localhost"}}]}]


def actions(run: Any) -> list[str]:
    """What was done with Homepage's service."""
    return [unit["action"] for _task, result in run.tasks for unit in result.get("units", [])]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("wrong", ["does not know the key", "Invalid API key"]),
        ("unprivileged", ["Missing required permission: server.statistics"]),
        ("other", ["Forbidden", "an administrator's only"]),
    ],
)
def test_verify_says_what_is_wrong_with_a_key(kind: str, words: list[str], keys: Any, site: Any) -> None:
    key = keys["2-3"][kind]
    # The scenario has run it with the wrong one.
    assert kind == "wrong" or actions(site.done("converge.yml", homepage_immich_api_key=key)) == ["restart"]
    said = site.refused("verify_role.yml", homepage_immich_api_key=key)
    assert [word for word in words if word not in said] == []
    assert key not in said


@pytest.mark.parametrize("name", VERSIONS)
def test_a_good_key_shows_counts_for_every_version(name: str, keys: Any, site: Any) -> None:
    version, widget_version = VERSIONS[name]
    variables = {**immich(name), "homepage_immich_version": version, "homepage_immich_api_key": keys[name]["good"]}
    site.done("converge.yml", **variables)
    (widget,) = site.tile(*PLACE)["widgets"]
    assert widget["version"] == widget_version
    site.done("verify_role.yml", **variables)


def test_a_change_of_a_file_restarts_nothing(keys: Any, site: Any) -> None:
    key = keys["2-3"]["good"]
    site.done("converge.yml", homepage_immich_api_key=key)
    assert actions(site.done("converge.yml", homepage_immich_api_key=key, homepage_services=HOUSE)) == ["none"]
    assert site.tile("House", "Printer")["href"] == "http://printer.localhost"


def test_a_tile_without_counts_has_no_key_to_be_refused(site: Any) -> None:
    forced = {"homepage_immich_api_key": "a-key-that-is-wrong", "homepage_immich_tile": "site_monitor"}
    site.done("converge.yml", **forced)
    assert site.tile(*PLACE)["widgets"] == []
    site.done("verify_role.yml", **forced)


def test_a_tile_that_homepage_loses_fails_with_its_own_words(site: Any) -> None:
    said = site.refused("converge.yml", homepage_services=[{"House": [{"Lost": None}]}])
    assert "House / Lost" in said
    assert 'Error parsing service "Lost" from config' in said


def test_a_key_that_would_break_the_file_is_refused_and_not_printed(site: Any) -> None:
    run = site.play("converge.yml", homepage_api_keys={"GRAFANA_PASSWORD": 'a"b-secret'})
    assert run.status
    assert "GRAFANA_PASSWORD of homepage_api_keys" in run.printed
    assert "b-secret" not in run.printed


def test_verify_says_that_immich_is_down(keys: Any, site: Any) -> None:
    gone = {**immich("gone"), "homepage_immich_api_key": keys["2-3"]["good"]}
    site.done("converge.yml", **gone)
    assert "gets no counts from http://immich-gone:2283" in site.refused("verify_role.yml", **gone)
