"""quadlet_image_pin and quadlet_image_info on a real host: from the edit to the container that runs the new image."""

from __future__ import annotations

import pytest
from ansible_collections.patriark.homelab.tests.integration.throwaway_host import ACCOUNT
from ansible_collections.patriark.homelab.tests.integration.throwaway_host import TOY_IMAGE as IMAGE

TREE = "cd .config/containers/systemd; find . -printf '%p %m %T@ %i\\n' | sort; find . -type f -print0 | sort -z | xargs -0 sha256sum"


def info(host, **arguments: object) -> dict[str, dict]:
    result, _printed = host.task("quadlet_image_info", user=ACCOUNT, **arguments)
    return {unit["unit"]: unit for unit in result["units"]}


@pytest.mark.parametrize("method", ["edit", "dropin"])
def test_pin_reload_restart(host, pin, method: str) -> None:
    before = host.as_account(TREE)
    seen = info(host)
    assert seen["two.container"]["effective_image"] == f"{IMAGE}:1.0.1"
    assert [source["lines"] for source in seen["two.container"]["sources"]] == [[2], [3]]
    assert not seen["two.container"]["drift"]
    assert seen["two.container"]["auto_update"]["value"] == "registry"

    predicted, predicted_diff = pin("--check", method=method)
    assert host.as_account(TREE) == before, "check mode writes nothing"
    done, diff = pin(method=method)
    assert (predicted, predicted_diff) == (done, diff)
    assert done["changed"]
    assert done["daemon_reload_needed"]
    assert done["services_to_restart"] == ["one.service", "two.service"]
    assert "hidden" not in diff

    # A play that was killed here is completed by the next one, which changes nothing and says the same.
    again, _printed = pin(method=method)
    assert not again["changed"]
    assert again["daemon_reload_needed"]
    assert again["services_to_restart"] == ["one.service", "two.service"]
    assert info(host)["one.container"]["drift"]

    host.as_account(
        "systemctl --user daemon-reload; systemctl --user restart " + " ".join(again["services_to_restart"])
    )
    assert host.as_account("podman ps --format '{{.Names}} {{.Image}}' | sort").split() == [
        "systemd-one",
        f"{IMAGE}:1.0.2",
        "systemd-two",
        f"{IMAGE}:1.0.2",
    ]
    settled, _printed = pin(method=method)
    assert (settled["changed"], settled["daemon_reload_needed"], settled["services_to_restart"]) == (False, False, [])
    assert not any(unit["drift"] or unit["auto_update"] for unit in info(host).values())


@pytest.mark.parametrize("method", ["edit", "dropin"])
def test_an_image_unit_takes_its_containers_with_it(host, units, method: str) -> None:
    """The tags are those that the registry has, where an .image unit looks at each start."""
    host.as_account(
        f"""
        cd .config/containers/systemd; rm -r two.container.d
        printf '[Image]\\nImage={IMAGE}:1\\n' >both.image
        sed -i 's/^Image=.*/Image=both.image/' one.container two.container
        systemctl --user daemon-reload; systemctl --user restart one.service two.service
        """
    )
    pins = [{"unit": "both.image", "image": f"{IMAGE}:2"}]
    asked = {"user": ACCOUNT, "pins": pins, "method": method, "accept": ["floating"]}
    refused, _printed = host.task("quadlet_image_pin", **asked)
    assert "two.container:" in refused["msg"]
    for _run in range(2):
        done, _printed = host.task("quadlet_image_pin", **asked, auto_update="remove")
        assert done["daemon_reload_needed"]
        assert done["services_to_restart"] == ["both-image.service", "one.service", "two.service"]
    host.as_account(
        "systemctl --user daemon-reload; systemctl --user reset-failed; systemctl --user restart "
        + " ".join(done["services_to_restart"])
    )
    settled, _printed = host.task("quadlet_image_pin", **asked)
    assert (settled["changed"], settled["daemon_reload_needed"], settled["services_to_restart"]) == (False, False, [])


def test_only_the_asked_bytes_differ(host, pin) -> None:
    pin()
    units = host.units
    assert (
        host.as_account(f"cat {units}/one.container")
        == f"# the first, by hand\r\n[Container]\r\nImage={IMAGE}:1.0.2\r\nPull=never\r\nEnvironment=PASSWORD=hidden\r\nStopTimeout=0\r\nExec=sleep infinity"
    )
    assert (
        host.as_account(f"cat {units}/two.container")
        == f"[Container]\nImage={IMAGE}:1.0.1\nPull=never\nStopTimeout=0\nExec=sleep infinity\n"
    )
    assert (
        host.as_account(f"cat {units}/two.container.d/10-image.conf")
        == f"# here it is\n[Container]\nImage={IMAGE}:1.0.2\n"
    )
    assert host.as_account(f"stat -c %U {units}/one.container").strip() == ACCOUNT


def test_nothing_is_touched_where_one_pin_is_refused(host, pin, units) -> None:
    before = host.as_account(TREE)
    units[1]["image"] = f"{IMAGE}:1.0.0"
    refused, _printed = pin(same_tag=False)
    assert refused["refused"] == ["downgrade"]
    units[1]["image"] = f"{IMAGE}:1.0.2"
    refused, _printed = pin(auto_update="refuse")
    assert "two.container:6" in refused["msg"]
    assert host.as_account(TREE) == before


def test_a_file_of_root_is_not_the_accounts_to_edit(host, pin) -> None:
    host.shell(
        "bash",
        "-euc",
        "d=/etc/containers/systemd/users/container.d; mkdir -p $d;"
        f"printf '[Container]\\nImage={IMAGE}:1.0.1\\n' >$d/99-all.conf",
    )
    before = host.as_account(TREE)
    try:
        for method in ("edit", "dropin"):
            refused, _printed = pin(method=method)
            assert "/etc/containers/systemd/users/container.d/99-all.conf" in refused["msg"]
    finally:
        host.shell("rm", "-r", "/etc/containers/systemd/users")
    assert host.as_account(TREE) == before


def test_root_is_not_led_by_a_link_of_the_account(host, pin) -> None:
    host.shell(
        "bash",
        "-euc",
        f"printf '[Container]\\nImage={IMAGE}:1.0.1\\n' >/srv/root.container; ln -sf /srv/root.container {host.units}/one.container",
    )
    refused, _printed = pin()
    assert "belongs to another account" in refused["msg"]
    assert host.shell("cat", "/srv/root.container") == f"[Container]\nImage={IMAGE}:1.0.1\n"


def test_an_account_that_is_not_there_yet(host, units) -> None:
    result, _printed = host.task("quadlet_image_info", user="nobody-yet")
    assert result["units"] == []
    assert "no account nobody-yet" in result["notes"][0]
    result, _printed = host.task("quadlet_image_pin", "--check", user="nobody-yet", pins=units)
    assert not result["changed"]
    result, _printed = host.task("quadlet_image_pin", user="nobody-yet", pins=units)
    assert "no such account" in result["msg"]
    result, _printed = host.task("quadlet_image_pin", scope="user", pins=units)
    assert "name the account" in result["msg"]


def test_the_systems_own_units(host) -> None:
    host.shell(
        "bash",
        "-euc",
        f"mkdir -p /etc/containers/systemd; printf '[Container]\\nImage={IMAGE}:1.0.1\\n' >/etc/containers/systemd/own.container",
    )
    result, _printed = host.task("quadlet_image_pin", pins=[{"unit": "own.container", "image": f"{IMAGE}:1.0.2"}])
    assert result["pins"][0]["effective_image"] == f"{IMAGE}:1.0.2"
    assert host.shell("cat", "/etc/containers/systemd/own.container") == f"[Container]\nImage={IMAGE}:1.0.2\n"
    host.shell("rm", "/etc/containers/systemd/own.container")
