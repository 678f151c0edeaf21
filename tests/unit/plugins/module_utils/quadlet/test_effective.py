# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answers of Podman's own generator, one tree of files each: the image, the services, the files it cannot read.

Taking the last line that begins with Image= fails 73 of these.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.account import Account
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.conversion import Units
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.effective import effective
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.rules import rules_of
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.search_path import (
    Base,
    plain_bases,
    scan,
    system_bases,
    user_bases,
)

DEBIAN_13 = rules_of((5, 4, 2))
FORKY = rules_of((5, 8, 2))
CASES = json.loads((Path(__file__).parent / "effective_image_cases.json").read_text())["cases"]


def lay(case: dict[str, Any], root: Path) -> None:
    for name, text in case["files"].items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    for name, target in case.get("links", {}).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)


def bases(case: dict[str, Any], root: Path) -> list[Base]:
    if "environment" not in case:
        return plain_bases([str(root / name) for name in case.get("directories", ["."])])
    if case.get("system"):
        return system_bases(str(root))
    environment = case["environment"]
    config = environment.get("XDG_CONFIG_HOME")
    account = Account("photos", case["uid"], case["uid"], environment["HOME"])
    # The account's home is below root here, as everything is.
    return user_bases(account, DEBIAN_13, config, str(root))


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_as_the_generator_says(
    case: dict[str, Any], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    record_property("cases", 1)
    lay(case, tmp_path)
    units = Units(scan(bases(case, tmp_path), DEBIAN_13))
    made = {units.service(name) for name in units.tree.units if units.refusal(name) is None}
    assert sorted(made) == sorted(set(case["services"]))
    unreadable = [*units.tree.broken, *(broken for name in units.tree.units for broken in units[name].broken_drop_ins)]
    assert [os.path.relpath(broken.path, tmp_path) for broken in unreadable] == case["unreadable"]
    name = case["unit"]
    if name not in units or units.refusal(name) is not None:
        assert case["service"] is None
        assert case["image"] is None
        return
    found = effective(name, units)
    assert found.service == case["service"]
    assert found.image == case["image"]
