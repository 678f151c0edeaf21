# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the service roles render, whatever an inventory says. Each test names the template that fails it."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.patriark.homelab.tests.unit.roles.rendering import render

SECRETS = {
    "immich_db_password": "Tell0n0ne",
    "ocis_admin_password": "tell no one",
    "homepage_immich_api_key": "T3llN0-one_",
}


def unit(role: str, name: str, **inventory: object) -> list[str]:
    return render(role, **SECRETS, **inventory)[f"units/{name}.container"].splitlines()


def services(**inventory: object) -> dict[str, dict[str, dict[str, object]]]:
    """Homepage's groups as it reads them, once it has put the key in its place."""
    text = render("homepage", **SECRETS, **inventory)["config/services.yaml"]
    text = text.replace("{{HOMEPAGE_VAR_IMMICH_API_KEY}}", SECRETS["homepage_immich_api_key"])
    groups = yaml.safe_load(text)
    names = [name for group in groups for name in group]
    assert len(names) == len(set(names)), "Homepage drops the second group of a name"
    return {
        group: {name: tile for one in tiles for name, tile in one.items()}
        for entry in groups
        for group, tiles in entry.items()
    }


@pytest.mark.parametrize("role", ["immich", "ocis", "homepage"])
def test_no_secret_is_in_a_unit_or_file(role):
    """Environment=DB_PASSWORD={{ immich_db_password }} fails this."""
    texts = render(role, **SECRETS)
    assert not [name for name, text in texts.items() for secret in SECRETS.values() if secret in text]


@pytest.mark.parametrize(
    ("role", "name"), [("immich", "immich-server"), ("immich", "immich-database"), ("ocis", "ocis")]
)
def test_a_unit_with_data_on_the_pool_does_not_start_without_it(role, name):
    """RequiresMountsFor=, which is silent about a mount that no unit describes, fails this."""
    lines = unit(role, name)
    assert "AssertPathIsMountPoint=/mnt/pool" in lines
    assert f"AssertPathExists=/mnt/pool/{role}/.homelab-{role}" in lines
    assert lines.index(f"AssertPathExists=/mnt/pool/{role}/.homelab-{role}") < lines.index("[Container]")


def test_what_has_no_data_on_the_pool_starts_without_it():
    """The assertions in every unit fail this: a restart of the cache would need the pool."""
    for name in ("immich-cache", "immich-machine-learning"):
        assert not [line for line in unit("immich", name) if "/mnt/pool" in line]


@pytest.mark.parametrize("role", ["immich", "ocis", "homepage"])
def test_every_container_tells_when_it_is_healthy_and_has_a_bound(role):
    """A unit without Notify=healthy counts as started before its application answers."""
    for name, text in render(role, **SECRETS).items():
        if name.endswith(".container"):
            lines = text.splitlines()
            assert "Notify=healthy" in lines, name
            assert [line for line in lines if line.startswith("TimeoutStartSec=")], name
            # Quadlet takes a quotation mark at the end of a value away.
            assert not [line for line in lines if line.startswith("Health") and line.endswith(('"', "'"))], name


@pytest.mark.parametrize(
    ("role", "version", "other"),
    [
        ("immich", "immich_version", "2.3.1"),
        ("homepage", "homepage_version", "1.7.0"),
        ("ocis", "ocis_version", "7.1.3"),
    ],
)
def test_another_version_does_not_keep_the_digest_of_the_default(role, version, other):
    """A digest that is a plain default fails this: Podman would run the default's image under the other version's tag."""
    images = [
        line
        for text in render(role, **SECRETS, **{version: other}).values()
        for line in text.splitlines()
        if line.startswith("Image=") and other in line
    ]
    assert images
    assert not [image for image in images if "@" in image]


def test_a_digest_is_added_to_the_tag():
    assert "Image=docker.io/owncloud/ocis:7.1.3@sha256:abc" in unit(
        "ocis", "ocis", ocis_version="7.1.3", ocis_digest="sha256:abc"
    )


@pytest.mark.parametrize("role", ["immich", "ocis", "homepage"])
def test_a_route_has_nothing_that_a_timeline_or_an_upload_trips(role):
    """A route with the middleware of the report's day, 200 requests a minute, fails this."""
    route = yaml.safe_load(render(role, **SECRETS)["route.yml"])["http"]
    assert set(route) == {"routers", "services"}
    assert set(route["routers"][role]) == {"rule", "entryPoints", "service"}


def test_external_libraries_are_read_only_unless_said_otherwise():
    """A template without | bool fails the third: the text "false" is true."""
    libraries = [
        {"path": "/mnt/pool/pictures"},
        {"path": "/mnt/pool/scans", "readonly": False},
        {"path": "/srv/old", "readonly": "false"},
    ]
    lines = unit("immich", "immich-server", immich_external_libraries=libraries)
    assert "Volume=/mnt/pool/pictures:/mnt/pool/pictures:ro" in lines
    assert "Volume=/mnt/pool/scans:/mnt/pool/scans" in lines
    assert "Volume=/srv/old:/srv/old" in lines


def test_an_empty_library_off_the_pool_keeps_the_server_off():
    """Asserting it of all libraries fails this: a new host's subvolume for photos is empty."""
    lines = unit(
        "immich", "immich-server", immich_external_libraries=[{"path": "/mnt/pool/pictures"}, {"path": "/srv/old"}]
    )
    assert [line for line in lines if line.startswith("AssertDirectoryNotEmpty=")] == [
        "AssertDirectoryNotEmpty=/srv/old"
    ]


def test_ocis_knows_its_public_address_with_the_port():
    """https://{{ ocis_host }} alone fails this: the issuer of logins would be an address where nobody listens."""
    assert "Environment=OCIS_URL=https://cloud.example.org:8443" in unit("ocis", "ocis", homelab_https_port=8443)
    assert "Environment=OCIS_URL=https://cloud.example.org" in unit("ocis", "ocis")


def test_ocis_accepts_an_unknown_certificate_only_where_nobody_vouches_for_one():
    assert "Environment=OCIS_INSECURE=true" in unit("ocis", "ocis")
    assert "Environment=OCIS_INSECURE=false" in unit(
        "ocis", "ocis", traefik_certificate_resolver={"acme": {"email": "me@example.org"}}
    )


def test_homepage_asks_immich_by_version_2_where_a_key_is_given():
    tile = services()["Photos and files"]["Immich"]
    assert tile["siteMonitor"] == "http://immich-server:2283/api/server/ping"
    assert tile["widget"] == {
        "type": "immich",
        "url": "http://immich-server:2283",
        "key": SECRETS["homepage_immich_api_key"],
        "version": 2,
    }


def test_homepage_has_no_widget_without_a_key():
    """A widget without a key asks with the placeholder's text, and shows an error."""
    texts = render("homepage")
    assert "siteMonitor" in texts["config/services.yaml"]
    assert not [name for name, text in texts.items() if "widget:" in text or "HOMEPAGE_VAR" in text]


def test_tiles_of_one_group_are_brought_together():
    """Listing the groups one after the other fails this, where the names are counted."""
    own = [
        {"Photos and files": [{"Scans": {"href": "http://scans.example.org"}}]},
        {"1": [{"a: b # c": {"href": "x"}}]},
    ]
    groups = services(homepage_services=own, homelab_services=["ocis"])
    assert list(groups["Photos and files"]) == ["ownCloud", "Scans"]
    assert groups["1"] == {"a: b # c": {"href": "x"}}


def test_homepage_without_tiles_reads_its_file():
    assert yaml.safe_load(render("homepage", homelab_services=[])["config/services.yaml"]) is None


def test_homepage_gets_all_nine_files_and_writes_none():
    """It ends on a read-only folder in which one of them is missing."""
    names = {name.removeprefix("config/") for name in render("homepage") if name.startswith("config/")}
    assert names == {
        f"{name}.yaml" for name in ("bookmarks", "docker", "kubernetes", "proxmox", "services", "settings", "widgets")
    } | {"custom.css", "custom.js"}
    assert "Environment=LOG_TARGETS=stdout" in unit("homepage", "homepage")


def test_homepage_answers_for_its_name_and_port():
    assert "Environment=HOMEPAGE_ALLOWED_HOSTS=home.example.org:8443" in unit(
        "homepage", "homepage", homelab_https_port=8443
    )
