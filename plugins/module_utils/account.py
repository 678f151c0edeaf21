# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose files and whose Podman are meant, and doing the work as that account.

Root never follows a path that a user controls: all work on an account's files happens in a child process that has
become that account for good. The parent keeps root's identity, so that Ansible can remove its own temporary files.
"""

from __future__ import annotations

import json
import os
import pwd
import signal
import sys
import traceback
from dataclasses import dataclass
from typing import Any, Callable

from .errors import HomelabError, reason

Result = dict[str, Any]


@dataclass(frozen=True)
class Account:
    """One account of the host. ``home`` and ``runtime_dir`` are absolute paths."""

    name: str
    uid: int
    gid: int
    home: str

    @property
    def runtime_dir(self) -> str:
        return f"/run/user/{self.uid}"

    @property
    def environment(self) -> dict[str, str]:
        """What a login session of the account would have, and what Podman and systemctl --user need."""
        return {
            "HOME": self.home,
            "USER": self.name,
            "LOGNAME": self.name,
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
            "LC_ALL": "C.UTF-8",
            "XDG_RUNTIME_DIR": self.runtime_dir,
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={self.runtime_dir}/bus",
        }


def lookup(name: str) -> Account:
    """The account called ``name``; HomelabError where the host does not know it."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError as exc:
        raise HomelabError(f"Cannot work as the account {name}: this host has no such account. Create it, or correct user.") from exc
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)


def exists(name: str) -> bool:
    """Whether the host has an account of this name."""
    try:
        lookup(name)
    except HomelabError:
        return False
    return True


def current() -> Account:
    """The account that this process runs as."""
    uid = os.geteuid()
    try:
        entry = pwd.getpwuid(uid)
    except KeyError as exc:
        raise HomelabError(f"This process runs as the user id {uid}, which this host does not know. Give it an account in /etc/passwd.") from exc
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)


def resolve(user: str | None, scope: str | None = None) -> Account | None:
    """The account whose user scope is meant, or None for the system scope.

    Without ``scope`` it is the user scope when a user is named or the connection is not root's, else the system's.
    """
    root = os.geteuid() == 0
    if scope is None:
        scope = "user" if user or not root else "system"
    if scope == "system":
        if not root:
            raise HomelabError("The system scope needs root, and the connection is not root's. Use become, or scope: user.")
        return None
    return of_user(user)


def of_user(user: str | None) -> Account:
    """The account whose user scope is meant: the named one's, or that of the connection."""
    if os.geteuid() == 0:
        if not user:
            raise HomelabError("Root has no user scope of its own here: name the account whose units are meant in user.")
        return lookup(user)
    me = current()
    if user and user != me.name:
        raise HomelabError(f"The connection is {me.name}'s and cannot work as {user}: connect as {user}, or as root.")
    return me


def _become(account: Account) -> None:
    """Turn this process into the account, for good."""
    if os.geteuid() == 0 and account.uid != 0:
        os.initgroups(account.name, account.gid)
        os.setgid(account.gid)
        os.setuid(account.uid)
    os.environ.clear()
    os.environ.update(account.environment)
    os.umask(0o022)
    # The working directory must be one that the account may enter, or podman fails.
    try:
        os.chdir(account.home)
    except OSError:
        os.chdir("/")


def _answer(account: Account, work: Callable[[], Result]) -> dict[str, Any]:
    try:
        _become(account)
        return {"result": work()}
    except HomelabError as exc:
        return {"error": exc.message, "details": exc.details}
    except OSError as exc:
        what = f"{exc.filename}: {reason(exc)}" if exc.filename else reason(exc)
        return {"error": f"The work as {account.name} stopped: {what}. Mend that, then run the task again.", "details": {}}
    except Exception as exc:
        # A fault of this collection: without this the child would die in silence.
        return {
            "error": f"The work as {account.name} met a fault of this collection: {type(exc).__name__}. Please report it.",
            # Not what it says, which may be out of a file with secrets.
            "details": {"traceback": "".join(traceback.format_tb(exc.__traceback__))},
        }


def run_as(account: Account | None, work: Callable[[], Result]) -> Result:
    """Do ``work`` as the account and return what it returns (JSON values only); None means as this process is.

    Everything that ``work`` needs must be imported already: a module's archive is closed to other accounts.
    Raises HomelabError, also where the child was killed.
    """
    if account is None:
        return work()
    read_end, write_end = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(read_end)
            answer = json.dumps(_answer(account, work)).encode("utf-8", "surrogateescape")
            with os.fdopen(write_end, "wb") as stream:
                stream.write(answer)
            status = 0
        finally:
            os._exit(status)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as stream:
        raw = stream.read()
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        raise HomelabError(f"The work as {account.name} was ended by signal {name}. Run the task again: it goes on from what it finds.")
    if not raw:
        raise HomelabError(f"The work as {account.name} ended without an answer. Run the task again: it goes on from what it finds.")
    answer = json.loads(raw.decode("utf-8", "surrogateescape"))
    if "error" in answer:
        raise HomelabError(answer["error"], **answer["details"])
    result: Result = answer["result"]
    return result
