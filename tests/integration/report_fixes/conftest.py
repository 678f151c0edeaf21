"""One host on which small trees of units lie one after the other, and the playbook runs against each."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from ansible_collections.patriark.homelab.tests.integration.throwaway_host import ACCOUNT, ThrowawayHost
from playbook_runs import Run, run_playbook

# Lays a tree: paths with their contents, or links. Everything gets one old time, so that a write shows.
_LAY = """
import json, os, pwd, shutil, sys
request = json.load(sys.stdin)
for path in request["remove"]:
    shutil.rmtree(path, ignore_errors=True) if not os.path.islink(path) else os.unlink(path)
owner = pwd.getpwnam(request["owner"])
def own(path):
    os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)
for path, content in request["files"].items():
    missing = []
    folder = os.path.dirname(path)
    while not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for folder in reversed(missing):
        os.mkdir(folder)
        own(folder)
    if content is None:
        os.mkdir(path)
    elif isinstance(content, dict):
        os.symlink(content["to"], path)
    else:
        with open(path, "w") as file:
            file.write(content)
    own(path)
    os.utime(path, (10**9, 10**9), follow_symlinks=False)
"""
_SEE = """
import json, os, sys
seen = {}
for top in sys.argv[1:]:
    for root, folders, names in os.walk(top, followlinks=True):
        for name in [*folders, *names]:
            path = os.path.join(root, name)
            if os.path.islink(path):
                seen[path] = "-> " + os.readlink(path)
            elif os.path.isfile(path):
                seen[path] = [open(path).read(), os.stat(path).st_mtime == 10**9]
print(json.dumps(seen))
"""


class Trees:
    """The host, and the tree that lies on it."""

    home = ThrowawayHost.home
    units = ThrowawayHost.units
    places = (units, f"{home}/checkout", f"{home}/config", "/etc/containers/systemd")

    def __init__(self, host: ThrowawayHost, untuned: pathlib.Path) -> None:
        self.host, self.untuned = host, untuned
        # The test host's own inventory says more than most people's.
        untuned.write_text(json.dumps({"homelab": {"hosts": {host.facts["name"]: {"ansible_pipelining": False}}}}))

    def lay(self, files: Mapping[str, Any], owner: str = ACCOUNT) -> None:
        """In place of the tree before. A path is below the units, the home (~/) or the root (/)."""
        whole = {self._path(path): content for path, content in files.items()}
        request = {"remove": self.places, "files": whole, "owner": owner}
        self.host.shell("python3", "-c", _LAY, stdin=json.dumps(request).encode())
        self.host.as_account("systemctl --user daemon-reload")

    def _path(self, path: str) -> str:
        return path if path.startswith("/") else path.replace("~", self.home, 1) if path.startswith("~/") else f"{self.units}/{path}"

    def seen(self) -> dict[str, Any]:
        """Every file with its text and whether it was left alone, every link with its target."""
        found: dict[str, Any] = json.loads(self.host.shell("python3", "-c", _SEE, *self.places))
        return found

    def play(self, *arguments: str, user: str = ACCOUNT, **variables: object) -> Run:
        if user:
            variables["homelab_user"] = user
        inventories = [pathlib.Path(self.host.facts["inventory"]), self.untuned]
        return run_playbook("patriark.homelab.report_fixes", inventories, f"--extra-vars={json.dumps(variables)}", "--diff", *arguments)

    def story(self, **options: Any) -> tuple[Run, dict[str, list[str]]]:
        """Foresee, do, repeat: what the run said, and per file that changed the lines that went and those that came."""
        before = self.seen()
        foreseen = self.play("--check", **options)
        assert foreseen.status == 0, foreseen.printed
        assert self.seen() == before
        done = self.play(**options)
        assert done.status == 0, done.printed
        assert (foreseen.changed, foreseen.diffs) == (done.changed, done.diffs)
        after = self.seen()
        if not done.changed:
            # It was repeated already.
            assert after == before
            return done, {}
        again = self.play(**options)
        assert (again.status, again.changed) == (0, []), again.printed
        assert self.seen() == after
        assert before.keys() == after.keys()
        return done, {path: _differences(before[path][0], after[path][0]) for path in before if before[path] != after[path]}


def _differences(before: str, after: str) -> list[str]:
    old, new = before.splitlines(), after.splitlines()
    return [f"-{line}" for line in old if line not in new] + [f"+{line}" for line in new if line not in old]


@pytest.fixture(scope="session")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trees]:
    host = ThrowawayHost("report-fixes")
    host.make_account()
    yield Trees(host, tmp_path_factory.mktemp("inventory") / "untuned.yml")
    host.down()
