# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making one tile of an account's services.yaml say what it shall, as that account."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from .. import account, files
from ..errors import HomelabError
from ..yaml_text.nodes import Fault
from . import masking
from .services_file import Tile, edit


def request(parameters: Mapping[str, Any]) -> Tile:
    """The tile that a task asks for."""
    position = parameters["position"]
    after = str(position["after"]) if isinstance(position, dict) and set(position) == {"after"} else ""
    if not after and position not in ("first", "last"):
        raise HomelabError("position has to be first, last, or {after: NAME}.")
    for name in ("group", "name"):
        if not parameters[name].strip():
            raise HomelabError(f"{name} is empty: give the {'group' if name == 'group' else 'tile'} its name.")
    for dotted in parameters["unset"]:
        if _has(parameters["set"], dotted.split(".")):
            raise HomelabError(f"set and unset both name {dotted}: leave it in one of them.")
    return Tile(
        parameters["group"], parameters["name"], parameters["set"], tuple(parameters["unset"]), parameters["state"], "after" if after else position, after
    )


def _has(value: Any, keys: list[str]) -> bool:
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return True


def ensure(parameters: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Make it so, or in check mode say what would be done; JSON values only."""
    tile = request(parameters)
    try:
        who = account.of_user(parameters["user"])
    except HomelabError as exc:
        if not check:
            raise
        return {**_unchecked(exc.message), "changed": tile.state == "present"}
    return account.run_as(who, lambda: _ensure(parameters["path"], tile, check))


def _unchecked(why: str) -> dict[str, Any]:
    return {"changed": True, "changes": [], "losses": [], "unchecked": [f"Not checked yet: {why}"]}


def _readable(text: str) -> str:
    """Without the bytes that are no UTF-8, which no answer can carry."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _ensure(path: str, tile: Tile, check: bool) -> dict[str, Any]:
    path = os.path.join(os.path.expanduser("~"), os.path.expanduser(path))
    before = files.read(path)
    if before is None:
        if tile.state == "absent":
            return {"changed": False, "changes": [], "losses": [], "unchecked": []}
        why = f"there is no file {path}. Correct path, or let Homepage or its role write the file first."
        if check:
            return _unchecked(why)
        raise HomelabError(f'Cannot edit the tile "{tile.name}": {why}')
    # Bytes that are no UTF-8 come back as they were.
    text = before.decode("utf-8", "surrogateescape")
    try:
        edited = edit(text, tile)
        shown = masking.hide(text, edited.text)
    except Fault as fault:
        where = f"{path}, line {fault.line}" if fault.line else path
        why = _readable(fault.why)
        raise HomelabError(f'Cannot edit the tile "{tile.name}" in {where}: {why}. Nothing was changed.', path=path, line=fault.line) from None
    after = edited.text.encode("utf-8", "surrogateescape")
    result: dict[str, Any] = {
        "changed": after != before,
        "changes": edited.changes,
        "losses": [{"line": loss.line, "what": _readable(loss.what)} for loss in edited.losses],
        "unchecked": [],
        "diff": files.as_diff(path, *(part.encode("utf-8", "replace") for part in shown)),
    }
    if not check:
        directory = os.path.dirname(os.path.realpath(path))
        with files.locked(directory):
            files.remove_leftovers(directory)
            if after != before:
                files.replace_all([files.Change(path, before, after)])
    return result
