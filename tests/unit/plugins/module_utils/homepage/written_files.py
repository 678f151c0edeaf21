# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services files made at random, in the many ways that people write them, and edits of them."""

from __future__ import annotations

import json

from hypothesis import strategies as st

NAMES = ("Immich", "Media & Photos", "a: b", "7", "true", "it's", "#1", "Zoë", "x /y", "-")
KEYS = ("href", "icon", "ping", "siteMonitor", "widget", "widgets", "a.b", "1", "on")
TEXTS = (
    *("photos", "http://immich:2283/#/a?b=c", "a, b", "a: b", "no", "2024-01-01", "", " ", "it's \"so\"", "*a", "- a", "é\n b", "0x1F", "~"),
    *("{{HOMEPAGE_VAR_X}}", "http://{{HOMEPAGE_VAR_X}}/a", "{{HOMEPAGE_FILE_Y}}b"),
)
scalars = st.sampled_from([*TEXTS, None, True, False, 0, 2, -1, 1.5, 123456789])
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3), max_leaves=6)
tiles = st.dictionaries(st.sampled_from(KEYS), values, max_size=4)
comments = st.sampled_from(["", "", "", " # note", "  # key: value", "\t# {x}"])
aside = st.sampled_from(["", "", "", "\n", "# aside\n", "   \n"])
# A comment further in belongs to the tile above it.
inside = aside | st.just("          # widget: {version: 1}\n")


@st.composite
def tile_sets(draw):
    """What a task asks of a tile: keys to set, and others to unset."""
    wanted = draw(st.dictionaries(st.sampled_from(KEYS), values, max_size=3))
    unset = draw(st.lists(st.sampled_from(["href", "widget.href", "widget.widget.icon", "ping", "widgets"]), max_size=2, unique=True))
    return wanted, tuple(dotted for dotted in unset if dotted.split(".")[0] not in wanted)


def scalar(draw, value, flow=False):
    """One of the ways to write a scalar."""
    if not isinstance(value, str):
        return json.dumps(value)
    ways = [json.dumps(value)]
    if "\n" not in value:
        ways.append("'" + value.replace("'", "''") + "'")
    if value in ("photos", "no", "http://immich:2283/#/a?b=c") or (value == "{{HOMEPAGE_VAR_X}}" and not flow):
        ways.append(value)
    return draw(st.sampled_from(ways))


def inline(draw, value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {inline(draw, inner)}" for key, inner in value.items()) + draw(st.sampled_from(["}", " }"]))
    if isinstance(value, list):
        return "[" + ", ".join(inline(draw, inner) for inner in value) + draw(st.sampled_from(["]", " ]"]))
    return scalar(draw, value, True)


def block(draw, value, column):
    """A mapping or list as lines; what is empty or drawn so stands on one line."""
    text = ""
    margin = " " * column
    step = draw(st.integers(1, 4))
    if isinstance(value, list):
        for inner in value:
            text += f"{margin}- {inline(draw, inner)}{draw(comments)}\n"
        return text
    for key, inner in value.items():
        name = draw(st.sampled_from([json.dumps(key), "'" + key + "'"])) if key in ("1", "on") or draw(st.booleans()) else key
        text += draw(inside)
        if isinstance(inner, (dict, list)) and inner and draw(st.booleans()):
            text += f"{margin}{name}:{draw(comments)}\n" + block(draw, inner, column + (0 if isinstance(inner, list) and draw(st.booleans()) else step))
        else:
            text += f"{margin}{name}: {inline(draw, inner)}{draw(comments)}\n"
    return text


@st.composite
def files(draw):
    """A text, the groups that it says, and for each tile (group, name) the text before it, of it and behind it."""
    groups = draw(st.dictionaries(st.sampled_from(NAMES), st.dictionaries(st.sampled_from(NAMES), tiles, max_size=3), min_size=1, max_size=3))
    ends = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    text = draw(st.sampled_from(["", "\ufeff", "---\n", "# mine\n"]))
    places = {}
    for group, members in groups.items():
        text += f"- {json.dumps(group)}:{'' if members else ' []'}{draw(comments)}\n"
        column = draw(st.integers(2, 6))
        for name, tile in members.items():
            text += draw(aside)
            start = len(text)
            if tile and draw(st.booleans()):
                text += f"{' ' * column}- {json.dumps(name)}:{draw(comments)}\n" + block(draw, tile, column + 2 + draw(st.integers(1, 4)))
            else:
                text += f"{' ' * column}- {json.dumps(name)}: {inline(draw, tile)}{draw(comments)}\n"
            places[group, name] = (start, len(text))
    parts = {key: (text[:start].replace("\n", ends), text[end:].replace("\n", ends)) for key, (start, end) in places.items()}
    plain = [{group: [{name: tile} for name, tile in members.items()]} for group, members in groups.items()]
    return text.replace("\n", ends), plain, parts
