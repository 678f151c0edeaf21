#!/bin/sh
# PostgreSQL answers, and has met no page whose checksum is wrong.
set -eu
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
pg_isready --quiet --username "$user" --dbname "$database"
failures=$(psql --username "$user" --dbname "$database" --no-align --tuples-only --command 'SELECT COALESCE(SUM(checksum_failures), 0) FROM pg_stat_database')
[ "$failures" = 0 ] || { echo "$failures checksum failures" >&2; exit 1; }
