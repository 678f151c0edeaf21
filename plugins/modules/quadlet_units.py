#!/usr/bin/python

# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: quadlet_units
version_added: 0.1.0
short_description: Make a service's Quadlet units, files and secrets exactly these, and run them
description:
  - One task for one service. Its units, its configuration files and its Podman secrets become what the task says, and whatever
    is older than what it reads is restarted, until all of it is active and healthy.
  - The units are rendered like those of M(ansible.builtin.template) and lie in a directory of their own,
    C(~/.config/containers/systemd/NAME), which belongs to the set wholly. Drop-in directories that others put there are kept and honoured.
  - Before anything is written, Podman's own generator reads a copy of all units of the account with the new ones in place. What it
    refuses ends the task with its own words, and nothing is replaced.
  - All files are replaced together. A run that is killed at any moment leaves every file whole, and the next one completes it.
  - A unit restarts because it, one of its drop-ins, a file that names it in O(files[].restart) or a secret that it names is newer
    than its start, or because something that it needs restarts. That is found on the host, so that a run that was killed after it wrote is completed as well.
  - The set keeps a list of its files in C(.homelab-set.json) in its directory. A unit or file that is no longer in the task is
    removed. A file that exists, holds something else and is not on that list is refused, and so is a unit whose name another directory holds.
  - Podman never changes a network or volume that exists. A changed C(.network) unit is made anew where nothing uses the
    network, and refused with the commands to run where something does. A changed C(.volume) unit is refused while its volume exists.
  - Needs Podman 5.4 or newer, and the account's own systemd, which lingering (C(loginctl enable-linger)) keeps running.
author:
  - The patriark.homelab maintainers (@patriark)
extends_documentation_fragment:
  - patriark.homelab.attributes
  - patriark.homelab.account
options:
  name:
    description: The name of the set, and of its directory.
    type: str
    required: true
  state:
    description:
      - V(started) runs every unit of the set.
      - V(stopped) makes units and files the same and stops what runs, until the next boot or the next start.
      - V(absent) stops and removes the set's units and files. Data, secrets, volumes and networks that are in use stay.
    type: str
    choices: [started, stopped, absent]
    default: started
  units:
    description:
      - Templates of the units, looked for like those of M(ansible.builtin.template). A unit is called like its template, without C(.j2).
      - Not read where O(state=absent).
    type: list
    elements: str
    default: []
  files:
    description:
      - Other files that the set consists of, such as a configuration.
      - Not read where O(state=absent).
    type: list
    elements: dict
    default: []
    suboptions:
      src:
        description: The template.
        type: str
        required: true
      dest:
        description: The file, relative to the account's home. Directories on the way are made. It cannot lie where Quadlet looks for units.
        type: str
        required: true
      mode:
        description: Its mode in octal, in quotes. Without it the file keeps its mode, and a new one is readable for all.
        type: str
      restart:
        description: Units of the set that read it only when they start.
        type: list
        elements: str
        default: []
  secrets:
    description:
      - Podman secrets by name, with their values. They are given to Podman by standard input and written only where they differ.
      - Not written where O(state=absent). They are never removed.
    type: dict
    default: {}
  pull:
    description:
      - V(missing) fetches images that are not there, before anything is stopped or replaced.
      - V(never) fetches none, and fails where one is missing.
      - V(always) asks the registry every time, and restarts what runs another image than its reference now names.
    type: str
    choices: [missing, never, always]
    default: missing
  wait:
    description: Wait until every unit is active, and healthy where it has a health check.
    type: bool
    default: true
  timeout:
    description: How long to wait, in seconds.
    type: int
    default: 300
  rendered:
    description: What the templates rendered to. The controller fills it in, tasks do not.
    type: str
notes:
  - The diff of a file in which one of O(secrets) appears, as it is or quoted or encoded in base64 or for a URL, is withheld, now and when the
    secret has gone from it. For a secret that a template transforms otherwise, use C(no_log).
seealso:
  - module: ansible.builtin.template
"""

EXAMPLES = r"""
- name: A service with a configuration file and a secret
  patriark.homelab.quadlet_units:
    name: notes
    user: photos
    units:
      - units/notes.network.j2
      - units/notes-database.container.j2
      - units/notes.container.j2
    files:
      - src: notes.yaml.j2
        dest: containers/config/notes/notes.yaml
        mode: '0600'
        restart: [notes.container]
    secrets:
      notes-db-password: "{{ notes_db_password }}"

- name: The service is gone, its data stays
  patriark.homelab.quadlet_units:
    name: notes
    user: photos
    state: absent
"""

RETURN = r"""
units:
  description: The set's units, first those that are gone, then in the order of their start. In check mode, what would be done.
  returned: success, and failure to become healthy
  type: list
  elements: dict
  contains:
    name:
      description: The unit's file name.
      type: str
    service:
      description: Its systemd service. Empty where check mode cannot know it yet.
      type: str
    change:
      description: What happens to its file, V(none), V(created), V(updated) or V(removed).
      type: str
    action:
      description: What is done with its service, V(none), V(start), V(restart), V(remake), V(stop) or V(remove).
      type: str
    why:
      description: Why, in words. Empty where nothing is done.
      type: str
    active:
      description: The state of its service, as systemd names it.
      type: str
    health:
      description: The health of its container, V(healthy), V(starting) or V(unhealthy), or nothing where it is not checked.
      type: str
    image:
      description: The reference of the image that it runs.
      type: str
  sample:
    - name: notes.container
      service: notes.service
      change: updated
      action: restart
      why: notes.container changes
      active: active
      health: healthy
      image: registry.example.org/notes:2
files:
  description: Those of the other files that are changed.
  returned: success, and failure to become healthy
  type: list
  elements: str
  sample: [/home/photos/containers/config/notes/notes.yaml]
secrets:
  description: The names of the secrets that are written.
  returned: success, and failure to become healthy
  type: list
  elements: str
  sample: [notes-db-password]
reloaded:
  description: Whether systemd has to load the units anew.
  returned: success, and failure to become healthy
  type: bool
  sample: true
unchecked:
  description: What check mode could not check, because an earlier task has not run yet. A sentence for each.
  returned: success
  type: list
  elements: str
  sample: ['Not checked: there is no account photos on this host yet.']
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.errors import HomelabError
from ..module_utils.quadlet.deployment import deploy


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "user": {"type": "str"},
            "state": {"type": "str", "choices": ["started", "stopped", "absent"], "default": "started"},
            "units": {"type": "list", "elements": "str", "default": []},
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "src": {"type": "str", "required": True},
                    "dest": {"type": "str", "required": True},
                    "mode": {"type": "str"},
                    "restart": {"type": "list", "elements": "str", "default": []},
                },
            },
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "pull": {"type": "str", "choices": ["missing", "never", "always"], "default": "missing"},
            "wait": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": 300},
            "rendered": {"type": "str", "no_log": True},
        },
        supports_check_mode=True,
    )
    try:
        result = deploy.deploy(module.params, module.check_mode)
    except HomelabError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    for note in result["unchecked"]:
        module.warn(note)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
