# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a rendered text holds a secret. Looking for the bare value alone fails all but the first."""

from __future__ import annotations

import json

import pytest
from ansible_collections.patriark.homelab.plugins.action import quadlet_units

KEY = "-----BEGIN KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ\n-----END KEY-----\n"


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        ("correct horse", "password = correct horse\n"),
        ('a"b\\c', json.dumps({"password": 'a"b\\c'})),
        ("it's", "password: 'it''s'\n"),
        ("correct horse", "postgresql://photos:correct%20horse@database/photos"),
        ("correct horse", "password: Y29ycmVjdCBob3JzZQ==\n"),
        (KEY, "key: |\n  " + KEY.replace("\n", "\n  ")),
    ],
)
def test_a_secret_is_found_however_it_is_written(secret, text):
    assert any(form in text for form in quadlet_units._forms(secret))


def test_lines_that_are_commonplace_hide_nothing():
    assert not any(form in "a: 1\nb: 2\n" for form in quadlet_units._forms("a: 1\nsomething secret\n"))
