# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls the module in slices, and shows how far the conversion is between them."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.btrfs import slices

# Long enough that looking at a million files again costs little, short enough that a person sees it move.
_SLICE = 20.0


class ActionModule(ActionBase):
    """The controller's half of the module btrfs_nocow."""

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task."""
        super().run(tmp, task_vars)
        if self._task.async_val:
            # The host goes on by itself, and the call is polled or asked for later.
            return self._call(None, task_vars, wrap_async=True)
        result: dict[str, Any] | None = None
        while True:
            now = self._call({"seconds": _SLICE, "goes_on": result is not None}, task_vars)
            left = now.pop("unfinished", None)
            result = slices.joined(result, now)
            if left is None:
                return result
            host = (task_vars or {}).get("inventory_hostname", "host")
            Display().display(f"{host}: {slices.progress(result, left)}")

    def _call(
        self, this_slice: dict[str, Any] | None, task_vars: dict[str, Any] | None, wrap_async: bool = False
    ) -> dict[str, Any]:
        answer: dict[str, Any] = self._execute_module(
            module_args={**self._task.args, "slice": this_slice},
            task_vars=task_vars,
            wrap_async=wrap_async,
        )
        return answer
