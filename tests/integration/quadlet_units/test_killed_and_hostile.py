"""Runs that are killed between two steps, and an account that moves its directories while root works.

A module that decides on restarts by what it has just written never restarts after the kill. One that writes as root, as
ansible.builtin.copy does, is led out of the home by a link; the last test shows that it is.
"""

from __future__ import annotations

import os
import random

import pytest

SEED = int(os.environ.get("CHECK_SEED") or random.SystemRandom().randrange(1 << 32))
STEPS = [
    (when, program, verb)
    for when in ("before", "after")
    for program, verb in (
        ("podman", "secret create"),
        ("systemctl", "stop"),
        ("podman", "network rm"),
        ("systemctl", "daemon-reload"),
        ("systemctl", "reset-failed"),
        ("systemctl", "restart"),
    )
]
CHOSEN = STEPS if os.environ.get("CHECK_SIZE") == "full" else random.Random(SEED).sample(STEPS, 3)
# The account's own PATH begins with this directory. The caller is the module's process.
KILLER = """#!/bin/sh
case "$*" in *"{verb}"*) {run} kill -KILL $PPID; exit 1;; esac
exec /usr/bin/{program} "$@"
"""


@pytest.mark.parametrize(("when", "program", "verb"), CHOSEN, ids=[" ".join(step) for step in CHOSEN])
def test_the_next_run_completes_what_a_killed_one_began(toy, when, program, verb):
    """From one version of everything to another, in which a unit and an unused network leave the set."""
    print(f"CHECK_SEED={SEED}")
    old = {"units": [*toy.arguments["units"], "units/second.container.j2", "units/spare.network.j2"]}
    new = {"secrets": {"toy-password": "another"}, "files": toy.arguments["files"][1:]}
    toy.run(args=old)
    running = toy.container()
    killer = KILLER.format(verb=verb, program=program, run=f'/usr/bin/{program} "$@";' if when == "after" else "")
    toy.host.script(f"cat >/usr/local/bin/{program} <<'END'\n{killer}END\nchmod 755 /usr/local/bin/{program}")
    try:
        killed = toy.run(word="second", read_word="second", args=new)
    finally:
        toy.host.script(f"rm /usr/local/bin/{program}")
    assert "was ended by signal SIGKILL" in killed.error
    toy.run(word="second", read_word="second", args=new)
    assert toy.container() not in ("", running), "it runs what was written"
    assert toy.host.as_account("""podman exec systemd-toy sh -c 'echo "$PASSWORD"'""") == "another\n"
    assert "second" in toy.host.as_account(
        "cat .config/containers/systemd/toy/toy.container containers/config/toy/read.conf"
    )
    assert toy.host.as_account(
        "find .config/containers/systemd/toy containers -type f -printf '%f\\n' | sort"
    ).split() == [".homelab-set.json", "read.conf", "toy.container", "toy.network"]
    assert toy.host.as_account("systemctl --user list-units --all --plain --no-legend 'second*' 'spare*'") == ""
    assert (
        toy.host.as_account("podman network ls --filter name=spare --quiet; ls $XDG_RUNTIME_DIR | grep stage || true")
        == ""
    )
    assert not toy.run(word="second", read_word="second", args=new).changed


# Between two of the task's calls the account's directories become links to root's, and directories again.
SWAPPER = """
import itertools, os
pairs = [("{home}/containers/config", "/srv/outside/config"), ("{home}/.config/containers/systemd/toy", "/srv/outside/toy")]
for place, target in pairs:
    os.symlink(target, place + ".link")
for place, target in itertools.cycle(pairs):
    try:
        os.rename(place, place + ".real"); os.rename(place + ".link", place)
        os.rename(place, place + ".link"); os.rename(place + ".real", place)
    except OSError:
        pass
"""

OUTSIDE = """
rm -rf /srv/outside
mkdir -p /srv/outside/config/toy /srv/outside/toy
cp -r ~photos/containers/config/toy /srv/outside/config
cp ~photos/.config/containers/systemd/toy/toy.* /srv/outside/toy
chown -R root: /srv/outside
chmod -R a+rX,go-w /srv/outside
"""
# The swapper may have been stopped at any moment.
LINKED = """
systemctl --user stop swapper
rm -rf containers/config.real
[ -L containers/config ] || { rm -rf containers/config; ln -s /srv/outside/config containers/config; }
"""


def test_nothing_outside_is_touched_while_the_account_swaps_its_directories_for_links(toy):
    toy.run()
    outside = "find /srv/outside -printf '%p %y %m %u %T@ %C@ %l\\n' | sort; find /srv/outside -type f -exec cat {} +"
    toy.host.script(OUTSIDE)
    before = toy.host.script(outside)
    toy.host.script(f"cat >/tmp/swapper.py <<'END'\n{SWAPPER.format(home=toy.host.home)}END")
    toy.host.as_account("systemd-run --user --unit=swapper --quiet /usr/bin/python3 /tmp/swapper.py")
    try:
        for number in range(12 if os.environ.get("CHECK_SIZE") == "full" else 4):
            outcome = toy.run(word=f"word {number}", args={"wait": False})
            assert not outcome.failed or "Traceback" not in outcome.printed
        # Caught in the act: nothing but the link.
        toy.host.as_account(LINKED)
        assert toy.run(word="linked").failed
    finally:
        toy.host.as_account("systemctl --user stop swapper || true")
    assert toy.host.script(outside) == before
    naive, _printed = toy.host.task(
        "ansible.builtin.copy", content="x", dest=f"{toy.host.home}/containers/config/toy/toy.conf"
    )
    assert naive["changed"]
    assert toy.host.script(outside) != before, "the test can fail: a copy by root is led outside"
    toy.host.script(
        "rm -rf /srv/outside /tmp/swapper.py; cd ~photos; rm -rf containers .config/containers/systemd/toy.*"
    )
