"""quadlet_key on the same host: from the edit to the container that has the new value."""

from __future__ import annotations

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


def test_what_the_generator_would_refuse_is_not_written(host, units) -> None:
    before = host.as_account("sha256sum .config/containers/systemd/*.container")
    refused, _printed = host.task("quadlet_key", user=ACCOUNT, unit="one.container", key="Rootfs", values=["/srv"])
    assert "it has both Image= and Rootfs=" in refused["msg"]
    assert host.as_account("sha256sum .config/containers/systemd/*.container") == before
    assert IMAGE in host.as_account("cat .config/containers/systemd/one.container")
