"""YAML as js-yaml reads it, which is what Homepage uses: where PyYAML differs, files would pass here and fail there."""

from __future__ import annotations

import re
from typing import Any

import yaml

# js-yaml's numbers: octal needs 0o, and nothing counts in sixties.
NUMBERS = re.compile(r"[-+]?(?:0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)")
FLOATS = re.compile(
    r"[-+]?(?:[0-9][0-9_]*)(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?|\.[0-9_]+(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)


class YamlError(Exception):
    """What /api/validate returns of a file: js-yaml's own fields."""

    def __init__(self, reason: str, mark: yaml.Mark | None) -> None:
        where = f" ({mark.line + 1}:{mark.column + 1})" if mark else ""
        snippet = _around(mark) if mark else ""
        super().__init__(f"{reason}{where}\n\n{snippet}")
        self.fields: dict[str, Any] = {"name": "YAMLException", "reason": reason, "message": str(self)}
        if mark:
            self.fields["mark"] = {"line": mark.line, "column": mark.column, "snippet": snippet}


def _around(mark: yaml.Mark) -> str:
    """The lines around the place, whatever they hold, as js-yaml quotes them."""
    lines = str(mark.buffer or "").rstrip("\0").split("\n")
    numbers = range(max(mark.line - 3, 0), min(mark.line + 3, len(lines)))
    return "\n".join(f"{number + 1:4} | {lines[number]}" for number in numbers)


class _Loader(yaml.SafeLoader):
    pass


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    """Keys are property names, so text; the same one twice is an error unless a merge brought it."""
    own = {id(key) for key, _value in node.value if key.tag != "tag:yaml.org,2002:merge"}
    loader.flatten_mapping(node)
    found: dict[str, Any] = {}
    named: set[str] = set()
    for key_node, value_node in node.value:
        name = as_property(loader.construct_object(key_node, deep=True))
        if id(key_node) in own:
            if name in named:
                raise YamlError("duplicated mapping key", key_node.start_mark)
            named.add(name)
        found[name] = loader.construct_object(value_node, deep=True)
    return found


def _refuse_tag(loader: _Loader, node: yaml.Node) -> None:
    raise YamlError(f"unknown tag !<{node.tag}>", node.start_mark)


def as_property(value: Any) -> str:
    """A value as JavaScript writes it where it becomes the name of a property."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return ",".join(as_property(item) for item in value)
    return "[object Object]" if isinstance(value, dict) else str(value)


def _int(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = str(node.value).replace("_", "")
    sign, digits = (-1 if text.startswith("-") else 1), text.lstrip("+-")
    return sign * int(digits, {"0b": 2, "0o": 8, "0x": 16}.get(digits[:2], 10))


_Loader.yaml_implicit_resolvers = {}
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(rf"(?:{NUMBERS.pattern})$"), list("-+0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(rf"(?:{FLOATS.pattern})$"), list("-+0123456789."))
_Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"<<$"), ["<"])
_Loader.add_constructor("tag:yaml.org,2002:int", _int)
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor(None, _refuse_tag)


def load(text: str) -> Any:
    """The one document of the text; YamlError where js-yaml would throw."""
    # A tab may stand between a colon and its value there, and not in PyYAML.
    text = re.sub(r"(?m)^([^\t#'\"\n]*:)\t+(?=\S)", r"\1 ", text.removeprefix("\ufeff"))
    loader = _Loader(text)
    try:
        value = loader.get_single_data()
    except yaml.MarkedYAMLError as problem:
        if "expected a single document" in str(problem.context):
            raise YamlError("expected a single document in the stream, but found more", None) from None
        raise YamlError(problem.problem or str(problem), problem.problem_mark) from None
    except yaml.YAMLError as problem:
        raise YamlError(str(problem), None) from None
    finally:
        loader.dispose()
    return value
