# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host lacks of what its services need: pure, and the same whether a role mends it or an administrator does."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from .host import Wanted

# The oldest Podman whose Quadlet does what the units of this collection need.
OLDEST_PODMAN = (5, 4)

SUBORDINATE_IDS = 65536


Lack = dict[str, str]  # what, sentence, and the command that mends it; no command where only a person can decide


def _lack(what: str, sentence: str, command: str = "") -> Lack:
    return {"what": what, "sentence": sentence, "command": command}


def _account_lacks(seen: Mapping[str, Any], wanted: Wanted) -> list[Lack]:
    found, name = seen["account"], shlex.quote(wanted.user)
    start = seen["free_subordinate_start"] if wanted.subordinate_start is None else wanted.subordinate_start
    span = f"{start}-{start + SUBORDINATE_IDS - 1}"
    ids = _lack(
        "subordinate_ids",
        f"The account {wanted.user} has no {SUBORDINATE_IDS} subordinate ids for its containers.",
        f"usermod --add-subuids {span} --add-subgids {span} {name}",
    )
    linger = _lack(
        "linger",
        f"The services of {wanted.user} do not start at boot, because the account does not linger.",
        f"loginctl enable-linger {name}",
    )
    if found is None:
        number = "" if wanted.uid is None else f"--uid {wanted.uid} "
        make = f"useradd --create-home --shell /bin/bash {number}{name}"
        # useradd may hand out a range by itself.
        ids["command"] = f"grep -q '^{wanted.user}:' /etc/subuid || {ids['command']}"
        return [_lack("account", f"There is no account {wanted.user}.", make), ids, linger]
    lacks = []
    if wanted.uid not in (None, found["uid"]):
        lacks.append(
            _lack(
                "uid",
                f"The account {wanted.user} has the number {found['uid']} and not {wanted.uid}, and is left as it is. "
                "Correct the variable, or change the account by hand.",
            )
        )
    if any(sum(count for _first, count in found[kind]) < SUBORDINATE_IDS for kind in ("subuid", "subgid")):
        lacks.append(ids)
    elif wanted.subordinate_start is not None and any(
        found[kind][0][0] != wanted.subordinate_start for kind in ("subuid", "subgid")
    ):
        lacks.append(
            _lack(
                "subordinate_start",
                f"The subordinate ids of {wanted.user} begin at {found['subuid'][0][0]} and {found['subgid'][0][0]} "
                f"and not at {wanted.subordinate_start}, and are left as they are. "
                "Correct the variable, or change /etc/subuid and /etc/subgid by hand.",
            )
        )
    if not found["linger"]:
        lacks.append(linger)
    elif not found["manager"]:
        lacks.append(
            _lack(
                "manager",
                f"The service manager of {wanted.user} does not run.",
                f"systemctl start user@{found['uid']}.service",
            )
        )
    return lacks


def _podman_lacks(seen: Mapping[str, Any], wanted: Wanted) -> list[Lack]:
    lacks = []
    if seen["missing_packages"]:
        names = " ".join(seen["missing_packages"])
        install = "apt-get install --no-install-recommends" if seen["package_manager"] == "dpkg" else "dnf install"
        lacks.append(_lack("packages", f"These packages are missing: {names}.", f"{install} {names}"))
    asked = any(wanted.packages.values())
    if asked and seen["package_manager"] is None:
        lacks.append(
            _lack(
                "package_manager",
                "This host has neither dpkg nor rpm, so its packages cannot be looked at. Use a Debian or Fedora host.",
            )
        )
    version = seen["podman"]
    if asked and version and tuple(int(part) for part in version.split(".")[:2]) < OLDEST_PODMAN:
        oldest = ".".join(str(part) for part in OLDEST_PODMAN)
        lacks.append(
            _lack(
                "podman",
                f"Podman {version} is too old: the units need {oldest} or newer. Upgrade to a release that carries it, such as Debian 13.",
            )
        )
    return lacks


def _network_lacks(seen: Mapping[str, Any], wanted: Wanted) -> list[Lack]:
    lacks = []
    first = seen["unprivileged_port_start"]
    if wanted.lowest_port < first:
        setting = f"net.ipv4.ip_unprivileged_port_start={wanted.lowest_port}"
        command = f"echo {setting} > /etc/sysctl.d/90-homelab.conf && sysctl --load=/etc/sysctl.d/90-homelab.conf"
        lacks.append(
            _lack(
                "ports",
                f"Only root may use port {wanted.lowest_port}, for other accounts the ports begin at {first}.",
                command,
            )
        )
    firewall = seen["firewall"]
    if firewall and not firewall["running"]:
        lacks.append(
            _lack(
                "firewalld",
                "firewalld does not run, and is not started here, because that may cut off this connection. Start it, or choose no firewall.",
            )
        )
    elif firewall:
        closed = [port for port in wanted.open_ports if port not in firewall["ports"]]
        options = " ".join(f"--add-port={port}" for port in closed)
        command = f"firewall-cmd --permanent {options} && firewall-cmd --reload"
        lacks += (
            [_lack("firewall", f"The firewall keeps these ports closed: {' '.join(closed)}.", command)]
            if closed
            else []
        )
    return lacks


def _wrong_pool(pool: Mapping[str, Any], uuid: str) -> tuple[str, str] | None:
    """What is in the way of the pool and only a person can decide."""
    path, device, planned = pool["path"], pool["device"], pool["fstab"]
    if pool["mounted"] and pool["fstype"] != "btrfs":
        return (
            "other_pool",
            f"What is mounted at {path} is {pool['fstype']} and not Btrfs. Unmount it, or choose another directory.",
        )
    if pool["mounted"] and uuid and pool["uuid"] != uuid:
        return (
            "other_pool",
            f"The Btrfs that is mounted at {path} has the UUID {pool['uuid']} and not {uuid}. Unmount it, or correct the UUID.",
        )
    if pool["mounted"]:
        return None
    if not uuid:
        return ("pool", f"No pool is mounted at {path}. Name the UUID of its Btrfs (blkid shows it), or mount it.")
    if device and device["fstype"] != "btrfs":
        at, kind = device["path"], device["fstype"] or "no file system"
        sentence = (
            f"{at}, which has the UUID {uuid}, holds {kind} and not Btrfs, and is not touched. "
            f"Correct the UUID, or, if all that is on it may be erased: mkfs.btrfs -f {at}, and use the new UUID."
        )
        return ("device", sentence)
    if planned and planned["source"] != f"UUID={uuid}":
        return (
            "fstab",
            f"/etc/fstab mounts {planned['source']} at {path} and not UUID={uuid}, and is left as it is. Correct its line, or the UUID.",
        )
    return None


def _pool_lacks(seen: Mapping[str, Any], uuid: str) -> list[Lack]:
    pool = seen["pool"]
    path, mounted, planned = pool["path"], pool["mounted"], pool["fstab"]
    wrong = _wrong_pool(pool, uuid)
    if wrong:
        return [_lack(*wrong)]
    if not mounted and not pool["device"] and seen["root"]:
        return [
            _lack(
                "device",
                f"No device holds a file system with the UUID {uuid}. Connect it, "
                f"or, on an empty device that may be erased: mkfs.btrfs --uuid {uuid} DEVICE.",
            )
        ]
    if mounted and (planned or not uuid):
        return []
    steps = [] if mounted else [f"mkdir -p {shlex.quote(path)}"]
    line = f"UUID={uuid} {path.replace(' ', chr(92) + '040')} btrfs {pool['options']} 0 0"
    steps += [] if planned else [f"printf '%s\\n' {shlex.quote(line)} >> /etc/fstab"]
    steps += [] if mounted else [f"mount {shlex.quote(path)}"]
    return [_lack("mount", f"The pool {uuid} is not mounted at {path}, or not at every boot.", " && ".join(steps))]


def lacks(seen: Mapping[str, Any], wanted: Wanted) -> list[Lack]:
    """What the host lacks of what is wanted, in the order in which it is mended."""
    found = _podman_lacks(seen, wanted)
    found += _account_lacks(seen, wanted) if wanted.user else []
    found += _network_lacks(seen, wanted)
    if wanted.timezone and wanted.timezone != seen["timezone"]:
        found.append(
            _lack(
                "timezone",
                f"The time zone is {seen['timezone'] or 'not set'} and not {wanted.timezone}.",
                f"timedatectl set-timezone {shlex.quote(wanted.timezone)}",
            )
        )
    found += _pool_lacks(seen, wanted.pool_uuid) if wanted.pool else []
    return found


def refusal(found: Sequence[Lack], root: bool) -> str:
    """Why what is lacking cannot be mended over this connection; nothing where it can."""
    undecided = [lack["sentence"] for lack in found if not lack["command"]]
    if undecided or root or not found:
        return " ".join(undecided)
    steps = "".join(f"\n# {lack['sentence']}\n{lack['command']}" for lack in found)
    return f"The connection is not root's, so nothing was changed. Connect as root, use become, or let an administrator run these commands:{steps}"
