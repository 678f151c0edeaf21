# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image references: what Podman takes, how firmly one names an image, and which of two is newer."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..errors import HomelabError

_DOMAIN = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?P<domain>{_DOMAIN})/(?P<path>{_COMPONENT}(?:/{_COMPONENT})*)(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}))?(?:@(?P<digest>sha256:[a-f0-9]{{64}}))?"
)
_LONGEST_NAME = 255
# Three numbers or a date name one build; everything shorter moves.
_EXACT = re.compile(r"(?:version-|release-)?[vV]?\d+(?:\.\d+){2,}(?:[-_.].*)?|\d{4}-?\d{2}-?\d{2}(?:[-_.].*)?")
_MINOR = re.compile(r"[vV]?\d+\.\d+(?:[-_].*)?")
_MAJOR = re.compile(r"[vV]?\d+(?:[-_].*)?")

# The kinds of reference that mean another image tomorrow.
FLOATING = frozenset({"minor", "major", "word", "latest", "untagged", "variable"})


class Reference(NamedTuple):
    """A fully qualified reference, in its parts."""

    repository: str
    tag: str | None
    digest: str | None


def parse(text: str) -> Reference | None:
    """The parts of a reference with its registry, or None where Podman would not take it as one."""
    match = _REFERENCE.fullmatch(text)
    if not match or len(match["domain"]) + len(match["path"]) + 1 > _LONGEST_NAME:
        return None
    domain = match["domain"]
    if "." not in domain and ":" not in domain and domain != "localhost":
        return None
    path = match["path"]
    if domain == "docker.io" and "/" not in path:
        path = f"library/{path}"  # As Podman itself completes it.
    return Reference(f"{domain}/{path}", match["tag"], match["digest"])


def wanted(text: str) -> Reference:
    """The parts of a reference that a user gave. Raises HomelabError with what is wrong with it."""
    found = parse(text)
    if found is None:
        raise HomelabError(
            f"{text!r} is not a reference that Podman takes. Give it whole: registry/repository:tag, "
            "in lower case, with @sha256: and 64 digits where a digest is meant."
        )
    if is_unit_reference(text):
        raise HomelabError(
            f"{text!r} ends like the name of a Quadlet unit, and Quadlet would look for that unit. Add a tag."
        )
    return found


def is_unit_reference(text: str) -> bool:
    """Whether Quadlet takes this value of Image= as the name of another unit."""
    return text.endswith((".image", ".build"))


def is_variable(text: str) -> bool:
    """Whether systemd decides at start what this value means."""
    return "%" in text or "$" in text


def kind(text: str) -> str:
    """How firmly a value of Image= names an image: one of the words that the modules document as class."""
    if is_variable(text):
        return "variable"
    if is_unit_reference(text):
        return "unit_reference"
    name, _at, digest = text.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    if digest:
        return "tag_and_digest" if tag else "digest"
    if not tag:
        return "untagged"
    if tag == "latest":
        return "latest"
    for word, pattern in (("exact", _EXACT), ("minor", _MINOR), ("major", _MAJOR)):
        if pattern.fullmatch(tag):
            return word
    return "word"


def repository(text: str) -> str | None:
    """The repository that a value names, as far as it is known without asking systemd or Podman's short names."""
    name = text.removeprefix("docker://").partition("@")[0]
    head, slash, last = name.rpartition("/")
    found = parse(head + slash + last.partition(":")[0])
    return found.repository if found else None


def _numbers(tag: str) -> tuple[str, list[int]]:
    """A tag's shape, with its numbers taken out, and the numbers."""
    return re.sub(r"\d+", "0", tag), [int(number) for number in re.findall(r"\d+", tag)]


def direction(before: str | None, after: str) -> str:
    """From one reference to another: same, upgrade, downgrade, digest_only or unknown."""
    if before == after:
        return "same"
    old, new = parse(before or ""), parse(after)
    if not old or not new or old.repository != new.repository or not old.tag or not new.tag:
        return "unknown"
    if old.tag == new.tag:
        return "same" if old.digest == new.digest else "digest_only"
    old_shape, old_numbers = _numbers(old.tag)
    new_shape, new_numbers = _numbers(new.tag)
    if old_shape != new_shape or old_numbers == new_numbers:
        return "unknown"
    return "upgrade" if new_numbers > old_numbers else "downgrade"


def as_stored(text: str) -> str:
    """The name under which Podman keeps and reports an image: completed, and without the tag where a digest stands."""
    found = parse(text)
    if not found:
        return text
    if found.digest:
        return f"{found.repository}@{found.digest}"
    return f"{found.repository}:{found.tag or 'latest'}"
