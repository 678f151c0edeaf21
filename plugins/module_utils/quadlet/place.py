# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose units are meant: an account's or the system's, by the rules of the Podman that is on this host."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from .. import files
from ..account import Account
from .conversion import Units
from .rules import Rules, host_rules
from .search_path import Overlay, plain_bases, scan, system_bases, user_bases
from .unit_file import UnitFile, parse


class Place(NamedTuple):
    """``account`` is None for the system's units; ``unit_dirs`` are read instead of the search path where there are any."""

    account: Account | None
    unit_dirs: Sequence[str]
    rules: Rules

    @property
    def own_directory(self) -> str:
        """Where its owner's own units and drop-ins belong."""
        if self.unit_dirs:
            return self.unit_dirs[0]
        return f"{self.account.home}/.config/containers/systemd" if self.account else "/etc/containers/systemd"

    @property
    def generated(self) -> str | None:
        """Where the services lie that systemd has loaded, or None where it loads none of these units."""
        systemd = f"{self.account.runtime_dir if self.account else '/run'}/systemd"
        # The account's directory is there while its systemd runs.
        return None if self.unit_dirs or not os.path.isdir(systemd) else f"{systemd}/generator"

    def loaded_text(self, service: str) -> bytes | None:
        """The service as the generator wrote it and systemd has loaded it, or None where it has not."""
        directory = self.generated
        return files.read(f"{directory}/{service}") if directory else None

    def loaded(self, service: str) -> UnitFile | None:
        """The same, read."""
        data = self.loaded_text(service)
        return parse(data) if data is not None else None

    def read(self, overlay: Overlay | None = None) -> Units:
        """Its units, as if what ``overlay`` plans were written already."""
        if self.unit_dirs:
            bases = plain_bases(self.unit_dirs)
        elif self.account:
            bases = user_bases(self.account, self.rules)
        else:
            bases = system_bases()
        return Units(scan(bases, self.rules, overlay))


def on_this_host(account: Account | None, unit_dirs: Sequence[str]) -> Place:
    """A place whose rules are those of the Podman on this host."""
    return Place(account, unit_dirs, host_rules())
