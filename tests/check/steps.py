"""What there is to check. Tests, scenarios and benchmarks are found where they lie; nobody has to list them here."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Callable

from runner import CHECKOUT, Step, log_of

_COLLECTION = CHECKOUT / "tests" / "output" / "collections" / "ansible_collections" / "patriark" / "homelab"
_ANSIBLE = {"ANSIBLE_COLLECTIONS_PATH": str(_COLLECTION.parents[2]), "PYTHONPATH": str(_COLLECTION.parents[2])}
_TYPED = ("tests/stand_ins", "tests/test_host", "tests/check", "tests/trial")
_MINUTE = 60
_AS_ROOT = [] if os.geteuid() == 0 else ["sudo", "--preserve-env", "env", f"PATH={os.environ['PATH']}"]


def lint(_size: str) -> list[Step]:
    library = "ansible_collections.patriark.homelab.plugins.module_utils"
    config = str(CHECKOUT / "pyproject.toml")
    typed = [folder for folder in _TYPED if (CHECKOUT / folder).is_dir()]
    return [
        Step("lint", "ruff", [["ruff", "check", "."]]),
        Step("lint", "mypy", [["mypy", "--strict", "--config-file", config, "--package", library]], cwd=_COLLECTION.parents[2]),
        *(Step("lint", f"mypy {folder}", [["mypy", "--config-file", config, "."]], cwd=CHECKOUT / folder) for folder in typed),
        Step("lint", "ansible-lint", [["ansible-lint"]], env=_ANSIBLE),
        Step("lint", "antsibull-changelog", [["antsibull-changelog", "lint"]], cwd=_COLLECTION),
        Step("lint", "antsibull-docs", [["antsibull-docs", "lint-collection-docs", "--plugin-docs", "."]], cwd=_COLLECTION),
    ]


def unit(_size: str) -> list[Step]:
    oldest = str(pathlib.Path(os.environ["CHECK_OLDEST"], "bin", "python"))
    return [
        _pytest("unit", "newest Ansible", "tests/unit", python=sys.executable),
        _pytest("unit", "oldest Ansible", "tests/unit", python=oldest),
    ]


def oldest(_size: str) -> list[Step]:
    return [Step("oldest", "site.yml on a host", [[sys.executable, "tests/check/oldest_ansible.py"]], 12 * _MINUTE, env=_ANSIBLE)]


def sanity(size: str) -> list[Step]:
    """ansible-test on a copy, for it wants a collection's path and no link on the way."""
    command = [sys.executable, str(CHECKOUT / "tests" / "check" / "on_a_copy.py")]
    versions = [_version(python) for python in os.environ["CHECK_PYTHONS"].split()]
    if size == "small":
        versions = sorted({versions[0], versions[-1]})
    newest = _version(sys.executable)
    return [
        Step("sanity", "sanity", [[*command, "sanity", "--python", newest]], 10 * _MINUTE),
        *(Step("sanity", f"units {version}", [[*command, "units", "--python", version]]) for version in versions),
    ]


def build(_size: str) -> list[Step]:
    return [Step("build", "build and install", [[sys.executable, "tests/check/build.py"]])]


def stand_ins(_size: str) -> list[Step]:
    """The images themselves are made first: every host needs them."""
    made = Step("stand_ins", "images", [[*_AS_ROOT, sys.executable, "tests/stand_ins", "build"]], 10 * _MINUTE)
    return [made, *_found("stand_ins", "tests/stand_ins", 10)]


def integration(size: str) -> list[Step]:
    return _found("integration", "tests/integration", 10 if size == "small" else 60)


def faults(size: str) -> list[Step]:
    return _found("faults", "tests/faults", 10 if size == "small" else 120)


def molecule(size: str) -> list[Step]:
    names = sorted(path.parent.name for path in CHECKOUT.glob("molecule/*/molecule.yml"))
    minutes = 18 if size == "small" else 60
    return [Step("molecule", name, [["molecule", "test", "--scenario-name", name]], minutes * _MINUTE) for name in names]


def benchmarks(size: str) -> list[Step]:
    runs = sorted(CHECKOUT.glob("tests/benchmarks/*/run.py"))
    minutes = 4 if size == "small" else 60
    return [
        Step("benchmarks", run.parent.name, [[*_AS_ROOT, sys.executable, str(run), "--size", size]], minutes * _MINUTE, alone=True, env=_ANSIBLE)
        for run in runs
    ]


def _found(part: str, folder: str, minutes: int) -> list[Step]:
    """A step for each file of tests, so that one that hangs or fails is named at once."""
    files = sorted((CHECKOUT / folder).rglob("test_*.py"))
    return [
        _pytest(part, str(file.relative_to(CHECKOUT / folder)), str(file), sys.executable, minutes, as_root=True)
        for file in files
    ]


def _pytest(part: str, name: str, path: str, python: str, minutes: int = 5, as_root: bool = False) -> Step:
    seed = f"--hypothesis-seed={os.environ['CHECK_SEED']}"
    counts = f"--junit-xml={log_of(part, name).with_suffix('.xml')}"
    command = [*(_AS_ROOT if as_root else []), python, "-m", "pytest", "-q", "-p", "no:cacheprovider", seed, counts, path]
    return Step(part, name, [command], minutes * _MINUTE, env=_ANSIBLE)


def _version(python: str) -> str:
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True).stdout.strip()


# In the order in which they run: what takes longest must not come last.
PARTS: dict[str, Callable[[str], list[Step]]] = {
    "stand_ins": stand_ins,
    "molecule": molecule,
    "oldest": oldest,
    "faults": faults,
    "integration": integration,
    "sanity": sanity,
    "lint": lint,
    "unit": unit,
    "build": build,
    "benchmarks": benchmarks,
}
