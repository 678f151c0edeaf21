# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parser and the edits, byte by byte. What the generator makes of whole trees is in test_effective.py."""

from __future__ import annotations

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.unit_file import BrokenUnit, parse
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.unit_file_edits import (
    pieces,
    with_value,
    without,
)
from hypothesis import example, given
from hypothesis import strategies as st


def image(data: bytes) -> str | None:
    found = parse(data).last("Container", "Image")
    return found.value if found else None


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"[Container]\r\n  Image = a:1 \t\r\n", "a:1"),
        (b"[Container]\nImage=a:1 # not a comment\n", "a:1 # not a comment"),
        (b"[Container]\nImage=a\\\n# kept\n\n  :1\n", "a:1"),
        (b"[Container]\nImage=a:1 \\\n# lost at the end\n", None),
        (b"[Container]\nImage=a:1\\", "a:1"),
        (b"[Container]\nImage=a:1\\\n", "a:1"),
        (b"[Container]\nImage=a:1\\\n\n", None),
        (b"[Cont\\\nainer]\nIma\\\nge=a:1\n", "a:1"),
        (b"[Container] \t\nImage=\xc2\xa0a:1\n", "\xa0a:1"),
        (b"[Container]\nImage=a:1\xe3\x80\x80\n", "a:1"),
        (b"[Container]\nImage=a:\x1c1\x1c\n", "a:\x1c1\x1c"),
        (b"[Container]\n[Image=a:1\nImage=b:1\n", "b:1"),
        (b"", None),
        (b"# only\n; comments\n", None),
    ],
)
def test_value(data: bytes, value: str | None) -> None:
    assert image(data) == value


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"garbage\n", 1),
        (b"\xef\xbb\xbf[Container]\n", 1),
        (b"[Container] # x\nImage=a:1\n", 1),
        (b"[Container]\n=x\n", 2),
        (b"[Container]\n\x85=x\n", 2),
        (b"Image=a:1\n", 1),
        (b"[]\n", 1),
        (b"[a[b]\n", 1),
        (b"[a\x01b]\n", 1),
        (b"[Container]\nImage=\na:1\n", 3),
        (b"[Container]\rImage=a:1\r", 1),
    ],
)
def test_unreadable(data: bytes, line: int) -> None:
    with pytest.raises(BrokenUnit) as caught:
        parse(data)
    assert caught.value.line == line


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"[Container]\n  Image = a:1  \nExec=x", b"[Container]\n  Image = NEW  \nExec=x"),
        (b"[Container]\r\nImage=a:1\r\n", b"[Container]\r\nImage=NEW\r\n"),
        (b'[Container]\nImage="a:1"\n', b'[Container]\nImage="NEW"\n'),
        (b"[Container]\nImage=\n", b"[Container]\nImage=NEW\n"),
        (b"[Container]\nImage=a\\\n# why\n  :1\nExec=x\n", b"[Container]\nImage=NEW\n# why\nExec=x\n"),
        (b"[Container]\nImage=\\\r\n  a:1\r\n", b"[Container]\nImage=\\\r\n  NEW\r\n"),
        (b"[Container]\nIma\\\nge=a\\\n:1", b"[Container]\nIma\\\nge=NEW"),
        (b"[Container]\nImage=a\\\n# why\n:1", b"[Container]\nImage=NEW\n# why"),
        (b"[Container]\nImage=a:1\\", b"[Container]\nImage=NEW"),
        (
            b"[Container]\nImage=a:1\nImage=b:1\n[Container]\nImage=c:1\n",
            b"[Container]\nImage=a:1\nImage=b:1\n[Container]\nImage=NEW\n",
        ),
    ],
)
def test_edit_changes_the_winning_value_only(before: bytes, after: bytes) -> None:
    assignment = parse(before).last("Container", "Image")
    assert assignment
    assert with_value(before, assignment, "NEW") == after
    assert (image(after) or "").strip('"') == "NEW"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"[Container]\nAutoUpdate=registry\nImage=a:1\n", b"[Container]\nImage=a:1\n"),
        (b"[Container]\nImage=a:1\nAuto\\\n# why\nUpdate=\\\nregistry", b"[Container]\nImage=a:1\n# why"),
        (b"[Container]\r\nAutoUpdate=\r\nImage=a:1\r\nAutoUpdate=local\r\n", b"[Container]\r\nImage=a:1\r\n"),
    ],
)
def test_lines_are_taken_out_whole(before: bytes, after: bytes) -> None:
    gone = [found for found in parse(before).assignments if found.key == "AutoUpdate"]
    assert without(before, gone) == after
    assert parse(after).last("Container", "AutoUpdate") is None


LINES = st.sampled_from(
    [
        "[Container]",
        "[Service]",
        "Image=a:1",
        "Image = b:2 ",
        "  Image=c:3",
        "Image=",
        'Image="d:4"',
        "Image=e\\",
        ":5",
        "Exec=x \\",
        "# note",
        "; note \\",
        "",
        "X=y",
        "\\",
    ]
)
FILES = st.builds(
    lambda lines, newline, last: ("[Container]" + newline + newline.join(lines) + (newline if last else "")).encode(),
    st.lists(LINES, max_size=12),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)


@given(FILES)
@example(b"[Container]\nImage=e\\\n# note\n:5")
@example(b"[Container]\nImage=e\\\n\n[Container]")
def test_an_edit_is_seen_and_touches_nothing_else(data: bytes) -> None:
    try:
        unit = parse(data)
    except BrokenUnit:
        return
    winner = unit.last("Container", "Image")
    if winner is None:
        return
    edited = with_value(data, winner, "registry.example.org/new:9")
    again = parse(edited)
    found = again.last("Container", "Image")
    assert found is not None and found.value.strip('"') == "registry.example.org/new:9"
    # Every other assignment, in the same order, with the same value.
    assert [a[:3] for a in again.assignments if a != found] == [a[:3] for a in unit.assignments if a != winner]
    # Before the value and after its last line not a byte differs.
    where = pieces(data, winner)
    first, last = where[0].line_start, where[-1].line_end
    assert edited.startswith(data[:first])
    assert edited.endswith(data[last:])
    # Comments inside a continued value survive.
    for line in data[first:last].split(b"\n"):
        if line.strip().startswith((b"#", b";")):
            assert line.rstrip(b"\r") in edited
    # A blank line inside a continued value may come to stand last.
    blank = any(not line.strip() for line in data[first:last].split(b"\n"))
    assert blank or edited.endswith(b"\n") == data.endswith(b"\n")
    assert with_value(edited, found, "registry.example.org/new:9") == edited
