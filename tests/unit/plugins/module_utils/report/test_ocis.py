# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which volumes of oCIS are external, and which of its settings are told.

Taking every volume but two for external fails on parts of the data, a script and the time zone.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.report import ocis

from .hand_written import container, found

OCIS = "[Container]\nImage=docker.io/owncloud/ocis:7.1.3\n"


def directory(path: str) -> bool:
    return not path.endswith((".sh", "localtime"))


@pytest.mark.parametrize(
    ("volume", "external"),
    [
        ("%h/containers/config/ocis:/etc/ocis:Z", False),
        ("/mnt/pool/ocis/data:/var/lib/ocis:Z", False),
        ("/mnt/ssd/metadata:/var/lib/ocis/storage/metadata", False),
        ("/mnt/pool/ocis/thumbnails:/var/lib/ocis/thumbnails/", False),
        ("%h/ocis/web:/etc/ocis/web:ro", False),
        ("%h/start.sh:/usr/local/libexec/start-ocis:ro", False),
        ("/etc/localtime:/etc/localtime:ro", False),
        ("cache.volume:/tmp/cache", False),
        ("/mnt/pool/docs:/var/lib/ocis/external/docs:ro", True),
        ("/mnt/pool/docs:/var/lib/ocis/storage/users/docs", True),
        ("%h/pictures:/data/pictures", True),
        ("/mnt/pool/pics:/var/lib/ocis2", True),
    ],
)
def test_external_is_a_directory_beyond_data_and_configuration(tmp_path: Path, volume: str, external: bool) -> None:
    (one,) = found(tmp_path, {"ocis.container": f"{OCIS}Volume={volume}\n", "cache.volume": "[Volume]\n"})["ocis"]
    mounts = ocis.mounts(one, directory)
    assert [mount.found.value for mount in mounts.external] == ([volume] if external else [])
    assert mounts.values == ([] if external else [volume])


@pytest.mark.parametrize(
    ("mounts", "more"),
    [
        (("/var/lib/ocis", "/etc/ocis", "/etc/localtime"), False),
        (("/var/lib/ocis", "/etc/ocis", "/etc/localtime", "/mnt/opptak"), True),
        (("/run/secrets/key", "/dev/shm", "/etc/localtime"), False),
    ],
)
def test_a_container_from_before_a_run_that_was_cut_off_is_seen(tmp_path: Path, mounts: tuple[str, ...], more: bool) -> None:
    unit = f"{OCIS}Volume=/mnt/pool/ocis:/var/lib/ocis\nVolume=/etc/localtime:/etc/localtime:ro\n"
    (one,) = found(tmp_path, {"ocis.container": unit}, container("ocis", "", mounts))["ocis"]
    assert ocis.mounts(one, directory).container_has_more is more


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ("OCIS_URL=https://cloud.example.org", ""),
        ("OCIS_LOG_LEVEL=warn", ""),
        ("PROXY_TLS=false", ""),
        ("TZ=Europe/Oslo", ""),
        ("OCIS_ADMIN_USER_PASSWORD=secret-77", "no setting OCIS_ADMIN_USER_PASSWORD"),
        ("OCIS_URI=https://cloud.example.org", "no setting OCIS_URI"),
        ("OCIS_ADMIN_USER_ID=admin", "no UUID"),
        ("OCIS_ADMIN_USER_ID=058bff95-6708-4fe5-91e4-9ea3d377588b", ""),
        ("STORAGE_USERS_OCIS_ROOT=/var/lib/ocis/", "on top of oCIS's own"),
        ("STORAGE_USERS_OCIS_ROOT=/var/lib/ocis/storage/users", ""),
        ('"OCIS_BASE_DATA_PATH=/data" STORAGE_USERS_OCIS_ROOT=/data', "on top of oCIS's own (/data)"),
    ],
)
def test_settings_that_do_not_mean_what_they_seem_to(tmp_path: Path, environment: str, told: str) -> None:
    (one,) = found(tmp_path, {"ocis.container": f"{OCIS}Environment={environment}\n"})["ocis"]
    findings = ocis.findings(one)
    assert [finding.line for finding in findings] == ([3] if told else [])
    assert all(told in finding.what for finding in findings)
    assert "secret-77" not in str(findings)
