# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Homepage's services.yaml: its groups and tiles, what Homepage would lose of it without a word, and the edit of one tile."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Callable

from ..yaml_text import edits, nodes, reader
from ..yaml_text.edits import Step
from ..yaml_text.nodes import Document, Fault, Node
from ..yaml_text.values import same

_SPACED_PLACEHOLDER = re.compile(r"\{\{(?: +HOMEPAGE_(?:VAR|FILE)_\w+ *| *HOMEPAGE_(?:VAR|FILE)_\w+ +)\}\}")
_BETWEEN_GROUPS = " / "
Names = tuple[str, ...]


@dataclass(frozen=True)
class Tile:
    """What one tile shall say. ``position`` is first, last, or after with the name in ``after``."""

    group: str
    name: str
    set: dict[str, Any] = field(default_factory=dict)
    unset: tuple[str, ...] = ()
    state: str = "present"
    position: str = "last"
    after: str = ""


@dataclass(frozen=True)
class Loss:
    """What Homepage does not show of a file, without saying so: where, what, and the groups and tiles that it hits."""

    line: int
    what: str
    hits: tuple[Names, ...]


@dataclass(frozen=True)
class Edited:
    """The text after an edit, what was changed in it, and what Homepage loses of it."""

    text: str
    changes: list[dict[str, str]]
    losses: list[Loss]


def edit(text: str, tile: Tile) -> Edited:
    """Make the tile say what it shall; Fault where that is not possible, or would not be what Homepage shows."""
    _refuse_spaced(tile.set)
    document = reader.read(text)
    before = _groups(document)
    losses = _losses(document)
    names = _names(before, tile)
    _refuse_touched(losses, names)
    expected, operations, changes = _plan(document, before, names, tile)
    for operation in operations:
        text = operation(text)
    try:
        after = reader.read(text)
    except Fault as fault:
        raise Fault(document.line(_node(document, names).start), f"the edit would leave a file that Homepage cannot read, because {fault.why}") from None
    if not same(_groups(after), expected):
        raise Fault(
            document.line(_node(document, names).start),
            "the edit would change other tiles too, because an anchor or a merge key ties them together; write the value out in each first",
        )
    known = {(loss.what, loss.hits) for loss in losses}
    for loss in _losses(after):
        if (loss.what, loss.hits) not in known:
            raise Fault(loss.line, f"the edit would make a file of which Homepage loses a part: {loss.what}")
    return Edited(text, changes, losses)


def _refuse_spaced(value: Any) -> None:
    texts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    for inner in texts:
        _refuse_spaced(inner)
    if isinstance(value, str) and _SPACED_PLACEHOLDER.search(value):
        raise Fault(0, "set has a HOMEPAGE_ variable with spaces inside its braces, which Homepage never replaces; write it without them")


# What the file says


def _groups(document: Document) -> list[Any]:
    """The file as plain data: a list of groups."""
    groups = nodes.plain(document.root)
    if groups is None:
        return []
    if not isinstance(groups, list):
        raise Fault(document.line(document.root.start), "the file has to be a list of groups (- Name:), else Homepage shows none of it")
    return groups


def _pairs(item: Node) -> list[tuple[str, Node]]:
    """The keys of a list's entry with their values, those from merge keys included."""
    item = item.real
    result = {}
    for pair in item.pairs:
        source = pair.value.real
        if not pair.merges:
            result[pair.name] = pair.value
            continue
        for part in [one.node for one in source.items] if source.kind == "sequence" else [source]:
            for name, value in _pairs(part):
                result.setdefault(name, value)
    return list(result.items())


def _losses(document: Document) -> list[Loss]:
    losses = list(_losses_in(document, document.root, ()))
    seen: dict[str, Names] = {}
    for path, node in _all_groups(document.root, ()):
        first = seen.setdefault(path[-1], path)
        if first != path:
            where = " / ".join(first)
            what = f'the group "{path[-1]}" has the name of another one ("{where}"), and Homepage asks the widgets of that one'
            losses.append(Loss(document.line(node.start), what, (path,)))
    return losses


def _all_groups(sequence: Node, path: Names) -> Iterator[tuple[Names, Node]]:
    for item in sequence.real.items:
        for name, value in _pairs(item.node)[:1]:
            if value.real.kind == "sequence":
                yield (*path, name), item.node
                yield from _all_groups(value, (*path, name))


def _losses_in(document: Document, sequence: Node, path: Names) -> Iterator[Loss]:
    """What Homepage loses of one list of groups or tiles."""
    where = f'the group "{" / ".join(path)}"' if path else "the file"
    seen: set[str] = set()
    for item in sequence.real.items:
        line = document.line(item.start)
        pairs = _pairs(item.node)
        names = [name for name, _value in pairs]
        hits = tuple((*path, name) for name in names)
        if not pairs:
            yield Loss(line, f"{where} has an entry without a name", (path,) if path else ())
        if len(pairs) > 1:
            yield Loss(line, f"{where} has an entry with several keys ({', '.join(names)}), of which Homepage takes the first alone", hits)
        for name, value in pairs[:1]:
            value = value.real
            if name in seen:
                yield Loss(line, f'{where} has "{name}" twice', hits)
            seen.add(name)
            if value.kind == "sequence":
                yield from _losses_in(document, value, (*path, name))
            elif not path:
                # An empty group can be filled; anything else in its place cannot.
                fillable = value.kind == "scalar" and value.value is None
                yield Loss(line, f'the group "{name}" has no list, so Homepage shows nothing at all', () if fillable else hits)
            elif value.kind == "scalar":
                yield Loss(line, f'the tile "{name}" of {where} has no keys', () if value.value is None else hits)


# Which tile is meant


def _named(entries: list[Any], name: str) -> tuple[int, Any] | None:
    """The index and value of the entry of that name."""
    for index, entry in enumerate(entries):
        if isinstance(entry, dict) and name in entry:
            return index, entry[name]
    return None


def _names(groups: list[Any], tile: Tile) -> Names:
    """The names of the groups from outside to inside, and the tile's. A group may itself have " / " in its name."""
    entries: Any = groups
    rest = tile.group
    result: list[str] = []
    while rest:
        parts = rest.split(_BETWEEN_GROUPS)
        candidates = [_BETWEEN_GROUPS.join(parts[:count]) for count in range(len(parts), 0, -1)]
        name = next((name for name in candidates if isinstance(entries, list) and _named(entries, name)), parts[0])
        found = _named(entries, name) if isinstance(entries, list) else None
        entries = found[1] if found else []
        result.append(name)
        rest = rest[len(name) + len(_BETWEEN_GROUPS):]
    return (*result, tile.name)


def _refuse_touched(losses: list[Loss], names: Names) -> None:
    for loss in losses:
        if any(names[:len(hit)] == hit for hit in loss.hits):
            raise Fault(loss.line, f"{loss.what}; mend that first, because the edit would touch it")


def _node(document: Document, names: Names) -> Node:
    """The innermost of these groups and tile that is there, for its line."""
    node = document.root
    for name in names:
        found = next((item.node for item in node.real.items for key, _value in _pairs(item.node) if key == name), None)
        if found is None:
            break
        node = dict(_pairs(found))[name]
    return node


# What has to be done

Operation = Callable[[str], str]


def _plan(document: Document, groups: list[Any], names: Names, tile: Tile) -> tuple[list[Any], list[Operation], list[dict[str, str]]]:
    """What the file shall say, the edits that make it say so, and what they change in words."""
    *outer, name = names
    path: list[Step] = []
    entries = groups
    for depth, group in enumerate(outer):
        found = _named(entries, group)
        if found is None:
            return _plan_new(groups, path, entries, names[depth:], tile)
        index, inner = found
        path += [index, group]
        if isinstance(inner, dict):
            raise Fault(document.line(_node(document, names[:depth + 1]).start), f'"{group}" is a tile and not a group')
        entries = inner or []
    found = _named(entries, name)
    if found is None:
        return _plan_new(groups, path, entries, names[-1:], tile)
    index, value = found
    if isinstance(value, list):
        raise Fault(document.line(_node(document, names).start), f'"{name}" is a group and not a tile')
    if tile.state == "absent":
        return _with(groups, path, [*entries[:index], *entries[index + 1:]]), [partial(edits.drop, path=[*path, index])], [{"what": "removed", "path": ""}]
    here: list[Step] = [*path, index, name]
    operations, changes = _set(here, "", value, tile.set)
    shall = _merged(value, tile.set)
    for dotted in tile.unset:
        keys = dotted.split(".")
        less = _without(shall, keys)
        if less is not shall:
            shall = less
            operations.append(partial(edits.drop, path=[*here, *keys]))
            changes.append({"what": "unset", "path": dotted})
    return _with(groups, here, shall), operations, changes


def _plan_new(groups: list[Any], path: list[Step], entries: list[Any], missing: Names, tile: Tile) -> tuple[list[Any], list[Operation], list[dict[str, str]]]:
    """The tile is not there yet, nor are those of its groups that are missing."""
    if tile.state == "absent":
        return groups, [], []
    index = len(entries)
    if len(missing) == 1 and tile.position == "first":
        index = 0
    if tile.position == "after":
        found = _named(entries, tile.after) if len(missing) == 1 else None
        if found is None:
            raise Fault(0, f'position names "{tile.after}", which is not in the group "{tile.group}"')
        index = found[0] + 1
    value: Any = _merged(None, tile.set)
    for name in reversed(missing[1:]):
        value = [{name: value}]
    entry = {missing[0]: value}
    return (
        _with(groups, path, [*entries[:index], entry, *entries[index:]]),
        [partial(edits.insert, path=[*path, index], value=entry)],
        [{"what": "added", "path": ""}],
    )


def _merged(value: Any, new: Any) -> Any:
    """Mappings merge, everything else replaces."""
    if not isinstance(new, dict):
        return new
    result = dict(value) if isinstance(value, dict) else {}
    for key, inner in new.items():
        result[key] = _merged(result.get(key), inner)
    return result


def _without(value: Any, keys: list[str]) -> Any:
    """Plain data without one value; the very same where it has none."""
    if not isinstance(value, dict) or keys[0] not in value:
        return value
    inner = _without(value[keys[0]], keys[1:]) if keys[1:] else None
    if keys[1:] and inner is value[keys[0]]:
        return value
    rest = {key: old for key, old in value.items() if key != keys[0]}
    return {**rest, keys[0]: inner} if keys[1:] else rest


def _with(value: Any, path: list[Step], new: Any) -> Any:
    """Plain data with one value replaced."""
    if not path:
        return new
    step: Any = path[0]
    result = dict(value) if isinstance(value, dict) else list(value)
    result[step] = _with(value[step], path[1:], new)
    return result


def _set(path: list[Step], dotted: str, value: Any, new: dict[str, Any]) -> tuple[list[Operation], list[dict[str, str]]]:
    """The edits that merge ``new`` into the mapping at this path, as few as there can be."""
    if not isinstance(value, dict):
        return [partial(edits.put, path=path, value=new)], [{"what": "set", "path": dotted}]
    operations: list[Operation] = []
    changes: list[dict[str, str]] = []
    for key, inner in new.items():
        here: list[Step] = [*path, key]
        name = f"{dotted}.{key}" if dotted else key
        old = value.get(key)
        if isinstance(old, dict) and isinstance(inner, dict):
            deeper = _set(here, name, old, inner)
            operations += deeper[0]
            changes += deeper[1]
        elif key not in value or not same(old, inner):
            operations += _replace_list(here, old, inner) if isinstance(old, list) and isinstance(inner, list) else [partial(edits.put, path=here, value=inner)]
            changes.append({"what": "set", "path": name})
    return operations, changes


def _replace_list(path: list[Step], old: list[Any], new: list[Any]) -> list[Operation]:
    """Replace what differs between the beginning and the end that both lists share."""
    head = 0
    while head < min(len(old), len(new)) and same(old[head], new[head]):
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and same(old[-1 - tail], new[-1 - tail]):
        tail += 1
    if not head + tail:
        return [partial(edits.put, path=path, value=new)]
    drops: list[Operation] = [partial(edits.drop, path=[*path, index]) for index in reversed(range(head, len(old) - tail))]
    return drops + [partial(edits.insert, path=[*path, index], value=new[index]) for index in range(head, len(new) - tail)]
