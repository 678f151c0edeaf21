# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hand-written unit gives oCIS beyond its data and configuration, and which of its settings do not mean what they seem to."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import NamedTuple

from .applications import Application, Change, Finding, Volume
from .ocis_settings import is_known

DATA = "/var/lib/ocis"
_CONFIGURATION = "/etc/ocis"
# What oCIS keeps there itself, so that each may be a volume of its own.
_PARTS = {"config", "idm", "idp", "nats", "proxy", "search", "storage", "thumbnails", "web"}
_STORAGE_PARTS = {"metadata", "ocm", "users"}
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Mounts(NamedTuple):
    """The unit's volumes as they shall be, those that go, and whether its container still has one that is gone from the unit."""

    values: list[str]
    external: list[Volume]
    container_has_more: bool


def is_own(inside: str) -> bool:
    """Whether a path of the container is oCIS's data or configuration, or a part of it that may be a volume of its own."""
    if inside in (DATA, _CONFIGURATION) or inside.startswith(f"{_CONFIGURATION}/"):
        return True
    parts = inside[len(DATA) + 1 :].split("/") if inside.startswith(f"{DATA}/") else []
    return parts in [[part] for part in _PARTS] or parts in [["storage", part] for part in _STORAGE_PARTS]


def mounts(one: Application, is_directory: Callable[[str], bool] = os.path.isdir) -> Mounts:
    """Which volumes stay. A single file, such as a script or the time zone, is no external storage."""
    external = [volume for volume in one.volumes if not is_own(volume.inside) and volume.host is not None and is_directory(volume.host)]
    stay = [volume for volume in one.volumes if volume not in external]
    inside = {volume.inside for volume in one.volumes}
    more = [path for path in (one.container.mounts if one.container else ()) if path.startswith("/") and path not in inside and not is_own(path)]
    return Mounts([volume.found.value for volume in stay], external, any(not path.startswith(("/run/", "/dev/")) for path in more))


def changes(one: Application, found: Mounts) -> list[Change]:
    """What taking the external mounts out means, line by line."""
    why = "oCIS shows no directory that it did not write itself, and damages what others write in its tree"
    return [Change("ocis", volume.found.source.path, volume.found.assignment.line, f"Volume={volume.found.value} goes", why) for volume in found.external]


def findings(one: Application) -> list[Finding]:
    """Settings that oCIS does not know, and those that put its users' files where its own are. Values are not told: some are secrets."""
    told = []
    said = {name: (value, found) for word, found in one.unit.words("Environment") for name, equals, value in [word.partition("=")] if equals}
    base = said["OCIS_BASE_DATA_PATH"][0] if "OCIS_BASE_DATA_PATH" in said else DATA
    for name, (value, found) in said.items():
        place = (found.source.path, found.assignment.line)
        if not is_known(name):
            told.append(Finding("ocis", *place, f"oCIS's documentation has no setting {name}, so it does nothing", _instead(name)))
        elif name == "OCIS_ADMIN_USER_ID" and not _UUID.fullmatch(value):
            told.append(Finding("ocis", *place, f"{name} is no UUID, which the id of an oCIS user is", "leave it to ocis init"))
        elif name == "STORAGE_USERS_OCIS_ROOT" and os.path.normpath(value) == os.path.normpath(base):
            what = f"{name} puts the users' files on top of oCIS's own ({base}): accounts, search and thumbnails lie in one tree with them"
            told.append(Finding("ocis", *place, what, f"{base}/storage/users, which it is without the line; move the data with oCIS stopped"))
    for word, found in one.unit.words("Mount"):
        target = next((part.partition("=")[2] for part in word.split(",") if part.partition("=")[0] in ("destination", "dst", "target")), "")
        if "type=bind" in word.split(",") and target and not is_own(os.path.normpath(target)):
            what = f"Mount= gives oCIS {target} beyond its data and configuration"
            told.append(Finding("ocis", found.source.path, found.assignment.line, what, "no such mount; take it out by hand"))
    return told


def _instead(name: str) -> str:
    if name == "OCIS_ADMIN_USER_PASSWORD":
        return "IDM_ADMIN_PASSWORD, which counts at the very first start alone"
    return "no such line"
