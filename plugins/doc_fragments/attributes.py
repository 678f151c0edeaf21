# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module of this collection says of check mode, diff mode and running twice."""

from __future__ import annotations


class ModuleDocFragment:
    """Use with C(extends_documentation_fragment: patriark.homelab.attributes)."""

    # A module that changes the host.
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    support: full
    description:
      - Writes nothing outside its own temporary directory, and says the same C(changed) and diff as the run that follows.
  diff_mode:
    support: full
    description:
      - Says what was or would be changed, never the value of a secret.
  idempotent:
    support: full
    description:
      - A second run with the same parameters changes nothing.
  platform:
    support: full
    platforms: linux
    description:
      - Linux with systemd.
"""

    # A module that only looks.
    INFO = r"""
options: {}
attributes:
  check_mode:
    support: full
    description:
      - Changes nothing in any mode.
  diff_mode:
    support: none
    description:
      - There is nothing to compare, because nothing is changed.
  idempotent:
    support: full
    description:
      - Looking twice finds the same.
  platform:
    support: full
    platforms: linux
    description:
      - Linux with systemd.
"""
