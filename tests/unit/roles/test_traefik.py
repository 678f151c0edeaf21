# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role traefik writes."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.patriark.homelab.tests.unit.roles.rendering import render

RESOLVER = {"acme": {"email": "admin@example.org", "dnsChallenge": {"provider": "cloudflare"}}}
SECRETS = {"CF_DNS_API_TOKEN": "a-token"}


def static(**inventory):
    return yaml.safe_load(render("traefik", **inventory)["traefik.yml"])


def unit(**inventory):
    return render("traefik", **inventory)["units/traefik.container"].splitlines()


def test_the_redirect_leads_to_the_encrypted_entry_point_and_so_carries_its_port():
    """A published port that differs from the one inside would send browsers to a port where nobody listens."""
    told = static(homelab_http_port=8080, homelab_https_port=8443)
    assert told["entryPoints"]["web"]["address"] == ":8080"
    assert told["entryPoints"]["web"]["http"]["redirections"]["entryPoint"]["to"] == "websecure"
    assert told["entryPoints"]["websecure"]["address"] == ":8443"
    published = [line for line in unit(homelab_http_port=8080, homelab_https_port=8443) if "PublishPort" in line]
    assert published == ["PublishPort=8080:8080", "PublishPort=8443:8443"]


def test_an_upload_is_not_cut_off_after_traefiks_minute():
    assert static()["entryPoints"]["websecure"]["transport"]["respondingTimeouts"]["readTimeout"] == "12h"


def test_without_a_resolver_every_route_gets_traefiks_own_certificate():
    assert static()["entryPoints"]["websecure"]["http"]["tls"] == {}
    assert "certificatesResolvers" not in static()
    assert not [line for line in unit() if "acme" in line or line.startswith("Secret=")]


def test_a_resolver_serves_every_route_and_keeps_its_certificates():
    told = static(traefik_certificate_resolver=RESOLVER)
    assert told["entryPoints"]["websecure"]["http"]["tls"] == {"certResolver": "own"}
    assert told["certificatesResolvers"]["own"]["acme"] == {**RESOLVER["acme"], "storage": "/acme/acme.json"}
    assert "Volume=traefik-acme:/acme" in unit(traefik_certificate_resolver=RESOLVER)


def test_a_resolvers_secrets_are_named_and_never_written():
    texts = render("traefik", traefik_certificate_resolver=RESOLVER, traefik_certificate_secrets=SECRETS)
    secret = "Secret=traefik-cf-dns-api-token,type=env,target=CF_DNS_API_TOKEN"
    assert secret in texts["units/traefik.container"].splitlines()
    assert not [name for name, text in texts.items() if "a-token" in text]


@pytest.mark.parametrize(
    ("inventory", "names"),
    [
        ({}, ["photos.example.org", "cloud.example.org", "home.example.org"]),
        ({"immich_host": "pictures.example.org"}, ["pictures.example.org", "cloud.example.org", "home.example.org"]),
    ],
)
def test_containers_reach_traefik_under_the_public_names(inventory, names):
    aliases = [line for line in unit(**inventory) if line.startswith("NetworkAlias=")]
    assert aliases == [f"NetworkAlias={name}" for name in names]


def test_the_photos_network_leads_nowhere_outside():
    texts = render("traefik")
    internal = [name for name, text in texts.items() if "Internal=true" in text.splitlines()]
    assert internal == ["units/photos.network"]
