# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which keys of a unit may hold a secret, and a unit file without what they say."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .unit_file import as_bytes, parse
from .unit_file_edits import with_shown

_SECRET_KEYS = ("Environment", "Creds", "DecryptionKey", "BuildArg")
_ARGUMENT_KEYS = ("PodmanArgs", "GlobalArgs")
# The options that do what those keys do; short ones may stand together, or with their value.
_SECRET_OPTION = re.compile(r"""(?:^|[\s"'])(?:-[A-Za-z]*e|--(?:env|creds|build-arg|decryption-key)(?![\w-]))""")
# What a person has taken out with a comment sign was in force once. Arguments that are no longer read are not told apart.
_COMMENT = re.compile(r"\s*[#;]")
_TAKEN_OUT = re.compile(rf"(\s*[#;].*?\b(?:{'|'.join((*_SECRET_KEYS, *_ARGUMENT_KEYS))})\s*=).*?(\s*)", re.DOTALL)
_NOT_SHOWN = "(not shown)"


def may_be_secret(key: str, values: Iterable[str]) -> bool:
    """Whether the values of this key are not to be told."""
    return key in _SECRET_KEYS or (key in _ARGUMENT_KEYS and any(_SECRET_OPTION.search(value) for value in values))


def without_secrets(data: bytes) -> bytes:
    """A unit file as it may be shown."""
    hidden = [one for one in parse(data).assignments if one.value and may_be_secret(one.key, [one.value])]
    shown: list[str] = []
    goes_on = False
    for line in as_bytes(with_shown(data, hidden, _NOT_SHOWN)).split("\n"):
        comment, taken_out = _COMMENT.match(line), _TAKEN_OUT.fullmatch(line)
        if taken_out:
            shown.append(f"{taken_out[1]}{_NOT_SHOWN}{taken_out[2]}")
        else:
            shown.append(f"{comment[0]} {_NOT_SHOWN}" if comment and goes_on else line)
        goes_on = line.rstrip().endswith("\\") and bool(taken_out or (comment and goes_on))
    return "\n".join(shown).encode("latin-1")
