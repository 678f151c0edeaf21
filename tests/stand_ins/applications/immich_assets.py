"""Photos, albums and external libraries in the API of the stand-in for Immich."""

from __future__ import annotations

import email.parser
import email.policy
import pathlib
from typing import Any

import immich_store as store
import web
from immich_errors import refuse
from immich_people import User


class Assets:
    def __init__(self, database: store.Database, media: pathlib.Path) -> None:
        self.database, self.media = database, media

    def show_asset_statistics(self, request: web.Request, user: User) -> web.Answer:
        trashed = request.query.get("isTrashed") == "true"
        rows = dict(
            self.database.query(
                'SELECT "type", count(*) FROM "{asset}" WHERE "ownerId" = %s AND ("deletedAt" IS NOT NULL) = %s GROUP BY 1',
                user["id"],
                trashed,
            )
        )
        images, videos = rows.get("IMAGE", 0), rows.get("VIDEO", 0)
        return web.as_json({"images": images, "videos": videos, "total": images + videos})

    def upload(self, request: web.Request, user: User) -> web.Answer:
        head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
        form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + request.body.read_all())
        for part in form.iter_parts():
            name, content = part.get_filename() or "", part.get_payload(decode=True)
            if part.get_param("name", header="Content-Disposition") == "assetData" and isinstance(content, bytes):
                break
        else:
            raise refuse(400, "Field assetData is missing")
        if not store.kind_of(name):
            raise refuse(400, f"Unsupported file type {name}")
        asset, is_new = store.add_upload(self.database, self.media, user["id"], name, content)
        return web.as_json({"id": asset, "status": "created" if is_new else "duplicate"}, 201 if is_new else 200)

    def _asset(self, asset: str, user: User) -> tuple[Any, ...]:
        rows = self.database.query(
            'SELECT "type", "originalPath", "originalFileName", "isOffline", "deletedAt", "libraryId" FROM "{asset}" WHERE "id" = %s AND "ownerId" = %s',
            asset,
            user["id"],
        )
        if not rows:
            raise refuse(400, "Not found or no asset.read access")
        return rows[0]

    def show_asset(self, request: web.Request, user: User, asset: str) -> web.Answer:
        kind, path, name, offline, deleted, library = self._asset(asset, user)
        return web.as_json(
            {
                "id": asset,
                "type": kind,
                "originalPath": path,
                "originalFileName": name,
                "isOffline": offline,
                "isTrashed": deleted is not None,
                "libraryId": library and str(library),
            }
        )

    def download(self, request: web.Request, user: User, asset: str) -> web.Answer:
        path = pathlib.Path(self._asset(asset, user)[1])
        if not path.is_file():
            raise refuse(404, "Not Found")
        headers = {"Cache-Control": "private, max-age=86400, no-transform"}
        return web.Answer(media_type="application/octet-stream", headers=headers, file=path)

    def list_albums(self, request: web.Request, user: User) -> web.Answer:
        rows = self.database.query(
            """SELECT "id", "albumName", (SELECT count(*) FROM "{album_asset}" WHERE "{albumId}" = a."id")
            FROM "{album}" a WHERE "ownerId" = %s AND "deletedAt" IS NULL""",
            user["id"],
        )
        return web.as_json([{"id": str(id_), "albumName": name, "assetCount": count} for id_, name, count in rows])

    def add_album(self, request: web.Request, user: User) -> web.Answer:
        wanted = request.json()
        album = self.database.value(
            'INSERT INTO "{album}" ("ownerId", "albumName") VALUES (%s, %s) RETURNING "id"',
            user["id"],
            wanted["albumName"],
        )
        for asset in wanted.get("assetIds", []):
            self.database.query('INSERT INTO "{album_asset}" ("{albumId}", "{assetId}") VALUES (%s, %s)', album, asset)
        return web.as_json(
            {"id": str(album), "albumName": wanted["albumName"], "assetCount": len(wanted.get("assetIds", []))}, 201
        )

    def list_libraries(self, request: web.Request, user: User) -> web.Answer:
        rows = self.database.query(
            """SELECT "id", "name", "importPaths",
                   (SELECT count(*) FROM "{asset}" WHERE "libraryId" = l."id" AND "deletedAt" IS NULL)
            FROM "{library}" l ORDER BY "createdAt" """
        )
        return web.as_json(
            [
                {"id": str(id_), "name": name, "importPaths": paths, "assetCount": count}
                for id_, name, paths, count in rows
            ]
        )

    def add_library(self, request: web.Request, user: User) -> web.Answer:
        wanted = request.json()
        values = wanted.get("name", "New External Library"), wanted["ownerId"], wanted.get("importPaths", [])
        library = self.database.value(
            'INSERT INTO "{library}" ("name", "ownerId", "importPaths") VALUES (%s, %s, %s) RETURNING "id"', *values
        )
        return web.as_json(
            {"id": str(library), "name": values[0], "ownerId": values[1], "importPaths": values[2], "assetCount": 0},
            201,
        )

    def scan(self, request: web.Request, user: User, library: str) -> web.Answer:
        web.log(f"library {library} scanned: {store.scan_library(self.database, library)}")
        return web.Answer(204)
