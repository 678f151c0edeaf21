#!/bin/sh
# As the published image: flags alone are flags of traefik.
set -eu
case "${1-}" in
    traefik) ;;
    -* | version | healthcheck) set -- traefik "$@" ;;
esac
exec "$@"
