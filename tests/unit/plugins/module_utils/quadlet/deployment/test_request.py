# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task may ask for. Every refusal comes before anything is looked at, and names what is wrong."""

from __future__ import annotations

import json

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.errors import HomelabError
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.deployment.request import read_request

HOME = "/home/photos"
UNITS = f"{HOME}/.config/containers/systemd"


def parameters(**changed):
    given = {
        "name": "toy",
        "state": "started",
        "units": ["units/toy.container.j2"],
        "files": [{"src": "toy.conf.j2", "dest": "config/toy.conf", "mode": "0600", "restart": ["toy.container"]}],
        "secrets": {"toy-password": "correct horse"},
        "pull": "missing",
        "wait": True,
        "timeout": 300,
        **changed,
    }
    rendered = {
        kind: [{"content": f"{kind} {number}\n", "hidden": kind == "files"} for number, _one in enumerate(given[kind])]
        for kind in ("units", "files")
    }
    return {"rendered": json.dumps(rendered), **given}


def request(**changed):
    return read_request(parameters(**changed), HOME, UNITS)


def refusal(**changed):
    with pytest.raises(HomelabError) as caught:
        request(**changed)
    return caught.value.message


def test_units_go_into_the_sets_directory_and_files_below_the_home():
    asked = request()
    unit, file = asked.units[f"{UNITS}/toy/toy.container"], asked.files[f"{HOME}/config/toy.conf"]
    assert (unit.content, unit.mode, unit.hidden) == (b"units 0\n", None, False)
    assert (file.content, file.mode, file.hidden, file.restart) == (b"files 0\n", 0o600, True, ("toy.container",))
    assert asked.record == f"{UNITS}/toy/.homelab-set.json"


def test_absent_asks_for_nothing_and_reads_no_template():
    asked = request(state="absent", rendered=None)
    assert asked.everything == {}
    assert asked.secrets == {}, "secrets are not written for a set that goes"


@pytest.mark.parametrize("name", ["", ".hidden", "../elsewhere", "a/b", "drop.d", "-option"])
def test_a_set_cannot_be_called(name):
    assert "cannot be the name of a set" in refusal(name=name)


@pytest.mark.parametrize("template", ["toy.service.j2", "toy.j2", ".toy.container", "toy.conf", "-toy.container"])
def test_a_template_that_is_no_units(template):
    assert "is not the name of a Quadlet unit" in refusal(units=[template], files=[])


@pytest.mark.parametrize("mode", ["rw", "09", "600 ", "7", "777777"])
def test_a_mode_that_is_none(mode):
    assert "is not an octal mode" in refusal(files=[{"src": "x", "dest": "x", "mode": mode, "restart": []}])


def test_a_secret_needs_a_name_and_a_text_and_its_value_is_not_said():
    assert "cannot be the name of a Podman secret" in refusal(secrets={"--all": "x"})
    assert refusal(secrets={"key": ""}).startswith("The secret key has no value")
    assert refusal(secrets={"key": None}).startswith("The secret key has no value")
    assert "4711" not in refusal(secrets={"key": 4711})


def test_what_cannot_be_meant():
    assert "has no units" in refusal(units=[], files=[])
    assert "asked for twice" in refusal(units=["a/toy.container", "b/toy.container"])
    assert "asked for twice" in refusal(
        files=[{"src": "x", "dest": f"{UNITS}/toy/toy.container", "mode": None, "restart": []}]
    )
    assert "not a unit of this set" in refusal(
        files=[{"src": "x", "dest": "x", "mode": None, "restart": ["other.container"]}]
    )
    assert "were not rendered" in refusal(rendered=None)
