# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a role's documentation promises as defaults is what its defaults are."""

from __future__ import annotations

import pathlib

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader

ROLES = pathlib.Path(__file__).resolve().parents[3] / "roles"


def loaded(path):
    """As Ansible reads it, with !unsafe."""
    return DataLoader().load_from_file(str(path)) or {}


ENTRY_POINTS = [
    pytest.param(path.parents[1], entry, id=f"{path.parents[1].name}-{name}")
    for path in sorted(ROLES.glob("*/meta/argument_specs.yml"))
    for name, entry in loaded(path)["argument_specs"].items()
]


def test_every_role_describes_each_of_its_entry_points():
    for role in sorted(path for path in ROLES.iterdir() if path.is_dir()):
        described = loaded(role / "meta" / "argument_specs.yml")["argument_specs"]
        assert {"main", "verify"} <= set(described), role.name
        assert all((role / "tasks" / f"{name}.yml").exists() for name in described), role.name


@pytest.mark.parametrize(("role", "entry"), ENTRY_POINTS)
def test_documented_defaults_are_the_defaults(role, entry):
    """Fails where one side has an option more, or another value, than the other."""
    documented = {option: spec["default"] for option, spec in entry["options"].items() if "default" in spec}
    assert documented == loaded(role / "defaults" / "main.yml")


@pytest.mark.parametrize("path", sorted(ROLES.glob("*/meta/argument_specs.yml")), ids=lambda path: path.parents[1].name)
def test_no_text_of_a_specification_is_a_template(path):
    """Without !unsafe, a variable that a default names would have to be set even where the default is not used."""
    texts, waiting = [], [yaml.compose(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.ScalarNode):
            texts.append(node)
        else:
            waiting += [part for entry in node.value for part in (entry if isinstance(entry, tuple) else (entry,))]
    assert not [node.value for node in texts if "{{" in node.value and node.tag != "!unsafe"]


@pytest.mark.parametrize(("role", "entry"), ENTRY_POINTS)
def test_options_carry_the_roles_name_and_say_what_they_are(role, entry):
    for option, spec in entry["options"].items():
        assert option.startswith(f"{role.name}_")
        assert spec.get("description")
        assert spec.get("type")
