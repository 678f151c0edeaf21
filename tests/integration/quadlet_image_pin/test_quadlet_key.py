"""quadlet_key on the same host: from the edit to the container that has the new value."""

from __future__ import annotations

import pytest
from ansible_collections.patriark.homelab.tests.integration.throwaway_host import ACCOUNT
from ansible_collections.patriark.homelab.tests.integration.throwaway_host import TOY_IMAGE as IMAGE


def test_set_reload_restart(host, units) -> None:
    asked = {"user": ACCOUNT, "unit": "two.container", "key": "Environment", "values": ["A=first", "B=s3cret"]}
    before = host.as_account("cat .config/containers/systemd/two.container")
    predicted, predicted_diff = host.task("quadlet_key", "--check", **asked)
    assert host.as_account("cat .config/containers/systemd/two.container") == before, "check mode writes nothing"
    done, diff = host.task("quadlet_key", **asked)
    assert (predicted, predicted_diff) == (done, diff)
    assert done["changed"]
    # The task's own parameters are the user's to show; what the module finds and writes is not shown.
    assert (done["before"], done["after"]) == (None, None)
    assert "s3cret" not in diff.partition("@@")[2]
    after = host.as_account("cat .config/containers/systemd/two.container")
    assert after == before + "Environment=A=first\nEnvironment=B=s3cret\n"

    again, _printed = host.task("quadlet_key", **asked)
    assert not again["changed"]
    assert again["daemon_reload_needed"], "an interrupted play is completed by the next"
    host.as_account(f"systemctl --user daemon-reload; systemctl --user restart {again['service']}")
    assert {"A=first", "B=s3cret"} <= set(
        host.as_account("podman inspect --format '{{.Config.Env}}' systemd-two").strip("[]\n").split()
    )
    settled, _printed = host.task("quadlet_key", **asked)
    assert (settled["changed"], settled["daemon_reload_needed"]) == (False, False)

    gone, _printed = host.task("quadlet_key", user=ACCOUNT, unit="two.container", key="Environment", state="absent")
    assert gone["changed"]
    assert host.as_account("cat .config/containers/systemd/two.container") == before


@pytest.mark.parametrize(
    ("section", "key", "values"),
    [
        ("Service", "TimeoutStartSec", ["100"]),
        ("Service", "ExecStartPre", ["/bin/true", "/bin/echo ready"]),
        ("Service", "Environment", ["A=first"]),
        ("Quadlet", "DefaultDependencies", ["true"]),
    ],
)
def test_a_missed_reload_is_told_of_in_every_section(host, units, section, key, values) -> None:
    """Of values that were added, and of one and then all that were taken out."""
    for wanted in (values, values[1:], []):
        asked = {"user": ACCOUNT, "unit": "two.container", "section": section, "key": key, "values": wanted}
        changed = host.task("quadlet_key", **asked)[0]["changed"]
        missed, _printed = host.task("quadlet_key", **asked)
        assert (missed["changed"], missed["daemon_reload_needed"]) == (False, changed)
        host.as_account("systemctl --user daemon-reload")
        settled, _printed = host.task("quadlet_key", **asked)
        assert (settled["changed"], settled["daemon_reload_needed"]) == (False, False)


def test_a_missed_reload_of_a_unit_of_the_system(host) -> None:
    unit = "/etc/containers/systemd/own.container"
    host.shell("bash", "-euc", f"mkdir -p /etc/containers/systemd; printf '[Container]\\nImage={IMAGE}:1.0.1\\n' >{unit}")
    asked = {"unit": "own.container", "section": "Service", "key": "TimeoutStartSec"}
    try:
        for values in (["100"], []):
            assert host.task("quadlet_key", **asked, values=values)[0]["changed"]
            assert host.task("quadlet_key", **asked, values=values)[0]["daemon_reload_needed"]
            host.shell("systemctl", "daemon-reload")
            assert not host.task("quadlet_key", **asked, values=values)[0]["daemon_reload_needed"]
    finally:
        host.shell("bash", "-euc", f"rm {unit}; systemctl daemon-reload")


def test_what_the_generator_would_refuse_is_not_written(host, units) -> None:
    before = host.as_account("sha256sum .config/containers/systemd/*.container")
    refused, _printed = host.task("quadlet_key", user=ACCOUNT, unit="one.container", key="Rootfs", values=["/srv"])
    assert "it has both Image= and Rootfs=" in refused["msg"]
    assert host.as_account("sha256sum .config/containers/systemd/*.container") == before
    assert IMAGE in host.as_account("cat .config/containers/systemd/one.container")
