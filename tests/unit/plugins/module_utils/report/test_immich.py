# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images pin Immich to what runs, and what is left alone because that cannot be told.

Taking the tag of the unit for what runs, or a floating tag for a version, fails here.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.errors import HomelabError
from ansible_collections.patriark.homelab.plugins.module_utils.podman import Image
from ansible_collections.patriark.homelab.plugins.module_utils.report import immich

from .hand_written import container, found

SERVER = "ghcr.io/immich-app/immich-server"
ML = "ghcr.io/immich-app/immich-machine-learning"
DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64


def pins(folder: Path, server: str, ml: str, server_image: Image | None, ml_image: Image | None, more: str = "", running: str = "") -> list[immich.Pin]:
    files = {"immich-server.container": f"[Container]\nImage={server}\n{more}", "immich-ml.container": f"[Container]\nImage={ml}\n"}
    containers = [container("immich-server", running or server, image_id="server"), container("immich-ml", ml, image_id="ml")]
    applications = found(folder, files, *containers)
    images = {"server": server_image, "ml": ml_image}
    return immich.pins([*applications["immich"], *applications["machine_learning"]], images.__getitem__)


def image(repository: str, *tags: str, digest: str = DIGEST, environment: tuple[str, ...] = ()) -> Image:
    return Image(tuple(f"{repository}:{tag}" for tag in tags), (f"{repository}@{OTHER}", f"{repository}@{digest}"), digest, {}, environment)


def test_versions_that_run_stay_as_they_are_written(tmp_path: Path) -> None:
    found_pins = pins(tmp_path, f"{SERVER}:v2.3.1", f"{ML}:v2.3.1", image(SERVER, "v2.3.1"), image(ML, "v2.3.1"), "AutoUpdate=registry\n")
    assert [pin.image for pin in found_pins] == [f"{SERVER}:v2.3.1", f"{ML}:v2.3.1"]
    assert [(change.line, change.what) for change in found_pins[0].changes] == [(3, "server: AutoUpdate=registry goes")]
    assert found_pins[1].changes == []


def test_a_floating_tag_becomes_the_version_and_digest_that_run(tmp_path: Path) -> None:
    server, ml = image(SERVER, "release", environment=("IMMICH_SOURCE_REF=v2.3.1",)), image(ML, "release", "v2.3.1")
    found_pins = pins(tmp_path, f"{SERVER}:release", f"{ML}:release", server, ml)
    assert [pin.image for pin in found_pins] == [f"{SERVER}:v2.3.1@{DIGEST}", f"{ML}:v2.3.1@{DIGEST}"]


def test_where_one_version_is_not_known_digests_alone_are_the_pin(tmp_path: Path) -> None:
    found_pins = pins(tmp_path, f"{SERVER}:release", f"{ML}:release", image(SERVER, "release", "v2.3.1"), image(ML, "release"))
    assert [pin.image for pin in found_pins] == [f"{SERVER}@{DIGEST}", f"{ML}@{DIGEST}"]


def test_a_digest_that_runs_stays(tmp_path: Path) -> None:
    found_pins = pins(tmp_path, f"{SERVER}:v2.3.1@{DIGEST}", f"{ML}:v2.3.1@{DIGEST}", image(SERVER), image(ML))
    assert [pin.changes for pin in found_pins] == [[], []]


def test_a_digest_beside_a_version_takes_nothing_out_of_it(tmp_path: Path) -> None:
    found_pins = pins(tmp_path, f"{SERVER}@{DIGEST}", f"{ML}:v2.3.1@{DIGEST}", image(SERVER), image(ML), "AutoUpdate=registry\n")
    assert [pin.image for pin in found_pins] == [f"{SERVER}@{DIGEST}", f"{ML}:v2.3.1@{DIGEST}"]
    assert found_pins[1].changes == []


@pytest.mark.parametrize(
    ("server", "running", "words"),
    [
        (f"{SERVER}:v2.5.2", f"{SERVER}:v2.3.1", "names ghcr.io/immich-app/immich-server:v2.5.2"),
        (f"{SERVER}:${{IMMICH_VERSION}}", f"{SERVER}:v2.3.1", "systemd fills in"),
        ("immich-app/immich-server:v2.3.1", f"{SERVER}:v2.3.1", "does not name a registry"),
    ],
)
def test_what_cannot_be_told_is_left_alone_with_a_sentence(tmp_path: Path, server: str, running: str, words: str) -> None:
    with pytest.raises(HomelabError, match="Immich is left alone") as raised:
        pins(tmp_path, server, f"{ML}:v2.3.1", image(SERVER, "v2.3.1"), image(ML, "v2.3.1"), running=running)
    assert words in raised.value.message


def test_parts_of_two_versions_are_left_alone(tmp_path: Path) -> None:
    with pytest.raises(HomelabError, match="belong to one version"):
        pins(tmp_path, f"{SERVER}:v2.3.1", f"{ML}:v2.2.3", image(SERVER, "v2.3.1"), image(ML, "v2.2.3"))


def test_auto_update_by_a_label_is_left_to_its_owner(tmp_path: Path) -> None:
    with pytest.raises(HomelabError, match=r"Label= at .*immich-server\.container:3"):
        pins(tmp_path, f"{SERVER}:v2.3.1", f"{ML}:v2.3.1", image(SERVER, "v2.3.1"), image(ML, "v2.3.1"), "Label=io.containers.autoupdate=registry\n")


def test_an_image_from_no_registry_cannot_be_pinned(tmp_path: Path) -> None:
    with pytest.raises(HomelabError, match="came from no registry"):
        pins(tmp_path, f"{SERVER}:release", f"{ML}:v2.3.1", Image((f"{SERVER}:release",), (), "", {}, ()), image(ML, "v2.3.1"))
