"""Stand-in for the Immich server: its settings and its start."""

from __future__ import annotations

import os
import pathlib
import socket
import sys
import time
from collections.abc import Callable

import immich_schema as schema
import immich_store as store
import psycopg
import web
from immich_api import Immich

PORT = 2283


def setting(name: str, default: str = "") -> str:
    """A variable, the file that NAME_FILE names, or the systemd credential of that name."""
    file = os.environ.get(f"{name}_FILE")
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if not file and credentials and (pathlib.Path(credentials) / name).is_file():
        file = f"{credentials}/{name}"
    return pathlib.Path(file).read_text().strip() if file else os.environ.get(name, default)


def conninfo() -> str:
    parts = {
        "host": ("DB_HOSTNAME", "database"),
        "port": ("DB_PORT", "5432"),
        "user": ("DB_USERNAME", "postgres"),
        "password": ("DB_PASSWORD", "postgres"),
        "dbname": ("DB_DATABASE_NAME", "immich"),
    }
    return setting("DB_URL") or psycopg.conninfo.make_conninfo(
        **{name: setting(*source) for name, source in parts.items()}
    )


def wait_for(name: str, probe: Callable[[], object], seconds: int = 30) -> None:
    """As the real server: tries again for a while, then ends, and the unit's restart tries again."""
    for _second in range(seconds):
        try:
            probe()
            return
        except (OSError, psycopg.OperationalError) as problem:
            web.log(f"{name} is not reachable: {str(problem).strip()}")
            time.sleep(1)
    raise schema.Refused(f"{name} was not reachable within {seconds} seconds")


def ask_valkey() -> None:
    with socket.create_connection(
        (setting("REDIS_HOSTNAME", "redis"), int(setting("REDIS_PORT", "6379"))), timeout=2
    ) as connection:
        password = setting("REDIS_PASSWORD")
        connection.sendall((f"AUTH {password}\r\n" if password else "").encode() + b"PING\r\n")
        if not connection.recv(64).startswith((b"+PONG", b"+OK")):
            raise OSError("it refuses PING")


def prepare(version_text: str, faults: web.Faults) -> Immich:
    """All that happens before the port is opened."""
    version = schema.parse_version(version_text)

    def after_migration(migration: schema.Migration) -> None:
        time.sleep(float(str(faults.get("migration_seconds", 0))))
        if faults.get("migration_fails"):
            raise schema.Refused(f"the migration after {migration.name} failed, as this stand-in was told to")

    database = store.Database(conninfo(), schema.names(version))
    wait_for("PostgreSQL", lambda: database.query("SELECT 1"))
    wait_for("Valkey", ask_valkey)
    if os.environ.get("DB_SKIP_MIGRATIONS") != "true":
        executed = store.migrate(
            database, version, version_text, os.environ.get("DB_VECTOR_EXTENSION"), after_migration
        )
        web.log(f"migrations executed: {', '.join(executed) or 'none were pending'}")
    media = store.media_location(version)
    for problem in store.check_folders(database, media, os.environ.get("IMMICH_IGNORE_MOUNT_CHECK_ERRORS") == "true"):
        web.log(f"warning: {problem}")
    if faults.get("assets_lost"):
        database.query('UPDATE "{asset}" SET "deletedAt" = now() WHERE "deletedAt" IS NULL')
    return Immich(database, media, version_text, faults)


def main() -> None:
    version = os.environ["STAND_IN_VERSION"]
    faults = web.Faults(version)
    web.start("Immich", faults)
    try:
        immich = prepare(version, faults)
    except (schema.Refused, psycopg.Error, OSError) as problem:
        sys.exit(f"Immich (stand-in) does not start: {problem}")
    port = int(os.environ.get("IMMICH_PORT", PORT))
    web.log(f"Immich Server (stand-in) is listening on port {port} [{version}]")
    web.Server(port, immich.answer, faults).serve_forever()


if __name__ == "__main__":
    main()
