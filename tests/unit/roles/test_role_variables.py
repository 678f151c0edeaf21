# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles make of what a host shows them, in their variables."""

from __future__ import annotations

import re

import pytest
import yaml
from ansible.template import trust_as_template
from ansible_collections.patriark.homelab.tests.unit.roles.rendering import NEUTRAL, ROLES, templar

UNITS = "/home/photos/.config/containers/systemd"


def value(role: str, name: str, **inventory: object) -> object:
    return templar(role, {**NEUTRAL, **inventory}).template(trust_as_template("{{ " + name + " }}"))


# --- Units that a person wrote ---


@pytest.mark.parametrize("end", ["", ":v2.3.1", "@sha256:" + "a" * 64])
@pytest.mark.parametrize(
    ("role", "repository"),
    [
        ("immich", "ghcr.io/immich-app/immich-server"),
        ("immich", "ghcr.io/immich-app/immich-machine-learning"),
        ("ocis", "docker.io/owncloud/ocis"),
        ("ocis", "docker.io/owncloud/ocis-rolling"),
    ],
)
def test_a_hand_written_unit_is_seen_by_its_image(role, repository, end):
    """Asking for a tag or a digest behind the name fails this: none means the newest."""
    unit = {"unit": "mine.container", "path": f"{UNITS}/mine.container", "effective_image": repository + end}
    assert value(role, f"_{role}_foreign", **{f"__{role}_present": {"units": [unit]}}) == [unit]


@pytest.mark.parametrize(
    ("role", "image"),
    [("immich", "ghcr.io/immich-app/immich-server-backup"), ("ocis", "registry.example.org/ocis-backup:1")],
)
def test_an_image_of_another_name_is_not_meant(role, image):
    unit = {"unit": "mine.container", "path": f"{UNITS}/mine.container", "effective_image": image}
    assert value(role, f"_{role}_foreign", **{f"__{role}_present": {"units": [unit]}}) == []


# --- Homepage's tiles ---


def tiles(**inventory: object) -> list[tuple[str, str]]:
    return [(one["group"], one["name"]) for one in value("homepage", "_homepage_list", **inventory)]


def test_in_a_file_that_the_user_keeps_the_places_say_which_tiles_are_meant():
    """homelab_services as the default of both fails this: an example for Immich's tile would edit the others too."""
    text = (ROLES / "homepage" / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(homepage_manage: tiles\n.*?)```", text, re.DOTALL)
    assert tiles(**yaml.safe_load(example), homepage_immich_version="2.3.1") == [("Media & Photos", "Immich")]
    assert yaml.safe_load(example)["homepage_immich_url"]


def test_a_file_of_the_roles_own_has_a_tile_for_every_service():
    places = {"immich": {"group": "Media"}}
    assert ("Media", "Immich") in tiles(homepage_places=places)
    assert len(tiles(homepage_places=places)) == 3


SHOWN = [
    {"name": "Media / Photos", "services": [{"name": "Immich"}], "groups": []},
    {"name": "House", "services": [], "groups": [{"name": "Cellar", "services": [{"name": "Pump"}], "groups": []}]},
]


@pytest.mark.parametrize(
    ("manage", "group", "name", "found"),
    [
        ("files", "Media / Photos", "Immich", True),
        ("tiles", "Media / Photos", "Immich", True),
        ("tiles", "House / Cellar", "Pump", True),
        ("files", "House / Cellar", "Pump", False),
        ("tiles", "House / Attic", "Pump", False),
    ],
)
def test_a_group_with_a_slash_in_its_name_is_found(manage, group, name, found):
    """Taking what stands behind the last slash for the name, whatever it is, fails the first two."""
    own = {"homepage_manage": manage, "homepage_tiles": [], "homepage_services": [{group: [{name: {"href": "x"}}]}]}
    lost = value("homepage", "_homepage_lost", **own, __homepage_shown={"json": SHOWN})
    assert (lost == []) is found


@pytest.mark.parametrize(
    ("manage", "group", "asked"),
    [
        ("files", "Media / Photos", "Media / Photos"),
        ("tiles", "Media / Photos", "Media / Photos"),
        ("tiles", "Host / Media / Photos", "Photos"),
    ],
)
def test_the_counts_are_asked_for_by_the_name_that_homepage_shows(manage, group, asked):
    own = {
        "homepage_manage": manage,
        "homepage_tiles": ["immich"],
        "homepage_places": {"immich": {"group": group}},
        "homepage_immich_version": "2.3.1",
    }
    assert value("homepage", "_homepage_immich_group", **own, __homepage_shown={"json": SHOWN}) == asked
