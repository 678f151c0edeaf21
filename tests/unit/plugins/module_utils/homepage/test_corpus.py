# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The corpus of awkward files. Loading and dumping with PyYAML, as ``naive`` does, gets none of them right."""

from __future__ import annotations

import copy

import pytest
import yaml
from ansible_collections.patriark.homelab.plugins.module_utils.homepage.services_file import Tile, edit
from ansible_collections.patriark.homelab.plugins.module_utils.yaml_text.nodes import Fault
from ansible_collections.patriark.homelab.tests.unit.plugins.module_utils.homepage.corpus import CASES

EDITED = [case for case in CASES if case.refused is None]
REFUSED = [case for case in CASES if case.refused is not None]


def tile(case):
    wanted = {"group": "Media", "name": "Immich", "set": {"widget": {"version": 2}}, **copy.deepcopy(case.tile)}
    return Tile(**{**wanted, "unset": tuple(wanted.get("unset", ()))})


def naive(case):
    """The tile's keys merged into what PyYAML loads, and that dumped."""
    wanted = tile(case)
    groups = yaml.safe_load(case.before) or []
    for group in groups:
        for entry in group.get(wanted.group) or []:
            for key, value in wanted.set.items():
                entry.setdefault(wanted.name, {})[key] = value
            for key in wanted.unset:
                entry[wanted.name].pop(key)
    return yaml.safe_dump(groups)


def test_there_are_sixty_files_and_each_has_a_sentence_of_its_own(record_property):
    record_property("files", len(CASES))
    assert len({case.naive for case in CASES}) >= 60
    assert len({case.naive for case in CASES}) == len({case.name for case in CASES}) == len({(case.before, str(case.tile)) for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", EDITED, ids=lambda case: case.name)
def test_only_what_has_to_change_does(case):
    edited = edit(case.before, tile(case))
    assert edited.text == case.after
    assert bool(edited.changes) == (case.before != case.after)


@pytest.mark.parametrize("case", EDITED, ids=lambda case: case.name)
def test_a_second_edit_changes_nothing(case):
    again = edit(case.after, tile(case))
    assert again.text == case.after
    assert again.changes == []


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_what_homepage_would_lose_is_refused_with_its_line(case):
    with pytest.raises(Fault) as caught:
        edit(case.before, tile(case))
    line, words = case.refused
    assert caught.value.line == line
    assert words in caught.value.why


@pytest.mark.parametrize("case", [case for case in EDITED if case.before != case.after], ids=lambda case: case.name)
def test_load_and_dump_gets_it_wrong(case):
    try:
        text = naive(case)
    except (yaml.YAMLError, AttributeError, KeyError, TypeError):
        return
    assert text != case.after
