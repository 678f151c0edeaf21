# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Subvolumes on a real Btrfs: what is made, what is refused, what a kill, a full disk and a hostile account leave behind."""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import pwd
import signal
import stat
import subprocess

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.btrfs import kernel, subvolumes
from ansible_collections.patriark.homelab.plugins.module_utils.errors import HomelabError

OWNER = "nobody"
DATABASE = {"path": "database", "owner": "root", "mode": "0700", "nocow": True}
WRITES = [
    (kernel, "create_subvolume"),
    (kernel, "set_flags"),
    (os, "mkdir"),
    (os, "fchown"),
    (os, "fchmod"),
    (os, "write"),
    (os, "link"),
    (os, "fsync"),
]


def immich(pool, **more):
    """A share, and a service's subvolume in it."""
    return [
        {"path": f"{pool}/share", "owner": OWNER, "mode": "2775"},
        {
            "path": f"{pool}/share/immich",
            "owner": OWNER,
            "mode": "0750",
            "marker": "immich",
            "directories": [DATABASE, {"path": "media", "mode": "0750"}],
            **more,
        },
    ]


def ensure(pool, check_mode=False, **more):
    return subvolumes.ensure(pool, immich(pool, **more), check_mode)


def tree(path):
    """Everything below, with owner, mode, flags, kind and content."""
    found = {}
    for place in [pathlib.Path(path), *sorted(pathlib.Path(path).rglob("*"))]:
        status = place.lstat()
        content = place.read_bytes() if place.is_file() else place.is_dir() and status.st_ino == kernel.SUBVOLUME_INODE
        found[str(place)] = (status.st_uid, status.st_gid, oct(status.st_mode), flag(place), content)
    return found


def flag(place):
    if place.is_symlink():
        return None
    descriptor = os.open(place, os.O_RDONLY)
    try:
        return bool(kernel.flags(descriptor) & kernel.NOCOW_FLAG)
    finally:
        os.close(descriptor)


def as_nobody(work):
    """What the work refuses when the account does it, for which it becomes a process of its own."""
    read_end, write_end = os.pipe()
    if os.fork() == 0:
        try:
            os.setgid(pwd.getpwnam(OWNER).pw_gid)
            os.setuid(pwd.getpwnam(OWNER).pw_uid)
            work()
        except HomelabError as error:
            os.write(write_end, error.message.encode())
        finally:
            os._exit(0)
    os.wait()
    os.close(write_end)
    with os.fdopen(read_end) as stream:
        return stream.read()


def in_a_child(work):
    """Do the work in a process of its own; whether a signal ended it."""
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            work()
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def meddle(number, act):
    """Let the act take the place of the number-th write from here on."""
    left = [number]

    def wrap(original):
        def wrapped(*args, **kwargs):
            left[0] -= 1
            if left[0] == 0:
                act()
            return original(*args, **kwargs)

        return wrapped

    for module, name in WRITES:
        setattr(module, name, wrap(getattr(module, name)))


@pytest.fixture
def whole_writes():
    """The functions that a test meddles with, put back at its end."""
    originals = [(module, name, getattr(module, name)) for module, name in WRITES]
    yield
    for module, name, function in originals:
        setattr(module, name, function)


def test_it_is_made_as_described_and_a_second_run_changes_nothing(pool):
    nobody = pwd.getpwnam(OWNER)
    predicted = ensure(pool, check_mode=True)
    assert list(tree(pool)) == [pool]
    done = ensure(pool)
    assert done == predicted
    assert [change["what"] for change in done["changes"]] == ["made"] * 4
    made = tree(pool)
    place = f"{pool}/share/immich"
    assert made[f"{pool}/share"] == (nobody.pw_uid, nobody.pw_gid, oct(stat.S_IFDIR | 0o2775), False, True)
    assert made[place] == (nobody.pw_uid, nobody.pw_gid, oct(stat.S_IFDIR | 0o750), False, True)
    # The group is the subvolume's, the owner the directory's own.
    assert made[f"{place}/database"] == (0, 0, oct(stat.S_IFDIR | 0o700), True, False)
    assert made[f"{place}/media"] == (nobody.pw_uid, nobody.pw_gid, oct(stat.S_IFDIR | 0o750), False, False)
    assert made[f"{place}/.homelab-immich"][:3] == (nobody.pw_uid, nobody.pw_gid, oct(stat.S_IFREG | 0o644))
    for check_mode in (True, False):
        again = ensure(pool, check_mode=check_mode)
        assert (again["changed"], again["changes"], again["diff"]["after"]) == (False, [], "")
    assert tree(pool) == made


def test_what_differs_is_mended_and_data_stays(pool):
    ensure(pool)
    photo = pathlib.Path(pool, "share/immich/media/photo.jpg")
    photo.write_bytes(b"a photo")
    os.chown(photo.parent, 0, 0)
    photo.parent.chmod(0o777)
    predicted = ensure(pool, check_mode=True)
    done = ensure(pool)
    assert done == predicted
    assert [change["what"] for change in done["changes"]] == ["owner", "mode"]
    assert not ensure(pool)["changed"]
    assert photo.read_bytes() == b"a photo"


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        ("mkdir -p share/immich/media && touch share/immich/media/photo.jpg", "plain directory and not a subvolume"),
        (
            "btrfs -q subvolume create share && btrfs -q subvolume create share/immich && ln -s /etc/passwd share/immich/.homelab-immich",
            "holds data but no",
        ),
        (
            "btrfs -q subvolume create share && btrfs -q subvolume create share/immich && touch share/immich/x",
            "holds data but no",
        ),
        ("btrfs -q subvolume create share && ln -s /etc share/immich", "is not followed"),
        ("ln -s /etc share", "is not followed"),
        ("btrfs -q subvolume create share && touch share/immich", "is not followed"),
        ("mkdir share && mount -t tmpfs none share", "another file system than the pool"),
        (
            "make() { btrfs -q subvolume create $1; cd $1; }; make share; make immich; mkdir database; touch .homelab-immich database/PG_VERSION",
            "copied on write",
        ),
    ],
)
def test_what_is_foreign_is_refused_before_the_first_write(pool, prepare, words):
    subprocess.run(["sh", "-euc", prepare], check=True, cwd=pool)
    before = tree(pool)
    for check_mode in (True, False):
        with pytest.raises(HomelabError, match=words):
            ensure(pool, check_mode=check_mode)
    assert tree(pool) == before


def test_nothing_is_made_in_the_directory_of_a_pool_that_is_not_mounted(tmp_path):
    with pytest.raises(HomelabError, match="not mounted"):
        ensure(str(tmp_path))
    assert ensure(str(tmp_path), check_mode=True)["unchecked"]
    assert list(tmp_path.iterdir()) == []


def test_without_root_an_account_makes_what_is_its_own(pool):
    os.chmod(pool, 0o777)
    assert as_nobody(lambda: ensure(pool, directories=[{"path": "media", "mode": "0750"}])) == ""
    assert not ensure(pool, directories=[{"path": "media", "mode": "0750"}])["changed"]


@pytest.mark.parametrize("check_mode", [True, False])
def test_without_root_what_only_root_may_do_is_refused_before_the_first_write(pool, check_mode):
    """Left to the kernel, the refusal comes when half of it is made, and check mode promises what cannot be."""
    before = tree(pool)
    assert "may not write into" in as_nobody(lambda: ensure(pool, check_mode=check_mode))
    os.chmod(pool, 0o777)
    assert "Only root can give" in as_nobody(lambda: ensure(pool, check_mode=check_mode))
    os.chmod(pool, 0o755)
    assert tree(pool) == before


def test_a_pool_that_is_read_only_is_named(pool):
    subprocess.run(["mount", "-o", "remount,ro", pool], check=True)
    with pytest.raises(HomelabError, match="read-only"):
        ensure(pool)


def test_a_kill_before_any_write_leaves_what_the_next_run_goes_on_from(pool, whole_writes):
    """A marker that is made with open() and write() is left empty by a kill in between, and counts as whole ever after."""
    number = 0
    killed = True
    while killed:
        number += 1

        def work(number=number):
            meddle(number, lambda: os.kill(os.getpid(), signal.SIGKILL))
            ensure(pool)

        killed = in_a_child(work)
        marker = pathlib.Path(pool, "share/immich/.homelab-immich")
        assert not marker.exists() or marker.stat().st_size > 0
        ensure(pool)
        assert not ensure(pool)["changed"]
        assert marker.stat().st_size > 0
        for place in ("share/immich", "share"):
            subprocess.run(["btrfs", "-q", "subvolume", "delete", f"{pool}/{place}"], check=True)
    assert number > 15


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_an_error_at_any_write_is_a_sentence_and_the_next_run_goes_on(pool, whole_writes, code):
    number, failed = 0, True

    def fail():
        raise OSError(code, os.strerror(code))

    originals = [(module, name, getattr(module, name)) for module, name in WRITES]
    while failed:
        number += 1
        meddle(number, fail)
        failed = False
        try:
            ensure(pool)
        except HomelabError as error:
            failed = True
            assert os.strerror(code) in error.message
            assert pool in error.message
        for module, name, function in originals:
            setattr(module, name, function)
        ensure(pool)
        assert not ensure(pool)["changed"]
        for place in ("share/immich", "share"):
            subprocess.run(["btrfs", "-q", "subvolume", "delete", f"{pool}/{place}"], check=True)
    assert number > 15


def test_an_account_that_swaps_its_directories_for_links_reaches_nothing_outside(pool):
    """Calls by path, or an open that follows links, give root's directory to the account within a few rounds."""
    outside = pathlib.Path(pool, "outside")
    (outside / "inner").mkdir(parents=True)
    outside.chmod(0o711)
    before = tree(outside)
    ensure(pool)
    share = f"{pool}/share"

    def swap():
        account = pwd.getpwnam(OWNER)
        directory = os.open(f"{share}/immich", os.O_RDONLY)
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
        os.symlink(outside, "link", dir_fd=directory)
        while True:
            kernel.exchange(directory, "media", directory, "link")

    hostile = os.fork()
    if hostile == 0:
        with contextlib.suppress(BaseException):
            swap()
        os._exit(1)
    # A mode that differs each time gives root work each time.
    finished = refused = 0
    try:
        for round_number in range(400):
            mode = "0750" if round_number % 2 else "0700"
            try:
                ensure(pool, directories=[DATABASE, {"path": "media", "mode": mode}])
                finished += 1
            except HomelabError:
                refused += 1
    finally:
        os.kill(hostile, signal.SIGKILL)
        assert os.WIFSIGNALED(os.waitpid(hostile, 0)[1])
    assert tree(outside) == before
    assert finished
    assert refused
