"""One host with two generators."""

from __future__ import annotations

import pytest
from ansible_collections.patriark.homelab.tests.integration.quadlet_differential import generators
from ansible_collections.patriark.homelab.tests.integration.throwaway_host import ThrowawayHost


@pytest.fixture(scope="session")
def host():
    host = ThrowawayHost("quadlet-differential")
    generators.install_newer(host)
    yield host
    host.down()
