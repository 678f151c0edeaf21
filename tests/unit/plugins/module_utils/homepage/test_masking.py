# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets in people's files. Showing the file as it is, or hiding the values of keys called key alone, fails here."""

from __future__ import annotations

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.homepage import masking

WIDGET = "- A:\n    - B:\n        widget:\n          type: immich\n"


@pytest.mark.parametrize(
    "line",
    [
        "          key: S3CRET-one",
        "          key: 'S3CRET-one'",
        '          "key": "S3\\u0043RET-one"',
        "          headers: {X-Anything: S3CRET-one}",
        "          headers:\n            Authorization: Bearer S3CRET-one",
        "          password: |\n            S3CRET-one",
        "          url: http://admin:S3CRET-one@immich:2283",
        "          url: http://immich:2283/?apikey=S3CRET-one&a=b",
        "          username: S3CRET-one",
        "          slug: S3CRET-one",
        "          # key: S3CRET-one",
        "          #password=S3CRET-one",
        "        apiToken: S3CRET-one",
        "          key: S3CRET-one\n    - C:\n        description: S3CRET-one once more",
        "          key: &k S3CRET-one\n    - C:\n        description: *k",
        "          # key: {{HOMEPAGE_VAR_KEY}} was S3CRET-one",
        '          key: "{{HOMEPAGE_VAR_KEY}}S3CRET-one"',
        "          # the password S3CRET-one",
        "          url: http://admin:S3/CRET-one@immich:2283",
    ],
)
def test_a_literal_secret_is_not_shown(line):
    text = WIDGET + line + "\n"
    shown, _after = masking.hide(text, text)
    assert "CRET-one" not in shown
    assert "RET-one" not in shown
    assert "(hidden 1)" in shown
    assert shown.startswith(WIDGET)


@pytest.mark.parametrize(
    "line",
    [
        '          key: "{{HOMEPAGE_VAR_KEY}}"',
        "          key: {{HOMEPAGE_FILE_KEY}}",
        "          version: 2",
        "          enableQueue: true",
        "          url: http://immich:2283",
        "          fields: [photos, videos]",
        "        href: https://photos.example.org",
        "        # ping: by name",
        '          headers: {Authorization: "Bearer {{HOMEPAGE_VAR_KEY}}"}',
        "          # key: {{HOMEPAGE_VAR_KEY}}",
    ],
)
def test_what_is_no_secret_is_shown(line):
    text = WIDGET + line + "\n"
    assert masking.hide(text, text) == (text, text)


def test_a_pin_of_zeros_is_not_shown():
    """Fails where a number that counts as false counts as nothing."""
    text = WIDGET + "          pin: 0000\n"
    assert "0000" not in masking.hide(text, text)[0]


def test_a_change_of_a_secret_shows_as_a_change():
    before, after = masking.hide(WIDGET + "          key: first-secret\n", WIDGET + "          key: other-secret\n")
    assert before != after
    assert "secret" not in before + after


def test_secrets_of_a_task_are_known_and_nothing_else_is():
    tile = {
        "href": "https://photos.example.org",
        "siteMonitor": "http://u:pw-one@immich/",
        "widget": {"type": "immich", "version": 2, "key": "literal", "pin": 1234, "headers": {"X": "header"}, "enable": True, "url": "http://i?token=in-url"},
    }
    # The pin is not among them: each 1234 of the whole answer would be hidden, the version of an image included.
    assert masking.literals(tile) == {"u:pw-one", "literal", "header", "in-url"}
    assert masking.literals({"widget": {"type": "immich", "key": "{{HOMEPAGE_VAR_KEY}}", "version": 2}}) == set()
