"""What a person reads before a run is what the run does; and a run does nothing that was not asked for."""

from __future__ import annotations

import base64
import json
import pathlib
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from conftest import SCENARIO, SECRETS, Services, play

# A change in each service at least, and of files that restart something and files that do not.
CHANGES = json.dumps(
    {
        "traefik_read_timeout": "13h",
        "immich_server_memory_max": "3G",
        "immich_external_libraries": [{"path": "/mnt/btrfs-pool/subvol2-pics"}],
        "ocis_memory_max": "3G",
        "homepage_settings": {"title": "Another title"},
        "storage_subvolumes": [{"path": "/mnt/btrfs-pool/subvol8-new", "owner": "photos"}],
    }
)


def test_a_no_change_run_in_check_mode_announces_nothing() -> None:
    announced = play("patriark.homelab.site", "--check", "--diff")
    assert (announced.status, announced.changed) == (0, [])


def test_check_mode_announces_exactly_what_the_run_changes(services: Services) -> None:
    announced = play("patriark.homelab.site", "--check", "--diff", f"--extra-vars={CHANGES}")
    done = play("patriark.homelab.site", "--diff", f"--extra-vars={CHANGES}")
    again = play("patriark.homelab.site", "--diff", f"--extra-vars={CHANGES}")

    assert announced.status == done.status == again.status == 0, announced.trouble + done.trouble + again.trouble
    assert len(done.changed) >= 5
    assert announced.changed == done.changed
    assert announced.diffs == done.diffs
    assert again.changed == []
    assert services.run("systemctl", "--user", "show", "--property=MemoryMax", "--value", "ocis").strip() == str(3 << 30)


def test_the_roles_work_from_a_plain_play_too() -> None:
    # Everything but what test_check_mode_announces_exactly_what_the_run_changes changed is as site.yml made it.
    plain = play(str(SCENARIO / "plain_roles.yml"), f"--extra-vars={CHANGES}")
    assert (plain.status, plain.changed) == (0, []), plain.trouble


_SECRETS = yaml.safe_load(SECRETS.read_text(encoding="utf-8"))
CANARIES: dict[str, str] = {**_SECRETS.pop("homepage_api_keys"), **_SECRETS}


def spellings(secret: str) -> list[str]:
    plain = secret.encode()
    return [secret, base64.b64encode(plain).decode(), plain.hex(), quote(secret, safe="")]


@pytest.fixture(scope="module")
def left_behind(host: Any, services: Services) -> str:
    """All that very talkative runs print that write every secret, and that they leave on the host outside of Podman's store."""
    services.run("podman", "secret", "rm", "--all")
    runs = [play("patriark.homelab.site", f"--extra-vars={CHANGES}", "--diff", "-vvvv", *more) for more in (["--check"], [])]
    assert [run.status for run in runs] == [0, 0], runs[-1].trouble
    assert services.run("podman", "secret", "ls", "--format={{.Name}}").split()
    journal = host.check_output("journalctl --no-pager --output=cat --quiet")
    written = host.check_output("cat /home/photos/.config/containers/systemd/*/* /home/photos/containers/config/*/*.* /proc/[0-9]*/cmdline 2>/dev/null || true")
    return "".join(run.printed for run in runs) + journal + written


@pytest.mark.parametrize("name", CANARIES)
def test_no_secret_is_printed_logged_or_written(left_behind: str, name: str) -> None:
    # What has to be in the text, or nothing was looked at: the runs, the journal, the units and the command lines.
    for witness in ("quadlet_units", "Started ", "ContainerName=immich-database", "conmon"):
        assert witness in left_behind
    for spelling in spellings(CANARIES[name]):
        assert spelling not in left_behind


def test_another_immich_version_is_refused_with_both_versions(services: Services) -> None:
    before = services.inspect("immich-server")["Id"]
    refused = play("patriark.homelab.site", "--tags=immich", "--extra-vars=immich_version=2.5.2")
    assert refused.status != 0
    assert "v2.3.1" in refused.printed and "v2.5.2" in refused.printed
    assert services.inspect("immich-server")["Id"] == before


def test_a_time_zone_with_a_slip_in_its_name_is_refused(host: Any) -> None:
    before = host.check_output("readlink /etc/localtime || true")
    refused = play("patriark.homelab.site", "--tags=host", "--extra-vars=homelab_timezone=Europe/Olso")
    assert refused.status != 0
    assert "no time zone Europe/Olso" in refused.trouble
    assert host.check_output("readlink /etc/localtime || true") == before


def test_a_stopped_traefik_is_right_where_it_shall_be_stopped() -> None:
    """Asking it all the same waits for half a minute, and fails."""
    stopped = json.dumps({"homelab_services": ["traefik"], "traefik_state": "stopped"})
    runs = [play("patriark.homelab.site", f"--tags={tag}", f"--extra-vars={stopped}") for tag in ("traefik", "verify")]
    runs.append(play("patriark.homelab.site", "--tags=traefik"))
    assert [run.status for run in runs] == [0, 0, 0], "".join(run.trouble for run in runs)


def test_a_missing_secret_is_named() -> None:
    refused = play("patriark.homelab.site", "--tags=ocis", "--extra-vars=ocis_admin_password=")
    assert refused.status != 0
    assert "ocis_admin_password is missing" in refused.printed


def test_the_plain_playbook_is_the_whole_site() -> None:
    # Should a role join site.yml, it belongs there too.
    site = (SCENARIO.parents[1] / "playbooks" / "site.yml").read_text(encoding="utf-8")
    plain = pathlib.Path(SCENARIO / "plain_roles.yml").read_text(encoding="utf-8")
    for role in ("host", "storage", "traefik", "immich", "ocis", "homepage"):
        assert f"patriark.homelab.{role}" in site and f"patriark.homelab.{role}" in plain
