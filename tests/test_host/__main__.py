"""Throwaway hosts for trying and testing the collection: python3 tests/test_host --help.

TEST_HOST_PREFIX in the environment goes before every name, so that what a run of ./check boots never is what a person
booted under the same name; `down --all` then means the hosts with that prefix.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import sys

import host
import outer_podman


def main() -> int:
    options = _parse()
    if os.geteuid() != 0:
        _become_root()
    host.HOSTS.mkdir(parents=True, exist_ok=True)
    # Creating and removing exclude each other within a checkout; shells and reboots do not wait for them.
    with open(host.HOSTS / ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        outer_podman.prepare()
        if options.verb == "up":
            facts = host.up(options.name, options.images)
            print(json.dumps(facts))
        elif options.verb == "down":
            prefix = os.environ.get("TEST_HOST_PREFIX", "")
            for name in host.names() if options.all else [options.name]:
                if name.startswith(prefix):
                    host.down(name)
            if options.all and not host.names():
                outer_podman.remove_everything()
    if options.verb == "restart":
        host.restart(options.name)
    elif options.verb == "shell":
        return host.shell(options.name, options.argv)
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/test_host", description=str(__doc__).partition("\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    up = verbs.add_parser("up", help="boot the host, building what is missing; prints how to reach it as JSON")
    up.add_argument("name")
    up.add_argument("--images", choices=("standin", "real", "none"), help="where images come from (default: standin)")
    down = verbs.add_parser("down", help="remove the host and its files")
    which = down.add_mutually_exclusive_group(required=True)
    which.add_argument("name", nargs="?")
    which.add_argument("--all", action="store_true", help="every host of this checkout; with the last one goes what they share")
    shell = verbs.add_parser("shell", help="a root shell in the host, or one command")
    shell.add_argument("name")
    shell.add_argument("argv", nargs="*", metavar="-- argv")
    restart = verbs.add_parser("restart", help="reboot the host")
    restart.add_argument("name")
    options = parser.parse_args()
    if options.name:
        options.name = os.environ.get("TEST_HOST_PREFIX", "") + options.name
    return options


def _become_root() -> None:
    kept = "--preserve-env=XDG_CACHE_HOME,HOME,PATH,TEST_HOST_PREFIX"
    try:
        os.execvp("sudo", ["sudo", kept, sys.executable, *sys.argv])
    except FileNotFoundError:
        sys.exit("Throwaway hosts need root: run this as root, or install sudo.")


if __name__ == "__main__":
    sys.exit(main())
