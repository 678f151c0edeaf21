"""How the tests reach the scenario's host, and run playbooks against it as its admin would."""

from __future__ import annotations

import pathlib
from typing import Any

import playbook_runs
import pytest
from playbook_runs import CHECKOUT, Run, run_playbook

SCENARIO = pathlib.Path(__file__).resolve().parents[1]
SECRETS = SCENARIO / "secrets.yml"
USER = "photos"
POOL = "/mnt/btrfs-pool"


def play(playbook: str, *arguments: str) -> Run:
    """Run the playbook on the scenario's host with the report's inventory."""
    inventories = [CHECKOUT / "molecule/shared/inventory.py", CHECKOUT / "playbooks/inventory.report"]
    return run_playbook(playbook, inventories, f"--extra-vars=@{SECRETS}", *arguments, directory=SCENARIO)


class Services(playbook_runs.Services):
    """The account's containers and services, and Immich's database."""

    def query(self, sql: str) -> str:
        return self.run("podman", "exec", "immich-database", "psql", "--username=postgres", "--dbname=immich", "-At", f"--command={sql}").strip()


@pytest.fixture(scope="module")
def services(host: Any) -> Services:
    return Services(host, USER)
