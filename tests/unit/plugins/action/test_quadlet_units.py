# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a rendered text holds a secret. Looking for the bare value alone fails all but the first."""

from __future__ import annotations

import base64
import json
import shlex

import jinja2
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


FILTERS = {
    "bare": "{{ secret }}",
    "e": "{{ secret | e }}",
    "tojson": "{{ secret | tojson }}",
    "urlencode": "{{ secret | urlencode }}",
    "urlencode in a query": "{{ {'password': secret} | urlencode }}",
    "quote": "{{ secret | quote }}",
    "to_json": "{{ secret | to_json }}",
    "b64encode": "{{ secret | b64encode }}",
}


@pytest.mark.parametrize("template", FILTERS.values(), ids=FILTERS)
@pytest.mark.parametrize("secret", ["correct horse/battery", 'it\'s <b> & "c"', "a+b/c=~d", "p\\ass", "gr\u00fcn"])
def test_a_secret_is_found_whatever_filter_writes_it(secret, template):
    environment = jinja2.Environment()
    environment.filters.update(quote=shlex.quote, to_json=json.dumps, b64encode=b64encode)
    text = environment.from_string(f"password = {template}\n").render(secret=secret)
    assert any(form in text for form in quadlet_units._forms(secret))


def b64encode(text):
    return base64.b64encode(text.encode()).decode()


def test_lines_that_are_commonplace_hide_nothing():
    assert not any(form in "a: 1\nb: 2\n" for form in quadlet_units._forms("a: 1\nsomething secret\n"))
