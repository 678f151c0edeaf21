# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What scalars mean that only look like numbers. float() and int() raise on them, with the file's text in what they say."""

from __future__ import annotations

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.yaml_text import values


@pytest.mark.parametrize("text", ["._e5", "7" * 5000, "-" + "7" * 5000])
def test_what_only_looks_like_a_number_is_a_text(text):
    assert values.resolve(text) == text


def test_numbers_are_numbers():
    assert values.resolve("-7_000") == -7000
    assert values.resolve(".5e1") == 5.0
