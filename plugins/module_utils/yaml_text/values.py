# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scalar means to js-yaml, when two values are one to JavaScript, and how a value is written."""

from __future__ import annotations

import json
import re
from typing import Any

# Homepage replaces exactly this form; with spaces inside the braces it replaces nothing.
PLACEHOLDER = re.compile(r"\{\{HOMEPAGE_(?:VAR|FILE)_[A-Za-z0-9_]+\}\}")
_INTEGER = re.compile(r"[-+]?(?:0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)\Z")
_FLOAT = re.compile(r"(?:[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?|\.[0-9_]+(?:[eE][-+]?[0-9]+)?)\Z")
_SPECIAL_FLOAT = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z")
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?"
    r"(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?\Z")
_CONSTANTS: dict[str, Any] = {"": None, "~": None}
for _word, _meaning in (("null", None), ("true", True), ("false", False)):
    _CONSTANTS.update({_word: _meaning, _word.capitalize(): _meaning, _word.upper(): _meaning})


# So many has JavaScript's largest number.
_DIGITS = 309


class Timestamp(str):
    """A plain scalar that js-yaml makes a date of; kept as it is written."""


def resolve(text: str) -> Any:
    """What a plain scalar means."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _TIMESTAMP.match(text):
        return Timestamp(text)
    if text.endswith("_"):
        return text
    if _INTEGER.match(text):
        return _integer(text)
    if _FLOAT.match(text):
        return _float(text)
    if _SPECIAL_FLOAT.match(text):
        return float(text.replace(".", "").lower())
    return text


def _float(text: str) -> Any:
    try:
        return float(text.replace("_", ""))
    except ValueError:
        return text  # It only looked like one: ._e5


def _integer(text: str) -> Any:
    digits = text.replace("_", "")
    sign = -1 if digits[0] == "-" else 1
    digits = digits.lstrip("+-")
    base = {"0b": 2, "0o": 8, "0x": 16}.get(digits[:2], 10)
    digits = digits if base == 10 else digits[2:]
    if len(digits) > _DIGITS and base == 10:
        return text  # No number of JavaScript's is as large, and Python refuses to read thousands of digits.
    return sign * int(digits, base) if digits else text


# JavaScript has one kind of number.
_KINDS: dict[type, type] = {int: float}


def same(one: Any, other: Any) -> bool:
    """Whether two plain values are one value to JavaScript: 2 is 2.0, but neither "2" nor true."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    kinds = [_KINDS.get(type(value), type(value)) for value in (one, other)]
    return kinds[0] is kinds[1] and (one == other or [str(one), str(other)] == ["nan", "nan"])


# Texts that this or an older YAML takes for something else, or that begin or go on like something else.
_NEVER_PLAIN = re.compile(r"(?i)(?:y|n|yes|no|on|off|=|<<)\Z|[-?:,\[\]{}#&*!|>'\"%@`\s]|.*(?::\s|:\Z|\s#|\s\Z)")
_ORDINARY = re.compile("[ -~\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]+\\Z")


def written(value: Any, quote: str = "", flow: bool = False) -> str:
    """A scalar as one line of text; a text stands in the given quotes, or without any where that means the same."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}.get(str(value), str(value))
    text = str(value)
    ordinary = bool(_ORDINARY.match(text))
    inside_flow = flow and any(char in text for char in ",[]{}")
    if not quote and ordinary and not inside_flow and not _NEVER_PLAIN.match(text) and same(resolve(text), text):
        return text
    if quote == "'" and ordinary:
        return "'" + text.replace("'", "''") + "'"
    return re.sub("[\x7f-\x9f\ufeff\ufffe\uffff]", lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))
