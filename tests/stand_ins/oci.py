"""OCI images as plain files: deterministic layers, image configurations, manifests and the folder that registry.py serves.

Layers stay uncompressed: on one machine, reading bytes is cheaper than compressing and expanding them.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pathlib
import tarfile

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def pack_folder(folder: pathlib.Path, out: pathlib.Path) -> None:
    """A layer of all of the folder: sorted and without times, so that equal content is equal bytes."""
    with tarfile.open(out, "w", format=tarfile.GNU_FORMAT) as tar:
        tar.add(folder, arcname=".", recursive=False, filter=_without_time)
        for path in sorted(folder.rglob("*")):
            tar.add(path, arcname=str(path.relative_to(folder)), recursive=False, filter=_without_time)


def _without_time(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mtime = 0
    entry.uname = entry.gname = ""
    return entry


def pack_files(
    out: pathlib.Path,
    files: dict[str, bytes | pathlib.Path],
    links: dict[str, str],
    directories: dict[str, tuple[int, int]],
) -> None:
    """A layer of single files, of symbolic links, and of empty directories with owner and mode.

    What is in a ``bin`` directory is executable.
    """
    with tarfile.open(out, "w", format=tarfile.GNU_FORMAT) as tar:
        for name, (owner, mode) in sorted(directories.items()):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, mode, owner, owner
            tar.addfile(entry)
        for name, target in sorted(links.items()):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
        for name, content in sorted(files.items()):
            data = content.read_bytes() if isinstance(content, pathlib.Path) else content
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755 if "bin/" in name else 0o644
            tar.addfile(entry, io.BytesIO(data))


def digest_of(path: pathlib.Path) -> str:
    with path.open("rb") as stream:
        return "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()


class Registry:
    """The folder of a pull-only registry: blobs by digest, and tags as files that hold a digest."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.blobs = folder / "blobs" / "sha256"
        self.blobs.mkdir(parents=True)

    def add_layer(self, path: pathlib.Path, digest: str) -> dict[str, object]:
        """Shares the file by a hard link; it is not copied."""
        os.link(path, self.blobs / digest.removeprefix("sha256:"))
        return {"mediaType": LAYER, "digest": digest, "size": path.stat().st_size}

    def add_image(
        self, reference: str, layers: list[dict[str, object]], run: dict[str, object], architecture: str
    ) -> str:
        """The digest of the reference: an index's, as with nearly all published images, not the platform's manifest's."""
        platform: dict[str, object] = {"architecture": architecture, "os": "linux"}
        config = self._add(
            CONFIG,
            {
                **platform,
                "config": run,
                "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
            },
        )
        manifest = self._add(MANIFEST, {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers})
        index = self._add(
            INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": [{**manifest, "platform": platform}]}
        )
        name, tag = reference.rsplit(":", 1)
        tags = self.folder / "tags" / name
        tags.mkdir(parents=True, exist_ok=True)
        (tags / tag).write_text(str(index["digest"]))
        return str(index["digest"])

    def _add(self, media_type: str, content: dict[str, object]) -> dict[str, object]:
        data = json.dumps(content, sort_keys=True).encode()
        name = hashlib.sha256(data).hexdigest()
        (self.blobs / name).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{name}", "size": len(data)}
