#!/bin/sh
# Makes the cluster once, from POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB (each also as NAME_FILE) and POSTGRES_INITDB_ARGS,
# and then is PostgreSQL.
set -eu

case "${1-}" in
    '' | -*) set -- postgres "$@" ;;
esac
[ "$1" = postgres ] || exec "$@"

if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA"
    find "$PGDATA" \! -user 999 -exec chown 999:999 '{}' +
    exec chroot --userspec=999:999 --skip-chdir / "$0" "$@"
fi

# setting NAME DEFAULT: the value of NAME, or the content of the file that NAME_FILE names.
setting() {
    eval "value=\${$1-} file=\${$1_FILE-}"
    if [ -n "$file" ]; then
        [ -z "$value" ] || { echo "both $1 and $1_FILE are set: only one of them may be" >&2; exit 1; }
        value=$(cat "$file")
    fi
    printf '%s' "${value:-$2}"
}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    user=$(setting POSTGRES_USER postgres)
    database=$(setting POSTGRES_DB "$user")
    password=$(setting POSTGRES_PASSWORD '')
    [ -n "$password" ] || { echo "the database is not initialized and POSTGRES_PASSWORD is not set" >&2; exit 1; }
    mkdir -p "$PGDATA"
    chmod 700 "$PGDATA"
    umask 077
    printf '%s\n' "$password" >/tmp/password
    # POSTGRES_INITDB_ARGS is a list of words.
    # shellcheck disable=SC2086
    initdb --pgdata "$PGDATA" --username "$user" --pwfile /tmp/password --auth-host scram-sha-256 --auth-local trust \
        --locale C.UTF-8 --encoding UTF8 ${POSTGRES_INITDB_ARGS-}
    rm /tmp/password
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
    if [ "$database" != postgres ]; then
        printf 'CREATE DATABASE "%s"\n' "$database" | postgres --single -D "$PGDATA" -j postgres >/dev/null
    fi
fi

exec "$@" -c listen_addresses='*'
