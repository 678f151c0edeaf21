#!/usr/bin/python

# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: quadlet_key
version_added: 0.1.0
short_description: Give one key of a hand-written Quadlet unit its values, and leave the rest byte for byte
description:
  - Makes the list of a key's values the wanted one with the fewest changed lines, in the unit and in its drop-ins. Comments, order and line
    ends stay.
  - What would be written is read again as Podman's generator reads it. Nothing is written where a drop-in would still have the last word,
    where another unit would change too, or where no service would come of the unit any more.
  - Never reloads or restarts. RV(daemon_reload_needed) and RV(service) say what is left to do.
author:
  - The patriark.homelab maintainers (@patriark)
extends_documentation_fragment:
  - patriark.homelab.attributes
  - patriark.homelab.account
  - patriark.homelab.quadlet
  - patriark.homelab.quadlet.unit_dirs
options:
  unit:
    description: The unit by its name, or by the absolute path of the file that Quadlet reads.
    type: str
    required: true
  section:
    description: The section that holds the key. Without it, the one that the unit's kind is named after, such as C(Container).
    type: str
  key:
    description: The key, such as V(Volume).
    type: str
    required: true
  values:
    description: All the values that the key shall have, in their order, one line each. Without any the key is taken out.
    type: list
    elements: str
    default: []
  state:
    description: V(absent) takes the key out.
    type: str
    choices: [present, absent]
    default: present
  method:
    description:
      - V(edit) changes the lines where they stand.
      - V(dropin) writes a drop-in of its own beside the unit, C(UNIT.d/90-SECTION-KEY.conf), which first clears the key. For files that
        something else writes again.
    type: str
    choices: [edit, dropin]
    default: edit
notes:
  - In check mode a unit or an account that is not there yet is no error; RV(notes) says what could not be checked.
  - For an image use M(patriark.homelab.quadlet_image_pin), which knows what speaks against a change of it.
seealso:
  - module: patriark.homelab.quadlet_image_pin
"""

EXAMPLES = r"""
- name: Leave oCIS its data and its configuration, and no other mount
  patriark.homelab.quadlet_key:
    user: photos
    unit: ocis.container
    key: Volume
    values:
      - /mnt/pool/ocis/data:/var/lib/ocis
      - /mnt/pool/ocis/config:/etc/ocis
  register: mounts

- name: Load the unit and restart the service
  ansible.builtin.systemd_service:
    name: "{{ mounts.service }}"
    state: restarted
    scope: user
    daemon_reload: true
  become: true
  become_user: photos
  # What it returns holds the environment of the container.
  no_log: true
  when: mounts.daemon_reload_needed

- name: Take a key of another section out
  patriark.homelab.quadlet_key:
    user: photos
    unit: ocis.container
    section: Service
    key: MemoryMax
    state: absent
"""

RETURN = r"""
unit:
  description: The unit's name.
  returned: success
  type: str
  sample: ocis.container
unit_path:
  description: The unit's file.
  returned: success
  type: str
  sample: /home/photos/.config/containers/systemd/ocis.container
files:
  description: The files that were or would be written.
  returned: success
  type: list
  elements: str
  sample: [/home/photos/.config/containers/systemd/ocis.container]
before:
  description:
    - The values that counted.
    - Nothing where they may be secrets, as those of C(Environment), C(Creds), C(DecryptionKey) and C(BuildArg), and of C(PodmanArgs) and
      C(GlobalArgs) that pass the like.
  returned: success
  type: list
  elements: str
  sample: ['/mnt/pool/ocis/data:/var/lib/ocis', '/mnt/pool/ocis/config:/etc/ocis', '/mnt/pool/photos:/external']
after:
  description: The values that count now. Nothing where these or the earlier ones may be secrets.
  returned: success
  type: list
  elements: str
  sample: ['/mnt/pool/ocis/data:/var/lib/ocis', '/mnt/pool/ocis/config:/etc/ocis']
service:
  description: The service that comes of the unit.
  returned: success
  type: str
  sample: ocis.service
daemon_reload_needed:
  description: Whether systemd has loaded other values than the files say now, also after an earlier run that was interrupted. The service
    then runs with the old ones.
  returned: success
  type: bool
  sample: true
notes:
  description: What could not be looked at, a sentence each.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.errors import HomelabError
from ..module_utils.quadlet import unit_key


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "unit": {"type": "str", "required": True},
            "section": {"type": "str"},
            "key": {"type": "str", "required": True, "no_log": False},
            "values": {"type": "list", "elements": "str", "default": []},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "scope": {"type": "str", "choices": ["user", "system"]},
            "user": {"type": "str"},
            "unit_dirs": {"type": "list", "elements": "path", "default": []},
            "method": {"type": "str", "choices": ["edit", "dropin"], "default": "edit"},
        },
        supports_check_mode=True,
    )
    try:
        result = unit_key.ensure(**module.params, check_mode=module.check_mode)
    except HomelabError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
