# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what Podman's generator says, and staging a copy of the search path for it."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils import command
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet import generator

# What Podman 5.4.2 prints, shortened.
OUT = """---toy.service---
[X-Container]
Image=registry.example.org/busybox:1
# Podman leaves comments in place
Secret=toy-password,type=env

[Unit]
Wants=podman-user-wait-network-online.service
After=podman-user-wait-network-online.service
SourcePath=/home/photos/.config/containers/systemd/toy/toy.container
RequiresMountsFor=%t/containers
Requires=toy-network.service
After=toy-network.service

[Service]
ExecStart=podman run --name systemd-%N --network toy --secret toy-password,type=env registry.example.org/busybox:1 sh -c "sleep 1"

---toy-network.service---
[X-Network]
NetworkName=toy

[Unit]
SourcePath=/home/photos/.config/containers/systemd/toy/toy.network

[Service]
ExecStart=podman network create --ignore toy

"""
ERR = """quadlet-generator[12]: Loading source unit file /home/photos/.config/containers/systemd/toy/toy.container
quadlet-generator[12]: Warning: bad.container specifies the image "x" which not a fully qualified image name.
quadlet-generator[12]: converting "bad.container": unsupported key 'Colour' in group 'Container' in /home/photos/bad.container
quadlet-generator[12]: No files parsed from [/etc/containers/systemd/users]
"""


def test_services_are_read_with_what_they_need():
    toy, network = generator.read_answer(OUT, "").services
    assert (toy.name, toy.unit, toy.kind, toy.runs) == ("toy.service", "toy.container", "container", True)
    assert toy.image == "registry.example.org/busybox:1"
    assert toy.secrets == ("toy-password",)
    assert toy.needs == ("toy-network.service",)
    assert toy.after == ("podman-user-wait-network-online.service", "toy-network.service")
    assert toy.made is None
    assert (network.made, network.runs, network.image) == ("toy", False, None)


def test_options_that_the_generator_puts_in_another_order_are_the_same():
    # Compared as text, a unit with ShmSize= and StopTimeout= would restart in every other run.
    one = OUT.replace("--network toy", "--shm-size 64m --stop-timeout 9")
    other = OUT.replace("--network toy", "--stop-timeout 9 --shm-size 64m")
    third = OUT.replace("--network toy", "--stop-timeout 8 --shm-size 64m")
    first, second, changed = (generator.read_answer(text, "").services[0].text for text in (one, other, third))
    assert first == second != changed


def test_a_comment_is_no_change_of_what_systemd_runs():
    changed = OUT.replace("# Podman leaves comments in place\n", "# other words\n; and more\n")
    assert [one.text for one in generator.read_answer(changed, "").services] == [
        one.text for one in generator.read_answer(OUT, "").services
    ]


def test_only_refusals_are_complaints():
    assert generator.read_answer("", ERR).complaints == [
        "converting \"bad.container\": unsupported key 'Colour' in group 'Container' in /home/photos/bad.container"
    ]


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """What lay in the directories that the generator was asked over: by directory and name, the contents."""
    seen = []

    def run(_argv, environment=None):
        places = environment["QUADLET_UNIT_DIRS"].split(":")
        for place in places:
            listing = {}
            for path in sorted(pathlib.Path(place).rglob("*")):
                listing[str(path.relative_to(place))] = path.read_text() if path.is_file() else "a directory"
            seen.append(listing)
        return command.Answer(
            0,
            OUT.replace("/home/photos/.config/containers/systemd/toy", places[-1]),
            f"quadlet-generator[1]: bad line in {places[0]}/x.container\n",
        )

    program = tmp_path / "generator"
    program.write_text("")
    monkeypatch.setattr(generator, "GENERATORS", (str(program),))
    monkeypatch.setattr(command, "run", run)
    return seen


def test_the_stage_holds_the_whole_search_path_with_the_set_as_asked_for(asked, tmp_path):
    theirs, own, stage = tmp_path / "units", tmp_path / "units" / "toy", tmp_path / "stage"
    for directory in (own / "toy.container.d", theirs / "elsewhere", stage):
        directory.mkdir(parents=True)
    (theirs / "x.container").write_text("theirs")
    (theirs / "link.container").symlink_to("x.container")
    (theirs / "pipe").symlink_to("/nowhere")
    (own / "toy.container").write_text("old")
    (own / "gone.container").write_text("gone")
    (own / "toy.container.d" / "10.conf").write_text("a drop-in")
    answer = generator.ask_staged(
        str(stage),
        [str(theirs), str(theirs / "elsewhere"), str(own)],
        str(own),
        {"toy.container": b"new"},
        ["gone.container"],
    )
    assert asked == [
        {
            "x.container": "theirs",
            "link.container": "theirs",
            "pipe": "a directory",
            "toy": "a directory",
            "elsewhere": "a directory",
        },
        {},
        {"toy.container": "new", "toy.container.d": "a directory", "toy.container.d/10.conf": "a drop-in"},
    ]
    assert (answer.services[0].source, answer.services[0].secrets) == (str(own / "toy.container"), ("toy-password",))
    assert [one.source for one in answer.services] == [f"{own}/toy.container", f"{own}/toy.network"], (
        "paths are the real ones again"
    )
    assert answer.complaints == [f"bad line in {theirs}/x.container"]


def test_what_systemd_has_loaded_is_read_without_other_generators_units(tmp_path):
    directory = tmp_path / "systemd" / "generator"
    (directory / "default.target.wants").mkdir(parents=True)
    (directory / "toy.service").write_text(OUT.split("---\n")[1].partition("---")[0])
    (directory / "other.service").write_text("[Service]\nExecStart=true\n")
    (directory / "broken.service").write_text("not a unit")
    (directory / "alias.service").symlink_to("toy.service")
    (directory / "default.target.wants" / "toy.service").symlink_to("../toy.service")
    assert [one.unit for one in generator.loaded(str(tmp_path))] == ["toy.container"]
    assert generator.loaded(str(tmp_path / "missing")) == []
