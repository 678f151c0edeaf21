# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host lacks, said the same way to a role and to an administrator."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils import host_lacks
from ansible_collections.patriark.homelab.plugins.module_utils.host import Wanted

UUID = "0f6a2e9c-1f0e-4a54-9f0b-3f3a3c6f2d11"
WANTED = Wanted(
    user="photos",
    packages={"dpkg": ["podman", "uidmap"]},
    lowest_port=80,
    open_ports=["80/tcp", "443/tcp"],
    timezone="Europe/Oslo",
    pool="/mnt/pool",
    pool_uuid=UUID,
)
# A host that has all of it.
SEEN = {
    "root": True,
    "account": {
        "name": "photos",
        "uid": 1000,
        "gid": 1000,
        "home": "/home/photos",
        "linger": True,
        "manager": True,
        "subuid": [(100000, 65536)],
        "subgid": [(100000, 65536)],
    },
    "free_subordinate_start": 165536,
    "package_manager": "dpkg",
    "missing_packages": [],
    "podman": "5.4.2",
    "unprivileged_port_start": 80,
    "timezone": "Europe/Oslo",
    "firewall": {"running": True, "ports": ["443/tcp", "80/tcp"]},
    "pool": {
        "path": "/mnt/pool",
        "mounted": True,
        "fstype": "btrfs",
        "source": "/dev/sdb",
        "uuid": UUID,
        "fstab": {"source": f"UUID={UUID}", "fstype": "btrfs", "options": "nofail"},
        "device": None,
        "options": "nofail",
    },
}
UNMOUNTED = {
    "mounted": False,
    "fstype": "",
    "source": "",
    "uuid": "",
    "device": {"path": "/dev/sdb", "fstype": "btrfs"},
}


def host_with(**differences):
    """The whole host, but for what differs; a mapping differs in its keys."""
    seen = copy.deepcopy(SEEN)
    for key, value in differences.items():
        if isinstance(value, dict) and seen[key]:
            seen[key].update(value)
        else:
            seen[key] = value
    return seen


def lacking(seen, wanted=WANTED):
    return {lack["what"]: lack for lack in host_lacks.lacks(seen, wanted)}


def test_a_whole_host_lacks_nothing():
    assert host_lacks.lacks(SEEN, WANTED) == []


def test_nothing_wanted_is_nothing_lacking():
    bare = host_with(account=None, podman=None, package_manager=None, firewall=None, pool=None, timezone="")
    assert host_lacks.lacks(bare, Wanted()) == []


@pytest.mark.parametrize(
    ("differences", "what", "command"),
    [
        ({"missing_packages": ["uidmap"]}, "packages", "apt-get install --no-install-recommends uidmap"),
        ({"missing_packages": ["passt"], "package_manager": "rpm"}, "packages", "dnf install passt"),
        ({"account": {"linger": False}}, "linger", "loginctl enable-linger photos"),
        ({"account": {"manager": False}}, "manager", "systemctl start user@1000.service"),
        (
            {"account": {"subgid": [(100000, 65535)]}},
            "subordinate_ids",
            "usermod --add-subuids 165536-231071 --add-subgids 165536-231071 photos",
        ),
        (
            {"unprivileged_port_start": 1024},
            "ports",
            "echo net.ipv4.ip_unprivileged_port_start=80 > /etc/sysctl.d/90-homelab.conf && sysctl --load=/etc/sysctl.d/90-homelab.conf",
        ),
        (
            {"firewall": {"ports": ["80/tcp"]}},
            "firewall",
            "firewall-cmd --permanent --add-port=443/tcp && firewall-cmd --reload",
        ),
        ({"timezone": "Etc/UTC"}, "timezone", "timedatectl set-timezone Europe/Oslo"),
        (
            {"pool": {**UNMOUNTED, "fstab": None}},
            "mount",
            f"mkdir -p /mnt/pool && printf '%s\\n' 'UUID={UUID} /mnt/pool btrfs nofail 0 0' >> /etc/fstab && mount /mnt/pool",
        ),
        ({"pool": UNMOUNTED}, "mount", "mkdir -p /mnt/pool && mount /mnt/pool"),
        ({"pool": {"fstab": None}}, "mount", f"printf '%s\\n' 'UUID={UUID} /mnt/pool btrfs nofail 0 0' >> /etc/fstab"),
    ],
)
def test_a_command_mends_it(differences, what, command):
    found = lacking(host_with(**differences))
    assert list(found) == [what]
    assert found[what]["command"] == command


@pytest.mark.parametrize(
    ("differences", "what", "words"),
    [
        ({"podman": "4.3.1"}, "podman", "4.3.1 is too old"),
        ({"package_manager": None}, "package_manager", "neither dpkg nor rpm"),
        ({"firewall": {"running": False, "ports": []}}, "firewalld", "may cut off"),
        ({"pool": {"fstype": "ext4", "uuid": ""}}, "other_pool", "ext4 and not Btrfs"),
        ({"pool": {"uuid": "another"}}, "other_pool", "another and not"),
        ({"pool": {**UNMOUNTED, "device": None}}, "device", "mkfs.btrfs --uuid"),
        (
            {"pool": {**UNMOUNTED, "device": {"path": "/dev/sdb", "fstype": "ext4"}}},
            "device",
            "holds ext4 and not Btrfs, and is not touched",
        ),
        ({"pool": {**UNMOUNTED, "fstab": {"source": "LABEL=pool"}}}, "fstab", "LABEL=pool"),
    ],
)
def test_only_a_person_can_decide_it(differences, what, words):
    found = lacking(host_with(**differences))
    assert list(found) == [what]
    assert words in found[what]["sentence"]
    assert found[what]["command"] == ""
    assert found[what]["sentence"] in host_lacks.refusal(list(found.values()), root=True)


def test_an_account_is_not_renumbered():
    wanted = Wanted(user="photos", uid=1001, subordinate_start=200000)
    assert [lack["command"] for lack in host_lacks.lacks(SEEN, wanted)] == ["", ""]


def test_a_missing_account_is_made_before_what_belongs_to_it():
    found = host_lacks.lacks(host_with(account=None), Wanted(user="photos", uid=1001))
    assert [lack["what"] for lack in found] == ["account", "subordinate_ids", "linger"]
    assert found[0]["command"] == "useradd --create-home --shell /bin/bash --uid 1001 photos"


def test_podman_five_ten_is_newer_than_five_four():
    """Compared as text it would be older."""
    assert host_lacks.lacks(host_with(podman="5.10.0"), WANTED) == []


def test_without_root_a_device_that_cannot_be_seen_is_not_said_to_be_missing():
    found = lacking(host_with(root=False, pool={**UNMOUNTED, "device": None}))
    assert list(found) == ["mount"]


def test_without_root_the_commands_are_named_once():
    seen = host_with(root=False, timezone="Etc/UTC", account={"linger": False})
    told = host_lacks.refusal(host_lacks.lacks(seen, WANTED), root=False)
    assert told.splitlines()[1:] == [
        "# The services of photos do not start at boot, because the account does not linger.",
        "loginctl enable-linger photos",
        "# The time zone is Etc/UTC and not Europe/Oslo.",
        "timedatectl set-timezone Europe/Oslo",
    ]


def test_root_is_refused_nothing_that_a_command_mends():
    assert host_lacks.refusal(host_lacks.lacks(host_with(timezone=""), WANTED), root=True) == ""
    assert host_lacks.refusal([], root=False) == ""


def test_no_firewall_is_asked_for_where_no_ports_are():
    assert host_lacks.lacks(host_with(firewall=None), Wanted(lowest_port=443)) == []
