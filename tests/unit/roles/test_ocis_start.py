# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that starts oCIS, run with a program in oCIS's place that notes how it is called.

``ocis init || true; exec ocis server``, as many units have it, fails the tests of a killed first start and of lost configuration.
"""

from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.patriark.homelab.tests.unit.roles.rendering import render

PROGRAM = """#!/bin/sh
echo "$*" >>"$CALLS"
[ "$1" = init ] || exit 0
mkdir -p "$OCIS_CONFIG_DIR"
[ ! -e "$OCIS_CONFIG_DIR/ocis.yaml" ] || exit 1
echo "half of" >"$OCIS_CONFIG_DIR/ocis.yaml"
[ -z "$KILLED" ] || exit 137
echo "secrets of $IDM_ADMIN_PASSWORD" >"$OCIS_CONFIG_DIR/ocis.yaml"
echo "password: $IDM_ADMIN_PASSWORD"
"""


class Host:
    def __init__(self, folder):
        for name in ("bin", "config", "data"):
            (folder / name).mkdir()
        (folder / "password").write_text("tell no one")
        (folder / "bin" / "ocis").write_text(PROGRAM)
        (folder / "bin" / "ocis").chmod(0o755)
        text = render("ocis")["start.sh"].replace("/run/secrets/ocis-admin-password", str(folder / "password"))
        (folder / "start.sh").write_text(text)
        self.folder, self.configuration = folder, folder / "config" / "ocis.yaml"

    def start(self, killed=False):
        places = {"OCIS_CONFIG_DIR": f"{self.folder}/config", "OCIS_BASE_DATA_PATH": f"{self.folder}/data"}
        path = f"{self.folder}/bin:{os.environ['PATH']}"
        more = {"PATH": path, "CALLS": f"{self.folder}/calls", "KILLED": "1" if killed else ""}
        return subprocess.run(
            ["/bin/sh", str(self.folder / "start.sh")],
            env={**places, **more},
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self):
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def test_the_configuration_is_made_once(host):
    assert host.start().returncode == 0
    assert host.start().returncode == 0
    assert host.calls() == ["init", "server", "server"]
    assert host.configuration.read_text() == "secrets of tell no one\n"
    assert sorted(os.listdir(host.folder / "config")) == ["ocis.yaml"]


def test_the_password_is_neither_printed_nor_an_argument(host):
    answer = host.start()
    assert "tell no one" not in answer.stdout + answer.stderr + "".join(host.calls())


def test_nobody_else_reads_the_configuration(host):
    host.start()
    assert host.configuration.stat().st_mode & 0o077 == 0


def test_a_killed_first_start_leaves_no_configuration_and_the_next_makes_it(host):
    assert host.start(killed=True).returncode != 0
    assert not host.configuration.exists()
    assert host.calls() == ["init"]
    assert host.start().returncode == 0
    assert host.configuration.read_text() == "secrets of tell no one\n"


def test_data_without_its_configuration_gets_no_new_one(host):
    (host.folder / "data" / "idm").mkdir()
    answer = host.start()
    assert answer.returncode != 0
    assert "Restore the configuration" in answer.stderr
    assert not host.configuration.exists()
    assert not (host.folder / "calls").exists()


def test_a_configuration_that_is_there_stays_byte_for_byte(host):
    host.configuration.write_text("mine: true\n")
    (host.folder / "data" / "idm").mkdir()
    host.start()
    assert host.calls() == ["server"]
    assert host.configuration.read_text() == "mine: true\n"
