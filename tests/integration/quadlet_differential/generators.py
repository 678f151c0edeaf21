"""Podman's real generators: the test host's own, and a newer one out of Debian's next release, run on the same host."""

from __future__ import annotations

import io
import json
import os
import pathlib
import subprocess
import tarfile
import tempfile

from ansible_collections.patriark.homelab.tests.integration.throwaway_host import ThrowawayHost

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "patriark-homelab" / "newer-podman"
NEWER_SUITE = "forky"
OWN = "/usr/libexec/podman/quadlet"
NEWER = "/opt/newer-quadlet"

_RUN = """
import json, os, subprocess, sys
answers = {}
for name in sorted(os.listdir(".")):
    root = os.path.join(os.getcwd(), name)
    done = subprocess.run(
        [sys.argv[1], "-dryrun", "-user"], capture_output=True, env={"QUADLET_UNIT_DIRS": f"{root}/one:{root}/two", "HOME": "/root", "XDG_RUNTIME_DIR": "/run"}
    )
    answers[name] = [done.stdout.decode("utf-8", "replace").replace(root, ""), done.stderr.decode("utf-8", "replace").replace(root, "")]
print(json.dumps(answers))
"""


def newer_generator() -> bytes:
    """The generator of the newer Podman, downloaded once."""
    kept = CACHE / "quadlet"
    if not kept.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            _download(pathlib.Path(scratch))
            (pathlib.Path(scratch) / "unpacked" / OWN.lstrip("/")).rename(kept)
    return kept.read_bytes()


def _download(scratch: pathlib.Path) -> None:
    for directory in ("lists/partial", "cache/archives/partial"):
        (scratch / directory).mkdir(parents=True)
    scratch.chmod(0o755)
    (scratch / "sources.list").write_text(
        f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian {NEWER_SUITE} main\n"
    )
    settings = {
        "Dir::Etc::SourceList": scratch / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": scratch / "lists",
        "Dir::Cache": scratch / "cache",
        "Acquire::Languages": "none",
        # A mirror may lag behind; what it has is signed all the same.
        "Acquire::Check-Valid-Until": "false",
        "APT::Sandbox::User": "root",
    }
    options = [f"--option={key}={value}" for key, value in settings.items()]
    for verb in (["update"], ["download", "podman"]):
        subprocess.run(["apt-get", "--quiet=2", *options, *verb], check=True, cwd=scratch)
    (package,) = scratch.glob("podman_*.deb")
    subprocess.run(["dpkg-deb", "--extract", package, scratch / "unpacked"], check=True)


def install_newer(host: ThrowawayHost) -> None:
    host.shell("sh", "-c", f"cat >{NEWER}; chmod 0755 {NEWER}", stdin=newer_generator())


def version(host: ThrowawayHost, generator: str) -> tuple[int, ...]:
    return tuple(int(number) for number in host.shell(generator, "-version").split(".")[:3])


def ask(host: ThrowawayHost, generator: str, trees: pathlib.Path) -> dict[str, list[str]]:
    """What the generator writes on its two streams for each directory in ``trees``, its paths relative to that directory."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(trees, arcname=".")
    script = 'cd "$(mktemp --directory)"; tar --extract --no-same-owner; python3 -c "$0" "$1"; rm -rf "$PWD"'
    answers: dict[str, list[str]] = json.loads(
        host.shell("bash", "-euc", script, _RUN, generator, stdin=packed.getvalue())
    )
    return answers
