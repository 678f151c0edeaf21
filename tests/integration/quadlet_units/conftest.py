"""A throwaway host with an account, and tasks that run on it as a person's would: Ansible over SSH."""

from __future__ import annotations

import json
import os
import pathlib
import shlex
import textwrap
from typing import NamedTuple

import pytest
from ansible_collections.patriark.homelab.tests.integration.throwaway_host import ACCOUNT, ThrowawayHost

HERE = pathlib.Path(__file__).parent


class Outcome(NamedTuple):
    """What a task came to: its result, and all that Ansible printed."""

    failed: bool
    result: dict
    printed: str

    @property
    def changed(self) -> bool:
        return self.result["changed"]

    @property
    def error(self) -> str:
        assert self.failed, f"it should have failed: {self.printed}"
        return self.result["msg"]

    @property
    def diff(self) -> str:
        """What --diff printed."""
        return self.printed[: self.printed.rindex(" => {")].rpartition("\n")[0]

    def unit(self, name: str) -> dict:
        return next(unit for unit in self.result["units"] if unit["name"] == name)


class Host(ThrowawayHost):
    """The host, with the templates of these tests."""

    def script(self, script: str) -> str:
        """What a shell script says on the host, run by root."""
        return self.shell("bash", "-euc", script)

    def write(self, path: str, content: str) -> None:
        """Write a file of the account, below its home."""
        self.as_account(f"mkdir -p {os.path.dirname(path)}; printf %s {shlex.quote(content)} >{path}")

    def outcome(
        self, *options: str, module: str = "quadlet_units", variables: dict | None = None, **arguments: object
    ) -> Outcome:
        """Run a task once. ``variables`` are the templates', ``options`` those of the ansible command."""
        here = (f"--playbook-dir={HERE}", f"--extra-vars={json.dumps(variables or {})}")
        result, printed = self.task(module, *here, *options, **arguments)
        return Outcome(" | FAILED! => {" in printed, result, printed)


class Toy:
    """The toy service as a task: one set of a network, one or two containers, files and a secret."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.arguments = {
            "name": "toy",
            "user": ACCOUNT,
            "units": ["units/toy.network.j2", "units/toy.container.j2"],
            "files": [
                {"src": "toy.conf.j2", "dest": "containers/config/toy/toy.conf"},
                {
                    "src": "read.conf.j2",
                    "dest": "containers/config/toy/read.conf",
                    "mode": "0600",
                    "restart": ["toy.container"],
                },
            ],
            "secrets": {"toy-password": "correct horse"},
            "timeout": 30,
        }

    def run(self, *options: str, args: dict | None = None, **variables: object) -> Outcome:
        arguments = {**self.arguments, **(args or {})}
        password = arguments["secrets"].get("toy-password", "")
        return self.host.outcome(*options, variables={"word": "first", "password": password, **variables}, **arguments)

    def check(self, args: dict | None = None, **variables: object) -> Outcome:
        return self.run("--check", args=args, **variables)

    def container(self) -> str:
        """The identity of the running container."""
        return self.host.as_account("podman ps --filter name=^systemd-toy$ --format '{{.ID}}'").strip()

    def tree(self) -> str:
        """Every file of the account that a task could have touched, with modes, times and contents."""
        return self.host.as_account(TREE)


TREE = """
find .config containers -printf '%p %y %m %T@ %i\\n' 2>/dev/null | sort
find .config containers -type f -print0 2>/dev/null | sort -z | xargs -0r sha256sum
podman secret ls --format '{{.Name}} {{.ID}}'
podman network ls --format '{{.Name}} {{.ID}}'
podman ps -a --format '{{.Names}} {{.ID}} {{.StartedAt}}'
ls -A $XDG_RUNTIME_DIR
"""


@pytest.fixture(scope="module")
def host(request):
    """A host for each file of tests, for they may run at the same time."""
    host = Host(request.path.stem.partition("_")[2].replace("_", "-"))
    yield host
    host.down()


@pytest.fixture(scope="module")
def account(host):
    """The account, with its own systemd running and the toy's images in its store."""
    host.make_account()
    host.as_account("for tag in 1 2; do podman pull -q registry.example.org/busybox:$tag; done")
    return ACCOUNT


CLEAN = textwrap.dedent(
    """
    cd
    systemctl --user stop toy.service second.service toy-network.service spare-network.service 2>/dev/null || true
    rm -rf .config/containers containers .config/systemd
    systemctl --user daemon-reload
    systemctl --user reset-failed
    podman rm --all --force --time 0 >/dev/null
    podman network prune --force >/dev/null
    podman secret rm --all >/dev/null
    """
)


@pytest.fixture
def toy(host, account):
    yield Toy(host)
    host.as_account(CLEAN)
