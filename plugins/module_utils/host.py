# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host is, asked once and without changing anything, as plain data."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import account, command, files, mounts, subordinate_ids
from .errors import HomelabError

_LOCALTIME = "/etc/localtime"


@dataclass(frozen=True)
class Wanted:
    """What the services need of the host. Whatever is empty is not asked for, and not looked at where looking costs time."""

    user: str = ""
    uid: int | None = None
    subordinate_start: int | None = None
    packages: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by package manager: dpkg, rpm
    lowest_port: int = 1024
    open_ports: Sequence[str] = ()  # such as 443/tcp, opened in firewalld
    timezone: str = ""
    pool: str | None = None
    pool_uuid: str = ""
    pool_options: str = "defaults"


# --- Texts of the host: pure ---


def debian_packages(status: str) -> set[str]:
    """The names of the installed packages, out of /var/lib/dpkg/status."""
    return set(re.findall(r"^Package: (\S+)\n(?:(?!Package:)\S.*\n)*?Status: \S+ \S+ installed$", status, re.MULTILINE))


def rpm_packages(answer: str) -> set[str]:
    """The names that rpm -q printed. Of one that is not installed it prints a sentence."""
    return {line for line in answer.split("\n") if line and " " not in line}


def podman_version(answer: str) -> str | None:
    """The version in what podman --version prints."""
    found = re.search(r"\b(\d+\.\d+\.\d+\S*)", answer)
    return found.group(1) if found else None


def zone(link: str) -> str:
    """The time zone that /etc/localtime links to."""
    return link.partition("zoneinfo/")[2]


def block_device(answer: str) -> dict[str, str] | None:
    """The first device in what blkid -o export prints, or None where it printed none."""
    fields = dict(line.split("=", 1) for line in answer.split("\n\n")[0].split("\n") if "=" in line)
    return {"path": fields["DEVNAME"], "fstype": fields.get("TYPE", "")} if "DEVNAME" in fields else None


def mount_options(options: str, owner: Mapping[str, Any] | None) -> str:
    """The options of the pool's line in fstab.

    A mount that may fail is ordered before nothing, so at boot the account's services would meet an empty directory.
    """
    return f"{options},x-systemd.before=user@{owner['uid']}.service" if owner else options


# --- The look: the only part that asks the host ---


def _text(path: str) -> str:
    return (files.read(path) or b"").decode("utf-8", "surrogateescape")


def _output(*argv: str) -> str | None:
    """What a program prints, or None where it is not installed. Whether it succeeded shows in what it printed."""
    return command.run(argv).out if shutil.which(argv[0]) else None


def _look_at_account(name: str) -> dict[str, Any] | None:
    try:
        found = account.lookup(name)
    except HomelabError:
        return None
    return {
        "name": found.name,
        "uid": found.uid,
        "gid": found.gid,
        "home": found.home,
        "linger": os.path.exists(f"/var/lib/systemd/linger/{found.name}"),
        "manager": os.path.exists(f"{found.runtime_dir}/systemd/private"),
        "subuid": subordinate_ids.ranges(_text("/etc/subuid"), found.name, found.uid),
        "subgid": subordinate_ids.ranges(_text("/etc/subgid"), found.name, found.uid),
    }


def _look_at_packages(wanted: Mapping[str, Sequence[str]]) -> tuple[str | None, list[str]]:
    status = _text("/var/lib/dpkg/status")
    if status:
        installed = debian_packages(status)
        return "dpkg", [name for name in wanted.get("dpkg", ()) if name not in installed]
    names = list(wanted.get("rpm", ()))
    if not names:
        return ("rpm" if shutil.which("rpm") else None), []
    answer = _output("rpm", "-q", "--qf", "%{NAME}\\n", *names)
    if answer is None:
        return None, []
    return "rpm", [name for name in names if name not in rpm_packages(answer)]


def _look_at_firewall() -> dict[str, Any]:
    running = (_output("firewall-cmd", "--state") or "").strip() == "running"
    if not running:
        return {"running": False, "ports": []}
    now = set((_output("firewall-cmd", "--list-ports") or "").split())
    later = set((_output("firewall-cmd", "--permanent", "--list-ports") or "").split())
    return {"running": True, "ports": sorted(now & later)}


def _btrfs_uuid(source: str) -> str:
    """The UUID of the mounted Btrfs that has this device, which the kernel tells everybody."""
    device = os.path.basename(os.path.realpath(source))
    root = "/sys/fs/btrfs"
    for name in sorted(os.listdir(root)) if os.path.isdir(root) else []:
        if os.path.exists(f"{root}/{name}/devices/{device}"):
            return name
    return ""


def _look_at_pool(path: str, wanted: Wanted, owner: Mapping[str, Any] | None) -> dict[str, Any]:
    uuid = wanted.pool_uuid
    mounted = mounts.at(path, mounts.parse(_text("/proc/self/mountinfo")))
    planned = mounts.at(path, mounts.parse_fstab(_text("/etc/fstab")))
    mounted_uuid = _btrfs_uuid(mounted.source) if mounted and mounted.fstype == "btrfs" else ""
    # blkid opens every block device, which takes time and root: only where the mount does not answer.
    device = (
        block_device(_output("blkid", "-o", "export", "-t", f"UUID={uuid}") or "")
        if uuid and uuid != mounted_uuid
        else None
    )
    return {
        "path": path,
        "mounted": mounted is not None,
        "fstype": mounted.fstype if mounted else "",
        "source": mounted.source if mounted else "",
        "uuid": mounted_uuid,
        "fstab": {"source": planned.source, "fstype": planned.fstype, "options": planned.options} if planned else None,
        "device": device,
        "options": mount_options(wanted.pool_options, owner),
    }


def look(wanted: Wanted) -> dict[str, Any]:
    """What the host is now, as plain data."""
    with_packages = any(wanted.packages.values())
    package_manager, missing = _look_at_packages(wanted.packages) if with_packages else (None, [])
    owner = _look_at_account(wanted.user) if wanted.user else None
    return {
        "root": os.geteuid() == 0,
        "account": owner,
        "free_subordinate_start": subordinate_ids.next_free(_text("/etc/subuid"), _text("/etc/subgid")),
        "package_manager": package_manager,
        "missing_packages": missing,
        "podman": podman_version(_output("podman", "--version") or "") if with_packages else None,
        "unprivileged_port_start": int(_text("/proc/sys/net/ipv4/ip_unprivileged_port_start") or 1024),
        # Where the link leads nowhere, everything runs on UTC.
        "timezone": zone(os.readlink(_LOCALTIME)) if os.path.islink(_LOCALTIME) and os.path.exists(_LOCALTIME) else "",
        "firewall": _look_at_firewall() if wanted.open_ports else None,
        "pool": _look_at_pool(wanted.pool, wanted, owner) if wanted.pool else None,
    }
