"""Without the pool nothing starts and nothing is lost; after a reboot everything is back."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from conftest import CHECKOUT, POOL, Services, play

WITH_DATA = ("immich-server", "immich-database", "ocis")
EVERYTHING = ("traefik", "traefik-pages", "immich-cache", "immich-machine-learning", "homepage", *WITH_DATA)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 180
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(1)


def reboot() -> None:
    name = pathlib.Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]).name
    subprocess.run([sys.executable, str(CHECKOUT / "tests" / "test_host"), "restart", name], check=True)


def states(services: Services) -> dict[str, str]:
    return {unit: services.active(f"{unit}.service") for unit in EVERYTHING}


def all_active(services: Services) -> bool:
    return set(states(services).values()) == {"active"}


def test_everything_is_back_after_a_reboot(services: Services) -> None:
    services.query("CREATE TABLE IF NOT EXISTS remembered (word text)")
    services.query("INSERT INTO remembered VALUES ('before the reboot')")
    reboot()
    wait_for(lambda: all_active(services), "not everything came back after the reboot")
    assert services.query("SELECT word FROM remembered") == "before the reboot"


def test_a_line_in_fstab_stays_as_a_person_wrote_it(host: Any, services: Services) -> None:
    """The module that makes a line writes one that is there anew, with other numbers at its end."""
    made = host.file("/etc/fstab").content_string
    services.run("systemctl", "--user", "stop", *WITH_DATA)
    host.check_output(f"umount {POOL}; sed --in-place '\\|{POOL}|s| 0 0$|\\t0  2|' /etc/fstab")
    written = host.file("/etc/fstab").content_string
    assert written != made
    announced = play("patriark.homelab.site", "--tags=storage", "--check")
    done = play("patriark.homelab.site", "--tags=storage")
    assert announced.status == done.status == 0, announced.trouble + done.trouble
    assert announced.changed[:1] == done.changed == ["patriark.homelab.storage : Mount it, now and at every boot"]
    assert host.file("/etc/fstab").content_string == written
    assert host.check_output(f"findmnt --noheadings --output FSTYPE {POOL}") == "btrfs"
    host.check_output(f"sed --in-place '\\|{POOL}|s|\t0  2$| 0 0|' /etc/fstab")
    assert host.file("/etc/fstab").content_string == made
    services.run("systemctl", "--user", "start", *WITH_DATA)


def test_services_with_data_stay_off_without_the_pool(host: Any, services: Services) -> None:
    identity = services.query("SELECT system_identifier FROM pg_control_system()")
    services.run("systemctl", "--user", "stop", *WITH_DATA)
    host.check_output(f"umount {POOL}")
    for unit in WITH_DATA:
        started = services.host.run(services.command("systemctl", "--user", "start", unit))
        assert started.rc != 0 and "assert" in started.stderr.lower(), unit
    # A unit without its assertion would have made directories, and a database, in the empty mount point.
    assert host.check_output(f"ls -A {POOL}") == ""

    fstab = host.file("/etc/fstab").content_string
    host.check_output(f"sed --in-place '\\|{POOL}|s|^|#|' /etc/fstab")
    reboot()
    wait_for(lambda: services.active("traefik.service") == "active", "Traefik needs no pool")
    assert {services.active(f"{unit}.service") for unit in WITH_DATA} <= {"inactive", "failed"}
    assert host.check_output(f"ls -A {POOL}") == ""

    host.check_output(f"sed --in-place '\\|{POOL}|s|^#||' /etc/fstab")
    assert host.file("/etc/fstab").content_string == fstab
    reboot()
    wait_for(lambda: all_active(services), "not everything came back with the pool")
    assert services.query("SELECT system_identifier FROM pg_control_system()") == identity
    assert services.query("SELECT word FROM remembered") == "before the reboot"
