#!/usr/bin/python

# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: quadlet_image_info
version_added: 0.1.0
short_description: Say which image each Quadlet unit really runs, and who says so
description:
  - Reads units and drop-ins as Podman's generator does, by the rules of the Podman version on the host. Nothing is started, pulled or written.
  - Tells the image after all drop-ins and C(.image) units, where it is named, whether podman auto-update moves it, and what the containers run now.
  - Never tells the value of an environment key.
author:
  - The patriark.homelab maintainers (@patriark)
extends_documentation_fragment:
  - patriark.homelab.attributes.info
  - patriark.homelab.account
  - patriark.homelab.quadlet
  - patriark.homelab.quadlet.unit_dirs
options:
  units:
    description: Names of units, or globs that match them, such as V(immich-*.container).
    type: list
    elements: str
    default: ['*']
  running:
    description: Whether to look at the containers too, which takes one call of Podman.
    type: bool
    default: true
notes:
  - Where O(user) is an account that the host does not have yet, there are no units; RV(notes) says so. The same holds where Podman is not installed.
seealso:
  - module: patriark.homelab.quadlet_image_pin
"""

EXAMPLES = r"""
- name: Look at the images of an account
  patriark.homelab.quadlet_image_info:
    user: photos
  register: images

- name: Name the units whose image moves by itself
  ansible.builtin.debug:
    msg: "{{ images.units | selectattr('class', 'in', ['untagged', 'latest', 'word', 'major', 'minor']) | map(attribute='unit') }}"

- name: Name the units whose containers run another image than the unit says
  ansible.builtin.debug:
    msg: "{{ images.units | selectattr('drift') | map(attribute='unit') }}"
"""

RETURN = r"""
units:
  description: The units that match, by name.
  returned: success
  type: list
  elements: dict
  contains:
    unit:
      description: The unit's name.
      type: str
    path:
      description: Its file, the first of that name in the search path.
      type: str
    service:
      description: The service that comes of it, or nothing where none does.
      type: str
    problem:
      description: Why no service comes of it, or nothing where one does.
      type: str
    effective_image:
      description: The image that it runs, pulls, builds or mounts, or nothing where no service or no image comes of it.
      type: str
    class:
      description:
        - How firmly the unit's own value names an image.
        - One of V(digest), V(tag_and_digest), V(exact), V(minor), V(major), V(word), V(latest), V(untagged), V(variable), V(unit_reference)
          and V(rootfs), or nothing where it names none.
        - The C(.image) or C(.build) unit behind a V(unit_reference) has a class of its own.
      type: str
    sources:
      description: Every file that has a say in the image, in the order in which they are merged, with the lines that name one.
      type: list
      elements: dict
      contains:
        path:
          description: The file.
          type: str
        lines:
          description: Its lines that name an image, counted from 1.
          type: list
          elements: int
    auto_update:
      description: What makes podman auto-update look at the unit, or nothing.
      type: dict
      contains:
        value:
          description: The policy, V(registry) or V(local).
          type: str
        key:
          description: The key that sets it, V(AutoUpdate), V(Label) or V(PodmanArgs).
          type: str
        path:
          description: The file.
          type: str
        line:
          description: The line, counted from 1.
          type: int
    pull:
      description: The value of C(Pull), or nothing.
      type: str
    instances:
      description: The services that are made of a template.
      type: list
      elements: str
    volumes:
      description: The values of C(Volume), with their places.
      type: list
      elements: dict
      contains:
        source:
          description: What is mounted, as written, or nothing for an anonymous volume.
          type: str
        destination:
          description: Where in the container.
          type: str
        options:
          description: The mount options, as written.
          type: str
        path:
          description: The file.
          type: str
        line:
          description: The line, counted from 1.
          type: int
    networks:
      description: The values of C(Network), as written.
      type: list
      elements: str
    copies:
      description: Later files of the same name, which this one hides.
      type: list
      elements: str
    running:
      description: The containers of its services. Empty with O(running=false).
      type: list
      elements: dict
      contains:
        container:
          description: The container's name.
          type: str
        service:
          description: Its service.
          type: str
        image:
          description: The image that it was made of.
          type: str
        image_id:
          description: The identity of that image.
          type: str
        drift:
          description: Whether that is another image than RV(units[].effective_image).
          type: bool
    drift:
      description: Whether any of its containers runs another image.
      type: bool
  sample:
    - unit: immich-server.container
      path: /home/photos/.config/containers/systemd/immich-server.container
      service: immich-server.service
      problem: null
      effective_image: ghcr.io/immich-app/immich-server:v2.3.1
      class: exact
      sources:
        - path: /home/photos/.config/containers/systemd/immich-server.container
          lines: [7]
      auto_update:
        value: registry
        key: AutoUpdate
        path: /home/photos/.config/containers/systemd/immich-server.container
        line: 8
      pull: null
      instances: []
      volumes:
        - source: /mnt/pool/photos
          destination: /data
          options: ''
          path: /home/photos/.config/containers/systemd/immich-server.container
          line: 9
      networks: [photos.network]
      copies: []
      running:
        - container: systemd-immich-server
          service: immich-server.service
          image: ghcr.io/immich-app/immich-server:v2.3.1
          image_id: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
          drift: false
      drift: false
broken_files:
  description: Files that the generator cannot read. One of them makes every unit of its directory vanish.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The file.
      type: str
    line:
      description: The line, counted from 1, or nothing where the file cannot be opened.
      type: int
    reason:
      description: What is wrong with it.
      type: str
  sample:
    - path: /home/photos/.config/containers/systemd/notes.container
      line: 3
      reason: line 3 is not a section, a key with a value, or a comment
notes:
  description: What could not be looked at, a sentence each.
  returned: success
  type: list
  elements: str
  sample: [This host has no account photos, so that it has no units either.]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.errors import HomelabError
from ..module_utils.quadlet import image_info


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "units": {"type": "list", "elements": "str", "default": ["*"]},
            "scope": {"type": "str", "choices": ["user", "system"]},
            "user": {"type": "str"},
            "unit_dirs": {"type": "list", "elements": "path", "default": []},
            "running": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    try:
        seen = image_info.look(**module.params)
    except HomelabError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(changed=False, **seen)


if __name__ == "__main__":
    main()
