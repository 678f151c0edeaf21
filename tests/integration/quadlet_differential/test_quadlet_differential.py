"""This collection's reading of units against Podman's own, over random trees, for both versions of the generator.

CHECK_SEED and CHECK_SIZE choose the trees. Reading only the unit's own file fails about every third of them; leaving
out the rules of the newer version fails some of each hundred there.
"""

from __future__ import annotations

import os
import pathlib
import re
import shutil
from collections.abc import Callable

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.errors import HomelabError
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet import image_reference, pinning
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.effective import effective
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.generator import Service, read_answer
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.pin_dangers import Pin
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.place import Place
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.rules import Rules, rules_of
from ansible_collections.patriark.homelab.tests.integration.quadlet_differential import generators, random_units

SEED = int(os.environ.get("CHECK_SEED", "1"))
SIZE = int({"small": 200, "full": 5000}.get(os.environ.get("CHECK_SIZE", "small")) or os.environ["CHECK_SIZE"])
UNREADABLE = re.compile(r'error loading "([^"]+)"|open (/\S+): no such file')
ESCAPED = re.compile(r"\\x([0-9a-f]{2})")
PIN = "registry.example.org/app:9.9.9"


def lay(files: dict[str, str], root: pathlib.Path) -> None:
    for directory in ("one", "two"):
        (root / directory).mkdir(parents=True)
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("-> "):
            path.unlink(missing_ok=True)
            path.symlink_to(text[3:])
        else:
            path.write_bytes(text.encode())


def place(root: pathlib.Path, rules: Rules) -> Place:
    return Place(None, [str(root / "one"), str(root / "two")], rules)


def ours(root: pathlib.Path, rules: Rules) -> tuple[dict[str, tuple[str, str | None]], set[str]]:
    """By unit, the service and the image; and the files that cannot be read."""
    units = place(root, rules).read()
    found = {name: effective(name, units) for name in units.tree.units}
    services = {name: (one.service, one.image or None) for name, one in found.items() if one.refusal is None}
    broken = [*units.tree.broken, *(drop_in for name in units.tree.units for drop_in in units[name].broken_drop_ins)]
    return services, {"/" + os.path.relpath(one.path, root) for one in broken}


def theirs(answer: list[str]) -> tuple[dict[str, tuple[str, str | None]], set[str]]:
    """The same, as the generator says it."""
    services = {service.unit: (service.name, image_of(service)) for service in read_answer(*answer).services}
    return services, {named or missing for named, missing in UNREADABLE.findall(answer[1])}


def image_of(service: Service) -> str | None:
    """The image in the command that the generator wrote."""
    words = [ESCAPED.sub(lambda found: chr(int(found[1], 16)), word) for word in service.start]
    if service.kind == "container":
        return None if "--rootfs" in words else words[-1]
    if service.kind == "image":
        return words[-1]
    if service.kind == "build":
        return words[words.index("--tag") + 1]
    if service.kind == "volume":
        return next((word[len("image=") :] for word in words if word.startswith("image=")), None) or None
    return None


@pytest.fixture(params=["own", "newer"])
def generator(request: pytest.FixtureRequest, host: object) -> str:
    return generators.OWN if request.param == "own" else generators.NEWER


def test_the_same_services_with_the_same_images(
    host, generator: str, tmp_path: pathlib.Path, record_property: Callable[[str, object], None]
) -> None:
    record_property("trees", SIZE)
    rules = rules_of(generators.version(host, generator))
    trees = {f"{seed:06}": random_units.tree(seed) for seed in range(SEED, SEED + SIZE)}
    for name, files in trees.items():
        lay(files, tmp_path / name)
    answers = generators.ask(host, generator, tmp_path)
    for name, files in trees.items():
        assert ours(tmp_path / name, rules) == theirs(answers[name]), (
            f"CHECK_SEED={int(name)} CHECK_SIZE=1\n{files}\n{answers[name][1]}"
        )


def test_what_the_generator_makes_of_a_unit_is_not_stale(
    host, generator: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a pin would ask for a reload for ever."""
    rules = rules_of(generators.version(host, generator))
    for seed in range(SEED, SEED + SIZE):
        lay(random_units.tree(seed), tmp_path / f"{seed:06}")
    compared = 0
    for name, answer in generators.ask(host, generator, tmp_path).items():
        where = place(tmp_path / name, rules)
        units = where.read()
        for service in read_answer(*answer).services:
            loaded = f"#\n{service.text}".encode()
            monkeypatch.setattr(Place, "loaded_text", lambda self, _service, loaded=loaded: loaded)
            assert not pinning._is_loaded_otherwise(service.name, units[service.unit], where), f"{name} {loaded}"
            compared += b"Image" in loaded
    assert compared > SIZE / 2


def test_a_pinned_unit_runs_the_pin(
    host, generator: str, tmp_path: pathlib.Path, record_property: Callable[[str, object], None]
) -> None:
    """Whatever could be pinned, by either method, the generator then runs it, and nothing else has changed."""
    rules = rules_of(generators.version(host, generator))
    pinned = {}
    for seed in range(SEED, SEED + SIZE):
        for method in ("edit", "dropin"):
            name = f"{seed:06}-{method}"
            lay(random_units.tree(seed), tmp_path / name)
            before, _broken = ours(tmp_path / name, rules)
            request = pinning.Request(
                [Pin("a.container", PIN, image_reference.wanted(PIN))],
                method,
                "remove",
                False,
                frozenset(("downgrade", "pull", "repository_change", "variable")),
            )
            try:
                pinning.pin_units(place(tmp_path / name, rules), request, check_mode=False)
                pinned[name] = before
            except HomelabError:
                shutil.rmtree(tmp_path / name)
    record_property("pinned", len(pinned))
    assert len(pinned) > SIZE / 20
    answers = generators.ask(host, generator, tmp_path)
    for name, before in pinned.items():
        services, _broken = theirs(answers[name])
        assert services["a.container"][1] == PIN, name
        changed = {unit for unit in before if before[unit] != services.get(unit)}
        assert changed <= {"a.container", "a.image", "a-b.build"} and before.keys() == services.keys(), (
            f"{name}: {changed}"
        )
