"""Podman as root on the machine that runs the tests, able to boot containers with systemd in them.

Every call uses a store, a run directory and a network that belong to this checkout alone, so that two checkouts on
one machine, and the machine's own Podman, never meet.

On a machine with systemd as PID 1 and cgroup v2 that is all. On a bare build machine (no systemd, cgroup v1 or hybrid,
few capabilities) every call also enters one long-lived mount namespace that has a cgroup2 tree on /sys/fs/cgroup.
Podman keeps network namespaces as mounts, so all calls must share that one namespace; a sleeping process holds it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
MARK = hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:8]
NETWORK = f"homelab-{MARK}"
_STORE = pathlib.Path("/var/lib/homelab-test-hosts") / MARK
_RUN = pathlib.Path("/run/homelab-test-hosts") / MARK
_HOLDER_PID = _RUN / "holder.pid"
_HOLDER_MARK = f"HOMELAB_TEST_HOSTS={MARK}"

_CHANGES_NETWORK = ("run", "start", "restart", "rm", "network")

_HOLD = """
umount --recursive /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
echo $$ >"$1.new" && mv "$1.new" "$1"
exec sleep infinity
"""

_STORAGE_CONF = """\
[storage]
driver = "overlay"
graphroot = "{store}"
runroot = "{run}/containers"
"""

_CONTAINERS_CONF = """\
[engine]
tmp_dir = "{run}/libpod"
lock_type = "file"
events_logger = "file"
[network]
network_backend = "netavark"
network_config_dir = "{store}/networks"
"""

# Without CAP_SYS_RESOURCE no limit may rise above the present hard one, which is what Podman 4.3 tries by itself.
_BARE_CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc=32768:32768"]
pids_limit = 0
[engine]
cgroup_manager = "cgroupfs"
"""


def podman(*arguments: str) -> str:
    """Run one Podman command and return its standard output; a failure ends the program with Podman's own words."""
    with _network_lock() if arguments[0] in _CHANGES_NETWORK else contextlib.nullcontext():
        done = subprocess.run(argv(*arguments), check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"podman {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()


@contextlib.contextmanager
def _network_lock() -> Iterator[None]:
    """Podman serializes changes of the packet filter within a store; checkouts have a store each and one packet filter."""
    with open(_RUN.parent / ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def argv(*arguments: str) -> list[str]:
    """The whole command line of one Podman command, for callers that need its terminal or its exit status."""
    enter = ["nsenter", "--mount", "--target", str(_holder()), "--"] if _machine_is_bare() else []
    settings = [f"CONTAINERS_CONF={_RUN}/containers.conf", f"CONTAINERS_STORAGE_CONF={_RUN}/storage.conf"]
    return [*enter, "env", *settings, "podman", *arguments]


def prepare() -> None:
    """Make Podman usable: settings, the namespace on a bare machine, the network. Harmless when all is there."""
    _RUN.mkdir(parents=True, exist_ok=True)
    bare = _machine_is_bare()
    if bare and not _holder():
        _kill_orphans()
        shutil.rmtree(_RUN)
        _RUN.mkdir()
    settings = _CONTAINERS_CONF
    if bare:
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        engine = _BARE_CONTAINERS_CONF.format(files=files)
        settings = engine + _CONTAINERS_CONF.replace("[engine]\n", "")
    (_RUN / "containers.conf").write_text(settings.format(run=_RUN, store=_STORE))
    (_RUN / "storage.conf").write_text(_STORAGE_CONF.format(run=_RUN, store=_STORE))
    if bare and not _holder():
        _start_holder()
    if NETWORK not in podman("network", "ls", "--format", "{{.Name}}").split():
        podman("network", "create", "--disable-dns", f"--subnet={_subnet()}", NETWORK)
        _name_bridge()


def _name_bridge() -> None:
    """Podman takes the first name that is free just now, which is another network's as soon as that runs."""
    path = _STORE / "networks" / f"{NETWORK}.json"
    network = json.loads(path.read_text())
    path.write_text(json.dumps({**network, "network_interface": f"homelab{MARK}"}))


def remove_everything() -> None:
    """Take away what prepare() and the hosts made; the containers must be gone already."""
    if _RUN.is_dir() and (_holder() or not _machine_is_bare()):
        subprocess.run(argv("network", "rm", "--force", NETWORK), check=False, capture_output=True)
    # Not by podman system reset, which takes virtual machines and build caches of the machine's own Podman along.
    subprocess.run(["umount", _STORE / "overlay"], check=False, capture_output=True)
    _kill_orphans()
    if holder := _holder():
        os.kill(holder, signal.SIGKILL)
    shutil.rmtree(_RUN, ignore_errors=True)
    shutil.rmtree(_STORE, ignore_errors=True)


def _machine_is_bare() -> bool:
    """Whether the machine lacks what Podman needs to boot systemd: a systemd of its own and one cgroup v2 tree."""
    init = pathlib.Path("/proc/1/comm").read_text().strip()
    return init != "systemd" or not os.path.exists("/sys/fs/cgroup/cgroup.controllers")


def _subnet() -> str:
    """A network of the checkout's own in 10.128.0.0/9, so that bridges of two checkouts do not overlap."""
    number = int(MARK, 16)
    return f"10.{128 + number % 128}.{number // 128 % 256}.0/24"


def _holder() -> int:
    """The process that holds the namespace, or 0. Its environment names it, for process numbers are used again."""
    try:
        pid = int(_HOLDER_PID.read_text())
        environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return 0
    return pid if _HOLDER_MARK.encode() in environment else 0


def _start_holder() -> None:
    subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-euc", _HOLD, "sh", str(_HOLDER_PID)],
        env={"PATH": os.environ["PATH"], "HOMELAB_TEST_HOSTS": MARK},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    end = time.monotonic() + 10
    while not _holder():
        if time.monotonic() > end:
            raise SystemExit("The mount namespace for Podman did not start; it needs root and a kernel with cgroup v2.")
        time.sleep(0.02)


def _kill_orphans() -> None:
    """End containers whose namespace holder was killed: Podman could no longer see their mounts."""
    for pidfile in (_RUN / "containers").glob("overlay-containers/*/userdata/pidfile"):
        try:
            pid = int(pidfile.read_text())
            # Process numbers are used again: it has to have its root in our store.
            if str(_STORE) in pathlib.Path(f"/proc/{pid}/mountinfo").read_text():
                os.kill(pid, signal.SIGKILL)
        except (OSError, ValueError):
            continue
