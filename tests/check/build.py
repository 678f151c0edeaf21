"""Builds the collection, installs it from the tarball into an empty folder, and finds its parts by their names there."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile

import yaml
from on_a_copy import copy_checkout

_NAME = "patriark.homelab"
_NOT_FOR_USERS = ("tests/output", ".ci", ".git", ".ansible/", ".mypy_cache")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="homelab-build-") as top:
        source, installed = pathlib.Path(top, "source"), pathlib.Path(top, "installed")
        os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(installed)
        copy_checkout(source)
        _run("ansible-galaxy", "collection", "build", "--output-path", top, cwd=source)
        (tarball,) = pathlib.Path(top).glob("*.tar.gz")
        with tarfile.open(tarball) as archive:
            wrong = [name for name in archive.getnames() if name.startswith(_NOT_FOR_USERS)]
        if wrong:
            sys.exit(f"galaxy.yml's build_ignore lets these into the collection: {', '.join(wrong)}")
        _run("ansible-galaxy", "collection", "install", "--no-deps", "--collections-path", str(installed), str(tarball))
        collection = installed / "ansible_collections" / "patriark" / "homelab"
        for playbook in sorted(collection.glob("playbooks/*.yml")):
            _run("ansible-playbook", "--syntax-check", "--inventory=localhost,", f"{_NAME}.{playbook.stem}", cwd=installed)
        modules = [f"{_NAME}.{path.stem}" for path in sorted(collection.glob("plugins/modules/*.py"))]
        if modules:
            _run("ansible-doc", *modules, cwd=installed)
        group = yaml.safe_load((collection / "meta" / "runtime.yml").read_text())["action_groups"]["homelab"]
        if sorted(group) != sorted(name.rpartition(".")[2] for name in modules):
            sys.exit(f"meta/runtime.yml's action group has {sorted(group)}; the modules are {modules}")


def _run(*command: str, cwd: pathlib.Path | None = None) -> None:
    print("$", *command, flush=True)
    if subprocess.run(command, cwd=cwd, check=False).returncode:
        sys.exit(f"failed: {' '.join(command)}")


if __name__ == "__main__":
    main()
