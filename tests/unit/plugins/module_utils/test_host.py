# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's own texts, as plain values."""

from __future__ import annotations

from ansible_collections.patriark.homelab.plugins.module_utils import host


def test_a_removed_debian_package_whose_files_are_kept_is_not_installed():
    """A look at the names alone counts every package that dpkg ever knew."""
    status = (
        "Package: podman\nStatus: install ok installed\nVersion: 5.4.2\n\n"
        "Package: uidmap\nStatus: deinstall ok config-files\nVersion: 1\n\n"
        "Package: passt\nStatus: hold ok installed\n\n"
        "Package: tar\nEssential: yes\nStatus: install ok installed\n\n"
        "Package: old\nEssential: no\nStatus: deinstall ok config-files\n"
    )
    assert host.debian_packages(status) == {"podman", "passt", "tar"}


def test_rpm_names_what_is_missing_in_a_sentence():
    assert host.rpm_packages("podman\npackage passt is not installed\n") == {"podman"}


def test_podman_says_its_version():
    assert host.podman_version("podman version 5.4.2\n") == "5.4.2"
    assert host.podman_version("podman version 5.7.0-dev\n") == "5.7.0-dev"
    assert host.podman_version("") is None


def test_a_zone_is_what_the_link_names():
    assert host.zone("/usr/share/zoneinfo/Europe/Oslo") == "Europe/Oslo"
    assert host.zone("../usr/share/zoneinfo/Etc/UTC") == "Etc/UTC"
    assert host.zone("/elsewhere") == ""


def test_a_device_without_a_file_system_has_no_type():
    answer = "DEVNAME=/dev/sdb\nUUID=1\nTYPE=btrfs\n\nDEVNAME=/dev/sdc\n"
    assert host.block_device(answer) == {"path": "/dev/sdb", "fstype": "btrfs"}
    assert host.block_device("DEVNAME=/dev/sdc\nPTUUID=1\n") == {"path": "/dev/sdc", "fstype": ""}
    assert host.block_device("") is None


def test_an_accounts_services_wait_for_the_pool():
    assert host.mount_options("nofail", None) == "nofail"
    assert host.mount_options("nofail", {"uid": 1001}) == "nofail,x-systemd.before=user@1001.service"
