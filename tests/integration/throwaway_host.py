"""A throwaway host for integration tests, and tasks that run on it as a person's would: Ansible over SSH."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
ACCOUNT = "photos"
TOY_IMAGE = "registry.example.org/busybox"  # its tags are 1 and 2


class ThrowawayHost:
    """``home`` and ``units`` are the account's, as the host names them."""

    home = f"/home/{ACCOUNT}"
    units = f"{home}/.config/containers/systemd"

    def __init__(self, name: str) -> None:
        self.name = name
        up = subprocess.run([*self._test_host("up")], check=True, stdout=subprocess.PIPE, text=True)
        self.facts = json.loads(up.stdout)

    def down(self) -> None:
        subprocess.run(self._test_host("down"), check=True)

    def _test_host(self, verb: str) -> list[str]:
        return [sys.executable, str(CHECKOUT / "tests" / "test_host"), verb, self.name]

    def shell(self, *argv: str, stdin: bytes = b"", check: bool = True) -> str:
        """What a command says on the host, run by root."""
        done = subprocess.run([*self._test_host("shell"), "--", *argv], check=False, input=stdin, capture_output=True)
        if check and done.returncode:
            raise AssertionError(f"{shlex.join(argv)}\n{done.stdout.decode()}{done.stderr.decode()}")
        return done.stdout.decode()

    def make_account(self) -> None:
        """The account, with its own systemd running."""
        wait = f"until [ -S /run/user/$(id -u {ACCOUNT})/systemd/private ]; do sleep 0.1; done"
        self.shell(
            "bash",
            "-euc",
            f"id {ACCOUNT} >/dev/null 2>&1 || useradd --create-home {ACCOUNT}; loginctl enable-linger {ACCOUNT}; {wait}",
        )

    def as_account(self, script: str, check: bool = True) -> str:
        """What a shell script says that the account runs, with its systemd at hand."""
        inside = f"export XDG_RUNTIME_DIR=/run/user/$UID; set -eu; {script}"
        return self.shell("runuser", "--login", "--shell=/bin/bash", f"--command={inside}", ACCOUNT, check=check)

    def task(self, module: str, *options: str, **arguments: object) -> tuple[dict, str]:
        """Run one task, of this collection unless it is named in full; its result and all that Ansible printed."""
        command = [
            str(pathlib.Path(sys.executable).with_name("ansible")),
            "all",
            f"--inventory={self.facts['inventory']}",
            f"--module-name={module if '.' in module else f'patriark.homelab.{module}'}",
            f"--args={json.dumps(arguments)}",
            "--diff",
            *options,
        ]
        done = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={**os.environ, "ANSIBLE_FORCE_COLOR": "0"},
        )
        found = re.search(r"^\S+ \| \w+!? => (\{.*\})", done.stdout, re.DOTALL | re.MULTILINE)
        if not found:
            raise AssertionError(done.stdout + done.stderr)
        return json.loads(found.group(1)), done.stdout
