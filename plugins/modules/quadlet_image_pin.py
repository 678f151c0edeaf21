#!/usr/bin/python

# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: quadlet_image_pin
version_added: 0.1.0
short_description: Make Quadlet units run exactly these images, or touch nothing and say why
description:
  - Changes the one value that decides which image a unit runs, wherever Podman's generator finds it, and leaves every other byte of the file alone.
  - All pins of a task are one transaction. What would be written is read again as the generator reads it, and where a drop-in would still
    have the last word, or another unit would change too, nothing is written.
  - Refuses what may cost data or would not hold, unless it is named in O(accept).
  - Never pulls, reloads or restarts. RV(daemon_reload_needed) and RV(services_to_restart) say what is left to do, also after an earlier run
    that was interrupted.
author:
  - The patriark.homelab maintainers (@patriark)
extends_documentation_fragment:
  - patriark.homelab.attributes
  - patriark.homelab.account
  - patriark.homelab.quadlet
  - patriark.homelab.quadlet.unit_dirs
options:
  pins:
    description: The units and their images.
    type: list
    elements: dict
    required: true
    suboptions:
      unit:
        description:
          - A C(.container), C(.image), C(.build) or C(.volume) unit by its name, or by the absolute path of the file that Quadlet reads.
          - Where a container names an C(.image) or C(.build) unit, the value of that unit is what changes. It is refused where other units
            that are not in O(pins) would change with it.
        type: str
        required: true
      image:
        description: The image as registry, repository, tag and digest, such as V(ghcr.io/immich-app/immich-server:v2.3.1). Tag and digest
          may each be missing.
        type: str
        required: true
  same_tag:
    description: Whether all pins of the task have to carry one tag, as for parts of one application.
    type: bool
    default: false
  method:
    description:
      - V(edit) changes the value where it stands.
      - V(dropin) writes C(UNIT.d/90-image-pin.conf) beside the unit, for files that something else writes again.
    type: str
    choices: [edit, dropin]
    default: edit
  auto_update:
    description:
      - What becomes of a setting that makes podman auto-update look at the unit, or at a container that runs what it names.
      - V(refuse) refuses the pin.
      - V(remove) takes out the C(AutoUpdate) lines that are in files of this account. One from C(Label), C(PodmanArgs) or another account's
        file is refused.
      - V(keep) leaves it. An image with both tag and digest is then refused, because podman auto-update fails on it.
    type: str
    choices: [refuse, remove, keep]
    default: refuse
  running:
    description: Whether to look at the containers too, which takes one call of Podman. Without it only what this run changes counts as in
      need of a restart.
    type: bool
    default: true
  accept:
    description:
      - Dangers that are meant.
      - V(downgrade), an older image, or one of which it cannot be told.
      - V(floating), a tag that moves.
      - V(repository_change), an image of another repository.
      - V(variable), a value with C(%) or C($), which systemd fills in.
      - V(pull), C(Pull=newer) or C(Pull=always), or the C(Policy) of an C(.image) unit, with an image that has no digest.
    type: list
    elements: str
    choices: [downgrade, floating, repository_change, variable, pull]
    default: []
notes:
  - In check mode a unit or an account that is not there yet is no error; RV(notes) says what could not be checked.
  - A unit that a template task or another tool writes would change back and forth. Set the image there, or use O(method=dropin).
seealso:
  - module: patriark.homelab.quadlet_image_info
"""

EXAMPLES = r"""
- name: Pin both halves of Immich to the version that was tested
  patriark.homelab.quadlet_image_pin:
    user: photos
    same_tag: true
    auto_update: remove
    pins:
      - unit: immich-server.container
        image: ghcr.io/immich-app/immich-server:v2.3.1
      - unit: immich-machine-learning.container
        image: ghcr.io/immich-app/immich-machine-learning:v2.3.1
  register: pinned

- name: Load the units and restart what still runs another image
  ansible.builtin.systemd_service:
    name: "{{ item }}"
    state: restarted
    scope: user
    daemon_reload: true
  become: true
  become_user: photos
  # What it returns holds the environment of the container.
  no_log: true
  loop: "{{ pinned.services_to_restart }}"

- name: Pin a unit of the system whose file a package owns
  patriark.homelab.quadlet_image_pin:
    scope: system
    method: dropin
    accept: [downgrade]
    pins:
      - unit: proxy.container
        image: docker.io/library/traefik@sha256:5a1c7c2b5a0d9e1c8f3b6e4d2a1f0e9d8c7b6a5f4e3d2c1b0a9f8e7d6c5b4a39
"""

RETURN = r"""
pins:
  description: The pins in their order, each with what was found.
  returned: success
  type: list
  elements: dict
  contains:
    unit:
      description: The unit's name.
      type: str
    path:
      description: The file that names the image, which was or would be written where it named another.
      type: str
    line:
      description: The line in it, counted from 1.
      type: int
    before:
      description: The image that the unit ran or would have run.
      type: str
    after:
      description: The image of the pin.
      type: str
    direction:
      description: From one to the other, V(same), V(upgrade), V(downgrade), V(digest_only) or V(unknown).
      type: str
    effective_image:
      description: What the unit runs by its files now, after all drop-ins. Nothing where it could not be checked.
      type: str
    overridden_by:
      description: Nothing on success. Where a file has the last word over the pin, the task fails and names it here, at the top of the result.
      type: str
    service:
      description: The service that comes of the unit.
      type: str
    restart_needed:
      description: Whether a container runs another image than the pin.
      type: bool
  sample:
    - unit: immich-server.container
      path: /home/photos/.config/containers/systemd/immich-server.container
      line: 7
      before: ghcr.io/immich-app/immich-server:v2.2.3
      after: ghcr.io/immich-app/immich-server:v2.3.1
      direction: upgrade
      effective_image: ghcr.io/immich-app/immich-server:v2.3.1
      overridden_by: null
      service: immich-server.service
      restart_needed: true
daemon_reload_needed:
  description: Whether systemd has loaded something else than the files say now.
  returned: success
  type: bool
  sample: true
services_to_restart:
  description: The services to restart in this order after the reload. Services that fetch an image come before those that run it.
  returned: success
  type: list
  elements: str
  sample: [immich-server.service]
notes:
  description: What could not be looked at, a sentence each.
  returned: success
  type: list
  elements: str
  sample: []
refused:
  description: The words for O(accept) that the pins would need.
  returned: when a danger is not accepted
  type: list
  elements: str
  sample: [downgrade]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.errors import HomelabError
from ..module_utils.quadlet import pinning


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "pins": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "unit": {"type": "str", "required": True},
                    "image": {"type": "str", "required": True},
                },
            },
            "same_tag": {"type": "bool", "default": False},
            "scope": {"type": "str", "choices": ["user", "system"]},
            "user": {"type": "str"},
            "unit_dirs": {"type": "list", "elements": "path", "default": []},
            "method": {"type": "str", "choices": ["edit", "dropin"], "default": "edit"},
            "auto_update": {"type": "str", "choices": ["refuse", "remove", "keep"], "default": "refuse"},
            "running": {"type": "bool", "default": True},
            "accept": {
                "type": "list",
                "elements": "str",
                "choices": ["downgrade", "floating", "repository_change", "variable", "pull"],
                "default": [],
            },
        },
        supports_check_mode=True,
    )
    try:
        result = pinning.pin(**module.params, check_mode=module.check_mode)
    except HomelabError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
