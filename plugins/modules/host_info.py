#!/usr/bin/python

# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
version_added: 0.1.0
short_description: Look at a host once, and say what it lacks for rootless services
description:
  - Asks in one call for all that the roles host and storage set up, so that a task runs only where something differs.
  - Only what is wanted counts as lacking. Without any option it only says what the host is.
  - Works without root. It then cannot see other accounts' service managers, nor search the block devices for a UUID.
author:
  - The patriark.homelab maintainers (@patriark)
extends_documentation_fragment:
  - patriark.homelab.attributes.info
options:
  user:
    description: The account that the services run as.
    type: str
    default: ''
  uid:
    description: The number that the account shall have. Without it any will do.
    type: int
  subordinate_start:
    description: The first of the 65536 ids for the account's containers. Without it any will do, and a missing range begins at the first free id.
    type: int
  packages:
    description: The packages that shall be installed, by package manager.
    type: dict
    default: {}
    suboptions:
      dpkg:
        description: Names of Debian packages.
        type: list
        elements: str
        default: []
      rpm:
        description: Names of Fedora packages.
        type: list
        elements: str
        default: []
  lowest_port:
    description: The lowest port that the account's services listen on.
    type: int
    default: 1024
  open_ports:
    description: The ports that firewalld shall let in, such as V(443/tcp). Without any, firewalld is not asked.
    type: list
    elements: str
    default: []
  timezone:
    description: The time zone that the host shall have.
    type: str
    default: ''
  pool:
    description: Where the Btrfs pool shall be mounted.
    type: path
  pool_uuid:
    description: The UUID of the pool's Btrfs. Without it, whatever Btrfs is mounted there will do.
    type: str
    default: ''
  pool_options:
    description:
      - The options that a missing line in C(/etc/fstab) would have.
      - Where O(user) exists, one more makes that account's services wait for the pool at boot.
    type: str
    default: defaults
"""

EXAMPLES = r"""
- name: Look at the host
  patriark.homelab.host_info:
    user: photos
    packages:
      dpkg: [podman, uidmap]
      rpm: [podman, shadow-utils-subid]
    lowest_port: 80
    pool: /mnt/pool
    pool_uuid: 0f6a2e9c-1f0e-4a54-9f0b-3f3a3c6f2d11
  register: seen

- name: Say what is lacking
  ansible.builtin.debug:
    msg: "{{ seen.lacks | map(attribute='sentence') }}"
"""

RETURN = r"""
lacks:
  description: What the host lacks of what is wanted, in the order in which it is mended.
  returned: success
  type: list
  elements: dict
  contains:
    what:
      description:
        - One word for it.
        - C(account), C(subordinate_ids), C(linger), C(manager), C(packages), C(ports), C(firewall), C(timezone) and C(mount) can be mended by a command.
        - The others, such as C(podman), C(uid), C(device), C(fstab) and C(other_pool), need a person's decision.
      type: str
    sentence:
      description: What is lacking, and for what only a person can decide, the remedy.
      type: str
    command:
      description: The command with which an administrator mends it. Empty where only a person can decide.
      type: str
  sample:
    - what: linger
      sentence: The services of photos do not start at boot, because the account does not linger.
      command: loginctl enable-linger photos
refusal:
  description:
    - Why what is lacking cannot be mended over this connection. Empty where it can, or where nothing is lacking.
    - It names what only a person can decide, or, without root, all that is lacking with the commands for an administrator.
  returned: success
  type: str
  sample: ''
root:
  description: Whether the connection is root's.
  returned: success
  type: bool
  sample: true
account:
  description: The account, or nothing where it does not exist or none was asked for.
  returned: success
  type: dict
  contains:
    name:
      description: Its name.
      type: str
    uid:
      description: Its number.
      type: int
    gid:
      description: The number of its group.
      type: int
    home:
      description: Its home directory.
      type: str
    linger:
      description: Whether its services start at boot.
      type: bool
    manager:
      description: Whether its service manager runs.
      type: bool
    subuid:
      description: Its ranges of subordinate user ids, each as first id and count.
      type: list
      elements: list
    subgid:
      description: Its ranges of subordinate group ids, each as first id and count.
      type: list
      elements: list
  sample: {name: photos, uid: 1000, gid: 1000, home: /home/photos, linger: true, manager: true, subuid: [[100000, 65536]], subgid: [[100000, 65536]]}
free_subordinate_start:
  description: The first id above all that are handed out as subordinate ids.
  returned: success
  type: int
  sample: 165536
package_manager:
  description: V(dpkg) or V(rpm), or nothing where there is neither or no O(packages) were asked for.
  returned: success
  type: str
  sample: dpkg
missing_packages:
  description: Which of O(packages) are not installed.
  returned: success
  type: list
  elements: str
  sample: [uidmap]
podman:
  description: Podman's version, or nothing where there is none or no O(packages) were asked for.
  returned: success
  type: str
  sample: 5.4.2
unprivileged_port_start:
  description: The lowest port that accounts other than root may listen on.
  returned: success
  type: int
  sample: 80
timezone:
  description: The time zone, empty where none is set.
  returned: success
  type: str
  sample: Etc/UTC
firewall:
  description: firewalld, or nothing where no O(open_ports) were asked for.
  returned: success
  type: dict
  contains:
    running:
      description: Whether it runs.
      type: bool
    ports:
      description: The ports that it lets in both now and after a reload.
      type: list
      elements: str
  sample: {running: true, ports: [80/tcp, 443/tcp]}
pool:
  description: The pool, or nothing where no O(pool) was asked for.
  returned: success
  type: dict
  contains:
    path:
      description: Where it shall be mounted.
      type: str
    mounted:
      description: Whether something is mounted there.
      type: bool
    fstype:
      description: The kind of file system that is mounted there.
      type: str
    source:
      description: The device that is mounted there.
      type: str
    uuid:
      description: The UUID of the Btrfs that is mounted there.
      type: str
    fstab:
      description: What C(/etc/fstab) says of the directory, or nothing.
      type: dict
    device:
      description: The device that has O(pool_uuid), looked for as root only while the pool is not mounted.
      type: dict
    options:
      description: The options that a missing line in C(/etc/fstab) would have.
      type: str
  sample:
    path: /mnt/pool
    mounted: true
    fstype: btrfs
    source: /dev/sdb
    uuid: 0f6a2e9c-1f0e-4a54-9f0b-3f3a3c6f2d11
    fstab: {source: UUID=0f6a2e9c-1f0e-4a54-9f0b-3f3a3c6f2d11, fstype: btrfs, options: defaults}
    device: null
    options: defaults,x-systemd.before=user@1000.service
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import host, host_lacks
from ..module_utils.errors import HomelabError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "user": {"type": "str", "default": ""},
            "uid": {"type": "int"},
            "subordinate_start": {"type": "int"},
            "packages": {
                "type": "dict",
                "default": {},
                "options": {
                    "dpkg": {"type": "list", "elements": "str", "default": []},
                    "rpm": {"type": "list", "elements": "str", "default": []},
                },
            },
            "lowest_port": {"type": "int", "default": 1024},
            "open_ports": {"type": "list", "elements": "str", "default": []},
            "timezone": {"type": "str", "default": ""},
            "pool": {"type": "path"},
            "pool_uuid": {"type": "str", "default": ""},
            "pool_options": {"type": "str", "default": "defaults"},
        },
        supports_check_mode=True,
    )
    try:
        wanted = host.Wanted(**module.params)
        seen = host.look(wanted)
    except HomelabError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    lacks = host_lacks.lacks(seen, wanted)
    module.exit_json(changed=False, lacks=lacks, refusal=host_lacks.refusal(lacks, seen["root"]), **seen)


if __name__ == "__main__":
    main()
