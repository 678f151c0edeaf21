"""The reader and the edits beside js-yaml, the parser that Homepage uses.

A reader that follows another dialect, such as PyYAML's, fails the first tests; an edit that Homepage would read
otherwise fails the last.
"""

from __future__ import annotations

import json
import math
import os
import pathlib
import random
import re
import subprocess

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.homepage.services_file import edit
from ansible_collections.patriark.homelab.plugins.module_utils.yaml_text import nodes, reader
from ansible_collections.patriark.homelab.plugins.module_utils.yaml_text.nodes import Fault
from ansible_collections.patriark.homelab.plugins.module_utils.yaml_text.values import PLACEHOLDER, Timestamp
from ansible_collections.patriark.homelab.tests.unit.plugins.module_utils.homepage.corpus import CASES
from ansible_collections.patriark.homelab.tests.unit.plugins.module_utils.homepage.test_corpus import tile

HERE = pathlib.Path(__file__).parent
# What Homepage 1.7.0 to 1.12.3 allow: ^4.1.0 and ^4.1.1.
VERSIONS = ("4.1.0", "4.3.2")
SAMPLES = 100_000 if os.environ.get("CHECK_SIZE") == "full" else 6_000
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")
BLANKS = re.compile("[ \t]+(\n?)")
# Inserted into awkward files, these make most of what people get wrong.
SCRAPS = (
    *(" ", "  ", "- ", "#", " #", ":", ": ", '"', "'", "{", "}", "[", "]", ",", "\t", "|", ">", "&a ", "*a", "<<: "),
    *("{{HOMEPAGE_VAR_X}}", "\n", "\r\n", "!", "%", "---\n", "...\n", "\\", "~", "1", "é"),
)


class JsYaml:
    def __init__(self, folder: pathlib.Path, version: str) -> None:
        install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-save", "--prefix", str(folder), f"js-yaml@{version}"]
        subprocess.run(install, check=True, timeout=180)
        self.process = subprocess.Popen(
            ["node", str(HERE / "read.js"), str(folder / "node_modules" / "js-yaml")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def read(self, text: str) -> dict:
        assert self.process.stdin
        assert self.process.stdout
        # What is no UTF-8 reaches Homepage as the replacement character.
        shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        self.process.stdin.write(json.dumps(shown) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@pytest.fixture(scope="module", params=VERSIONS)
def js_yaml(request, tmp_path_factory):
    parser = JsYaml(tmp_path_factory.mktemp("js_yaml"), request.param)
    yield parser
    parser.process.kill()
    parser.process.wait()


def agree(ours: object, theirs: object) -> bool:
    """Whether a value of the reader is js-yaml's, as JSON carries it."""
    if isinstance(ours, Timestamp):
        return isinstance(theirs, str) and bool(DATE.match(theirs))
    if isinstance(ours, dict):
        keys = {as_served(key): value for key, value in ours.items()}
        return isinstance(theirs, dict) and keys.keys() == theirs.keys() and all(agree(value, theirs[key]) for key, value in keys.items())
    if isinstance(ours, list):
        return isinstance(theirs, list) and len(ours) == len(theirs) and all(map(agree, ours, theirs))
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return ours is theirs
    if isinstance(ours, float) and not math.isfinite(ours):
        return theirs is None
    if isinstance(ours, str) and isinstance(theirs, str):
        # Blanks before a line break in quotes: the older version keeps them, the newer and the standard do not.
        return squeezed(as_served(ours)) == squeezed(theirs)
    return ours == theirs


def squeezed(text: str) -> str:
    return BLANKS.sub(lambda found: found[1] or " ", text)


def as_served(text: str) -> str:
    return PLACEHOLDER.sub(lambda match: f"value-of-{match[0][2:-2]}", text)


def check_reading(text: str, js_yaml: JsYaml) -> bool:
    """Whether the reader takes the text, which it then has to understand as js-yaml does."""
    try:
        ours = nodes.plain(reader.read(text).root)
    except Fault:
        return False
    theirs = js_yaml.read(text)["served"]
    assert "value" in theirs, f"{text!r} was read, and js-yaml says {theirs}"
    assert agree(ours, theirs["value"]), f"{text!r} was read as {ours!r}, and js-yaml reads {theirs['value']!r}"
    return True


@pytest.mark.parametrize("case", [case for case in CASES if "\udcfc" not in case.before], ids=lambda case: case.name)
def test_awkward_files_are_read_as_homepage_reads_them(case, js_yaml):
    if not check_reading(case.before, js_yaml):
        assert case.refused


@pytest.mark.parametrize("case", [case for case in CASES if not case.refused and "\udcfc" not in case.before], ids=lambda case: case.name)
def test_an_edited_file_says_to_homepage_what_was_asked_for(case, js_yaml):
    wanted = tile(case)
    before, after = (js_yaml.read(text) for text in (case.before, edit(case.before, wanted).text))
    assert "value" in after["raw"], "/api/validate would complain"
    groups = before["served"]["value"] or []
    assert json.dumps(changed(groups, wanted)) == json.dumps(after["served"]["value"] or [])


def changed(groups: list, wanted) -> list:
    """The groups with the tile as it was asked for, made from what js-yaml read."""
    path = [wanted.group] if any(wanted.group in group for group in groups) else wanted.group.split(" / ")
    entries = groups
    for name in path:
        entry = next((entry for entry in entries if name in entry), None)
        if entry is None:
            if wanted.state == "absent":
                return groups
            entries.append(entry := {name: []})
        entry[name] = entries = entry[name] or []
    entry = next((entry for entry in entries if wanted.name in entry), None)
    if wanted.state == "absent":
        entries.remove(entry)
        return groups
    if entry is None:
        entry = {wanted.name: {}}
        places = {"first": 0, "last": len(entries)}
        behind = next((number for number, other in enumerate(entries) if wanted.after in other), 0)
        entries.insert(places.get(wanted.position, behind + 1), entry)
    entry[wanted.name] = merged(entry[wanted.name], wanted.set)
    for dotted in wanted.unset:
        *above, last = dotted.split(".")
        holder = entry[wanted.name]
        for key in above:
            holder = holder[key]
        del holder[last]
    return groups


def merged(old: object, new: object) -> object:
    if isinstance(new, dict):
        return {**(old if isinstance(old, dict) else {}), **{key: merged(old.get(key) if isinstance(old, dict) else None, value) for key, value in new.items()}}
    return as_served(new) if isinstance(new, str) else new


def test_damaged_files_are_read_as_homepage_reads_them_or_refused(js_yaml, record_property):
    chance = random.Random(os.environ.get("CHECK_SEED", "1"))
    files = [case.before for case in CASES if "\udcfc" not in case.before]
    read = 0
    for _sample in range(SAMPLES):
        text = chance.choice(files)
        for _damage in range(chance.randint(1, 3)):
            start = chance.randint(0, len(text))
            text = text[:start] + chance.choice([*SCRAPS, ""]) + text[start + chance.choice([0, 0, 0, 1, 2, 5]):]
        read += check_reading(text, js_yaml)
    record_property("files", SAMPLES)
    record_property("read", read)
    assert read > SAMPLES / 10, "nearly everything was refused, so nothing was compared"
