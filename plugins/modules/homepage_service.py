#!/usr/bin/python

# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: homepage_service
version_added: 0.1.0
short_description: Edit one tile in the services file of Homepage, and leave every other byte of it
description:
  - Changes the keys of one tile in a C(services.yaml) that a person keeps by hand. Only the lines that have to change do. Comments, blank
    lines, indentation, quotes, line ends and placeholders such as C({{HOMEPAGE_VAR_X}}) stay as they are, quoted or not.
  - The file is read as Homepage reads it. What Homepage refuses, such as a tab in the indentation or a second document, is refused here with its line.
  - What Homepage loses without a word, such as the second of two groups with one name, is refused where the edit touches or would cause it.
    Elsewhere in the file it is reported in RV(losses) and as a warning.
  - The edited text is read again before it replaces the file. It has to say what was asked for in this tile and what it said before everywhere else.
  - Homepage reads the file at every call, so no restart is needed. A page that was rendered before shows the change after a call of
    C(/api/revalidate), or when a browser loads it again.
author:
  - The patriark.homelab maintainers (@patriark)
extends_documentation_fragment:
  - patriark.homelab.attributes
  - patriark.homelab.account
options:
  path:
    description:
      - The services file, absolute or relative to the account's home. It has to exist, except in check mode and for O(state=absent).
      - A link is followed, and what it leads to is replaced.
    type: str
    required: true
  group:
    description:
      - The group that the tile is in. Groups in groups are named from outside to inside with a slash and a space on both its sides, as in C(Outer / Inner).
      - A group that is not there is added at the end.
    type: str
    required: true
  name:
    description:
      - The tile's name.
    type: str
    required: true
  set:
    description:
      - What the tile shall say. Mappings are merged into what it has, at any depth; lists and everything else replace it.
      - Write C(!unsafe) before a text with C({{HOMEPAGE_VAR_NAME}}), or Ansible takes it for its own template.
      - Give keys and passwords through such a placeholder. A literal one is written, and is hidden in the diff, but anybody who reads the file has it.
    type: dict
    default: {}
  unset:
    description:
      - What the tile shall not say, as keys with dots between them. What is not there is passed over.
    type: list
    elements: str
    default: []
  state:
    description:
      - Whether the tile is there. V(absent) removes it and keeps its group.
    type: str
    choices: [present, absent]
    default: present
  position:
    description:
      - 'Where in its group a new tile goes. V(first), V(last), or a mapping C({after: NAME}).'
      - A tile that is there already stays where it is.
    type: raw
    default: last
"""

EXAMPLES = r"""
- name: Show counts of Immich since its version 1.118, and whether it answers
  patriark.homelab.homepage_service:
    path: containers/config/homepage/services.yaml
    user: photos
    group: Media & Photos
    name: Immich
    set:
      siteMonitor: http://immich-server:2283/api/server/ping
      widget:
        type: immich
        url: http://immich-server:2283
        key: !unsafe '{{HOMEPAGE_VAR_IMMICH_API_KEY}}'
        version: 2
    unset:
      - ping
      - widget.fields

- name: A tile behind another one, in a group within a group
  patriark.homelab.homepage_service:
    path: containers/config/homepage/services.yaml
    user: photos
    group: House / Music
    name: Radio
    set:
      href: https://radio.example.org
    position:
      after: Records

- name: No tile of what is not there any more
  patriark.homelab.homepage_service:
    path: containers/config/homepage/services.yaml
    user: photos
    group: Media & Photos
    name: Old gallery
    state: absent
"""

RETURN = r"""
changes:
  description: What was changed in the tile, or in check mode would be, in order.
  returned: success
  type: list
  elements: dict
  contains:
    what:
      description: One of V(added), V(removed), V(set) and V(unset).
      type: str
    path:
      description: The key, with dots between the keys that lead to it. Empty for the tile itself.
      type: str
  sample:
    - what: set
      path: widget.version
    - what: unset
      path: ping
losses:
  description: What Homepage does not show of the file as it was, without saying so itself.
  returned: success
  type: list
  elements: dict
  contains:
    line:
      description: The line, counted from 1.
      type: int
    what:
      description: What is lost, and why.
      type: str
  sample:
    - line: 40
      what: 'the file has "Media" twice'
unchecked:
  description: What check mode could not check, because an earlier task has not run yet. A sentence for each.
  returned: success
  type: list
  elements: str
  sample:
    - 'Not checked yet: there is no file /home/photos/containers/config/homepage/services.yaml. Correct path, or let Homepage or its role write the file first.'
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.errors import HomelabError
from ..module_utils.homepage import masking, tile


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "str", "required": True},
            "user": {"type": "str"},
            "group": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            # It may hold a literal key, so it is in no log.
            "set": {"type": "dict", "default": {}, "no_log": True},
            "unset": {"type": "list", "elements": "str", "default": []},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "position": {"type": "raw", "default": "last"},
        },
        supports_check_mode=True,
    )
    # Of what no_log took for secret, the secrets alone: every "2" and "immich" of the answer would be hidden too.
    module.no_log_values = masking.literals(module.params["set"])
    parameters = {**module.params}
    # The answer repeats what the module was called with.
    module.params["set"] = dict.fromkeys(parameters["set"], "(not shown)")
    try:
        result = tile.ensure(parameters, module.check_mode)
    except HomelabError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    for loss in result["losses"]:
        module.warn(f"Line {loss['line']} of the file: {loss['what']}.")
    for note in result["unchecked"]:
        module.warn(note)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
