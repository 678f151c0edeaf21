"""A host whose account runs hand-written units, as people write them."""

from __future__ import annotations

import pytest
from ansible_collections.patriark.homelab.tests.integration.throwaway_host import ACCOUNT, ThrowawayHost
from ansible_collections.patriark.homelab.tests.integration.throwaway_host import TOY_IMAGE as IMAGE


@pytest.fixture(scope="module")
def host(request):
    """A host for each file of tests, for they may run at the same time."""
    host = ThrowawayHost(request.path.stem.partition("_")[2].replace("_", "-"))
    host.make_account()
    host.as_account(f"for tag in 1 2; do podman pull -q {IMAGE}:$tag; podman tag {IMAGE}:$tag {IMAGE}:1.0.$tag; done")
    yield host
    host.down()


@pytest.fixture
def units(host):
    """Two running units with an AutoUpdate, one of them with its image in a drop-in."""
    host.as_account(
        f"""
        cd; rm -rf .config/containers/systemd; mkdir -p .config/containers/systemd/two.container.d; cd .config/containers/systemd
        printf '%s\\r\\n' '# the first, by hand' '[Container]' Image={IMAGE}:1.0.1 Pull=never Environment=PASSWORD=hidden StopTimeout=0 >one.container
        printf 'Exec=sleep infinity' >>one.container
        printf '[Container]\\nImage={IMAGE}:1.0.1\\nPull=never\\nStopTimeout=0\\nExec=sleep infinity\\nAutoUpdate=registry\\n' >two.container
        printf '# here it is\\n[Container]\\nImage={IMAGE}:1.0.1\\n' >two.container.d/10-image.conf
        systemctl --user daemon-reload; systemctl --user restart one.service two.service
        """
    )
    yield [{"unit": "one.container", "image": f"{IMAGE}:1.0.2"}, {"unit": "two.container", "image": f"{IMAGE}:1.0.2"}]
    host.as_account(
        "systemctl --user stop one.service two.service 'both-*'; cd; rm -rf .config/containers/systemd; systemctl --user daemon-reload;"
        # Tests that follow each other quickly are no service that cannot start.
        "systemctl --user reset-failed"
    )


@pytest.fixture
def pin(host, units):
    """The task that pins both."""

    def run(*options: str, **arguments: object) -> tuple[dict, str]:
        return host.task(
            "quadlet_image_pin",
            *options,
            **{"user": ACCOUNT, "pins": units, "same_tag": True, "auto_update": "remove", **arguments},
        )

    return run
