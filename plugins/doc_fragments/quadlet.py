# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that say which Quadlet units are meant."""

from __future__ import annotations


class ModuleDocFragment:
    """Use with C(extends_documentation_fragment: patriark.homelab.quadlet), next to patriark.homelab.account."""

    DOCUMENTATION = r"""
options:
  scope:
    description:
      - Whether the units of an account or those of the system are meant.
      - Without it, V(user) where O(user) is given or the connection is not root's, else V(system).
    type: str
    choices: [user, system]
"""

    # For modules that can read other directories too.
    UNIT_DIRS = r"""
options:
  unit_dirs:
    description: Directories that are read instead of the search path, in this order.
    type: list
    elements: path
    default: []
"""
