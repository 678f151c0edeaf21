"""Absent takes services away and leaves all that they hold."""

from __future__ import annotations

import json
from typing import Any

from conftest import POOL, Services, play

ABSENT = json.dumps({f"{role}_state": "absent" for role in ("immich", "ocis", "homepage", "traefik")})
DATA = (f"{POOL}/subvol3-opptak/immich/database", f"{POOL}/subvol3-opptak/immich/media", f"{POOL}/subvol7-containers/ocis")


def contents(host: Any) -> str:
    """Every file of the data with its size and checksum."""
    return str(host.check_output(f"find {' '.join(DATA)} -type f -exec cksum {{}} + | sort -k3"))


def secret_names(services: Services) -> set[str]:
    return set(services.run("podman", "secret", "ls", "--format={{.Name}}").split())


def test_absent_leaves_data_secrets_and_what_others_wrote(host: Any, services: Services) -> None:
    services.run("systemctl", "--user", "stop", "immich-server", "immich-database", "ocis")
    before, secrets = contents(host), secret_names(services)
    host.check_output("install --owner=photos --group=photos /dev/null /home/photos/containers/config/homepage/of-the-user.txt")

    announced = play("patriark.homelab.site", "--check", "--diff", f"--extra-vars={ABSENT}")
    gone = play("patriark.homelab.site", "--diff", f"--extra-vars={ABSENT}")
    assert announced.status == gone.status == 0, announced.trouble + gone.trouble
    assert (announced.changed, announced.diffs) == (gone.changed, gone.diffs)
    assert services.run("podman", "ps", "--all", "--quiet").strip() == ""
    assert host.check_output("find /home/photos/.config/containers/systemd -type f") == ""
    assert host.check_output("find /home/photos/containers -type f") == "/home/photos/containers/config/homepage/of-the-user.txt"
    assert contents(host) == before
    assert secret_names(services) == secrets

    again = play("patriark.homelab.site", f"--extra-vars={ABSENT}")
    assert (again.status, again.changed) == (0, []), again.trouble


def test_started_again_finds_the_old_data(services: Services) -> None:
    back = play("patriark.homelab.site")
    assert back.status == 0, back.trouble
    assert services.query("SELECT word FROM remembered") == "before the reboot"
