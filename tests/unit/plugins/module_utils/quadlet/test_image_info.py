# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of units. A look at each unit's own file alone misses the drop-ins, the template and the hidden copy."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.podman import Container
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet import image_info

IMAGE = "registry.example.org/app:1.2.3"


def look(root: Path, files: dict[str, str], *patterns: str, running: bool = False) -> dict[str, Any]:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return image_info.look(None, None, [str(root)], patterns or ("*",), running)


def test_an_instance_with_an_image_of_its_own_does_not_drift(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running = {
        "t@x.service": [Container("x", "t@x.service", IMAGE.replace("1.2.3", "2.0.0"), "1", None, ())],
        "t@y.service": [Container("y", "t@y.service", IMAGE, "2", None, ())],
    }
    monkeypatch.setattr(image_info, "running_containers", lambda: running)
    own = IMAGE.replace("1.2.3", "2.0.0")
    units = {
        "t@.container": f"[Container]\nImage={IMAGE}\n",
        "t@x.container": f"[Container]\nImage={own}\n",
    }
    told = look(tmp_path, units, running=True)
    assert [(one["unit"], one["instances"], one["drift"]) for one in told["units"]] == [
        ("t@.container", ["t@x.service", "t@y.service"], False),
        ("t@x.container", [], False),
    ]
    running["t@y.service"] = running["t@x.service"]
    assert [one["drift"] for one in look(tmp_path, units, running=True)["units"]] == [True, False]


def test_a_unit_with_all_that_has_a_say(tmp_path: Path) -> None:
    unit = (
        f"[Container]\nImage=x:1\nImage={IMAGE}\nEnvironment=PASSWORD=s3cret\nSecret=a\nPull=never\n"
        "Volume=%h/a:/a:ro,Z\nVolume=/b\nNetwork=n.network\n"
    )
    told = look(
        tmp_path,
        {
            "a.container": unit,
            "later/a.container": unit,
            "container.d/5.conf": f"# all\n[Container]\nImage={IMAGE}\nLabel=io.containers.autoupdate=registry\n",
            "n.network": "[Network]\n",
        },
        "a.*",
    )
    (one,) = told["units"]
    assert one["sources"] == [
        {"path": str(tmp_path / "a.container"), "lines": [2, 3]},
        {"path": str(tmp_path / "container.d/5.conf"), "lines": [3]},
    ]
    assert (one["effective_image"], one["class"], one["pull"], one["service"]) == (IMAGE, "exact", "never", "a.service")
    assert one["auto_update"] == {
        "value": "registry",
        "key": "Label",
        "path": str(tmp_path / "container.d/5.conf"),
        "line": 4,
    }
    assert [
        (volume["source"], volume["destination"], volume["options"], volume["line"]) for volume in one["volumes"]
    ] == [
        ("%h/a", "/a", "ro,Z", 7),
        (None, "/b", "", 8),
    ]
    assert one["networks"] == ["n.network"]
    assert one["copies"] == [str(tmp_path / "later/a.container")]
    assert "s3cret" not in str(told)


def test_units_without_a_service_say_why(tmp_path: Path) -> None:
    told = look(
        tmp_path,
        {
            "a.container": "[Container]\n",
            "b.container": "[Container]\nRootfs=/srv\n",
            "sub/c.container": "oops\n",
            "sub/d.container": "[Container]\nImage=x:1\n",
        },
    )
    units = {one["unit"]: one for one in told["units"]}
    assert units["a.container"]["problem"] == "it has neither Image= nor Rootfs="
    assert units["a.container"]["service"] is None
    assert (units["b.container"]["class"], units["b.container"]["effective_image"]) == ("rootfs", None)
    assert "drops the whole directory" in units["d.container"]["problem"]
    assert told["broken_files"] == [
        {
            "path": str(tmp_path / "sub/c.container"),
            "line": 1,
            "reason": "line 1 is not a section, a key with a value, or a comment",
        }
    ]


def test_templates_and_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = {
        "t@x.service": [Container("x", "t@x.service", IMAGE, "1", None, ())],
        "t@y.service": [Container("y", "t@y.service", "registry.example.org/app:1.2.2", "2", None, ())],
        "other.service": [Container("z", "other.service", IMAGE, "1", None, ())],
    }
    monkeypatch.setattr(image_info, "running_containers", lambda: ran)
    told = look(tmp_path, {"t@.container": f"[Container]\nImage={IMAGE}\n[Install]\nDefaultInstance=d\n"}, running=True)
    (one,) = told["units"]
    assert one["instances"] == ["t@d.service", "t@x.service", "t@y.service"]
    assert [(container["container"], container["drift"]) for container in one["running"]] == [("x", False), ("y", True)]
    assert one["drift"]


@pytest.mark.parametrize(
    ("image", "container", "drifts"),
    [
        (IMAGE, IMAGE, False),
        (IMAGE, "registry.example.org/app:1.2.4", True),
        ("docker.io/traefik", "docker.io/library/traefik:latest", False),
        ("short:1", "docker.io/library/short:1", False),
        ("registry.example.org/app:${V}", IMAGE, False),
        (None, IMAGE, False),
    ],
)
def test_drift(image: str | None, container: str, drifts: bool) -> None:
    assert image_info.drifts(Container("a", "a.service", container, "1", None, ()), image) == drifts


def test_a_host_without_podman(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    told = look(tmp_path / "units", {"a.container": f"[Container]\nImage={IMAGE}\n"}, running=True)
    assert told["units"][0]["running"] == []
    assert "Podman is not installed" in told["notes"][0]


def test_podman_is_left_alone_where_there_is_nothing_to_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def called() -> None:
        raise AssertionError("Podman was asked")

    monkeypatch.setattr(image_info, "running_containers", called)
    assert look(tmp_path, {"a.container": "[Container]\n"}, "b.*", running=True)["units"] == []
