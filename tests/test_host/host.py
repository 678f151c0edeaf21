"""One throwaway host: created from the host image, with ports, a key and a Btrfs pool of its own.

Its files lie in tests/output/test_host/NAME/ of the checkout: host.json (what `up` prints), inventory.yml, the SSH
identity and the pool's image.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time
import uuid

import host_image
import outer_podman
from outer_podman import CHECKOUT, MARK, podman

HOSTS = CHECKOUT / "tests" / "output" / "test_host"
_POOL_BYTES = 8 << 30  # sparse
_BOOT_SECONDS = 60
_STOP_SECONDS = 60
_FIRST_PORT, _PORTS = 20000, 12000  # below the range from which the kernel takes ports for connections
_REGISTRIES = ("docker.io", "ghcr.io", "registry.example.org")


def up(name: str, images: str | None) -> dict[str, object]:
    """Boot the host, creating it when it is not there, and wait until it answers."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name):
        raise SystemExit(f"{name!r} is no name for a host: lower-case letters, digits and hyphens, a letter first.")
    directory = HOSTS / name
    record, running = directory / "host.json", _running(name)
    if running is None or not record.exists():
        down(name)
        _create(name, directory, images or "standin")
    elif not running:
        podman("start", _container(name))
    facts: dict[str, object] = json.loads(record.read_text())
    if images and images != facts["images"]:
        raise SystemExit(f"Host {name} was made with --images {facts['images']}; take it down first.")
    _wait_until_it_answers(name, int(str(facts["ssh_port"])))
    return facts


def down(name: str) -> None:
    """Remove the host and all that it owns. Not an error when parts of it, or all, are gone already."""
    podman("rm", "--force", "--ignore", "--time=2", "--volumes", _container(name))
    pool = HOSTS / name / "pool.img"
    if pool.exists():
        for device in _losetup("--associated", str(pool)):
            subprocess.run(["losetup", "--detach", device], check=True)
    shutil.rmtree(HOSTS / name, ignore_errors=True)


def restart(name: str) -> None:
    """Reboot the host: an orderly shutdown, then a boot with the same ports and disks."""
    if _running(name) is None:
        raise SystemExit(f"There is no host {name}.")
    podman("restart", f"--time={_STOP_SECONDS}", _container(name))
    _wait_until_it_answers(name, json.loads((HOSTS / name / "host.json").read_text())["ssh_port"])


def shell(name: str, arguments: list[str]) -> int:
    """A root shell, or one command, in the host; returns its exit status."""
    terminal = ["--tty"] if sys.stdin.isatty() and not arguments else []
    inside = arguments or ["bash", "--login"]
    command = outer_podman.argv("exec", "--interactive", *terminal, _container(name), *inside)
    return subprocess.run(command, check=False).returncode


def names() -> list[str]:
    """Every host of this checkout of which anything is left, be it a container or only files."""
    prefix = _container("")
    containers = podman("ps", "--all", "--format", "{{.Names}}").split()
    folders = [path.name for path in HOSTS.iterdir() if path.is_dir()] if HOSTS.is_dir() else []
    return sorted({name[len(prefix) :] for name in containers if name.startswith(prefix)} | set(folders))


def _container(name: str) -> str:
    return f"homelab-{MARK}-{name}"


def _running(name: str) -> bool | None:
    """Whether the host runs; None when its container does not exist."""
    state = podman("ps", "--all", f"--filter=name=^{_container(name)}$", "--format", "{{.State}}")
    return state == "running" if state else None


def _create(name: str, directory: pathlib.Path, images: str) -> None:
    image = host_image.ensure()
    registry = _stand_ins() if images == "standin" else None
    print(f"Creating host {name}", file=sys.stderr, flush=True)
    directory.mkdir(parents=True)
    identity = directory / "identity"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", identity], check=True)
    pool, pool_uuid = directory / "pool.img", str(uuid.uuid4())
    with pool.open("wb") as file:
        file.truncate(_POOL_BYTES)
    subprocess.run(["mkfs.btrfs", "--quiet", "--uuid", pool_uuid, pool], check=True, capture_output=True)
    ssh_port, http_port, https_port = _free_ports(name, 3)
    volumes = [
        # Containers of the host's accounts need a real file system under them, not the host's own overlay.
        "/home",
        f"{pool}:/var/pool.img",
        f"{identity}.pub:/etc/test-host/authorized_keys:ro",
    ]
    if registry:
        mirrors = directory / "stand-ins.conf"
        mirrors.write_text("".join(_mirror(original) for original in _REGISTRIES))
        volumes += [f"{registry}:/srv/registry:ro", f"{mirrors}:/etc/containers/registries.conf.d/stand-ins.conf:ro"]
    podman(
        "run",
        "--detach",
        f"--name={_container(name)}",
        f"--hostname={name}",
        "--privileged",
        "--systemd=always",
        f"--stop-timeout={_STOP_SECONDS}",
        f"--network={outer_podman.NETWORK}",
        f"--publish=127.0.0.1:{ssh_port}:22",
        # The web ports are the same inside and outside: a service must reach its own public address.
        *(f"--publish=127.0.0.1:{port}:{port}" for port in (http_port, https_port)),
        *(f"--volume={volume}" for volume in volumes),
        image,
        "/sbin/init",
    )
    facts = {
        "name": name,
        "address": "127.0.0.1",
        "ssh_port": ssh_port,
        "http_port": http_port,
        "https_port": https_port,
        "identity_file": str(identity),
        "ssh_args": _SSH_ARGS,
        "pool_uuid": pool_uuid,
        "inventory": str(directory / "inventory.yml"),
        "images": images,
        "registry": registry,
    }
    _write_inventory(facts)
    if registry:
        # Ansible reads it beside the inventory: digests and names of the images that this host can pull.
        (directory / "group_vars").mkdir()
        shutil.copy(pathlib.Path(registry, "images.yml"), directory / "group_vars" / "homelab.yml")
    _hand_to_caller(directory)
    # Written last: a record means a whole host.
    (directory / "host.json").write_text(json.dumps(facts, indent=2) + "\n")


_SSH_ARGS = (
    "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o IdentitiesOnly=yes"
    " -o ControlMaster=auto -o ControlPersist=60s"
)


def _mirror(original: str) -> str:
    return f'[[registry]]\nprefix = "{original}"\nlocation = "127.0.0.1:5000/{original}"\ninsecure = true\n\n'


def _stand_ins() -> str:
    """The folder with the stand-in images, built when it is not there."""
    build = [sys.executable, str(CHECKOUT / "tests" / "stand_ins"), "build"]
    done = subprocess.run(build, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit("The stand-in images could not be built; the reason is above.")
    return done.stdout.split()[-1]


def _free_ports(name: str, count: int) -> list[int]:
    """Ports that nothing listens on, looked for from a place of the host's own so that hosts seldom meet."""
    start = uuid.uuid5(uuid.NAMESPACE_URL, f"{CHECKOUT}/{name}").int
    taken = {json.loads(path.read_text())[key] for path in HOSTS.glob("*/host.json") for key in _PORT_KEYS}
    free: list[int] = []
    for offset in range(_PORTS):
        port = _FIRST_PORT + (start + offset) % _PORTS
        if port not in taken and _is_free(port):
            free.append(port)
        if len(free) == count:
            return free
    raise SystemExit("No free ports were found.")


_PORT_KEYS = ("ssh_port", "http_port", "https_port")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _write_inventory(facts: dict[str, object]) -> None:
    """An inventory with the one host. JSON is YAML, and the standard library writes only JSON."""
    host = {
        "ansible_host": facts["address"],
        "ansible_port": facts["ssh_port"],
        "ansible_user": "root",
        "ansible_ssh_private_key_file": facts["identity_file"],
        "ansible_ssh_common_args": facts["ssh_args"],
        "ansible_pipelining": True,
        "ansible_python_interpreter": "/usr/bin/python3",
        "homelab_http_port": facts["http_port"],
        "homelab_https_port": facts["https_port"],
        "homelab_pool_uuid": facts["pool_uuid"],
    }
    inventory = {"homelab": {"hosts": {facts["name"]: host}}}
    pathlib.Path(str(facts["inventory"])).write_text(json.dumps(inventory, indent=2) + "\n")


def _hand_to_caller(directory: pathlib.Path) -> None:
    """Under sudo, the files belong to who called: SSH takes an identity only from its owner."""
    if owner := os.environ.get("SUDO_UID"):
        for path in (directory.parent, directory, *directory.iterdir()):
            if path.name != "identity.pub":  # sshd in the host wants it to be root's
                os.chown(path, int(owner), int(os.environ["SUDO_GID"]))


def _wait_until_it_answers(name: str, ssh_port: int) -> None:
    end = time.monotonic() + _BOOT_SECONDS
    while not _ssh_answers(ssh_port):
        if time.monotonic() > end:
            ask = outer_podman.argv("exec", _container(name), "systemctl", "is-system-running")
            said = subprocess.run(ask, check=False, capture_output=True, text=True)
            raise SystemExit(
                f"Host {name} did not answer on port {ssh_port} within {_BOOT_SECONDS} seconds;"
                f" its systemd says: {said.stdout.strip() or said.stderr.strip()}."
            )
        time.sleep(0.1)
    # "degraded" is an answer too: a container has no hardware for some units.
    booted = outer_podman.argv("exec", _container(name), "systemctl", "is-system-running", "--wait")
    subprocess.run(booted, check=False, stdout=subprocess.DEVNULL)


def _ssh_answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _losetup(*arguments: str) -> list[str]:
    command = ["losetup", "--noheadings", "--output=NAME", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
