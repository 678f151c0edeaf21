"""How the tests apply the fixes, and take a picture before and after of all that is the owner's."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable
from typing import Any

import pytest
from playbook_runs import CHECKOUT, Run, Services, run_playbook

SCENARIO = pathlib.Path(__file__).resolve().parents[1]
USER = "photos"
UNITS = f"/home/{USER}/.config/containers/systemd"
DYNAMIC = f"/home/{USER}/containers/config/traefik/dynamic"
SERVICES_FILE = f"/home/{USER}/containers/config/homepage/services.yaml"
OCIS_DATA = "/mnt/btrfs-pool/subvol7-containers/ocis/data"
CONTAINERS = ("homepage", "immich-ml", "immich-server", "ocis", "postgresql-immich", "redis-immich", "traefik")

Tree = dict[str, tuple[Any, ...]]

# Everything that says what a file is, but its access time: one line of JSON for each path.
_PICTURE = """
import hashlib, json, os, sys
for top in sys.argv[1:]:
    for root, folders, names in os.walk(top):
        for name in [".", *folders, *names]:
            path = os.path.normpath(os.path.join(root, name))
            seen = os.lstat(path)
            inside = os.readlink(path) if os.path.islink(path) else hashlib.sha256(open(path, "rb").read()).hexdigest() if os.path.isfile(path) else ""
            print(json.dumps([path, seen.st_mode, seen.st_uid, seen.st_gid, seen.st_mtime_ns, inside]))
"""


@pytest.fixture(scope="module")
def picture(host: Any) -> Callable[[], Tree]:
    """What the owner's files are now: units, what the services are configured by, the shares, the old data of oCIS."""
    tops = [
        f"/home/{USER}/.config",
        f"/home/{USER}/containers",
        "/etc/containers",
        "/mnt/btrfs-pool/subvol1-docs",
        "/mnt/btrfs-pool/subvol2-pics",
        f"{OCIS_DATA}/old",
    ]

    def take() -> Tree:
        seen = host.check_output(f"python3 - {' '.join(tops)} <<'END'\n{_PICTURE}END")
        return {path: tuple(rest) for path, *rest in map(json.loads, seen.splitlines())}

    return take


@pytest.fixture(scope="module")
def services(host: Any) -> Services:
    return Services(host, USER)


def play(*arguments: str, playbook: str = "converge.yml") -> Run:
    return run_playbook(playbook, [CHECKOUT / "molecule/shared/inventory.py"], "--diff", *arguments, directory=SCENARIO)


class Story:
    """The host before, after it was foreseen what would change, after the change, and after a second run."""

    def __init__(self, picture: Callable[[], Tree], services: Services) -> None:
        self.before = picture()
        self.containers_before = identities(services)
        self.refused = run_playbook("patriark.homelab.report_fixes", [CHECKOUT / "molecule/shared/inventory.py"], "--extra-vars=homelab_user=photos")
        self.after_refusal = picture()
        self.foreseen = play("--check")
        self.after_check = picture()
        self.done = play(f"--extra-vars=report_fixes_markdown={SCENARIO.parents[1]}/tests/output/existing_host.md")
        self.after = picture()
        self.containers_after = identities(services)
        self.again = play()
        self.after_again = picture()
        self.containers_after_again = identities(services)


def identities(services: Services) -> dict[str, str]:
    return {name: services.inspect(name)["Id"] for name in CONTAINERS}


@pytest.fixture(scope="module")
def story(picture: Callable[[], Tree], services: Services) -> Story:
    return Story(picture, services)
