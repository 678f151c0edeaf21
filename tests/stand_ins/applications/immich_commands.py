"""The commands immich-healthcheck and immich-admin of the Immich server's image."""

from __future__ import annotations

import json
import os
import sys
import urllib.request

HELP = "usage: immich-admin list-users | version | enable-maintenance-mode | disable-maintenance-mode"


def healthcheck() -> int:
    """0 when the API of this container answers its ping within two seconds."""
    port = os.environ.get("IMMICH_PORT", "2283")
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/server/ping", timeout=2) as answer:
            return 0 if json.load(answer) == {"res": "pong"} else 1
    except (OSError, ValueError) as problem:
        print(problem, file=sys.stderr)
        return 1


def admin(command: str) -> int:
    # The health check runs every few seconds and needs no database.
    import immich
    import immich_schema
    import immich_store

    version = os.environ["STAND_IN_VERSION"]
    database = immich_store.Database(immich.conninfo(), immich_schema.names(immich_schema.parse_version(version)))
    if command == "list-users":
        for row in database.query('SELECT "id", "email", "name", "isAdmin" FROM "{user}" ORDER BY "createdAt"'):
            print(*row)
    elif command == "version":
        print(version)
    elif command in ("enable-maintenance-mode", "disable-maintenance-mode"):
        value = json.dumps({"isMaintenanceMode": command.startswith("enable")})
        database.query(
            """INSERT INTO "system_metadata" VALUES ('maintenance-mode', %s) ON CONFLICT ("key") DO UPDATE SET "value" = EXCLUDED."value" """,
            value,
        )
    else:
        print(HELP, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(healthcheck() if sys.argv[1] == "healthcheck" else admin(sys.argv[2] if len(sys.argv) > 2 else ""))
