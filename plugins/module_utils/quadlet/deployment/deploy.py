# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making a set of units, its files and its secrets what a task asks for: look, refuse, decide, write, start, wait."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ... import account, files, podman, systemd
from ...account import Account
from ...errors import HomelabError
from ..generator import Service
from ..rules import found_version, rules_of, too_old
from . import own_files
from .plan import Plan, drifted, make_plan, remade
from .refusals import refuse, refuse_remade
from .report import report, trouble
from .request import Request, read_request
from .seen import Seen, look, look_at_files, no_account

_SEARCH_DIRECTORY = ".config/containers/systemd"
_POLL = 0.5


def deploy(parameters: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Do what the task's parameters ask for, as the account; in check mode only say what would be done."""
    user = parameters["user"]
    try:
        who = account.of_user(user)
    except HomelabError:
        if not (check and user and os.geteuid() == 0):
            raise
        request = read_request(parameters, f"/home/{user}", f"/home/{user}/{_SEARCH_DIRECTORY}")
        return _predict(request, no_account(request, f"there is no account {user} on this host yet."), [])
    result = account.run_as(who, lambda: _deploy_as(who, parameters, check))
    failed = result.pop("failed", {})
    if failed:
        said = [_with_last_words(who, service, why) for service, why in failed.items()]
        raise HomelabError("\n".join(said), **result)
    return result


def _with_last_words(who: Account, service: str, why: str) -> str:
    words = systemd.last_words(who, service)
    return "\n".join(
        [
            f"{service} {why}." + (" Its last journal lines:" if words else " The journal has nothing of it."),
            *(f"  {word}" for word in words),
        ]
    )


def _deploy_as(who: Account, parameters: Mapping[str, Any], check: bool) -> dict[str, Any]:
    request = read_request(parameters, who.home, os.path.realpath(os.path.join(who.home, _SEARCH_DIRECTORY)))
    version = found_version()
    blind = _blind(who, version)
    if blind or version is None:
        if not check:
            raise HomelabError(blind)
        return _predict(request, look_at_files(request, who.home, blind), [])
    with files.locked(who.runtime_dir):
        seen = look(request, who, version)
        unchecked = refuse(request, seen, f"{who.runtime_dir}/systemd/generator", rules_of(version).extensions, check)
        changed = remade(seen.services, seen.loaded)
        refuse_remade(
            changed,
            seen.containers,
            [one.made for one in changed if one.kind == "volume" and one.made and podman.volume_exists(one.made)],
        )
        if check:
            return _predict(request, seen, unchecked)
        plan = make_plan(request, seen, _fetch_and_compare(request, seen))
        _fetch_missing(request, plan)
        _apply(request, who, seen, plan)
        return _outcome(request, seen, plan)


def _blind(who: Account, version: tuple[int, ...] | None) -> str:
    """Why neither Podman nor systemd can be asked, with the remedy; empty where they can."""
    if version is None:
        return "Podman's Quadlet generator is not on this host. Install podman 5.4 or newer, then run the task again."
    if why := too_old(version):
        return why
    if not systemd.manager_runs(who):
        return f"The systemd of {who.name} does not run. Start it with: loginctl enable-linger {who.name} - then run the task again."
    return ""


def _predict(request: Request, seen: Seen, unchecked: Sequence[str]) -> dict[str, Any]:
    notes = [f"Not checked: {seen.blind}"] if seen.blind else list(unchecked)
    if request.pull == "always" and request.state == "started":
        notes.append("Not checked: whether a registry has newer images.")
    plan = make_plan(request, seen, _compare(request, seen))
    return report(request, seen, plan, seen.states, seen.containers, notes)


# --- Images ---


def _pullable(services: Sequence[Service]) -> list[str]:
    """The images that a registry may have; those of .image and .build units are fetched and built by those units."""
    return sorted(
        {
            one.image
            for one in services
            if one.kind == "container" and one.image and not one.image.endswith((".image", ".build"))
        }
    )


def _compare(request: Request, seen: Seen) -> dict[str, str]:
    if request.pull != "always" or request.state != "started":
        return {}
    return drifted(
        seen.services, seen.containers, {image: podman.image_id(image) for image in _pullable(seen.services)}
    )


def _fetch_and_compare(request: Request, seen: Seen) -> dict[str, str]:
    if request.pull == "always" and request.state == "started":
        for image in _pullable(seen.services):
            podman.pull(image)
    return _compare(request, seen)


def _fetch_missing(request: Request, plan: Plan) -> None:
    """Fetch before anything is stopped or replaced, so that a registry that does not answer costs nothing."""
    for image in _pullable(plan.having("start", "restart")):
        if podman.image_id(image) is None:
            if request.pull == "never":
                raise HomelabError(
                    f"The image {image} is not on this host, and pull is never. Load it, then run the task again. Nothing was replaced."
                )
            podman.pull(image)


# --- Writing and starting ---


def _apply(request: Request, who: Account, seen: Seen, plan: Plan) -> None:
    for name in plan.secrets:
        podman.write_secret(name, request.secrets[name])
    leaving = [service for service in plan.having("remove") if not service.is_template]
    if leaving:
        names = [service.name for service in leaving]
        systemd.stop(names)
        # Many programs end with an error when they are told to end. Once the unit's file is gone, no run knows of it.
        systemd.reset_failed(names)
    own_files.write(request, who.home, seen.recorded, plan.changes)
    anew = plan.having("remake")
    if anew:
        systemd.stop([service.name for service in anew])
    podman.remove_unused_networks(
        [service.made for service in [*leaving, *anew] if service.kind == "network" and service.made]
    )
    if plan.reload:
        systemd.reload()
    if running := [service.name for service in plan.having("stop")]:
        systemd.stop(running)
        systemd.reset_failed(running)
    if starting := plan.having("start", "restart", "remake"):
        systemd.reset_failed([service.name for service in starting])
        systemd.restart([service.name for service in starting])


def _outcome(request: Request, seen: Seen, plan: Plan) -> dict[str, Any]:
    """What became of it, after waiting where that was asked for."""
    services = [step.service for step in plan.steps if step.action != "remove" and not step.service.is_template]
    end = time.monotonic() + request.timeout
    failed: dict[str, str] = {}
    states, containers = seen.states, seen.containers
    if plan.changed:
        states, containers = systemd.show([service.name for service in services]), podman.containers()
    if request.state == "started" and request.wait:
        suspects: dict[str, str] = {}
        while failed := trouble(services, states, containers, time.time()):
            dead = {
                service: why for service, why in failed.items() if not states[service].up and not states[service].busy
            }
            # Between two tries of systemd to start it, a service may look dead for a moment: it is seen twice.
            if time.monotonic() > end or (dead and dead == suspects):
                break
            suspects = dead
            time.sleep(_POLL)
            states = systemd.show([service.name for service in services])
            containers = podman.containers()
    result = report(request, seen, plan, states, containers, [])
    return {**result, "failed": failed} if failed else result
