"""The stand-in's database schema through Immich's history: table names, migrations, and the upgrade paths that are refused.

Names of tables and columns are Immich's, with few columns; names of migrations are the stand-in's own. Until 1.136 TypeORM's table
``migrations`` records what was executed, from 1.137 on Kysely's ``kysely_migrations``, and the tables have their names in the singular.
"""

from __future__ import annotations

import dataclasses

Version = tuple[int, ...]

KYSELY_SINCE: Version = (1, 137, 0)
BRIDGE = "StandInBridge1744900000000"  # the last one of 1.132.3, which every older installation has to pass through

OLD_NAMES = {
    "asset": "assets",
    "user": "users",
    "album": "albums",
    "album_asset": "albums_assets_assets",
    "albumId": "albumsId",
    "assetId": "assetsId",
    "exif": "exif",
    "library": "libraries",
    "api_key": "api_keys",
    "session": "sessions",
}
NEW_NAMES = {name: name for name in OLD_NAMES} | {"exif": "asset_exif"}


class Refused(Exception):
    """Why the server does not start on this database."""


@dataclasses.dataclass(frozen=True)
class Migration:
    name: str
    since: Version
    sql: str


BASELINE = """
CREATE TABLE "{user}" (
    "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(), "email" text NOT NULL UNIQUE, "password" text NOT NULL, "name" text NOT NULL DEFAULT '',
    "isAdmin" boolean NOT NULL DEFAULT false, "createdAt" timestamptz NOT NULL DEFAULT now(), "deletedAt" timestamptz);
CREATE TABLE "{library}" (
    "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(), "name" text NOT NULL, "ownerId" uuid NOT NULL REFERENCES "{user}" ("id"),
    "importPaths" text[] NOT NULL, "exclusionPatterns" text[] NOT NULL DEFAULT '{{}}', "createdAt" timestamptz NOT NULL DEFAULT now(),
    "refreshedAt" timestamptz, "deletedAt" timestamptz);
CREATE TABLE "{asset}" (
    "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(), "ownerId" uuid NOT NULL REFERENCES "{user}" ("id"),
    "libraryId" uuid REFERENCES "{library}" ("id"), "type" text NOT NULL, "originalPath" text NOT NULL, "originalFileName" text NOT NULL,
    "checksum" bytea NOT NULL, "fileCreatedAt" timestamptz NOT NULL DEFAULT now(), "createdAt" timestamptz NOT NULL DEFAULT now(),
    "isExternal" boolean NOT NULL DEFAULT false, "isOffline" boolean NOT NULL DEFAULT false, "isFavorite" boolean NOT NULL DEFAULT false,
    "status" text NOT NULL DEFAULT 'active', "deletedAt" timestamptz);
CREATE UNIQUE INDEX "UQ_assets_owner_library_checksum" ON "{asset}" ("ownerId", COALESCE("libraryId"::text, ''), "checksum");
CREATE TABLE "{exif}" ("assetId" uuid PRIMARY KEY REFERENCES "{asset}" ("id") ON DELETE CASCADE, "fileSizeInByte" bigint);
CREATE TABLE "smart_search" ("assetId" uuid PRIMARY KEY REFERENCES "{asset}" ("id") ON DELETE CASCADE, "embedding" vector(512) NOT NULL);
CREATE TABLE "{album}" (
    "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(), "ownerId" uuid NOT NULL REFERENCES "{user}" ("id"), "albumName" text NOT NULL,
    "createdAt" timestamptz NOT NULL DEFAULT now(), "deletedAt" timestamptz);
CREATE TABLE "{album_asset}" (
    "{albumId}" uuid NOT NULL REFERENCES "{album}" ("id") ON DELETE CASCADE, "{assetId}" uuid NOT NULL REFERENCES "{asset}" ("id") ON DELETE CASCADE,
    PRIMARY KEY ("{albumId}", "{assetId}"));
CREATE TABLE "{api_key}" (
    "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(), "name" text NOT NULL, "key" text NOT NULL, "userId" uuid NOT NULL REFERENCES "{user}" ("id"),
    "permissions" text[] NOT NULL, "createdAt" timestamptz NOT NULL DEFAULT now(), "updatedAt" timestamptz NOT NULL DEFAULT now());
CREATE TABLE "{session}" (
    "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(), "token" text NOT NULL, "userId" uuid NOT NULL REFERENCES "{user}" ("id"),
    "createdAt" timestamptz NOT NULL DEFAULT now());
CREATE TABLE "system_metadata" ("key" text PRIMARY KEY, "value" jsonb NOT NULL);
CREATE TABLE "version_history" ("id" uuid PRIMARY KEY DEFAULT gen_random_uuid(), "createdAt" timestamptz NOT NULL DEFAULT now(), "version" text NOT NULL);
"""

RENAMES = """
ALTER TABLE "albums_assets_assets" RENAME COLUMN "albumsId" TO "albumId";
ALTER TABLE "albums_assets_assets" RENAME COLUMN "assetsId" TO "assetId";
ALTER TABLE "assets" RENAME TO "asset";
ALTER TABLE "users" RENAME TO "user";
ALTER TABLE "albums" RENAME TO "album";
ALTER TABLE "albums_assets_assets" RENAME TO "album_asset";
ALTER TABLE "exif" RENAME TO "asset_exif";
ALTER TABLE "libraries" RENAME TO "library";
ALTER TABLE "api_keys" RENAME TO "api_key";
ALTER TABLE "sessions" RENAME TO "session";
"""

TYPEORM = [
    Migration("StandInBaseline1690000000000", (1, 0, 0), BASELINE.format_map(OLD_NAMES)),
    Migration(
        BRIDGE, (1, 132, 3), """ALTER TABLE "assets" ADD COLUMN "visibility" text NOT NULL DEFAULT 'timeline';"""
    ),
]

# The first one is BASELINE on an empty database and RENAMES on one that TypeORM made.
KYSELY = [
    Migration("1750000000000-StandInInitial", KYSELY_SINCE, ""),
    Migration(
        "1757000000000-StandInAssetFile",
        (2, 0, 0),
        """CREATE TABLE "asset_file" (
    "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(), "assetId" uuid REFERENCES "asset" ("id") ON DELETE CASCADE,
    "type" text, "path" text);""",
    ),
    Migration(
        "1761000000000-StandInWidth",
        (2, 3, 0),
        'ALTER TABLE "asset" ADD COLUMN "width" integer, ADD COLUMN "height" integer;',
    ),
    Migration(
        "1767000000000-StandInIsEdited",
        (2, 5, 0),
        """ALTER TABLE "asset" ADD COLUMN "isEdited" boolean NOT NULL DEFAULT false;""",
    ),
    Migration(
        "1768000000000-StandInAlbumOrder",
        (2, 5, 0),
        """ALTER TABLE "album" ADD COLUMN "order" text NOT NULL DEFAULT 'desc';""",
    ),
    Migration("1782000000000-StandInStatus", (3, 0, 0), """ALTER TABLE "asset" DROP COLUMN "status";"""),
    Migration(
        "1783000000000-StandInRole", (3, 0, 0), """ALTER TABLE "user" ADD COLUMN "role" text NOT NULL DEFAULT 'user';"""
    ),
]


def parse_version(text: str) -> Version:
    return tuple(int(part) for part in text.removeprefix("v").split("."))


def names(version: Version) -> dict[str, str]:
    return NEW_NAMES if version >= KYSELY_SINCE else OLD_NAMES


def plan(version: Version, typeorm: list[str], kysely: list[str]) -> list[Migration]:
    """What this version has to execute, given what was executed already, oldest first; refuses what the real server refuses."""
    uses_kysely = version >= KYSELY_SINCE
    if uses_kysely and typeorm and not kysely and typeorm[-1] != BRIDGE:
        raise Refused(
            "Invalid upgrade path: this database was last used by a version before 1.132.3. Start v1.132.3 on it once, then this one. "
            "See https://docs.immich.app/errors/#typeorm-upgrade"
        )
    known = [migration for migration in (KYSELY if uses_kysely else TYPEORM) if migration.since <= version]
    executed = kysely if uses_kysely else typeorm + kysely
    for name in executed:
        if name not in [migration.name for migration in known]:
            raise Refused(f"corrupted migrations: previously executed migration {name} is missing")
    pending = [migration for migration in known if migration.name not in executed]
    if pending and pending[0] is KYSELY[0]:
        first = dataclasses.replace(pending[0], sql=RENAMES if typeorm else BASELINE.format_map(NEW_NAMES))
        pending = [first, *pending[1:]]
    return pending


def vector_extension(version: Version, wanted: str | None) -> str:
    """The extension that this version uses, by DB_VECTOR_EXTENSION; before 1.133 pgvector takes the place of pgvecto.rs."""
    if wanted == "pgvecto.rs" and version >= (3,):
        raise Refused("DB_VECTOR_EXTENSION=pgvecto.rs is no longer supported: use VectorChord")
    return "vector" if wanted in ("pgvector", "pgvecto.rs") or version < (1, 133) else "vchord"


def check_vectorchord(version: Version, installed: str) -> None:
    limit = (2,) if version >= (3,) else (0, 6)
    if not (0, 3) <= parse_version(installed) < limit:
        raise Refused(
            f"VectorChord {installed} is not supported: this version needs >=0.3 <{'.'.join(map(str, limit))}"
        )
