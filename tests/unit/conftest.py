# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets Ansible find the collection's filters, which has to be done before anything of the collection is imported."""

from __future__ import annotations

try:
    from ansible.plugins.loader import init_plugin_loader
except ModuleNotFoundError:
    # ansible-test hides Ansible's controller part from the tests of what goes to hosts; they need no filters.
    pass
else:
    init_plugin_loader()
