#!/usr/bin/env python
"""Molecule's inventory: one host, named after the scenario, with what tests/test_host wrote about it once it is up.

The host is in the group of the collection's playbooks too, and takes the stand-in images.
"""

import json
import os
import pathlib

import yaml

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
TEST_HOST = CHECKOUT / "tests" / "test_host"


def inventory(scenario: str) -> dict[str, object]:
    name = scenario.replace("_", "-")
    prefix = os.environ.get("TEST_HOST_PREFIX", "")
    return {
        "molecule": {"hosts": [name], "vars": {"molecule_test_host": str(TEST_HOST)}},
        "homelab": {"children": ["molecule"]},
        "_meta": {"hostvars": {name: known(CHECKOUT / "tests" / "output" / "test_host" / (prefix + name))}},
    }


def known(host: pathlib.Path) -> dict[str, object]:
    """The variables of the host whose files lie there; none before it is up."""
    if not (host / "host.json").exists():
        return {}
    (variables,) = json.loads((host / "inventory.yml").read_text())["homelab"]["hosts"].values()
    return {**yaml.safe_load((host / "group_vars" / "homelab.yml").read_text()), **variables}


if __name__ == "__main__":
    print(json.dumps(inventory(pathlib.Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]).name)))
