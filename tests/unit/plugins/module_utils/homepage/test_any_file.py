# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every services file and every edit. An edit that writes its tile anew fails the second test, one that
looks for keys with a pattern the first.
"""

from __future__ import annotations

import copy
import os

from ansible_collections.patriark.homelab.plugins.module_utils.homepage.services_file import Tile, edit
from ansible_collections.patriark.homelab.plugins.module_utils.yaml_text import nodes, reader
from ansible_collections.patriark.homelab.plugins.module_utils.yaml_text.nodes import Fault
from ansible_collections.patriark.homelab.plugins.module_utils.yaml_text.values import resolve, same, written
from ansible_collections.patriark.homelab.tests.unit.plugins.module_utils.homepage import written_files
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

often = settings(max_examples=500 if os.environ.get("CHECK_SIZE") == "full" else 100, deadline=None, suppress_health_check=list(HealthCheck))


def plain(text):
    return nodes.plain(reader.read(text).root)


def merged(old, new):
    if not isinstance(new, dict):
        return new
    result = old if isinstance(old, dict) else {}
    for key, value in new.items():
        result[key] = merged(result.get(key), value)
    return result


def without(tile, unset):
    for dotted in unset:
        *above, last = dotted.split(".")
        holder = tile
        for key in above:
            holder = holder.get(key) if isinstance(holder, dict) else None
        if isinstance(holder, dict):
            holder.pop(last, None)
    return tile


@st.composite
def edits_of_a_tile(draw):
    text, groups, parts = draw(written_files.files().filter(lambda file: file[2]))
    group, name = draw(st.sampled_from(sorted(parts)))
    wanted, unset = draw(written_files.tile_sets())
    return text, groups, parts[group, name], Tile(group, name, wanted, unset)


@often
@given(edits_of_a_tile())
def test_the_file_then_says_what_was_asked_for_and_nothing_else_changed_its_meaning(drawn):
    text, groups, _around, tile = drawn
    assert same(plain(text), groups)
    for group in groups:
        for entry in group.get(tile.group, []):
            if tile.name in entry:
                entry[tile.name] = without(merged(entry[tile.name], copy.deepcopy(tile.set)), tile.unset)
    assert same(plain(edit(text, tile).text), groups)


@often
@given(edits_of_a_tile())
def test_every_byte_outside_the_tile_stays(drawn):
    text, _groups, (before, behind), tile = drawn
    after = edit(text, tile).text
    assert after.startswith(before)
    assert after.endswith(behind)


@often
@given(edits_of_a_tile())
def test_twice_is_once(drawn):
    text, _groups, _around, tile = drawn
    once = edit(text, tile).text
    again = edit(once, tile)
    assert (again.text, again.changes) == (once, [])


@often
@given(
    written_files.files(), st.sampled_from(written_files.NAMES), st.sampled_from(written_files.NAMES), written_files.tiles, st.sampled_from(["first", "last"])
)
def test_a_new_tile_can_be_removed_again_and_leaves_the_lines_as_they_were(file, group, name, wanted, position):
    text, groups, parts = file
    if (group, name) in parts:
        return
    added = edit(text, Tile(group, name, wanted, position=position)).text
    entries = next(entry[group] for entry in plain(added) if group in entry)
    assert same(entries[0 if position == "first" else -1], {name: wanted})
    removed = edit(added, Tile(group, name, state="absent")).text
    if any(entry.get(group) for entry in groups):
        # A tile among tiles with blank lines between got one too.
        assert [line for line in removed.splitlines() if line.strip()] == [line for line in text.splitlines() if line.strip()]
    else:
        assert same(plain(removed), groups if any(group in entry for entry in groups) else [*groups, {group: []}])


@often
@given(st.text(max_size=20) | st.sampled_from(written_files.TEXTS), st.sampled_from(["", "'", '"']), st.booleans())
def test_a_written_text_is_read_as_itself(value, quote, flow):
    value = value.encode("utf-8", "ignore").decode()
    line = f"[{written(value, quote, flow)}]\n" if flow else f"- {written(value, quote)}\n"
    assert plain(line) == [value]


@often
@given(st.none() | st.booleans() | st.integers() | st.floats())
def test_a_written_number_is_read_as_itself(value):
    assert same(resolve(written(value)), value)


@often
@given(st.text(alphabet="-:#{}[]&*!|>'\" \t\n\rabc,?%@\\\0\ufeff<2"))
def test_no_text_ends_in_a_traceback(text):
    try:
        edit(text, Tile("a", "b", {"c": 1}))
    except Fault as fault:
        assert fault.why
