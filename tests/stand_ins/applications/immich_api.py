"""The API and the web application of the stand-in for Immich, once it listens."""

from __future__ import annotations

import json
import pathlib
import re
import secrets
import shutil
import time
from collections.abc import Callable

import immich_page
import immich_schema as schema
import immich_store as store
import psycopg
import web
import websocket
from immich_assets import Assets
from immich_errors import error
from immich_people import People, User


class Immich:
    def __init__(self, database: store.Database, media: pathlib.Path, version_text: str, faults: web.Faults) -> None:
        self.database, self.media, self.faults = database, media, faults
        self.people, self.assets = People(database), Assets(database, media)
        self.version_text = version_text
        self.version = schema.parse_version(version_text)
        self.modules = immich_page.assets(version_text)
        self.page = immich_page.index(version_text)
        self.routes = [(method, re.compile(path), permission, call) for method, path, permission, call in self.table()]

    def table(self) -> list[tuple[str, str, str | None, Callable[..., web.Answer]]]:
        """Method, path, the permission that a key needs ("admin:..." needs an administrator's), and what answers."""
        people, assets = self.people, self.assets
        routes: list[tuple[str, str, str | None, Callable[..., web.Answer]]] = [
            ("GET", "/api/server/ping", None, lambda request: web.as_json({"res": "pong"})),
            ("GET", "/api/server/version", None, self.show_version),
            ("GET", "/api/server/version-history", None, self.show_history),
            (
                "GET",
                "/api/server/features",
                None,
                lambda request: web.as_json({"smartSearch": True, "trash": True, "passwordLogin": True}),
            ),
            ("GET", "/api/server/config", None, self.show_config),
            (
                "GET",
                "/api/server/media-types",
                None,
                lambda request: web.as_json({"image": [".jpg", ".png"], "video": [".mp4"], "sidecar": [".xmp"]}),
            ),
            (
                "GET",
                "/api/server/about",
                "server.about",
                lambda request, user: web.as_json(
                    {"version": self.version_text, "licensed": False, "repository": "stand-in"}
                ),
            ),
            ("GET", "/api/server/storage", "server.storage", self.show_storage),
            ("GET", "/api/server/statistics", "admin:server.statistics", self.show_statistics),
            ("POST", "/api/auth/admin-sign-up", None, people.sign_up),
            ("POST", "/api/auth/login", None, people.login),
            ("GET", "/api/users/me", "user.read", lambda request, user: web.as_json(user)),
            ("POST", "/api/admin/users", "admin:adminUser.create", people.add_user),
            ("POST", "/api/api-keys", "apiKey.create", people.add_key),
            ("GET", "/api/assets/statistics", "asset.statistics", assets.show_asset_statistics),
            ("POST", "/api/assets", "asset.upload", assets.upload),
            ("GET", "/api/assets/(?P<asset>[0-9a-f-]{36})", "asset.read", assets.show_asset),
            ("GET", "/api/assets/(?P<asset>[0-9a-f-]{36})/(original|thumbnail)", "asset.view", assets.download),
            ("GET", "/api/albums", "album.read", assets.list_albums),
            ("POST", "/api/albums", "album.create", assets.add_album),
            ("GET", "/api/libraries", "admin:library.read", assets.list_libraries),
            ("POST", "/api/libraries", "admin:library.create", assets.add_library),
            ("POST", "/api/libraries/(?P<library>[0-9a-f-]{36})/scan", "admin:library.update", assets.scan),
            ("GET", "/api/socket.io/", None, self.open_socket),
        ]
        if self.version < (1, 118):
            routes += [
                ("GET", "/api/server-info/ping", None, lambda request: web.as_json({"res": "pong"})),
                ("GET", "/api/server-info/version", None, self.show_version),
                ("GET", "/api/server-info/statistics", "admin:server.statistics", self.show_statistics),
            ]
        return routes

    # ---- dispatch

    def answer(self, request: web.Request) -> web.Answer:
        if not request.path.startswith("/api"):
            return self.answer_page(request)
        try:
            return self.answer_api(request)
        except psycopg.Error as problem:
            web.log(f"{request.method} {request.path}: {problem}")
            return error(500, "Internal server error")

    def answer_api(self, request: web.Request) -> web.Answer:
        asked = "GET" if request.method == "HEAD" else request.method
        for method, path, permission, call in self.routes:
            match = path.fullmatch(request.path)
            if match and method == asked:
                if "/server/" not in path.pattern and self.in_maintenance():
                    break
                given = match.groupdict()
                return (
                    call(request, **given)
                    if permission is None
                    else call(request, self.people.authorize(request, permission), **given)
                )
        return error(404, f"Cannot {request.method} {request.path}")

    def answer_page(self, request: web.Request) -> web.Answer:
        if request.method not in ("GET", "HEAD"):
            return error(404, f"Cannot {request.method} {request.path}")
        if request.path == "/.well-known/immich":
            return web.as_json({"api": {"endpoint": "/api"}})
        if request.path == "/_app/version.json":
            return web.cacheable(request, f'{{"version":"{self.version_text}"}}'.encode(), "application/json")
        if request.path in self.present_modules():
            media_type, content = self.modules[request.path]
            return web.cacheable(request, content, media_type, **{"Cache-Control": "public,max-age=31536000,immutable"})
        if request.path != "/maintenance" and self.in_maintenance():
            return web.as_text("", 302, Location="/maintenance")
        return web.as_text(self.page, Cache_Control="no-store")

    def present_modules(self) -> list[str]:
        """All of them, but for as many at the end as the fault ``modules_missing`` says."""
        return list(self.modules)[: len(self.modules) - int(str(self.faults.get("modules_missing", 0)))]

    def in_maintenance(self) -> bool:
        if self.version < (2, 3):
            return False
        try:
            rows = self.database.query("""SELECT "value" FROM "system_metadata" WHERE "key" = 'maintenance-mode'""")
        except psycopg.Error:  # the page is served without a database
            return False
        return bool(rows and rows[0][0].get("isMaintenanceMode"))

    # ---- the server about itself

    def numbers(self) -> dict[str, int]:
        return dict(zip(("major", "minor", "patch"), self.version, strict=True))

    def show_version(self, request: web.Request) -> web.Answer:
        return web.as_json(self.numbers())

    def show_history(self, request: web.Request) -> web.Answer:
        rows = self.database.query(
            'SELECT "id", "createdAt", "version" FROM "version_history" ORDER BY "createdAt" DESC'
        )
        return web.as_json(
            [{"id": str(id_), "createdAt": created.isoformat(), "version": version} for id_, created, version in rows]
        )

    def show_config(self, request: web.Request) -> web.Answer:
        config = {
            "loginPageMessage": "stand-in",
            "trashDays": 30,
            "isInitialized": bool(self.database.value('SELECT EXISTS (SELECT 1 FROM "{user}" WHERE "isAdmin")')),
            "externalDomain": "",
        }
        return web.as_json({**config, "maintenanceMode": self.in_maintenance()} if self.version >= (2, 3) else config)

    def show_storage(self, request: web.Request, user: User) -> web.Answer:
        disk = shutil.disk_usage(self.media)
        return web.as_json(
            {
                "diskSizeRaw": disk.total,
                "diskUseRaw": disk.used,
                "diskAvailableRaw": disk.free,
                "diskUsagePercentage": round(100 * disk.used / disk.total, 2),
            }
        )

    def show_statistics(self, request: web.Request, user: User) -> web.Answer:
        rows = self.database.query(
            """SELECT u."id", u."name", count(a."id") FILTER (WHERE a."type" = 'IMAGE'),
                   count(a."id") FILTER (WHERE a."type" = 'VIDEO'), COALESCE(sum(e."fileSizeInByte"), 0)
            FROM "{user}" u LEFT JOIN "{asset}" a ON a."ownerId" = u."id" AND a."deletedAt" IS NULL
                 LEFT JOIN "{exif}" e ON e."assetId" = a."id"
            WHERE u."deletedAt" IS NULL GROUP BY u."id" ORDER BY u."createdAt" """
        )
        users = [
            {"userId": str(id_), "userName": name, "photos": photos, "videos": videos, "usage": int(usage)}
            for id_, name, photos, videos, usage in rows
        ]
        totals = {name: sum(user[name] for user in users) for name in ("photos", "videos", "usage")}
        return web.as_json({**totals, "usageByUser": users})

    # ---- websocket

    def open_socket(self, request: web.Request) -> web.Answer:
        """Engine.io 4: an open packet, and over a websocket the namespace's connection and pings, which is what shows it alive."""
        opening = f'0{{"sid":"{secrets.token_hex(10)}","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}}'
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return web.as_text(opening, media_type="text/plain; charset=UTF-8")
        if self.faults.get("websocket_dead"):
            return web.Answer(talk=lambda connection: time.sleep(60))

        def talk(connection: websocket.WebSocket) -> None:
            connection.send(opening)
            while (message := connection.receive()) is not None:
                if message == "2" or message == "2probe":
                    connection.send("3" + message[1:])
                elif message.startswith("40"):
                    connection.send(f'40{{"sid":"{secrets.token_hex(10)}"}}')
                    connection.send(f'42["on_server_version",{json.dumps(self.numbers())}]')

        return web.Answer(talk=talk)
