"""Files as oCIS's decomposed file system keeps them: names are symbolic links to nodes, nodes have metadata, contents are blobs.

The layout is the real one in short; metadata is JSON here where it is MessagePack there.
"""

from __future__ import annotations

import json
import os
import pathlib
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

Metadata = dict[str, Any]


class Missing(Exception):
    """There is nothing under that path."""


def _spread(folder: pathlib.Path, identifier: str) -> pathlib.Path:
    """nodes/ab/cd/ef/01/-rest: no folder grows large."""
    return folder.joinpath(*(identifier[place : place + 2] for place in (0, 2, 4, 6)), f"-{identifier[8:]}")


def _write(path: pathlib.Path, chunks: Iterable[bytes], unfinished: pathlib.Path) -> int:
    """Whole under its name or not there at all; returns the size."""
    for folder in (path.parent, unfinished.parent):
        folder.mkdir(parents=True, exist_ok=True)
    with unfinished.open("wb") as stream:
        size = sum(stream.write(chunk) for chunk in chunks)
        stream.flush()
        os.fsync(stream.fileno())
    unfinished.rename(path)
    return size


class Space:
    """One user's personal space."""

    def __init__(self, root: pathlib.Path, identifier: str) -> None:
        self.root, self.identifier = root, identifier
        self.folder = root / "spaces" / identifier[:2] / identifier[2:]
        if not self.node(identifier).is_dir():
            self.node(identifier).mkdir(parents=True)
            self._describe(identifier, {"type": "folder", "name": "", "parent": ""})

    def node(self, identifier: str) -> pathlib.Path:
        return _spread(self.folder / "nodes", identifier)

    def blob(self, identifier: str) -> pathlib.Path:
        return _spread(self.folder / "blobs", identifier)

    def describe(self, identifier: str) -> Metadata:
        found: Metadata = json.loads(self.node(identifier).with_suffix(".mpk").read_text())
        return found

    def _describe(self, identifier: str, metadata: Metadata) -> None:
        path = self.node(identifier).with_suffix(".mpk")
        _write(path, [json.dumps(metadata).encode()], self.root / "uploads" / uuid.uuid4().hex)

    # ---- paths

    def find(self, parts: list[str]) -> str:
        """The node under the path."""
        identifier = self.identifier
        for part in parts:
            link = self.node(identifier) / part
            if not link.is_symlink():
                raise Missing("/".join(parts))
            identifier = self._target(link)
        return identifier

    def _target(self, link: pathlib.Path) -> str:
        return "".join(pathlib.PurePath(link.readlink()).parts[-5:]).replace("-", "", 1)

    def _link(self, parent: str, name: str, identifier: str) -> None:
        node = self.node(parent)
        target = os.path.relpath(self.node(identifier), node)
        unfinished = self.root / "uploads" / uuid.uuid4().hex
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        unfinished.symlink_to(target)
        unfinished.rename(node / name)

    def children(self, identifier: str) -> dict[str, str]:
        node = self.node(identifier)
        return {link.name: self._target(link) for link in sorted(node.iterdir())} if node.is_dir() else {}

    # ---- changes

    def put(self, parts: list[str], chunks: Iterable[bytes]) -> bool:
        """Writes the file, whole or not at all, and says whether it is new."""
        parent = self.find(parts[:-1])
        present = self.children(parent).get(parts[-1])
        identifier, blob = present or uuid.uuid4().hex, uuid.uuid4().hex
        size = _write(self.blob(blob), chunks, self.root / "uploads" / blob)
        old = self.describe(present).get("blob") if present else None
        if not present:
            self.node(identifier).parent.mkdir(parents=True, exist_ok=True)
            self.node(identifier).touch()
        self._describe(identifier, {"type": "file", "name": parts[-1], "parent": parent, "blob": blob, "size": size})
        if old:
            self.blob(old).unlink()
        if not present:
            self._link(parent, parts[-1], identifier)
        return not present

    def make_folder(self, parts: list[str]) -> None:
        parent, identifier = self.find(parts[:-1]), uuid.uuid4().hex
        self.node(identifier).mkdir(parents=True)
        self._describe(identifier, {"type": "folder", "name": parts[-1], "parent": parent})
        self._link(parent, parts[-1], identifier)

    def move(self, parts: list[str], to: list[str]) -> None:
        identifier, parent = self.find(parts), self.find(to[:-1])
        link = self.node(self.find(parts[:-1])) / parts[-1]
        self._describe(identifier, {**self.describe(identifier), "name": to[-1], "parent": parent})
        self._link(parent, to[-1], identifier)
        link.unlink()

    def delete(self, parts: list[str]) -> None:
        """Into the trash: the name goes, node and blob stay."""
        identifier = self.find(parts)
        trash = self.folder / "trash"
        trash.mkdir(exist_ok=True)
        (trash / identifier).symlink_to(os.path.relpath(self.node(identifier), trash))
        (self.node(self.find(parts[:-1])) / parts[-1]).unlink()


def inconsistencies(root: pathlib.Path) -> Iterator[str]:
    """What `ocis backup consistency` complains of: links without nodes, nodes without links or metadata, blobs without either."""
    for folder in sorted((root / "spaces").glob("*/*")):
        space = Space(root, folder.parent.name + folder.name)
        linked = {link.resolve() for link in folder.rglob("*") if link.is_symlink()} | {
            space.node(space.identifier).resolve()
        }
        for node in sorted(linked):
            if not node.exists():
                yield f"missing node: {node}"
            elif not node.with_suffix(".mpk").exists():
                yield f"missing metadata: {node}"
        blobs = {path for path in (folder / "blobs").rglob("*") if path.is_file()}
        for path in sorted((folder / "nodes").rglob("*.mpk")):
            metadata = json.loads(path.read_text())
            if path.with_suffix("").resolve() not in linked:
                yield f"orphaned node: {path.with_suffix('')}"
            if "blob" in metadata:
                blob = space.blob(metadata["blob"])
                if blob not in blobs:
                    yield f"missing blob: {blob}"
                elif blob.stat().st_size != metadata["size"]:
                    yield f"blob of another size: {blob}"
                blobs.discard(blob)
        yield from (f"orphaned blob: {blob}" for blob in sorted(blobs))
