"""The host is what the inventory says."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any

import pytest
import yaml
from conftest import POOL, SECRETS, USER, Services, play

# Per container: the variable part of its image, the networks, and its data on the pool.
CONTAINERS = {
    "traefik": ("docker.io/library/traefik:v3.7.15", {"reverse_proxy", "monitoring"}, set()),
    "traefik-pages": ("registry.example.org/busybox:1", {"reverse_proxy"}, set()),
    "immich-server": (
        "ghcr.io/immich-app/immich-server:v2.3.1",
        {"reverse_proxy", "photos", "monitoring"},
        {"subvol3-opptak/immich/media"},
    ),
    "immich-machine-learning": ("ghcr.io/immich-app/immich-machine-learning:v2.3.1", {"photos", "monitoring"}, set()),
    "immich-database": (
        "registry.example.org/postgresql-pgvector:17",
        {"photos"},
        {"subvol3-opptak/immich/database"},
    ),
    "immich-cache": ("docker.io/valkey/valkey:8-bookworm", {"photos"}, set()),
    "ocis": (
        "docker.io/owncloud/ocis:7.1.3",
        {"reverse_proxy", "monitoring"},
        {"subvol7-containers/ocis/config", "subvol7-containers/ocis/data"},
    ),
    "homepage": ("ghcr.io/gethomepage/homepage:v1.7.0", {"reverse_proxy"}, set()),
}
GIB = 1 << 30


def test_the_account_keeps_its_services_without_a_login(host: Any) -> None:
    assert host.file(f"/var/lib/systemd/linger/{USER}").exists


def test_the_pool_is_mounted_by_its_uuid(host: Any) -> None:
    uuid = host.ansible.get_variables()["homelab_pool_uuid"]
    mounted = host.check_output(f"findmnt --noheadings --output FSTYPE,UUID {POOL}").split()
    assert mounted == ["btrfs", uuid]
    assert f"UUID={uuid} {POOL} btrfs " in host.file("/etc/fstab").content_string


@pytest.mark.parametrize("path", ["subvol1-docs", "subvol2-pics", "subvol3-opptak/immich", "subvol7-containers/ocis"])
def test_data_lies_in_subvolumes_of_the_account(host: Any, path: str) -> None:
    # The root of a Btrfs subvolume has this inode number, and no other directory has.
    assert host.check_output(f"stat --format=%i:%U {POOL}/{path}") == f"256:{USER}"


def test_uploads_to_ocis_are_written_without_copy_on_write(host: Any) -> None:
    data = f"{POOL}/subvol7-containers/ocis/data"
    assert "C" in host.check_output(f"lsattr -d {data}").split()[0]
    # Its configuration is no bulk data, and keeps its checksums.
    assert "C" not in host.check_output(f"lsattr -d {data}/../config").split()[0]


@pytest.mark.parametrize("name", CONTAINERS)
def test_each_container_runs_its_pinned_image_on_its_networks(services: Services, host: Any, name: str) -> None:
    reference, networks, data = CONTAINERS[name]
    container = services.inspect(name)
    digest = host.ansible.get_variables()["stand_in_images"][reference]
    assert services.active(f"{name}.service") == "active"
    assert container["State"]["Health"]["Status"] == "healthy"
    assert container["ImageDigest"] == digest
    assert set(container["NetworkSettings"]["Networks"]) == {f"systemd-{network}" for network in networks}
    on_pool = {mount["Source"] for mount in container["Mounts"] if mount["Source"].startswith(POOL)}
    assert on_pool == {f"{POOL}/{path}" for path in data}


@pytest.mark.parametrize(
    ("unit", "limit"),
    [("immich-server", 4 * GIB), ("immich-machine-learning", 4 * GIB), ("immich-database", 2 * GIB), ("ocis", 2 * GIB)],
)
def test_memory_limits_stand_in_the_units(services: Services, unit: str, limit: int) -> None:
    assert services.run("systemctl", "--user", "show", "--property=MemoryMax", "--value", unit).strip() == str(limit)


def test_the_database_has_no_way_outside(services: Services) -> None:
    (network,) = json.loads(services.run("podman", "network", "inspect", "systemd-photos"))
    assert network["internal"] is True


def ask(
    host: Any, name: str, path: str, method: str = "GET", body: bytes | None = None, encrypted: bool = True, **headers: str
) -> http.client.HTTPResponse:
    """Ask Traefik on this machine, as a browser that was given https://NAME:PORT does."""
    port = host.ansible.get_variables()["homelab_https_port" if encrypted else "homelab_http_port"]
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    connection: http.client.HTTPConnection
    if encrypted:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=trusting)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, body, headers={"Host": f"{name}:{port}", **headers})
    return connection.getresponse()


@pytest.mark.parametrize(
    ("name", "path", "kind", "said"),
    [
        ("photos.localhost", "/api/server/ping", "application/json", b"pong"),
        ("photos.localhost", "/", "text/html", b"/_app/immutable/"),
        ("cloud.localhost", "/status.php", "application/json", b"7.1.3"),
        ("home.localhost", "/", "text/html", b"Homepage"),
    ],
)
def test_each_service_answers_through_traefik(host: Any, name: str, path: str, kind: str, said: bytes) -> None:
    answer = ask(host, name, path)
    assert answer.status == 200
    assert (answer.getheader("Content-Type") or "").startswith(kind)
    assert said in answer.read()


def test_plain_http_is_sent_to_https(host: Any) -> None:
    answer = ask(host, "photos.localhost", "/albums", encrypted=False)
    assert answer.status in (301, 308)
    port = host.ansible.get_variables()["homelab_https_port"]
    assert answer.getheader("Location") == f"https://photos.localhost:{port}/albums"


def test_a_timeline_of_modules_and_photos_trips_no_limit(host: Any) -> None:
    # A rate limit as small as the report's own (200 a minute, burst 100) answers the later half with 429.
    answers = [ask(host, "photos.localhost", "/api/server/ping").status for _request in range(400)]
    assert set(answers) == {200}


def test_immichs_websocket_passes_traefik(host: Any) -> None:
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    answer = ask(host, "photos.localhost", "/api/socket.io/?EIO=4&transport=websocket", **upgrade)
    assert (answer.status, answer.getheader("Upgrade")) == (101, "websocket")


def test_an_upload_to_ocis_lands_on_the_pool_without_copy_on_write(host: Any) -> None:
    login = json.dumps({"params": ["admin", yaml.safe_load(SECRETS.read_text())["ocis_admin_password"], "1"]}).encode()
    logged_in = ask(host, "cloud.localhost", "/signin/v1/identifier/_/logon", "POST", login, **{"Content-Type": "application/json"})
    token = {"Authorization": f"Bearer {json.load(logged_in)['access_token']}"}
    content, file = b"as it was sent\n" * 9999, "/remote.php/webdav/upload.txt"
    assert ask(host, "cloud.localhost", file, "PUT", content, **token).status in (201, 204)
    assert ask(host, "cloud.localhost", file, **token).read() == content
    blob = host.check_output(f"find {POOL}/subvol7-containers/ocis/data -type f -size {len(content)}c")
    assert "C" in host.check_output(f"lsattr {blob}").split()[0]


def test_ocis_reaches_its_own_public_address_from_inside(host: Any, services: Services) -> None:
    name, port = "cloud.localhost", host.ansible.get_variables()["homelab_https_port"]
    inside = ("podman", "exec", "ocis")
    # curl takes every name below localhost for its own machine, so it is told what the container's resolver says.
    address = services.run(*inside, "getent", "hosts", name).split()[0]
    url = f"https://{name}:{port}/.well-known/openid-configuration"
    curl = ("curl", "--silent", "--insecure", "--fail", "--resolve", f"{name}:{port}:{address}", url)
    assert json.loads(services.run(*inside, *curl))["issuer"] == f"https://{name}:{port}"


def test_what_the_roles_verify_holds() -> None:
    verified = play("patriark.homelab.site", "--tags=verify")
    assert verified.status == 0, verified.trouble
