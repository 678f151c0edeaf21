# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running another program: its output, its own words where it fails, and an end to waiting for it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .errors import HomelabError, reason


class Answer(NamedTuple):
    """What a program that has ended said."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The program's own words on why it failed: its last lines on standard error, in one."""
        lines = [line.strip() for line in self.err.splitlines() if line.strip()]
        return " ".join(lines[-3:]) or f"it ended with status {self.code} and said nothing"


def run(argv: Sequence[str], stdin: str = "", timeout: float = 60, environment: Mapping[str, str] | None = None) -> Answer:
    """Run the program to its end. Its messages are English, so that they can be read and compared."""
    try:
        # AnsibleModule.run_command has no time-out, and code that runs as another account has no AnsibleModule.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            argv,
            input=stdin.encode("utf-8", "surrogateescape"),
            capture_output=True,
            timeout=timeout,
            env={**os.environ, **(environment or {}), "LC_ALL": "C"},
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise HomelabError(f"{' '.join(argv[:3])} gave no answer within {timeout:g} seconds. See what keeps the host busy, then run the task again.") from exc
    except FileNotFoundError as exc:
        raise HomelabError(f"{argv[0]} is not installed on this host. Install it, then run the task again.") from exc
    except OSError as exc:
        raise HomelabError(f"Cannot run {argv[0]}: {reason(exc)}.") from exc
    return Answer(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))


def output(doing: str, argv: Sequence[str], stdin: str = "", timeout: float = 60) -> str:
    """What the program writes. Where it fails, the error says what was being done and the program's own words."""
    answer = run(argv, stdin, timeout)
    if answer.code:
        raise HomelabError(f"Cannot {doing}: {answer.complaint}")
    return answer.out
