# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Podman's state as plain values, and the few commands that change it. All of it is the calling account's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple

from . import command
from .errors import HomelabError

# A registry may be slow and an image large; somebody who waits longer than this should be told.
_PULL_TIMEOUT = 3600
_HEALTH = re.compile(r"\((healthy|unhealthy|starting)\)")


class Secret(NamedTuple):
    """A secret of the account. Its value stays out of every message and every repr."""

    updated: float
    value: str

    def __repr__(self) -> str:
        return f"Secret(updated={self.updated})"


class Container(NamedTuple):
    """A container, running or not. ``unit`` is the systemd service that it belongs to, ``health`` None where nothing checks it.

    ``pid`` is 0 where it does not run, ``mounts`` are where something is mounted inside.
    """

    name: str
    unit: str
    image: str
    image_id: str
    health: str | None
    networks: tuple[str, ...]
    pid: int = 0
    mounts: tuple[str, ...] = ()


class Image(NamedTuple):
    """A local image: the references that it has by tag and by digest, the digest that it was pulled by, its labels and environment."""

    tags: tuple[str, ...]
    digests: tuple[str, ...]
    digest: str
    labels: dict[str, str]
    environment: tuple[str, ...]


def timestamp(text: str) -> float:
    """Seconds since 1970 of a time as Podman writes it: RFC 3339 with nanoseconds."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)", text)
    if not match:
        raise HomelabError(f"Podman gave a time that cannot be read: {text}")
    whole = datetime.fromisoformat(match.group(1) + match.group(3).replace("Z", "+00:00"))
    return whole.astimezone(timezone.utc).timestamp() + float(match.group(2) or 0)


def _list(text: str) -> list[dict[str, Any]]:
    parsed = json.loads(text or "[]")
    return parsed if isinstance(parsed, list) else []


def secrets(names: Iterable[str]) -> dict[str, Secret]:
    """Those of the named secrets that exist."""
    wanted = sorted(set(names))
    if not wanted:
        return {}
    answer = command.run(["podman", "secret", "inspect", "--showsecret", "--", *wanted])
    if answer.code and "no such secret" not in answer.err:
        raise HomelabError(f"Cannot look at the secrets of this account: {answer.complaint}")
    return {one["Spec"]["Name"]: Secret(timestamp(one["UpdatedAt"]), one["SecretData"]) for one in _list(answer.out)}


def write_secret(name: str, value: str) -> None:
    """Make the secret, or give it another value. The value goes through standard input alone."""
    command.output(f"write the secret {name}", ["podman", "secret", "create", "--replace", "--", name, "-"], stdin=value)


def containers() -> list[Container]:
    """Every container of the account."""
    found = _list(command.output("list the containers of this account", ["podman", "ps", "--all", "--format", "json"]))
    return [_container(one) for one in found]


def _container(one: dict[str, Any]) -> Container:
    health = _HEALTH.search(one.get("Status") or "")
    return Container(
        name=(one.get("Names") or [""])[0],
        unit=(one.get("Labels") or {}).get("PODMAN_SYSTEMD_UNIT", ""),
        image=one.get("Image") or "",
        image_id=one.get("ImageID") or "",
        health=health.group(1) if health else None,
        networks=tuple(one.get("Networks") or ()),
        pid=one.get("Pid") or 0,
        mounts=tuple(one.get("Mounts") or ()),
    )


def image(identity: str) -> Image | None:
    """A local image by its identity, or None where it is gone."""
    answer = command.run(["podman", "image", "inspect", "--", identity])
    found = _list(answer.out) if answer.code == 0 else []
    if not found:
        return None
    config = found[0].get("Config") or {}
    return Image(
        tags=tuple(found[0].get("RepoTags") or ()),
        digests=tuple(found[0].get("RepoDigests") or ()),
        digest=found[0].get("Digest") or "",
        labels=found[0].get("Labels") or {},
        environment=tuple(config.get("Env") or ()),
    )


def image_id(reference: str) -> str | None:
    """The identity of a local image, or None where there is none of that reference."""
    answer = command.run(["podman", "image", "inspect", "--format", "{{.Id}}", "--", reference])
    return answer.out.strip() if answer.code == 0 else None


def pull(reference: str) -> None:
    """Pull the image. Podman's progress is left out, so that an error is the registry's sentence and nothing else."""
    doing = f"pull {reference}"
    command.output(doing, ["podman", "pull", "--quiet", "--", reference], timeout=_PULL_TIMEOUT)


def volume_exists(name: str) -> bool:
    """Whether the account has this volume."""
    return command.run(["podman", "volume", "exists", "--", name]).code == 0


def remove_unused_networks(names: Sequence[str]) -> None:
    """Remove those of the networks that no container is on; Podman itself refuses the others, which stay."""
    for name in names:
        answer = command.run(["podman", "network", "rm", "--", name])
        if answer.code and "being used" not in answer.err and "not found" not in answer.err:
            raise HomelabError(f"Cannot remove the unused network {name}: {answer.complaint}")
