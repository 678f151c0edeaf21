# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services files as people write them, each with one edit, what that edit may change, and what naive code does to it.

``changes`` are the only texts that differ afterwards, each old text standing once in the file; where there are none the
file stays as it is. ``refused`` is the line and a part of the sentence of a refusal instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Case:
    name: str
    naive: str
    before: str
    changes: tuple[tuple[str, str], ...] = ()
    refused: tuple[int, str] | None = None
    tile: dict[str, Any] = field(default_factory=dict)

    @property
    def after(self) -> str:
        text = self.before
        for old, new in self.changes:
            assert text.count(old) == 1, f"{self.name}: {old!r} does not stand once in it"
            text = text.replace(old, new)
        return text


TOP = "- Media:\n    - Immich:\n        href: https://photos.example.org\n"
WIDGET = TOP + "        widget:\n          type: immich\n"
ADDED = (("          type: immich\n", "          type: immich\n          version: 2\n"),)
MONITOR = {"set": {"siteMonitor": "http://immich:2283/"}}
LINE = "        siteMonitor: http://immich:2283/\n"


def at_end(text: str, added: str) -> tuple[tuple[str, str], ...]:
    return ((text, text + added),)


JSON_LIKE = (
    Case(
        "a name in two escapes",
        "a reader that takes each escape for a character does not find the group and adds it once more",
        '- "\\ud83d\\ude00 Media":\n    - Immich:\n        href: https://photos.example.org\n',
        (("        href: https://photos.example.org\n", "        href: https://photos.example.org\n" + LINE),),
        tile={**MONITOR, "group": "\U0001f600 Media"},
    ),
    Case(
        "a comment before the last key between braces",
        "the comma, and with it the comment about the key before, is taken out together with the last key",
        "- Media:\n    - Immich: {href: x, ping: y, # why y\n        widget: z}\n",
        (("        widget: z}", "        }"),),
        tile={"set": {}, "unset": ["widget"]},
    ),
)

PLACEHOLDERS = (
    Case(
        "unquoted placeholder",
        "PyYAML ends with an unhashable key, and ruamel.yaml writes a mapping that Homepage never fills",
        TOP + "        widget:\n          key: {{HOMEPAGE_VAR_IMMICH_API_KEY}}\n          type: immich\n",
        ADDED,
    ),
    Case(
        "placeholder in double quotes",
        "a dump writes it in single quotes or none",
        TOP + '        widget:\n          key: "{{HOMEPAGE_VAR_KEY}}"\n          type: immich\n',
        ADDED,
    ),
    Case(
        "placeholder in single quotes",
        "a template engine on the way replaces it by nothing",
        TOP + "        widget:\n          key: '{{HOMEPAGE_VAR_KEY}}'\n          type: immich\n",
        ADDED,
    ),
    Case(
        "placeholder within a plain text",
        "a search for braces takes the address for a mapping",
        TOP + "        widget:\n          url: http://{{HOMEPAGE_VAR_HOST}}:2283\n          type: immich\n",
        ADDED,
    ),
    Case(
        "placeholder for a file",
        "a pattern for HOMEPAGE_VAR_ alone misses it and meets braces",
        TOP + "        widget:\n          key: {{HOMEPAGE_FILE_KEY}} # from a secret\n          type: immich\n",
        ADDED,
    ),
    Case(
        "placeholder with spaces",
        "a clean-up of the spaces turns a text that Homepage sends as it stands into a variable",
        TOP + '        description: "{{ HOMEPAGE_VAR_X }}"\n        widget:\n          type: immich\n',
        ADDED,
    ),
    Case(
        "placeholders in a flow list",
        "a YAML library reads a list of mappings of mappings",
        TOP + "        tags: [{{HOMEPAGE_VAR_A}}, {{HOMEPAGE_VAR_B}}]\n        widget:\n          type: immich\n",
        ADDED,
    ),
    Case(
        "placeholder in a comment",
        "a replacement of placeholders before the parse writes the secret into the file",
        "# key is {{HOMEPAGE_VAR_KEY}}\n" + WIDGET,
        ADDED,
    ),
    Case(
        "other double braces",
        "js-yaml reads a mapping with the key [object Object], and a dump writes just that",
        TOP + "        note: {{OTHER}}\n        widget:\n          type: immich\n",
        ADDED,
    ),
    Case(
        "placeholder that stays the same",
        "comparing with the quoted text finds a difference and rewrites the line",
        TOP + "        widget:\n          key: {{HOMEPAGE_VAR_KEY}}\n",
        tile={"set": {"widget": {"key": "{{HOMEPAGE_VAR_KEY}}"}}},
    ),
    Case(
        "placeholder that is new",
        "written without quotes it breaks every other tool that reads the file",
        TOP + "        widget:\n          key: old\n",
        (("key: old", 'key: "{{HOMEPAGE_VAR_KEY}}"'),),
        tile={"set": {"widget": {"key": "{{HOMEPAGE_VAR_KEY}}"}}},
    ),
    Case(
        "text behind an unquoted placeholder",
        "a regular expression edits the file, and Homepage shows an orange box in place of the dashboard",
        TOP + "        icon: {{HOMEPAGE_VAR_HOST}}/icon.png\n",
        refused=(4, "unquoted placeholder"),
    ),
    Case(
        "new placeholder with spaces",
        "it is written, and Homepage sends the braces as the key",
        WIDGET,
        refused=(0, "spaces inside its braces"),
        tile={"set": {"widget": {"key": "{{ HOMEPAGE_VAR_KEY }}"}}},
    ),
)

BYTES = (
    Case(
        "CRLF",
        "a text-mode write leaves a file with two kinds of line ends",
        WIDGET.replace("\n", "\r\n"),
        (("type: immich\r\n", "type: immich\r\n          version: 2\r\n"),),
    ),
    Case(
        "lone carriage returns",
        "splitting at line feeds sees one line",
        WIDGET.replace("\n", "\r"),
        (("type: immich\r", "type: immich\r          version: 2\r"),),
    ),
    Case("byte order mark", "it is dropped, or taken for a part of the first dash", "\ufeff" + WIDGET, ADDED),
    Case("no line end at the end", "the new key is glued to the last line", WIDGET.rstrip("\n"), at_end("type: immich", "\n          version: 2")),
    Case("blank lines at the end", "the new key stands behind them, apart from its mapping", WIDGET + "\n\n", ADDED),
    Case("Latin-1 in a comment", "decoding it strictly fails, and decoding it loosely replaces the byte", "# f\udcfcr alle\n" + WIDGET, ADDED),
    Case("emoji and accents", "a dump writes them as escapes", WIDGET.replace("https://photos.example.org", "Zoë 📷"), ADDED),
    Case("null bytes", "UTF-16 is read as a dashboard with nothing in it", WIDGET.replace("M", "\0M"), refused=(1, "null byte")),
    Case("line separator inside a text", "splitlines() cuts the line in two", WIDGET.replace("https://photos.example.org", "one\u2028two"), ADDED),
)

MARKERS = (
    Case("document start", "ruamel.yaml drops the marker", "---\n" + WIDGET, ADDED),
    Case(
        "document end",
        "the new group is added behind the end",
        WIDGET + "...\n",
        (("...\n", "- Other:\n    - New:\n        a: 1\n...\n"),),
        tile={"group": "Other", "name": "New", "set": {"a": 1}},
    ),
    Case("YAML directive", "a line parser takes it for a value", "%YAML 1.2\n---\n" + WIDGET, ADDED),
    Case(
        "two documents",
        "safe_load_all edits the first, and the browser shows an application error",
        WIDGET + "---\n- Other: []\n",
        refused=(6, "second document"),
    ),
    Case("dashes in a text", "a split at --- cuts the file inside a description", WIDGET.replace("https://photos.example.org", '"a --- b"'), ADDED),
)

COMMENTS = (
    Case(
        "comments everywhere",
        "load and dump loses every one of them",
        "# top\n- Media: # group\n    # tile\n    - Immich: # name\n"
        "        # widget\n        widget: # counts\n          type: immich\n          # last\n    # behind\n",
        (("          type: immich\n", "          type: immich\n          version: 2\n"),),
    ),
    Case(
        "comment that looks like a key",
        "the first match of the pattern is the comment",
        TOP + "        # widget: {version: 1}\n        widget:\n          type: immich\n",
        ADDED,
    ),
    Case(
        "comment behind the changed value",
        "the line is replaced together with its comment",
        TOP + "        ping: photos # by name\n",
        (("ping: photos", "ping: immich"),),
        tile={"set": {"ping": "immich"}},
    ),
    Case(
        "comment at the left edge in a tile", "indentation says that the tile has ended", TOP + "# temporary\n        widget:\n          type: immich\n", ADDED
    ),
    Case(
        "comment behind a nested mapping",
        "the new key of the tile comes between the widget and its commented-out key",
        WIDGET + "          # key: later\n",
        (("          # key: later\n", "          # key: later\n" + LINE),),
        tile=MONITOR,
    ),
    Case(
        "hash inside a text",
        "everything behind it is cut off as a comment",
        TOP.replace("https://photos.example.org", "https://x/#/a"),
        at_end("https://x/#/a\n", LINE),
        tile=MONITOR,
    ),
    Case(
        "hash inside quotes",
        "a regular expression for comments ends the text early",
        TOP.replace("https://photos.example.org", '"a # b"'),
        (('"a # b"', '"c # d"'),),
        tile={"set": {"href": "c # d"}},
    ),
    Case(
        "comment above a removed tile",
        "the heading of the group goes with the tile",
        "- Media:\n    # seldom used\n    - Immich:\n        a: 1\n    - Other:\n        b: 1\n",
        (("    - Immich:\n        a: 1\n", ""),),
        tile={"state": "absent"},
    ),
    Case(
        "comment inside a removed tile",
        "the comment stays and describes the next tile",
        "- Media:\n    - Other:\n        b: 1\n    - Immich:\n        a: 1\n        # b: 2\n- More: []\n",
        (("    - Immich:\n        a: 1\n        # b: 2\n", ""),),
        tile={"state": "absent"},
    ),
)

INDENTATION = (
    Case(
        "one space",
        "an editor that assumes two makes an uneven mapping",
        "- Media:\n   - Immich:\n      widget:\n       type: immich\n",
        (("       type: immich\n", "       type: immich\n       version: 2\n"),),
    ),
    Case(
        "lists in the column of their key",
        "indentation alone takes the tile for a group",
        "- Media:\n  - Immich:\n      widget:\n        type: immich\n",
        (("        type: immich\n", "        type: immich\n        version: 2\n"),),
    ),
    Case(
        "wide gap behind the dash",
        "the column is counted from the dash",
        "-   Media:\n    -   Immich:\n            widget:\n                type: immich\n",
        (("                type: immich\n", "                type: immich\n                version: 2\n"),),
    ),
    Case(
        "each tile its own indentation",
        "the file is brought to one indentation",
        "- Media:\n    - Other:\n            a: 1\n    - Immich:\n       widget:\n              type: immich\n",
        (("              type: immich\n", "              type: immich\n              version: 2\n"),),
    ),
    Case(
        "trailing spaces",
        "an editor strips them from every line",
        TOP + "        widget:   \n          type: immich  \n",
        (("          type: immich  \n", "          type: immich  \n          version: 2\n"),),
    ),
    Case("blank lines inside a tile", "the tile is taken to end at the first of them", TOP + "\n        widget:\n\n          type: immich\n\n", ADDED),
    Case(
        "tab behind a colon",
        "PyYAML and ruamel.yaml refuse what Homepage reads",
        TOP.replace("href: ", "href:\t") + "        widget:\n          type: immich\n",
        ADDED,
    ),
    Case(
        "tab before a comment",
        "a strict reader calls it an indentation error",
        WIDGET.replace("type: immich", "type: immich\t# counts"),
        at_end("\t# counts\n", "          version: 2\n"),
    ),
    Case("tab in the indentation", "expandtabs() edits a file of which Homepage shows nothing but an error", TOP + "\ticon: a.png\n", refused=(4, "tab")),
    Case("line that fits nowhere", "it is added to the mapping above", TOP + "       icon: a.png\n", refused=(4, "indentation")),
)

FLOW = (
    Case(
        "tile on one line",
        "the whole line is written anew as a block",
        "- Media:\n    - Immich: {href: x, widget: {type: immich}} # short\n",
        (("{type: immich}", "{type: immich, version: 2}"),),
    ),
    Case(
        "tile in braces over several lines",
        "the closing brace is taken for the last key's line",
        "- Media:\n    - Immich: {\n        href: x, # a\n        widget: {\n          type: immich\n        }\n      }\n",
        (("type: immich\n", "type: immich, version: 2\n"),),
    ),
    Case(
        "trailing comma",
        "a second comma follows, which is an error",
        "- Media:\n    - Immich: {widget: {type: immich,},}\n",
        (("{type: immich,}", "{type: immich, version: 2,}"),),
    ),
    Case(
        "JSON",
        "the new key has no quotes, and it is no JSON any more",
        '[{"Media": [{"Immich": {"widget": {"type": "immich"}}}]}]',
        (('"type": "immich"', '"type": "immich", "version": 2'),),
    ),
    Case(
        "new tile in JSON",
        "a block list is put behind the closing bracket",
        '[{"Media": [{"Other": {"a": 1}}]}]\n',
        (('{"Other": {"a": 1}}', '{"Other": {"a": 1}}, {"Immich": {"widget": {"version": 2}}}'),),
    ),
    Case(
        "braces in a block tile",
        "braces and block are mixed up in one mapping",
        TOP + "        widget: {type: immich}\n",
        (("{type: immich}", "{type: immich, version: 2}"),),
    ),
    Case(
        "empty braces",
        "a key is put below braces that have ended",
        TOP + "        widget: {}\n",
        (("        widget: {}\n", "        widget:\n          version: 2\n"),),
    ),
    Case(
        "removing in braces",
        "a comma is left over",
        "- Media:\n    - Immich: {ping: a, href: x}\n",
        (("{ping: a, href: x}", "{href: x}"),),
        tile={"set": {}, "unset": ["ping"]},
    ),
    Case(
        "removing the last in braces",
        "a comma is left before the brace",
        "- Media:\n    - Immich: {href: x, ping: a}\n",
        (("{href: x, ping: a}", "{href: x}"),),
        tile={"set": {}, "unset": ["ping"]},
    ),
    Case(
        "text with commas in braces",
        "without quotes the rest becomes keys of its own",
        "- Media:\n    - Immich: {href: x}\n",
        (("{href: x}", '{href: x, description: "a, b"}'),),
        tile={"set": {"description": "a, b"}},
    ),
)

EMPTY = (
    Case("empty file", "the result of the parse is None, and a loop over it ends in a traceback", "", (), tile={"state": "absent"}),
    Case(
        "nothing but comments",
        "a dump writes null and drops the comments",
        "# mine\n",
        at_end("# mine\n", "- Media:\n    - Immich:\n        widget:\n          version: 2\n"),
    ),
    Case("empty list", "the list is added behind the brackets", "[]\n", (("[]\n", "- Media:\n    - Immich:\n        widget:\n          version: 2\n"),)),
    Case(
        "group without a list",
        "appending to None ends in a traceback",
        "- Media:\n- Other: []\n",
        (("- Media:\n", "- Media:\n    - Immich:\n        widget:\n          version: 2\n"),),
    ),
    Case(
        "group with an empty list",
        "the dash stands below brackets",
        "- Media: [] # soon\n",
        (("- Media: [] # soon\n", "- Media: # soon\n    - Immich:\n        widget:\n          version: 2\n"),),
    ),
    Case(
        "tile without keys",
        "its key becomes a neighbour of the tile",
        "- Media:\n    - Immich:\n    - Other:\n        a: 1\n",
        (("    - Immich:\n", "    - Immich:\n        widget:\n          version: 2\n"),),
    ),
    Case(
        "widget without keys",
        "merging into None ends in a traceback",
        TOP + "        widget:\n        icon: a.png\n",
        (("        widget:\n", "        widget:\n          version: 2\n"),),
    ),
    Case(
        "tilde", "the text ~ stays in front of the mapping", TOP + "        widget: ~\n", (("        widget: ~\n", "        widget:\n          version: 2\n"),)
    ),
    Case(
        "only tile removed",
        "the group is left with null, and Homepage shows nothing at all",
        "- Media:\n    - Immich:\n        a: 1\n- Other: []\n",
        (("- Media:\n    - Immich:\n        a: 1\n", "- Media: []\n"),),
        tile={"state": "absent"},
    ),
    Case(
        "only key removed",
        "the widget is left with null",
        WIDGET,
        (("        widget:\n          type: immich\n", "        widget: {}\n"),),
        tile={"set": {}, "unset": ["widget.type"]},
    ),
)

ANCHORS = (
    Case(
        "anchor with a placeholder right behind it",
        "the anchor is read without what Homepage puts in place of the placeholder before it reads, so that the alias names another one",
        "- Media:\n    - Immich: &i{{HOMEPAGE_VAR_X}}\n    - Copy: *i\n",
        refused=(2, "goes on in a placeholder"),
    ),
    Case(
        "anchor on a line above a text of lines",
        "a reader that follows YAML takes the alias for the text, of which js-yaml makes an empty mapping",
        "- Media:\n    - Immich: &i\n       |\n    - Copy: *i\n",
        refused=(4, "stands on a line above its |"),
    ),
    Case(
        "alias for a widget",
        "the edit changes the mapping that every alias shares",
        "- Other:\n    - A:\n        widget: &w\n          type: a\n- Media:\n    - Immich:\n        widget: *w\n",
        (("        widget: *w\n", "        widget:\n          <<: *w\n          version: 2\n"),),
    ),
    Case(
        "merge key",
        "the merged keys are written out, and the tie to the others is cut",
        "- Other:\n    - A: &a\n        icon: a.png\n- Media:\n    - Immich:\n        <<: *a\n        widget:\n          type: immich\n",
        ADDED,
    ),
    Case(
        "key that a merge gives",
        "it is looked for among the written keys and added though it says the same",
        "- Other:\n    - A: &a\n        icon: a.png\n- Media:\n    - Immich:\n        <<: *a\n",
        (),
        tile={"set": {"icon": "a.png"}},
    ),
    Case(
        "key that overrides a merge",
        "the anchor's own value is changed",
        "- Other:\n    - A: &a\n        icon: a.png\n- Media:\n    - Immich:\n        <<: *a\n",
        (("        <<: *a\n", "        <<: *a\n        icon: b.png\n"),),
        tile={"set": {"icon": "b.png"}},
    ),
    Case(
        "anchor that others use",
        "the other tile changes as well, unseen",
        "- Media:\n    - Immich: &i\n        a: 1\n    - Copy: *i\n",
        refused=(2, "other tiles"),
        tile={"set": {"a": 2}},
    ),
    Case(
        "anchor that would go",
        "the alias left behind makes the file unreadable",
        "- Media:\n    - Immich: &i\n        a: 1\n    - Copy: *i\n",
        refused=(2, "alias"),
        tile={"state": "absent"},
    ),
    Case("anchor that nobody uses", "it is dropped by the dump", TOP + "        widget: &w\n          type: immich\n", ADDED),
    Case(
        "key to be unset that a merge gives",
        "deleting it from the merged result changes nothing in the file",
        "- Other:\n    - A: &a\n        icon: a.png\n- Media:\n    - Immich:\n        <<: *a\n        b: 1\n",
        refused=(6, "merge key"),
        tile={"set": {}, "unset": ["icon"]},
    ),
    Case("alias without an anchor", "the name of the alias is kept as a text", TOP + "        widget: *gone\n", refused=(4, "anchor")),
    Case(
        "a million values from eight lines",
        "the parse takes all memory of the host",
        "- A: &a [1,2,3,4,5,6,7,8,9]\n"
        + "".join(f"- B{n}: &{b} [*{a},*{a},*{a},*{a},*{a},*{a},*{a},*{a},*{a}]\n" for n, (a, b) in enumerate(zip("abcdefg", "bcdefgh"))),
        refused=(1, "unfold"),
    ),
)

TEXTS = (
    Case(
        "block of text with keys in it",
        "the pattern matches inside the text",
        TOP + "        description: |\n          widget:\n            type: immich\n        widget:\n          type: other\n",
        (("type: other\n", "type: other\n          version: 2\n"),),
    ),
    Case(
        "block of text at the end",
        "the new key becomes a line of the text",
        TOP + "        description: >-\n          one\n\n          two\n",
        at_end("          two\n", LINE),
        tile=MONITOR,
    ),
    Case(
        "block that keeps its line ends",
        "a line end more or less changes its value",
        TOP + "        description: |+\n          one\n\n",
        at_end("          one\n\n", LINE),
        tile=MONITOR,
    ),
    Case(
        "text over several lines",
        "the first line alone is replaced",
        TOP.replace("https://photos.example.org", "https://photos\n          .example.org"),
        (("https://photos\n          .example.org", "x"),),
        tile={"set": {"href": "x"}},
    ),
    Case(
        "quoted text over several lines",
        "the rest of the old text stays as a line without a colon",
        TOP.replace("https://photos.example.org", '"one\n          two"'),
        (('"one\n          two"', '"x"'),),
        tile={"set": {"href": "x"}},
    ),
    Case(
        "text on the line below its key",
        "two values follow one key",
        TOP.replace("href: ", "href:\n          "),
        (("href:\n          https://photos.example.org\n", "href: x\n"),),
        tile={"set": {"href": "x"}},
    ),
    Case(
        "colon in quotes",
        "a split at the first colon cuts the name",
        '- Media:\n    - "Immich: photos":\n        a: 1\n',
        (("a: 1", "a: 2"),),
        tile={"name": "Immich: photos", "set": {"a": 2}},
    ),
    Case(
        "number in quotes",
        '2 and "2" are equal to a loose comparison, and Homepage asks the old addresses',
        TOP + '        widget:\n          version: "2"\n',
        (('version: "2"', "version: 2"),),
    ),
    Case("the same number written otherwise", "the line is rewritten for nothing", TOP + "        widget:\n          version: 0x2\n"),
    Case(
        "yes and no",
        "an older YAML makes booleans of them, and a dump writes true",
        TOP + "        target: no\n",
        (("target: no", 'target: "on"'),),
        tile={"set": {"target": "on"}},
    ),
    Case(
        "date",
        "it comes back as a date with a time",
        TOP + "        description: 2024-01-01\n",
        (("description: 2024-01-01", 'description: "2024-01-01"'),),
        tile={"set": {"description": "2024-01-01"}},
    ),
    Case(
        "single quotes stay single",
        "a dump chooses its own quotes",
        TOP.replace("https://photos.example.org", "'it''s'"),
        (("'it''s'", "'that''s'"),),
        tile={"set": {"href": "that's"}},
    ),
    Case("escapes", "the backslash is doubled", TOP.replace("https://photos.example.org", r'"\x41\u00e9"'), at_end('\\u00e9"\n', LINE), tile=MONITOR),
    Case("very long line", "a dump folds it at 80 characters", TOP.replace("photos.example.org", "x" * 200 + " y" * 50), at_end(" y\n", LINE), tile=MONITOR),
    Case("tag for a text", "it is dropped, and the text becomes a number", TOP + "        port: !!str 8080\n", at_end("8080\n", LINE), tile=MONITOR),
    Case(
        "text with a line end",
        "it is written over two lines, of which the second is no key",
        TOP,
        (("https://photos.example.org", '"a\\nb"'),),
        tile={"set": {"href": "a\nb"}},
    ),
)

NAMES = (
    Case(
        "name that is a number",
        "7 is not the text 7, and a second tile is added",
        "- Media:\n    - 007:\n        a: 1\n",
        (("a: 1", "a: 2"),),
        tile={"name": "7", "set": {"a": 2}},
    ),
    Case("name that is true", "Python looks for True", "- Media:\n    - true:\n        a: 1\n", (("a: 1", "a: 2"),), tile={"name": "true", "set": {"a": 2}}),
    Case(
        "new name that is a number",
        "without quotes it is one",
        "- Media: []\n",
        (("- Media: []\n", '- Media:\n    - "2048":\n        a: 1\n'),),
        tile={"name": "2048", "set": {"a": 1}},
    ),
    Case(
        "new name that begins with a hash",
        "the tile becomes a comment",
        "- Media: []\n",
        (("- Media: []\n", '- Media:\n    - "#1":\n        a: 1\n'),),
        tile={"name": "#1", "set": {"a": 1}},
    ),
    Case(
        "one name in two groups",
        "the first tile of that name is changed, in the wrong group",
        "- Other:\n    - Immich:\n        a: 1\n- Media:\n    - Immich:\n        b: 1\n",
        (("b: 1", "b: 2"),),
        tile={"set": {"b": 2}},
    ),
    Case(
        "tile called like its group",
        "the group is taken for the tile",
        "- Media:\n    - Media:\n        a: 1\n",
        (("a: 1", "a: 2"),),
        tile={"name": "Media", "set": {"a": 2}},
    ),
    Case(
        "groups in groups",
        "only the first level is looked at",
        "- Media:\n    - Inner:\n        - Deep:\n            - Immich:\n                a: 1\n",
        (("a: 1", "a: 2"),),
        tile={"group": "Media / Inner / Deep", "set": {"a": 2}},
    ),
    Case(
        "slash in a group's name",
        "it is split into two groups that are not there",
        "- TV / Radio:\n    - Immich:\n        a: 1\n",
        (("a: 1", "a: 2"),),
        tile={"group": "TV / Radio", "set": {"a": 2}},
    ),
    Case(
        "new group in a group",
        "a group called by the whole path is added at the top",
        "- Media:\n  - Other:\n      a: 1\n",
        at_end("      a: 1\n", "  - Inner:\n    - Immich:\n        a: 1\n"),
        tile={"group": "Media / Inner", "set": {"a": 1}},
    ),
    Case("key in quotes", "the pattern for the plain key misses it, and a second one is added", TOP + '        "widget":\n          type: immich\n', ADDED),
    Case(
        "key that begins like another",
        "the pattern for widget matches widgets",
        TOP + "        widgets_note: a\n        widget:\n          type: immich\n",
        ADDED,
    ),
    Case(
        "group that is a tile",
        "keys are appended to it as if it were a list",
        "- Media:\n    - Inner:\n        a: 1\n",
        refused=(3, "is a tile"),
        tile={"group": "Media / Inner"},
    ),
    Case("tile that is a group", "its tiles are lost for a mapping", "- Media:\n    - Immich:\n        - A:\n            a: 1\n", refused=(3, "is a group")),
)

PLACES = (
    Case(
        "new tile at the end",
        "it is added behind the next group's heading",
        "- Media:\n    - A:\n        a: 1\n\n# Other things\n- Other: []\n",
        (("        a: 1\n", "        a: 1\n    - Immich:\n        a: 2\n"),),
        tile={"set": {"a": 2}},
    ),
    Case(
        "new tile at the beginning",
        "it comes between a comment and the tile that it is about",
        "- Media:\n    # much used\n    - A:\n        a: 1\n",
        (("- Media:\n", "- Media:\n    - Immich:\n        a: 2\n"),),
        tile={"set": {"a": 2}, "position": "first"},
    ),
    Case(
        "new tile behind another",
        "it comes into the middle of that one's widget",
        "- Media:\n    - A:\n        widget:\n          a: 1\n          # b: 2\n    - B:\n        a: 1\n",
        (("          # b: 2\n", "          # b: 2\n    - Immich:\n        a: 2\n"),),
        tile={"set": {"a": 2}, "position": "after", "after": "A"},
    ),
    Case(
        "tiles with blank lines between",
        "the new one is the only one that sticks to its neighbour",
        "- Media:\n    - A:\n        a: 1\n\n    - B:\n        a: 1\n",
        at_end("    - B:\n        a: 1\n", "\n    - Immich:\n        a: 2\n"),
        tile={"set": {"a": 2}},
    ),
    Case(
        "behind a tile that is not there",
        "it is put at the end without a word",
        WIDGET,
        refused=(0, "not in the group"),
        tile={"name": "New", "position": "after", "after": "Gone"},
    ),
    Case(
        "list with comments",
        "the list is written anew, and its comments are gone",
        TOP + "        fields:\n          - photos # all\n          - videos\n",
        at_end("          - videos\n", "          - storage\n"),
        tile={"set": {"fields": ["photos", "videos", "storage"]}},
    ),
    Case(
        "shorter list in brackets",
        "the brackets become dashes",
        TOP + '        fields: ["photos", "videos"]\n',
        (('["photos", "videos"]', '["photos"]'),),
        tile={"set": {"fields": ["photos"]}},
    ),
    Case(
        "removed key with keys below",
        "the keys below it stay and belong to the key above",
        WIDGET + "        icon: a.png\n",
        (("        widget:\n          type: immich\n", ""),),
        tile={"set": {}, "unset": ["widget"]},
    ),
    Case(
        "removed key with a comment",
        "an empty line with a comment is left",
        TOP + "        ping: a # temporary\n        icon: b\n",
        (("        ping: a # temporary\n", ""),),
        tile={"set": {}, "unset": ["ping"]},
    ),
)

LOST = (
    Case(
        "group twice",
        "the tile is added to the second group, which Homepage drops",
        "- Media:\n    - A:\n        a: 1\n- Media:\n    - Immich:\n        a: 1\n",
        refused=(4, "twice"),
    ),
    Case(
        "tile twice", "the second is changed, and Homepage shows the first one's widget in both", WIDGET + "    - Immich:\n        a: 1\n", refused=(6, "twice")
    ),
    Case(
        "two keys in one entry",
        "the tile is changed, and Homepage shows the other key's",
        "- Media:\n    - Other:\n        a: 1\n      Immich:\n        a: 1\n",
        refused=(2, "several keys"),
    ),
    Case(
        "name as a key",
        "Homepage shows a tile called name",
        "- Media:\n    - name: Immich\n      href: x\n",
        refused=(2, "several keys"),
        tile={"name": "name"},
    ),
    Case(
        "mapping at the top",
        "the tile is changed in a file of which Homepage shows nothing",
        "Media:\n  - Immich:\n      a: 1\n",
        refused=(1, "list of groups"),
    ),
    Case("text at the top", "indexing it ends in a traceback", "Media\n", refused=(1, "list of groups")),
    Case("group that is a mapping", "its keys look like tiles", "- Media:\n    Immich:\n      a: 1\n", refused=(1, "no list")),
    Case("tile that is a text", "its link is lost for a mapping", "- Media:\n    - Immich: http://x\n", refused=(2, "no keys")),
    Case("key twice", "PyYAML silently keeps the last", TOP + "        href: x\n", refused=(4, "twice")),
    Case("application tag", "a loader that knows it edits what Homepage refuses", TOP + "        key: !vault x\n", refused=(4, "tag")),
    Case("question mark key", "its value is taken for the next key", "- ? Media\n  : []\n", refused=(1, "question mark")),
    Case("open quote", "the rest of the file is one value", TOP + '        description: "open\n', refused=(4, "quote")),
    Case("text behind a quote", "the rest of the line is dropped", TOP + '        description: "a" b\n', refused=(4, "ended")),
    Case(
        "new group with another's name",
        "the widgets in it ask through the wrong group",
        "- Media:\n    - Inner:\n        - A:\n            a: 1\n",
        refused=(5, "has the name of another"),
        tile={"group": "Inner", "set": {"a": 1}},
    ),
)

CASES = (*PLACEHOLDERS, *JSON_LIKE, *BYTES, *MARKERS, *COMMENTS, *INDENTATION, *FLOW, *EMPTY, *ANCHORS, *TEXTS, *NAMES, *PLACES, *LOST)
