# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one kind of error that this collection raises on purpose."""

from __future__ import annotations


class HomelabError(Exception):
    """A refusal or a failure that a person can act on.

    The message is one sentence or a few: what was being done and to which file, the reason, the remedy.
    ``details`` are further plain values for the task's result, never secrets.
    """

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


def reason(error: OSError) -> str:
    """The operating system's own words for an error, without Python's decoration."""
    return error.strerror or str(error)
