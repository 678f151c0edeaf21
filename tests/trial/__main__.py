"""Brings Traefik, Immich, oCIS and Homepage up on a throwaway Debian host on this machine, and says where they are.

The host is a container with systemd, sshd, rootless Podman and a Btrfs pool. playbooks/site.yml runs against it over SSH
with playbooks/inventory.report. A second run finds the host there and changes nothing.

IMAGES=real or IMAGES=standin in the environment decides which images a new host takes; otherwise the real ones where
their registries answer within seconds, and the stand-ins of tests/stand_ins where not.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

import services

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
_NAME = "try"
_HOST = [sys.executable, str(CHECKOUT / "tests" / "test_host")]
_FILES = CHECKOUT / "tests" / "output" / "test_host" / _NAME
_CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "patriark-homelab"
_REGISTRIES = ("https://ghcr.io/v2/", "https://registry-1.docker.io/v2/")
_REGISTRY_SECONDS = 3


def main() -> int:
    parser = argparse.ArgumentParser(prog="./try", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--down", action="store_true", help="remove the host, its images and its files")
    parser.add_argument("--shell", action="store_true", help="log in to the host as root")
    options = parser.parse_args()
    if options.down:
        return _down()
    if options.shell:
        return subprocess.run([*_HOST, "shell", _NAME], check=False).returncode
    return _up()


def _up() -> int:
    with _alone() as lock:
        return _brought_up(lock)


@contextlib.contextmanager
def _alone() -> Iterator[int]:
    """Hold this checkout's host against another ./try; the descriptor of the lock, for what is to keep it."""
    with open(_FILES.parents[1] / "try.lock", "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another ./try is at work in this checkout; waiting for it.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def _brought_up(lock: int) -> int:
    start = time.monotonic()
    host = _host()
    if not host:
        return 1
    print(f"Host    {host['name']}: SSH on {host['address']}:{host['ssh_port']} ({time.monotonic() - start:.1f} s)\n", flush=True)
    seconds = _play(host, lock)
    if seconds is None:
        print("\nThe run failed; the reason is above. ./try goes on where it stopped, ./try --shell looks at the host.")
        return 1
    rows = services.look(host, seconds)
    print(f"\n{services.table(rows)}\n")
    print(f"Ready after {time.monotonic() - start:.0f} s. The certificate is the host's own: a browser asks once for each name.")
    print("Passwords: playbooks/inventory.report/group_vars/homelab.yml. Look inside: ./try --shell. Remove: ./try --down.")
    return 0 if all(row.healthy for row in rows) else 1


def _host() -> Mapping[str, Any] | None:
    """Boot the host, or find it booted; what tests/test_host says of it."""
    wanted, record = os.environ.get("IMAGES"), _FILES / "host.json"
    if wanted not in (None, "real", "standin"):
        print(f"IMAGES is {wanted!r}; it can be real or standin.", file=sys.stderr)
        return None
    if record.exists():
        images, why = str(json.loads(record.read_text())["images"]), "as this host has had them; ./try --down for others"
    elif wanted:
        images, why = wanted, "as IMAGES says"
    elif _registries_answer():
        images, why = "real", "their registries answer"
    else:
        images, why = "standin", f"no container registry answered within {_REGISTRY_SECONDS} seconds"
    print(f"Images  {'the real ones' if images == 'real' else 'stand-ins'}: {why}", flush=True)
    command = [*_HOST, "up", _NAME, f"--images={wanted or images}"]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else None


def _registries_answer() -> bool:
    for address in _REGISTRIES:
        try:
            urllib.request.urlopen(address, timeout=_REGISTRY_SECONDS).close()
        except urllib.error.HTTPError as answer:
            if answer.code != 401:  # "who are you?" is how a registry says hello
                return False
        except OSError:
            return False
    return True


def _play(host: Mapping[str, Any], lock: int) -> dict[str, float] | None:
    """Run the playbook; the seconds that each role took, or None when it failed. It keeps the lock where this is killed."""
    summary = _FILES / "summary.json"
    command = [
        "ansible-playbook",
        f"--inventory={CHECKOUT / 'playbooks' / 'inventory.report'}",
        f"--inventory={host['inventory']}",
        str(CHECKOUT / "playbooks" / "site.yml"),
    ]
    settings = {
        "ANSIBLE_CALLBACK_PLUGINS": str(pathlib.Path(__file__).with_name("callback_plugins")),
        "ANSIBLE_STDOUT_CALLBACK": "progress",
        "PROGRESS_SUMMARY": str(summary),
    }
    if subprocess.run(command, env={**os.environ, **settings}, check=False, pass_fds=[lock]).returncode:
        return None
    seconds: dict[str, float] = json.loads(summary.read_text())
    return seconds


def _down() -> int:
    with _alone():
        if status := subprocess.run([*_HOST, "down", _NAME], check=False).returncode:
            return status
        others = sorted(path.name for path in _FILES.parent.glob("*/host.json")) if _FILES.parent.is_dir() else []
        shared = others or not _nobody_else_works()
        if not shared:
            subprocess.run([*_HOST, "down", "--all"], check=True)
            shutil.rmtree(CHECKOUT / "tests" / "output", ignore_errors=True)
    # Of each checkout that has hosts, also of those that do not run since the machine was started.
    if shared or any(pathlib.Path("/var/lib/homelab-test-hosts").glob("*/")):
        print(f"The host is gone. {_CACHE} stays, for other test hosts on this machine live on it.")
        return 0
    packages = _CACHE / "installed-packages"
    names = sorted(set(packages.read_text().split())) if packages.exists() else []
    as_root = [] if os.geteuid() == 0 else ["sudo"]  # images are made by root
    subprocess.run([*as_root, "rm", "-rf", str(_CACHE), f"{_CACHE}.lock"], check=True)
    print(f"The host, its images and {_CACHE} are gone.")
    if names:
        print(f"These packages were installed for it and stay: {' '.join(names)}")
    return 0


def _nobody_else_works() -> bool:
    """Whether no other ./check or ./try of this person is at work, in whatever checkout; from now on none can begin."""
    try:
        fcntl.flock(int(os.environ["CACHE_LOCK"]), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. ./try goes on where it stopped.")
