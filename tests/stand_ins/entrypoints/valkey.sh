#!/bin/sh
# As the published image: flags alone are flags of valkey-server, and root becomes the account 999.
set -eu
case "${1-}" in
    -* | *.conf) set -- valkey-server "$@" ;;
esac
if [ "$1" = valkey-server ]; then
    # The published binary is built without protected mode, Debian's with it.
    set -- "$@" --protected-mode no
    if [ "$(id -u)" = 0 ]; then
        find . \! -user 999 -exec chown 999:999 '{}' +
        exec chroot --userspec=999:999 --skip-chdir / "$@"
    fi
fi
exec "$@"
