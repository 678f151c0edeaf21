"""How the tests reach the scenario's host through its published port, and run playbooks against it."""

from __future__ import annotations

import http.client
import json
import pathlib
import ssl
import subprocess
import sys
import uuid
from typing import Any

import pytest
from playbook_runs import CHECKOUT, Run, Services, run_playbook

SCENARIO = pathlib.Path(__file__).resolve().parents[1]
# The versions of Immich by the name of their container, with the version of the widget that each needs.
VERSIONS = {"1-117": ("1.117.0", 1), "1-118": ("1.118.0", 2), "2-3": ("2.3.1", 2), "3-0": ("3.0.3", 2)}


class Site:
    """The host's sites, and what is done to it."""

    def __init__(self, port: int) -> None:
        self.port = port

    def play(self, playbook: str, *options: str, **variables: object) -> Run:
        inventories = [CHECKOUT / "molecule/shared/inventory.py", SCENARIO / "inventory/homelab.yml"]
        return run_playbook(playbook, inventories, f"--extra-vars={json.dumps(variables)}", *options, directory=SCENARIO)

    def done(self, playbook: str, *options: str, **variables: object) -> Run:
        run = self.play(playbook, *options, **variables)
        assert run.status == 0, run.printed
        return run

    def refused(self, playbook: str, **variables: object) -> str:
        """Why the run failed."""
        run = self.play(playbook, **variables)
        assert run.status, f"it should have failed: {run.printed}"
        return next(str(result["msg"]) for _task, result in run.tasks if result.get("failed"))

    def ask(self, name: str, method: str, path: str, body: object = None, session: str = "") -> tuple[int, Any]:
        """One request to a site of the host: its status and what it answered."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=context)
        sent = {"Host": f"{name}.localhost:{self.port}", "Content-Type": "application/json", "Authorization": f"Bearer {session}"}
        connection.request(method, path, None if body is None else json.dumps(body), sent)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text) if text[:1] in (b"{", b"[") else text.decode()

    def keys(self, name: str) -> dict[str, str]:
        """Keys of the Immich of this name: good, without the permission, of a person who is no administrator, and wrong."""
        admin = {"email": "admin@example.org", "password": "throwaway", "name": "Admin"}
        # Another one at every run of the tests; the administrator stays.
        other = {"email": f"{uuid.uuid4()}@example.org", "password": "throwaway", "name": "Other"}
        assert self.ask(f"photos-{name}", "POST", "/api/auth/admin-sign-up", admin)[0] in (201, 400)
        session = self.session(name, admin)
        assert self.ask(f"photos-{name}", "POST", "/api/admin/users", other, session)[0] == 201
        return {
            "good": self.key(name, session, ["server.statistics"]),
            "unprivileged": self.key(name, session, ["asset.read"]),
            "other": self.key(name, self.session(name, other), ["all"]),
            "wrong": "a-key-that-is-wrong",
        }

    def session(self, name: str, person: dict[str, str]) -> str:
        return str(self.ask(f"photos-{name}", "POST", "/api/auth/login", person)[1]["accessToken"])

    def key(self, name: str, session: str, permissions: list[str]) -> str:
        return str(self.ask(f"photos-{name}", "POST", "/api/api-keys", {"name": "dashboard", "permissions": permissions}, session)[1]["secret"])

    def tile(self, group: str, name: str) -> dict[str, Any]:
        """A tile as Homepage shows it."""
        groups = self.ask("home", "GET", "/api/services")[1]
        return next(tile for one in groups if one["name"] == group for tile in one["services"] if tile["name"] == name)


@pytest.fixture(scope="session")
def site() -> Site:
    listed = subprocess.run([sys.executable, CHECKOUT / "molecule/shared/inventory.py"], check=True, stdout=subprocess.PIPE, text=True)
    (variables,) = json.loads(listed.stdout)["_meta"]["hostvars"].values()
    return Site(variables["homelab_https_port"])


@pytest.fixture(scope="module")
def services(host: Any) -> Services:
    return Services(host, "photos")


@pytest.fixture(scope="session")
def keys(site: Site) -> dict[str, dict[str, str]]:
    """The keys of every Immich, by its name."""
    return {name: site.keys(name) for name in VERSIONS}


def immich(name: str) -> dict[str, str]:
    """What the role has to know of the Immich of this name, but its version."""
    return {"homepage_immich_url": f"http://immich-{name}:2283", "homepage_immich_host": f"photos-{name}.localhost"}
