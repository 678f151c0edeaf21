# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option that names whose account is meant."""

from __future__ import annotations


class ModuleDocFragment:
    """Use with C(extends_documentation_fragment: patriark.homelab.account)."""

    DOCUMENTATION = r"""
options:
  user:
    description:
      - The account whose files, units and containers are meant.
      - All work on them is done as this account, never as root.
      - Root has to name it. Without root it is the connecting account, and no other can be named.
    type: str
"""
