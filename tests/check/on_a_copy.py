"""Runs ansible-test on a copy of this checkout that lies where ansible-test wants a collection, without containers.

ansible-test downloads get-pip.py; where that site cannot be reached the pip that Python brings serves as well. A home of
its own keeps the cache and that file out of the user's.
"""

from __future__ import annotations

import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from runner import CHECKOUT

_HOME = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "patriark-homelab" / "ansible-test"
_GET_PIP = '''\
import subprocess
import sys

subprocess.check_call([sys.executable, "-m", "ensurepip"], stdout=subprocess.DEVNULL)
packages = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
subprocess.check_call([sys.executable, "-m", "pip", "install", *packages])
'''


def main() -> int:
    _prepare_home()
    with tempfile.TemporaryDirectory(prefix="homelab-ansible-test-") as top:
        collection = pathlib.Path(top, "ansible_collections", "patriark", "homelab")
        copy_checkout(collection)
        pythons = [str(pathlib.Path(python).parent) for python in os.environ["CHECK_PYTHONS"].split()]
        path = os.pathsep.join([os.environ["PATH"], *pythons])
        command = ["ansible-test", *sys.argv[1:], "--color", "no"]
        if sys.argv[1] == "units":
            command += ["--venv", "--requirements"]
        return subprocess.run(command, cwd=collection, env={**os.environ, "HOME": str(_HOME), "PATH": path}, check=False).returncode


def copy_checkout(target: pathlib.Path) -> None:
    """Copy what git knows or would add, as it lies there now."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (CHECKOUT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, target / name, follow_symlinks=False)


def _prepare_home() -> None:
    cache = _HOME / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    package = importlib.util.find_spec("ansible_test")
    source = pathlib.Path(str(package and package.origin)).with_name("_internal") / "python_requirements.py"
    for version in re.findall(r"pip='([0-9.]+)'", source.read_text(encoding="utf-8")):
        (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(_GET_PIP, encoding="utf-8")
    settings = _HOME / ".config" / "pip"
    settings.parent.mkdir(exist_ok=True)
    if not settings.is_symlink():
        settings.symlink_to(pathlib.Path("~/.config/pip").expanduser())


if __name__ == "__main__":
    sys.exit(main())
