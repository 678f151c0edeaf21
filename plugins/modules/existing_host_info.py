#!/usr/bin/python

# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: existing_host_info
version_added: 0.1.0
short_description: Look at a host that was set up by hand, in one call, and say what the report's fixes would change on it
description:
  - Finds Immich, oCIS, Homepage and Traefik by the images of the units that Quadlet reads, and everything else from these units,
    so that the account's name is all that has to be given.
  - Says which images pin Immich to what runs now, what mends Immich's tile in Homepage's C(services.yaml), and which mounts of oCIS go
    beyond its data and configuration, in the words of the modules that do it.
  - Follows Traefik's routers to Immich and oCIS through their middlewares, in files and in labels, and through their entry points. Says with file and line
    which rate limits, retries, circuit breakers, buffers and read time-outs trip a photo timeline or an upload, and what would fit.
  - Asks the services through the proxy whether they answer.
  - What is not understood is left alone and named in a sentence.
  - Tells no value of an environment variable and no key of a widget.
author:
  - The patriark.homelab maintainers (@patriark)
extends_documentation_fragment:
  - patriark.homelab.attributes.info
  - patriark.homelab.account
  - patriark.homelab.quadlet
options:
  immich_version:
    description: The version of Immich that somebody expects to run. Where another one runs, RV(refused) says so.
    type: str
    default: ''
notes:
  - Traefik's files are read where they are YAML. A file in TOML, or with Go templates in it, is named in RV(left_alone).
  - Whether the documentation of oCIS has a setting is told for settings with C(OCIS_) in front alone.
seealso:
  - module: patriark.homelab.quadlet_image_pin
  - module: patriark.homelab.quadlet_key
  - module: patriark.homelab.homepage_service
"""

EXAMPLES = r"""
- name: Look at a host
  patriark.homelab.existing_host_info:
    user: photos
  register: host

- name: Say what was found
  ansible.builtin.debug:
    msg: "{{ host.lines }}"
"""

RETURN = r"""
not_understood:
  description: Why nothing can be done on this host, in a sentence. Empty where something can.
  returned: success
  type: str
  sample: ''
refused:
  description: Why O(immich_version) cannot be had. Empty where it is not given, or is what runs.
  returned: success
  type: str
  sample: ''
root:
  description: Whether the connection is root's.
  returned: success
  type: bool
  sample: true
account:
  description: Whose units they are. Empty where they are the system's.
  returned: success
  type: str
  sample: photos
left_alone:
  description: What was not understood and is left alone, a sentence each.
  returned: success
  type: list
  elements: str
  sample: ['Traefik: no router to oCIS was found in its files and labels, so that nothing is said of the way there.']
facts:
  description: What runs, a line each.
  returned: success
  type: list
  elements: str
  sample: ['Immich 2.3.1: /home/photos/.config/containers/systemd/immich-server.container; its photos are in /mnt/pool/photos']
pins:
  description: What M(patriark.homelab.quadlet_image_pin) takes as O(patriark.homelab.quadlet_image_pin#module:pins). Empty where nothing is to do.
  returned: success
  type: list
  elements: dict
  contains:
    unit:
      description: The unit.
      type: str
    image:
      description: The image that it runs now.
      type: str
  sample:
    - unit: immich-server.container
      image: ghcr.io/immich-app/immich-server:v2.3.1
tiles:
  description: What M(patriark.homelab.homepage_service) takes to mend Immich's tiles. Empty where nothing is to do.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The services file.
      type: str
    group:
      description: The tile's group.
      type: str
    name:
      description: The tile's name.
      type: str
    set:
      description: What it shall say.
      type: dict
    unset:
      description: What it shall not say.
      type: list
      elements: str
  sample:
    - path: /home/photos/containers/config/homepage/services.yaml
      group: Media
      name: Immich
      set: {widget: {version: 2}}
      unset: [ping]
ocis:
  description: What was found of oCIS, or nothing where it does not run here.
  returned: success
  type: dict
  contains:
    unit:
      description: Its unit.
      type: str
    service:
      description: Its service.
      type: str
    data:
      description: Where its data is on the host, or nothing where a named volume holds it.
      type: str
    volumes:
      description: Its values of C(Volume) without the external ones.
      type: list
      elements: str
    external:
      description: The values that mount a directory beyond its data and configuration, with their places.
      type: list
      elements: str
    restart:
      description: Whether its container still has a mount that the unit no longer has.
      type: bool
    running:
      description: Whether its container runs.
      type: bool
    enabled:
      description: Whether it starts at every boot.
      type: bool
  sample:
    unit: ocis.container
    service: ocis.service
    data: /mnt/pool/ocis/data
    volumes: ['/mnt/pool/ocis/config:/etc/ocis', '/mnt/pool/ocis/data:/var/lib/ocis']
    external: ['/mnt/pool/documents:/var/lib/ocis/documents (/home/photos/.config/containers/systemd/ocis.container:21)']
    restart: false
    running: true
    enabled: true
changes:
  description: What the report's fixes change on this host, and why.
  returned: success
  type: list
  elements: dict
  contains:
    service:
      description: One of V(immich), V(homepage) and V(ocis).
      type: str
    path:
      description: The file.
      type: str
    line:
      description: The line, counted from 1.
      type: int
    what:
      description: What changes.
      type: str
    why:
      description: Why.
      type: str
  sample:
    - service: immich
      path: /home/photos/.config/containers/systemd/immich-server.container
      line: 12
      what: 'server: AutoUpdate=registry goes'
      why: podman auto-update would put another image in the place of the pinned one
findings:
  description: What a person should look at. It is not changed.
  returned: success
  type: list
  elements: dict
  contains:
    service:
      description: One of V(homepage), V(ocis), V(traefik) and V(images).
      type: str
    path:
      description: The file.
      type: str
    line:
      description: The line, counted from 1.
      type: int
    what:
      description: What was found.
      type: str
    fits:
      description: What would fit.
      type: str
  sample:
    - service: traefik
      path: /home/photos/containers/config/traefik/dynamic/middlewares.yml
      line: 6
      what: 'the rate limit everybody on the router immich lets 200 requests per 1m through, and 100 at once: Immich needs more and gets 429'
      fits: burst 800 and 200 a minute at least, or no rate limit on this router
checks:
  description: The verification list.
  returned: success
  type: list
  elements: dict
  contains:
    service:
      description: The application.
      type: str
    what:
      description: What was asked.
      type: str
    found:
      description: The answer.
      type: str
    fine:
      description: Whether it is as it should be; nothing where it is neither right nor wrong.
      type: bool
  sample:
    - service: immich
      what: Immich answers a ping
      found: pong
      fine: true
lines:
  description: Facts, changes, what is left alone and findings, as one list to read.
  returned: success
  type: list
  elements: str
  sample: [WILL CHANGE nothing.]
table:
  description: The verification list as lines with aligned columns.
  returned: success
  type: list
  elements: str
  sample: [Immich answers a ping  pong  ok]
markdown:
  description: The verification list and the findings as Markdown.
  returned: success
  type: str
  sample: "## Verification\n"
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.errors import HomelabError
from ..module_utils.report import look


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "user": {"type": "str"},
            "scope": {"type": "str", "choices": ["user", "system"]},
            "immich_version": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    try:
        found = look.look(**module.params)
    except HomelabError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
