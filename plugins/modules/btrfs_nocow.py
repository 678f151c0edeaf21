#!/usr/bin/python

# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: btrfs_nocow
version_added: 0.1.0
short_description: Make a tree on Btrfs NOCOW, the data that is already in it included
description:
  - C(chattr +C) on a file that holds data is accepted and ignored by the kernel. This module does what it is believed to do, by giving
    every such file a new inode with the same contents that is NOCOW.
  - Files are copied in batches into a directory beside the data and then exchanged with their copies, each under a lease that notices whoever
    opens it for writing. At every moment every file is whole, the old one or the new one, whatever interrupts the run, and the next run finishes.
  - Bytes, owner, mode, access control lists, extended attributes, flags, times to the nanosecond (those of directories too), hard links among
    files of the tree, holes and reserved space are kept. Inode numbers, creation and change times are not, and compression is not.
  - Links at and above O(path) are followed once, at the start; below it no link is followed.
  - Nested subvolumes (without O(subvolumes)) and mounts are left out and named in RV(not_done).
  - Without root one's own files are converted, and the rest is named in RV(not_done).
  - Files that a program opens for writing while the conversion runs stay as they were and are named in RV(not_done). The program is not held up for
    longer than a moment.
  - See the collection's page on NOCOW for what it is good for, and when it is good for nothing.
author:
  - The patriark.homelab maintainers (@patriark)
extends_documentation_fragment:
  - patriark.homelab.attributes
attributes:
  async:
    support: full
    description:
      - With C(async) the conversion is one call; without it, it is called in slices of about 20 seconds, and a line on the progress is shown after each.
  action:
    support: full
    description:
      - Has an action plugin that shows progress on the controller.
options:
  path:
    description:
      - A directory or a regular file. A directory that does not exist is made where its parent exists.
    type: path
    required: true
  state:
    description:
      - With V(present) everything is NOCOW, with V(absent) everything is copy-on-write again.
    type: str
    choices: [present, absent]
    default: present
  convert:
    description:
      - V(all) converts files that hold data. V(none) turns directories and empty files only, and names the rest in RV(not_done).
    type: str
    choices: [all, none]
    default: all
  subvolumes:
    description:
      - Also convert what is in nested subvolumes, except those that are read-only.
    type: bool
    default: false
  owner:
    description: The owner of a directory that is made, as a name or a number.
    type: str
  group:
    description: The group of a directory that is made, as a name or a number.
    type: str
  mode:
    description: The mode of a directory that is made, in octal and in quotes. Without it, V(0755).
    type: str
  accept:
    description:
      - What is otherwise a reason to refuse before anything is changed.
      - V(compressed) converts files and directories that have a compression flag or property, which they lose.
      - V(immutable) converts those that are immutable or append-only, and makes them so again.
      - V(outside_links) converts files that have hard links outside O(path). Those keep the old data, and are separate files from then on.
      - V(mirrored) converts on a data profile with mirrors or parity, which NOCOW data is not protected by.
      - V(system_path) converts directories of the operating system.
    type: list
    elements: str
    choices: [compressed, immutable, outside_links, mirrored, system_path]
    default: []
  slice:
    description:
      - How the action plugin calls this module. It is not for tasks, and what a task says in it is not heeded.
    type: dict
    suboptions:
      seconds:
        description: Stop after the batch in which so many seconds are over.
        type: float
        required: true
      goes_on:
        description: Whether this is not the first slice, and so what has come in the way meanwhile is left out and named instead of refused.
        type: bool
        required: true
seealso:
  - module: patriark.homelab.btrfs_nocow_info
  - module: patriark.homelab.btrfs_subvolumes
"""

EXAMPLES = r"""
- name: The database's files are not copied on write, those that are there already included
  patriark.homelab.btrfs_nocow:
    path: /mnt/pool/photos/postgres
    owner: photos
    group: photos
    mode: '0700'

- name: New files only; what stays copy-on-write is in not_done
  patriark.homelab.btrfs_nocow:
    path: /mnt/pool/machines
    convert: none

- name: A compressed tree with subvolumes in it
  patriark.homelab.btrfs_nocow:
    path: /mnt/pool/machines
    subvolumes: true
    accept: [compressed]

- name: Checksums and snapshots again
  patriark.homelab.btrfs_nocow:
    path: /mnt/pool/photos/postgres
    state: absent
"""

RETURN = r"""
directories:
  description: How many directories there are. Those that were turned are in neither of the other two numbers.
  returned: success
  type: dict
  contains:
    nocow:
      description: Were and stay NOCOW.
      type: int
    converted:
      description: Were turned, or in check mode would be.
      type: int
    cow:
      description: Were and stay copy-on-write.
      type: int
  sample: {nocow: 0, converted: 12, cow: 0}
files:
  description: How many names of regular files there are, as in RV(directories).
  returned: success
  type: dict
  sample: {nocow: 3, converted: 240, cow: 1}
bytes:
  description: The sizes of those files, in bytes.
  returned: success
  type: dict
  sample: {nocow: 12288, converted: 3221225472, cow: 8192}
not_done:
  description: What was left out, the first hundred.
  returned: always
  type: list
  elements: dict
  contains:
    path:
      description: The file or directory.
      type: str
    reason:
      description: What kept it back.
      type: str
    remedy:
      description: What to do about it.
      type: str
  sample:
    - path: /mnt/pool/photos/postgres/base
      reason: it is a subvolume of its own
      remedy: 'name it in a task of its own, or set subvolumes: true'
not_done_total:
  description: How many were left out.
  returned: always
  type: int
  sample: 1
extents_before:
  description: How many extents the converted files had.
  returned: success
  type: int
  sample: 11777
extents_after:
  description: How many extents they have now. In check mode V(0).
  returned: success
  type: int
  sample: 6
seconds:
  description: How long the conversion took.
  returned: success
  type: float
  sample: 12.5
bytes_per_second:
  description: Bytes converted per second.
  returned: success
  type: int
  sample: 257698037
costs:
  description: What is given up, in sentences, and what snapshots there are.
  returned: success
  type: list
  elements: str
  sample:
    - 'Data has no checksums: Btrfs no longer notices when the device returns something else than was written.'
unchecked:
  description: What check mode could not check, because an earlier task has not run yet. A sentence for each.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.btrfs import nocow
from ..module_utils.btrfs.obstacles import Wish
from ..module_utils.btrfs.target import Creation
from ..module_utils.errors import HomelabError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "convert": {"type": "str", "choices": ["all", "none"], "default": "all"},
            "subvolumes": {"type": "bool", "default": False},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "mode": {"type": "str"},
            "accept": {
                "type": "list",
                "elements": "str",
                "choices": ["compressed", "immutable", "outside_links", "mirrored", "system_path"],
                "default": [],
            },
            "slice": {
                "type": "dict",
                "options": {
                    "seconds": {"type": "float", "required": True},
                    "goes_on": {"type": "bool", "required": True},
                },
            },
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        result = nocow.ensure(
            given["path"],
            Wish(
                nocow=given["state"] == "present",
                convert=given["convert"] == "all",
                subvolumes=given["subvolumes"],
                accept=frozenset(given["accept"]),
            ),
            Creation(given["owner"], given["group"], given["mode"]),
            module.check_mode,
            nocow.Slice(**(given["slice"] or {})),
        )
    except HomelabError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    for warning in result.pop("warnings") + result["unchecked"]:
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
