# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: homepage_widget_version
version_added: 0.1.0
short_description: The version of a Homepage widget that fits an application
description:
  - Looks up in the collection's table which C(version) a widget in a tile of Homepage has to have for a version of its application.
  - The table holds C(immich), C(grafana), C(authentik), C(beszel), C(komga), C(speedtest) and C(wgeasy).
author:
  - The patriark.homelab maintainers (@patriark)
positional: application, homepage
options:
  _input:
    description: The widget's type, as a tile has it.
    type: str
    required: true
  application:
    description: The application's version, with or without the C(v). What is no version, such as an empty text, counts as the newest.
    type: str
    required: true
  homepage:
    description: Homepage's version. Without it, or where it is no version such as C(latest), it counts as the newest.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Say which version the tile needs
  ansible.builtin.debug:
    msg: "{{ 'immich' | patriark.homelab.homepage_widget_version('2.3.1', '1.12.3') }}"
"""

RETURN = r"""
_value:
  description: The widget's version, or nothing where this Homepage has none that fits.
  type: int
  sample: 2
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError

from ..module_utils.errors import HomelabError
from ..module_utils.homepage import widgets


def homepage_widget_version(widget: str, application: str, homepage: str = "") -> int | None:
    try:
        return widgets.version_for(widget, str(application), str(homepage))
    except HomelabError as exc:
        raise AnsibleFilterError(exc.message) from exc


class FilterModule:
    """What Ansible asks for the filters of this file."""

    def filters(self) -> dict[str, Callable[..., int | None]]:
        return {"homepage_widget_version": homepage_widget_version}
