#!/usr/bin/python

# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: btrfs_nocow_info
version_added: 0.1.0
short_description: Say how much of a tree on Btrfs is NOCOW, and what keeps the rest from it
description:
  - Looks at every directory and regular file below a path, and counts what is NOCOW and what is copy-on-write.
  - Names what M(patriark.homelab.btrfs_nocow) would refuse or leave out.
  - Alters nothing, not even an access time. Only without root, the access times of other accounts' directories may change, as with every look into them.
author:
  - The patriark.homelab maintainers (@patriark)
extends_documentation_fragment:
  - patriark.homelab.attributes.info
options:
  path:
    description: A directory or a regular file on a Btrfs.
    type: path
    required: true
  subvolumes:
    description: Also look into nested subvolumes, except those that are read-only.
    type: bool
    default: false
  extents:
    description: Also count the extents, which takes a look at every file's.
    type: bool
    default: false
seealso:
  - module: patriark.homelab.btrfs_nocow
"""

EXAMPLES = r"""
- name: Is the database NOCOW?
  patriark.homelab.btrfs_nocow_info:
    path: /mnt/pool/photos/postgres
    extents: true
  register: database

- name: Say so
  ansible.builtin.debug:
    msg: "{{ database.bytes.cow }} bytes are copy-on-write, in {{ database.extents.cow }} extents"
"""

RETURN = r"""
directories:
  description: How many directories there are.
  returned: success
  type: dict
  contains:
    nocow:
      description: Are NOCOW.
      type: int
    converted:
      description: Always V(0), as nothing is changed.
      type: int
    cow:
      description: Are copy-on-write.
      type: int
  sample: {nocow: 1, converted: 0, cow: 12}
files:
  description: How many names of regular files there are, as in RV(directories).
  returned: success
  type: dict
  sample: {nocow: 3, converted: 0, cow: 241}
bytes:
  description: The sizes of those files, in bytes.
  returned: success
  type: dict
  sample: {nocow: 12288, converted: 0, cow: 3221225472}
not_done:
  description: What could not be converted as it is now, the first hundred.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The file or directory.
      type: str
    reason:
      description: What would keep it back.
      type: str
    remedy:
      description: What to do about it.
      type: str
  sample:
    - path: /mnt/pool/photos/postgres/base/1
      reason: something has it open for writing
      remedy: stop the program that writes to it
not_done_total:
  description: How many could not be converted.
  returned: success
  type: int
  sample: 1
extents_before:
  description: Always V(0), as nothing is converted. Here for what reads the results of both modules.
  returned: success
  type: int
  sample: 0
extents_after:
  description: As RV(extents_before).
  returned: success
  type: int
  sample: 0
seconds:
  description: As RV(extents_before).
  returned: success
  type: float
  sample: 0
bytes_per_second:
  description: As RV(extents_before).
  returned: success
  type: int
  sample: 0
extents:
  description: How many extents the files have, by what they are; null without O(extents).
  returned: success
  type: dict
  sample: {nocow: 3, cow: 11777}
snapshots:
  description:
    - How many snapshots of the subvolume there are.
    - Null without root, which alone can tell, and on a subvolume without a UUID.
  returned: success
  type: int
  sample: 0
mirrored_profile:
  description: The data profile where it keeps mirrors or parity, otherwise empty.
  returned: success
  type: str
  sample: RAID1
costs:
  description: What NOCOW gives up here, in sentences, and what snapshots there are.
  returned: success
  type: list
  elements: str
  sample:
    - 'Data has no checksums: Btrfs no longer notices when the device returns something else than was written.'
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.btrfs import nocow
from ..module_utils.errors import HomelabError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "subvolumes": {"type": "bool", "default": False},
            "extents": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    try:
        result = nocow.inform(module.params["path"], module.params["subvolumes"], module.params["extents"])
    except HomelabError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
