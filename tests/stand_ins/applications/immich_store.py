"""What the stand-in for Immich keeps: rows in PostgreSQL, files under its media location."""

from __future__ import annotations

import contextlib
import hashlib
import mimetypes
import os
import pathlib
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import immich_schema as schema
import psycopg

FOLDERS = ("encoded-video", "library", "upload", "profile", "thumbs", "backups")


class Database:
    """One connection, one statement at a time; a lost connection is opened anew by the next statement."""

    def __init__(self, conninfo: str, names: dict[str, str]) -> None:
        self.conninfo, self.names = conninfo, names
        self.lock = threading.RLock()
        self.connection: psycopg.Connection | None = None

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of a statement in which {asset} and the like stand for the names that this version's tables have."""
        with self.lock:
            cursor = self.connect().execute(sql.format_map(self.names), values or None)
            return cursor.fetchall() if cursor.description else []

    def connect(self) -> psycopg.Connection:
        if self.connection is None or self.connection.closed:
            self.connection = psycopg.connect(self.conninfo, autocommit=True, connect_timeout=5)
        return self.connection

    @contextlib.contextmanager
    def transaction(self) -> Iterator[psycopg.Connection]:
        with self.lock, self.connect().transaction():
            yield self.connect()

    def value(self, sql: str, *values: object) -> object:
        return self.query(sql, *values)[0][0]

    def has_table(self, name: str) -> bool:
        return bool(self.value("SELECT to_regclass(%s) IS NOT NULL", f'public."{name}"'))


def migrate(
    database: Database,
    version: schema.Version,
    version_text: str,
    wanted_extension: str | None,
    after_each: Callable[[schema.Migration], None],
) -> list[str]:
    """Executes what is pending, each migration in a transaction of its own, and returns the names."""
    extension = schema.vector_extension(version, wanted_extension)
    executed = {table: _executed(database, table) for table in ("migrations", "kysely_migrations")}
    pending = schema.plan(version, executed["migrations"], executed["kysely_migrations"])
    database.query(f'CREATE EXTENSION IF NOT EXISTS "{extension}" CASCADE')
    if extension == "vchord":
        schema.check_vectorchord(
            version, str(database.value("SELECT extversion FROM pg_extension WHERE extname = 'vchord'"))
        )
    table = "kysely_migrations" if version >= schema.KYSELY_SINCE else "migrations"
    database.query(
        f'CREATE TABLE IF NOT EXISTS "{table}" ("id" serial, "name" text PRIMARY KEY, "timestamp" timestamptz NOT NULL DEFAULT now())'
    )
    for migration in pending:
        with database.transaction() as connection:
            if migration.sql:
                connection.execute(migration.sql)
            database.query(f'INSERT INTO "{table}" ("name") VALUES (%s)', migration.name)
        after_each(migration)
    number = version_text.removeprefix("v")
    if not database.query('SELECT 1 FROM "version_history" WHERE "version" = %s', number):
        database.query('INSERT INTO "version_history" ("version") VALUES (%s)', number)
    return [migration.name for migration in pending]


def _executed(database: Database, table: str) -> list[str]:
    if not database.has_table(table):
        return []
    return [name for (name,) in database.query(f'SELECT "name" FROM "{table}" ORDER BY "id"')]


def media_location(version: schema.Version) -> pathlib.Path:
    """/data since version 2, unless the older place is still the one that holds the folders."""
    chosen = os.environ.get("IMMICH_MEDIA_LOCATION")
    old = pathlib.Path("/usr/src/app/upload")
    if chosen:
        return pathlib.Path(chosen)
    return (
        old
        if version < (2,) or any((old / folder / ".immich").exists() for folder in FOLDERS)
        else pathlib.Path("/data")
    )


def check_folders(database: Database, media: pathlib.Path, ignore_errors: bool) -> list[str]:
    """Each folder gets a marker at the very first start. A marker that is gone later means that another disk, or none, is mounted."""
    known = database.query("""SELECT "value" FROM "system_metadata" WHERE "key" = 'system-flags'""")
    problems = []
    for folder in FOLDERS:
        marker = media / folder / ".immich"
        if known and not marker.exists():
            problems.append(
                f"Failed to read {marker}: the folder was there at an earlier start. Is the right disk mounted?"
            )
        elif not known:
            marker.parent.mkdir(parents=True, exist_ok=True)
            marker.touch()
    if problems and not ignore_errors:
        raise schema.Refused("\n".join(problems))
    if not known:
        database.query("""INSERT INTO "system_metadata" VALUES ('system-flags', '{{"mountChecks": true}}')""")
    return problems


def kind_of(name: str) -> str | None:
    """IMAGE or VIDEO by the name; None for what Immich would not import."""
    media_type = mimetypes.guess_type(name)[0] or ""
    return {"image": "IMAGE", "video": "VIDEO"}.get(media_type.split("/")[0])


def add_upload(database: Database, media: pathlib.Path, owner: str, name: str, content: bytes) -> tuple[str, bool]:
    """The asset's id and whether it is new. The file is whole under its name before the database knows of it."""
    checksum = hashlib.sha1(content).digest()
    present = database.query(
        'SELECT "id" FROM "{asset}" WHERE "ownerId" = %s AND "checksum" = %s AND "libraryId" IS NULL', owner, checksum
    )
    if present:
        return str(present[0][0]), False
    asset = str(uuid.uuid4())
    path = media / "upload" / owner / asset[:2] / asset[2:4] / f"{asset}{pathlib.PurePath(name).suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    unfinished.rename(path)
    _insert_asset(database, asset, owner, None, path, name, checksum, len(content))
    return asset, True


def _insert_asset(
    database: Database,
    asset: str,
    owner: str,
    library: str | None,
    path: pathlib.Path,
    name: str,
    checksum: bytes,
    size: int,
) -> None:
    database.query(
        'INSERT INTO "{asset}" ("id", "ownerId", "libraryId", "type", "originalPath", "originalFileName", "checksum", "isExternal")'
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        asset,
        owner,
        library,
        kind_of(name) or "IMAGE",
        str(path),
        name,
        checksum,
        library is not None,
    )
    database.query('INSERT INTO "{exif}" VALUES (%s, %s)', asset, size)
    embedding = "[" + ",".join(str(byte / 255) for byte in (checksum * 26)[:512]) + "]"
    database.query('INSERT INTO "smart_search" VALUES (%s, %s)', asset, embedding)


def scan_library(database: Database, library: str) -> dict[str, int]:
    """Imports what is new; what cannot be reached becomes offline and goes to the trash; what is back comes out of it."""
    owner, import_paths = database.query('SELECT "ownerId", "importPaths" FROM "{library}" WHERE "id" = %s', library)[0]
    known = dict(database.query('SELECT "originalPath", "id" FROM "{asset}" WHERE "libraryId" = %s', library))
    found = [
        path
        for folder in import_paths
        for path in sorted(pathlib.Path(folder).rglob("*"))
        if kind_of(path.name) and path.is_file()
    ]
    new = [path for path in found if str(path) not in known]
    for path in new:
        checksum = hashlib.sha1(f"path:{path}".encode()).digest()
        _insert_asset(database, str(uuid.uuid4()), str(owner), library, path, path.name, checksum, path.stat().st_size)
    there = {str(path) for path in found}
    gone = [id_ for path, id_ in known.items() if path not in there]
    back = [id_ for path, id_ in known.items() if path in there]
    database.query(
        'UPDATE "{asset}" SET "isOffline" = true, "deletedAt" = now() WHERE "id" = ANY(%s) AND NOT "isOffline"', gone
    )
    database.query(
        'UPDATE "{asset}" SET "isOffline" = false, "deletedAt" = NULL WHERE "id" = ANY(%s) AND "isOffline"', back
    )
    database.query('UPDATE "{library}" SET "refreshedAt" = now() WHERE "id" = %s', library)
    return {"new": len(new), "offline": len(gone)}
