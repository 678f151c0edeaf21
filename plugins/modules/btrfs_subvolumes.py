#!/usr/bin/python

# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: btrfs_subvolumes
version_added: 0.1.0
short_description: Make Btrfs subvolumes for services, with a marker and directories in each
description:
  - Makes each described subvolume of a mounted Btrfs, gives it owner and mode, and makes the directories in it.
  - A marker, a small file called C(.homelab-NAME), says that a subvolume was made for a service. Units that assert that it
    exists do not start on an empty mount point or on somebody else's data.
  - Nothing is ever deleted, moved or formatted. A plain directory in place of a subvolume, a subvolume that holds data but not its
    marker, and a link anywhere on the way are refused before the first write, with the remedy.
  - No name below the pool is followed through a link, so an account that replaces its directories while root works gains nothing.
  - Owner and mode of every described directory are made so on every run. Describe those that the service itself changes as the service leaves them.
author:
  - The patriark.homelab maintainers (@patriark)
extends_documentation_fragment:
  - patriark.homelab.attributes
options:
  pool:
    description:
      - Where the Btrfs is mounted. It has to be a mount point, except in check mode, where a pool that is not mounted yet is
        taken to be empty and named in RV(unchecked).
    type: path
    required: true
  subvolumes:
    description:
      - The subvolumes, those that hold others before what is in them.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Its absolute path, below O(pool). The directory that it lies in has to exist, or to be described before it.
        type: str
        required: true
      owner:
        description: The account that it belongs to.
        type: str
        required: true
      group:
        description: The group that it belongs to. Without it, the account's own.
        type: str
      mode:
        description: Its mode in octal, in quotes.
        type: str
        default: '0750'
      marker:
        description: The name of the service whose data it holds. Without it there is no marker, and data in the subvolume is no reason to refuse.
        type: str
      directories:
        description: The directories in it, those that hold others before what is in them.
        type: list
        elements: dict
        default: []
        suboptions:
          path:
            description: Its path below the subvolume.
            type: str
            required: true
          owner:
            description: The account that it belongs to. Without it, the subvolume's.
            type: str
          group:
            description: The group that it belongs to. Without it, the subvolume's.
            type: str
          container_uid:
            description:
              - It belongs to this user and group id as a rootless container of the owner sees it, which C(/etc/subuid) and
                C(/etc/subgid) translate. V(0) is the owner.
              - Giving a directory away needs root.
            type: int
          mode:
            description: Its mode in octal, in quotes.
            type: str
            default: '0755'
          nocow:
            description:
              - The files that will be written into it are not copied on write, and so have no checksums and no compression.
              - The flag is set on an empty directory only. One that holds files is refused, because the flag would not change them.
            type: bool
            default: false
"""

EXAMPLES = r"""
- name: A place for the photos, with the database's directory owned by its container's user
  patriark.homelab.btrfs_subvolumes:
    pool: /mnt/pool
    subvolumes:
      - path: /mnt/pool/immich
        owner: photos
        marker: immich
        directories:
          - path: library
          - path: postgres
            container_uid: 999
            mode: '0700'
            nocow: true

- name: A share, and a service's data in a subvolume of its own inside it
  patriark.homelab.btrfs_subvolumes:
    pool: /mnt/pool
    subvolumes:
      - path: /mnt/pool/share
        owner: photos
      - path: /mnt/pool/share/immich
        owner: photos
        marker: immich
"""

RETURN = r"""
changes:
  description: What was changed, or in check mode would be, in order.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The subvolume or directory.
      type: str
    what:
      description: One of V(made), V(nocow), V(owner), V(mode) and V(marker).
      type: str
    before:
      description: How it was. Empty where there was nothing.
      type: str
    after:
      description: How it is.
      type: str
  sample:
    - path: /mnt/pool/immich
      what: made
      before: ''
      after: subvolume, owner photos:photos, mode 0750, marker .homelab-immich
unchecked:
  description: What check mode could not check, because an earlier task has not run yet. A sentence for each.
  returned: success
  type: list
  elements: str
  sample:
    - 'The pool is not mounted at /mnt/pool yet: what it holds could not be checked, and is expected to be nothing.'
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.btrfs import subvolumes
from ..module_utils.errors import HomelabError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "pool": {"type": "path", "required": True},
            "subvolumes": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "path": {"type": "str", "required": True},
                    "owner": {"type": "str", "required": True},
                    "group": {"type": "str"},
                    "mode": {"type": "str", "default": "0750"},
                    "marker": {"type": "str"},
                    "directories": {
                        "type": "list",
                        "elements": "dict",
                        "default": [],
                        "options": {
                            "path": {"type": "str", "required": True},
                            "owner": {"type": "str"},
                            "group": {"type": "str"},
                            "container_uid": {"type": "int"},
                            "mode": {"type": "str", "default": "0755"},
                            "nocow": {"type": "bool", "default": False},
                        },
                    },
                },
            },
        },
        supports_check_mode=True,
    )
    try:
        result = subvolumes.ensure(module.params["pool"], module.params["subvolumes"], module.check_mode)
    except HomelabError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    for note in result["unchecked"]:
        module.warn(note)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
