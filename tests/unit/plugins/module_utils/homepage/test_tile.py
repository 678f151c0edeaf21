# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One task on a file. Writing with ``open(path, "w")`` fails the tests of check mode, of links and of what else stays."""

from __future__ import annotations

import json
import os
import pwd

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.errors import HomelabError
from ansible_collections.patriark.homelab.plugins.module_utils.homepage import tile

BEFORE = b"- Media:\r\n    - Immich:\r\n        ping: immich # f\xfcr alle\r\n        widget: {key: S3CRET-literal}\r\n"
AFTER = BEFORE.replace(b"ping: immich", b"ping: photos")
ME = pwd.getpwuid(os.geteuid()).pw_name


def task(path, check=False, **changes):
    asked = {
        "path": str(path),
        "user": ME,
        "group": "Media",
        "name": "Immich",
        "set": {"ping": "photos"},
        "unset": [],
        "state": "present",
        "position": "last",
        **changes,
    }
    return tile.ensure(asked, check)


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "services.yaml"
    file.write_bytes(BEFORE)
    file.chmod(0o640)
    return file


def test_only_the_asked_for_bytes_change(path):
    result = task(path)
    assert result["changed"]
    assert result["changes"] == [{"what": "set", "path": "ping"}]
    assert path.read_bytes() == AFTER
    assert path.stat().st_mode & 0o7777 == 0o640
    assert os.listdir(path.parent) == ["services.yaml"]


def test_names_that_are_no_utf_8_can_be_told(path):
    """Fails where what Homepage loses is told in the file's own bytes: the answer is refused, after the file was written."""
    path.write_bytes(BEFORE + b"- M\xe9dia:\r\n    - A:\r\n        href: x\r\n    - A:\r\n        href: y\r\n")
    result = task(path)
    assert result["losses"]
    json.dumps(result, ensure_ascii=False).encode("utf-8")
    with pytest.raises(HomelabError) as refused:
        task(path, group=os.fsdecode(b"M\xe9dia"), name="A")
    refused.value.message.encode("utf-8")


def test_a_tile_may_have_a_number_for_a_name(path):
    path.write_bytes(b"- Media:\n    - 1:\n        href: x\n    - Immich:\n        href: y\n")
    task(path, name="New", set={"href": "z"}, position={"after": 1})
    assert path.read_bytes().split(b"\n")[3] == b"    - New:"


def test_a_second_run_changes_nothing(path):
    task(path)
    before = path.stat()
    result = task(path)
    assert not result["changed"]
    assert result["changes"] == []
    assert path.stat().st_ino == before.st_ino


def test_check_mode_says_what_the_run_does_and_writes_nothing(path):
    predicted = task(path, check=True)
    assert path.read_bytes() == BEFORE
    assert predicted == task(path)


def test_the_diff_shows_the_change_and_no_secret(path):
    diff = task(path)["diff"]
    assert "ping: immich" in diff["before"]
    assert "ping: photos" in diff["after"]
    assert "S3CRET" not in str(diff)


def test_a_refusal_names_file_and_line_and_no_secret(path):
    path.write_bytes(BEFORE + b"\tkey: S3CRET-too\r\n")
    with pytest.raises(HomelabError) as caught:
        task(path)
    assert f"{path}, line 5: a tab" in caught.value.message
    assert caught.value.details == {"path": str(path), "line": 5}
    assert "S3CRET" not in caught.value.message
    assert path.read_bytes() == BEFORE + b"\tkey: S3CRET-too\r\n"


def test_a_linked_file_is_changed_where_it_lies(path, tmp_path):
    (tmp_path / "link").symlink_to(path)
    task(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert path.read_bytes() == AFTER


def test_losses_elsewhere_are_reported_with_their_lines_and_stay(path):
    path.write_bytes(BEFORE + b"- Twice: []\n- Twice: []\n- Empty:\n- Inner:\n    - A: x\n    - B: {}\n      C: {}\n")
    losses = [(loss["line"], loss["what"].split(",")[0]) for loss in task(path)["losses"]]
    assert losses == [
        (6, 'the file has "Twice" twice'),
        (7, 'the group "Empty" has no list'),
        (9, 'the tile "A" of the group "Inner" has no keys'),
        (10, 'the group "Inner" has an entry with several keys (B'),
    ]


def test_a_missing_file_is_refused_except_in_check_mode_and_for_an_absent_tile(path):
    path.unlink()
    with pytest.raises(HomelabError, match="there is no file"):
        task(path)
    predicted = task(path, check=True)
    assert predicted["changed"]
    assert "there is no file" in predicted["unchecked"][0]
    assert not task(path, state="absent")["changed"]
    assert not path.exists()


def test_of_an_account_that_is_not_there_no_tile_is_taken_away(path):
    assert not task(path, check=True, user="no-such-account", state="absent")["changed"]


def test_an_account_that_is_not_there_yet_is_no_failure_in_check_mode(path):
    with pytest.raises(HomelabError):
        task(path, user="nobody-of-this-name")
    assert "nobody-of-this-name" in task(path, check=True, user="nobody-of-this-name")["unchecked"][0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"position": "middle"}, "position has to be"),
        ({"position": {"before": "A"}}, "position has to be"),
        ({"group": " "}, "group is empty"),
        ({"name": ""}, "name is empty"),
        ({"set": {"widget": {"fields": []}}, "unset": ["widget.fields"]}, "both name widget.fields"),
    ],
)
def test_what_cannot_be_meant_is_refused(path, changes, words):
    with pytest.raises(HomelabError, match=words):
        task(path, **changes)
    assert path.read_bytes() == BEFORE


def test_a_new_tile_goes_behind_the_one_that_is_named(path):
    path.write_bytes(b"- Media:\n    - A: {a: 1}\n    - B: {b: 1}\n")
    task(path, name="New", position={"after": "A"})
    assert path.read_bytes() == b"- Media:\n    - A: {a: 1}\n    - New:\n        ping: photos\n    - B: {b: 1}\n"
