# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Podman's versions read Quadlet units differently, and which version this host has."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from .. import command
from ..errors import HomelabError

# The generators answer in a few milliseconds, the podman command takes ten times as long.
GENERATORS = (
    "/usr/lib/systemd/system-generators/podman-system-generator",
    "/usr/libexec/podman/quadlet",
    "/usr/lib/podman/quadlet",
)
# What is taken for granted where no Podman is found yet: Debian 13's.
_ASSUMED = (5, 4, 2)
# The rules of older ones are not known here.
_OLDEST = (5, 4)

# The keys that version 5.4 takes in each section; another key in one of these sections refuses the whole unit.
_KEYS = {
    "Container": """
        AddCapability AddDevice AddHost Annotation AutoUpdate CgroupsMode ContainerName ContainersConfModule DNS
        DNSOption DNSSearch DropCapability Entrypoint Environment EnvironmentFile EnvironmentHost Exec
        ExposeHostPort GIDMap GlobalArgs Group GroupAdd HealthCmd HealthInterval HealthLogDestination
        HealthMaxLogCount HealthMaxLogSize HealthOnFailure HealthRetries HealthStartPeriod HealthStartupCmd
        HealthStartupInterval HealthStartupRetries HealthStartupSuccess HealthStartupTimeout HealthTimeout HostName
        IP IP6 Image Label LogDriver LogOpt Mask Mount Network NetworkAlias NoNewPrivileges Notify PidsLimit Pod
        PodmanArgs PublishPort Pull ReadOnly ReadOnlyTmpfs RemapGid RemapUid RemapUidSize RemapUsers Rootfs RunInit
        SeccompProfile Secret SecurityLabelDisable SecurityLabelFileType SecurityLabelLevel SecurityLabelNested
        SecurityLabelType ServiceName ShmSize StartWithPod StopSignal StopTimeout SubGIDMap SubUIDMap Sysctl
        Timezone Tmpfs UIDMap Ulimit Unmask User UserNS VolatileTmp Volume WorkingDir
    """,
    "Volume": """
        ContainersConfModule Copy Device Driver GlobalArgs Group Image Label Options PodmanArgs ServiceName Type
        User VolumeName
    """,
    "Network": """
        ContainersConfModule DNS DisableDNS Driver Gateway GlobalArgs IPAMDriver IPRange IPv6 Internal Label
        NetworkName Options PodmanArgs ServiceName Subnet
    """,
    "Kube": """
        AutoUpdate ConfigMap ContainersConfModule ExitCodePropagation GlobalArgs KubeDownForce LogDriver LogOpt
        Network PodmanArgs PublishPort RemapGid RemapUid RemapUidSize RemapUsers ServiceName SetWorkingDirectory
        UserNS Yaml
    """,
    "Image": """
        AllTags Arch AuthFile CertDir ContainersConfModule Creds DecryptionKey GlobalArgs Image ImageTag OS
        PodmanArgs ServiceName TLSVerify Variant
    """,
    "Build": """
        Annotation Arch AuthFile ContainersConfModule DNS DNSOption DNSSearch Environment File ForceRM GlobalArgs
        GroupAdd ImageTag Label Network PodmanArgs Pull Secret ServiceName SetWorkingDirectory TLSVerify Target
        Variant Volume
    """,
    "Pod": """
        AddHost ContainersConfModule DNS DNSOption DNSSearch GIDMap GlobalArgs IP IP6 Network NetworkAlias PodName
        PodmanArgs PublishPort RemapGid RemapUid RemapUidSize RemapUsers ServiceName ShmSize SubGIDMap SubUIDMap
        UIDMap UserNS Volume
    """,
    "Quadlet": "DefaultDependencies",
}

# What later versions added: (from version, section, keys).
_ADDED_KEYS = (
    ((5, 5), "Container", "Memory ReloadCmd ReloadSignal Retry RetryDelay"),
    ((5, 5), "Network", "NetworkDeleteOnStop"),
    ((5, 5), "Image", "Retry RetryDelay"),
    ((5, 5), "Build", "Retry RetryDelay"),
    ((5, 5), "Pod", "HostName"),
    ((5, 6), "Network", "InterfaceName"),
    ((5, 6), "Image", "Policy"),
    ((5, 6), "Pod", "ExitPolicy Label"),
    ((5, 7), "Container", "HttpProxy"),
    ((5, 7), "Build", "BuildArg IgnoreFile"),
    ((5, 7), "Pod", "StopTimeout"),
    (
        (5, 7),
        "Artifact",
        "Artifact AuthFile CertDir ContainersConfModule Creds DecryptionKey GlobalArgs PodmanArgs Quiet",
    ),
    ((5, 7), "Artifact", "Retry RetryDelay ServiceName TLSVerify"),
    ((5, 8), "Container", "AppArmor"),
    ((6,), "Volume", "GID UID"),
)


class Rules(NamedTuple):
    """How one version of the generator reads units."""

    version: tuple[int, ...]
    keys: dict[str, frozenset[str]]
    extensions: frozenset[str]
    unit_dependencies: bool  # After=x.container in [Unit] must name a unit that exists
    specific_drop_ins_first: bool  # else a drop-in of an earlier directory hides a more specific one of the same name
    suffix_before_at: bool  # pull@.image makes pull-image@.service, else pull@-image.service
    mounts_are_volumes: bool  # where Mount= has no type, else it refuses the unit
    several_yaml: bool  # Yaml= may name several files
    only_paired_quotes: bool  # else any number of quotes is stripped from both ends of a value
    vendor_users: bool  # /usr/share/containers/systemd/users is read for users


def rules_of(version: tuple[int, ...]) -> Rules:
    """The rules of a Podman version, given as numbers."""
    keys = {section: set(names.split()) for section, names in _KEYS.items()}
    for since, section, names in _ADDED_KEYS:
        if version >= since:
            keys.setdefault(section, set()).update(names.split())
    return Rules(
        version=version,
        keys={section: frozenset(names) for section, names in keys.items()},
        extensions=frozenset(section.lower() for section in keys if section != "Quadlet"),
        unit_dependencies=version >= (5, 5),
        specific_drop_ins_first=version >= (5, 6),
        suffix_before_at=version >= (5, 7),
        mounts_are_volumes=version >= (5, 6),
        several_yaml=version >= (5, 7),
        only_paired_quotes=version >= (5, 8, 2),
        vendor_users=version >= (6,),
    )


def found_version() -> tuple[int, ...] | None:
    """The version of the generator on this host, or None where there is none."""
    for generator in GENERATORS:
        if os.access(generator, os.X_OK):
            numbers = re.match(r"(\d+)\.(\d+)\.(\d+)", command.run([generator, "-version"]).out)
            if numbers:
                return tuple(int(number) for number in numbers.groups())
    return None


def too_old(version: tuple[int, ...] | None) -> str:
    """Why nothing can be done with this version, with the remedy; empty where it is new enough, or not found."""
    if version is None or version >= _OLDEST:
        return ""
    return f"Podman {'.'.join(map(str, version))} is on this host, and 5.4 or newer is needed. Update it, then run the task again."


def host_rules() -> Rules:
    """The rules that this host's Podman follows. Raises HomelabError where it is too old to know them."""
    version = found_version() or _ASSUMED
    if why := too_old(version):
        raise HomelabError(why)
    return rules_of(version)
