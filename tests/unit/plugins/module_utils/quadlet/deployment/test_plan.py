# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deciding what to do with a set. A plan that looks at what this run writes, and not at the host, fails the healing tests."""

from __future__ import annotations

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.errors import HomelabError
from ansible_collections.patriark.homelab.plugins.module_utils.files import Change
from ansible_collections.patriark.homelab.plugins.module_utils.podman import Container, Secret
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.deployment import refusals, report
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.deployment.own_files import (
    NOTHING,
    OnDisk,
    Record,
    asked,
    file_changes,
    read_record,
)
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.deployment.plan import (
    drifted,
    in_order,
    make_plan,
    remade,
)
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.deployment.request import Request, Wanted
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.deployment.seen import Stamp, no_account
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.generator import Service, Yield
from ansible_collections.patriark.homelab.plugins.module_utils.systemd import State

UNITS = "/home/photos/.config/containers/systemd"
SET = f"{UNITS}/toy"
CONFIG = "/home/photos/config/toy.conf"
GENERATED = "/run/user/1000/systemd/generator"
EXTENSIONS = frozenset(["container", "network", "volume"])
UP = State("loaded", "active", "running", "success", "notify", False, False, f"{GENERATED}/x", 100.0, 101.0, False)


def service(file, *, needs=(), secrets=(), text="", made=None, folder=SET):
    stem, _dot, kind = file.rpartition(".")
    name = f"{stem}.service" if kind == "container" else f"{stem}-{kind}.service"
    start = ("podman", kind, "create", "--opt", text, made) if made else ("podman", "run")
    return Service(
        name,
        f"{folder}/{file}",
        text,
        start,
        f"example.org/{stem}:1" if kind == "container" else None,
        secrets,
        needs,
        needs,
    )


APP = service("app.container", needs=("database.service", "net-network.service"), secrets=("password",))
DATABASE = service("database.container", needs=("net-network.service",))
NET = service("net.network", made="net")
SERVICES = [APP, DATABASE, NET]


def wanted(path, content=b"", restart=(), hidden=False):
    return Wanted(path, content, None, restart, hidden)


REQUEST = Request(
    name="toy",
    state="started",
    directory=SET,
    units={one.source: wanted(one.source) for one in SERVICES},
    files={CONFIG: wanted(CONFIG, restart=("database.container",))},
    secrets={"password": "horse"},
    pull="missing",
    wait=True,
    timeout=1,
)


def seen(**changed):
    """A host on which the whole set runs as it is asked for."""
    host = no_account(REQUEST, "")._replace(
        recorded=asked(REQUEST),
        found={path: OnDisk(b"", 0o644, 1.0) for path in REQUEST.everything},
        changes=[],
        names=["app.container", "database.container", "net.network"],
        planned=Yield(SERVICES, []),
        services=SERVICES,
        loaded={one.name: one for one in SERVICES},
        states={one.name: UP for one in SERVICES},
        secrets={"password": Secret(1.0, "horse")},
        at=1000.0,
    )
    return host._replace(**changed)


def plan(host, request=REQUEST, drift=None):
    return make_plan(request, host, drift or {})


def actions(host, request=REQUEST):
    return {step.service.unit: step.action for step in plan(host, request).steps}


NONE = {"net.network": "none", "database.container": "none", "app.container": "none"}


def test_nothing_is_done_where_all_is_as_asked():
    assert actions(seen()) == NONE
    assert list(actions(seen())) == ["net.network", "database.container", "app.container"], (
        "in the order of their start"
    )
    assert not plan(seen()).changed


def test_everything_is_new_on_a_bare_host():
    host = no_account(REQUEST, "there is no account")
    assert set(actions(host).values()) == {"start"}
    assert len(plan(host).changes) == 4
    assert plan(host).secrets == ["password"]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"stamps": {"app.container": [Stamp("app.container", 200.0)]}}, {"app.container": "restart"}),
        ({"stamps": {"app.container": [Stamp("app.container", 99.0)]}}, {}),
        ({"stamps": {"app.container": [Stamp("app.container", 2000.0)]}}, {}),
        (
            {"stamps": {"database.container": [Stamp("toy.conf", 200.0)]}},
            {"database.container": "restart", "app.container": "restart"},
        ),
        ({"secrets": {"password": Secret(200.0, "horse")}}, {"app.container": "restart"}),
        ({"secrets": {"password": Secret(1.0, "another")}}, {"app.container": "restart"}),
        (
            {"loaded": {one.name: one._replace(text="older") for one in SERVICES}},
            {"app.container": "restart", "database.container": "restart"},
        ),
        ({"states": {one.name: UP._replace(active="failed") for one in SERVICES}}, dict.fromkeys(NONE, "start")),
        ({"states": {one.name: UP._replace(active="inactive", kind="oneshot") for one in SERVICES}}, {}),
    ],
    ids=[
        "unit newer than its start",
        "older",
        "from the future",
        "file newer, and what needs it",
        "secret newer",
        "secret differs",
        "reload missed",
        "failed",
        "done",
    ],
)
def test_why_a_unit_restarts_is_found_on_the_host(changed, expected):
    """So a run that was killed after it wrote is completed by the next, which writes nothing."""
    assert actions(seen(**changed)) == {**NONE, **expected}


def test_what_is_about_to_be_written_restarts_what_reads_it():
    host = seen(changes=[Change(CONFIG, b"", b"new")])
    steps = {step.service.unit: step for step in plan(host).steps}
    assert (steps["database.container"].action, steps["database.container"].why) == ("restart", "toy.conf changes")
    assert (steps["app.container"].action, steps["app.container"].why) == ("restart", "database.container restarts")
    assert not plan(host).reload
    assert plan(seen(changes=[Change(APP.source, b"", b"new")])).reload


def test_a_network_in_use_is_not_changed_and_one_that_is_not_is_made_anew():
    host = seen(
        loaded={**seen().loaded, NET.name: NET._replace(start=("podman", "network", "create", "--internal", "net"))}
    )
    anew = remade(SERVICES, host.loaded)
    assert anew == [NET]
    user = Container("app", "app.service", "", "", None, ("net",))
    with pytest.raises(HomelabError, match=r"stop app\.service net-network\.service && podman network rm net"):
        refusals.refuse_remade(anew, [user], [])
    refusals.refuse_remade(anew, [user._replace(networks=("other",))], [])
    assert actions(host)["net.network"] == "remake"
    assert actions(host, REQUEST._replace(state="stopped"))["net.network"] == "remake", (
        "or it would stay as it was for good"
    )


def test_a_volume_that_exists_is_never_made_anew():
    data = service("data.volume", made="data")
    with pytest.raises(HomelabError, match="the volume data exists"):
        refusals.refuse_remade([data], [], ["data"])


def test_stopped_stops_what_runs_and_absent_removes_all():
    assert actions(seen(), REQUEST._replace(state="stopped")) == {
        "net.network": "none",
        "database.container": "stop",
        "app.container": "stop",
    }
    absent = REQUEST._replace(state="absent", units={}, files={}, secrets={})
    host = seen(services=[], planned=Yield([], []), changes=file_changes(absent, asked(REQUEST).paths, seen().found))
    assert set(actions(host, absent).values()) == {"remove"}
    assert {change.path for change in plan(host, absent).changes} == set(REQUEST.everything)


def test_stopped_clears_what_has_failed_and_is_then_done():
    request = REQUEST._replace(state="stopped")
    states = {one.name: UP._replace(active="failed", sub="failed") for one in SERVICES}
    expected = {"net.network": "none", "database.container": "stop", "app.container": "stop"}
    assert actions(seen(states=states), request) == expected
    inactive = {name: state._replace(active="inactive", sub="dead") for name, state in states.items()}
    assert actions(seen(states=inactive), request) == NONE


def test_a_unit_that_a_killed_run_took_away_is_stopped_and_one_of_others_is_not():
    spare, theirs = service("spare.container"), service("theirs.container")
    loaded = {
        **seen().loaded,
        spare.name: spare,
        theirs.name: theirs,
        "x.service": service("x.container", folder=UNITS),
    }
    host = seen(loaded=loaded, names=[*seen().names, "theirs.container"])
    assert actions(host) == {"spare.container": "remove", **NONE}
    assert plan(host).reload


def test_a_circle_of_dependencies_is_left_to_systemd():
    one, two = service("one.container", needs=("two.service",)), service("two.container", needs=("one.service",))
    assert {found.unit for found in in_order([one, two])} == {"one.container", "two.container"}


def test_drift_is_another_image_than_the_one_that_runs():
    running = [Container("app", "app.service", "", "sha:1", None, ())]
    assert drifted(SERVICES, running, {"example.org/app:1": "sha:1"}) == {}
    assert drifted(SERVICES, running, {"example.org/app:1": None}) == {}
    assert list(drifted(SERVICES, running, {"example.org/app:1": "sha:2"})) == ["app.container"]
    assert {step.service.unit: step.action for step in plan(seen(), drift={"app.container": "another"}).steps}[
        "app.container"
    ] == "restart"


# --- Files ---


def test_a_file_that_the_set_did_not_write_is_not_replaced_unless_it_is_the_same():
    assert file_changes(REQUEST, (), {CONFIG: OnDisk(b"", 0o644, 1.0)}) == [
        Change(path, None, b"") for path in REQUEST.units
    ]
    with pytest.raises(HomelabError, match="was not written by the set toy"):
        file_changes(REQUEST, (), {CONFIG: OnDisk(b"mine", 0o644, 1.0)})
    assert Change(CONFIG, b"mine", b"") in file_changes(REQUEST, [CONFIG], {CONFIG: OnDisk(b"mine", 0o644, 1.0)})


def test_a_mode_alone_is_a_change_and_what_the_set_no_longer_has_is_removed():
    request = REQUEST._replace(units={}, files={CONFIG: Wanted(CONFIG, b"", 0o600, (), False)})
    found = {CONFIG: OnDisk(b"", 0o644, 1.0), "/home/photos/gone": OnDisk(b"gone", 0o644, 1.0)}
    assert file_changes(request, [CONFIG, "/home/photos/gone", "/home/photos/missing"], found) == [
        Change(CONFIG, b"", b"", 0o600),
        Change("/home/photos/gone", b"gone", None),
    ]


def test_the_record_survives_a_home_that_moves(tmp_path):
    path = tmp_path / "record"
    path.write_bytes(Record(frozenset(["/home/photos/a", "/srv/b"]), frozenset(["/srv/b"])).written("/home/photos"))
    assert read_record(str(path), "/home/moved") == Record(
        frozenset(["/home/moved/a", "/srv/b"]), frozenset(["/srv/b"])
    )
    path.write_text("[]")
    with pytest.raises(HomelabError, match="cannot be read"):
        read_record(str(path), "/home/photos")


# --- Refusals ---


def refuse(host, request=REQUEST, check=False):
    return refusals.refuse(request, host, GENERATED, EXTENSIONS, check)


def refusal(host, request=REQUEST, check=False):
    with pytest.raises(HomelabError) as caught:
        refuse(host, request, check)
    return caught.value.message


def test_nothing_is_refused_where_all_is_well():
    assert refuse(seen()) == []
    assert refuse(seen(names=[*seen().names, "app.container.d", ".homelab-set.json"])) == []


def test_one_writer_per_file():
    assert "belongs to the set other" in refusal(seen(others={"other": Record(frozenset([CONFIG]), frozenset())}))
    assert f"{SET}/mine.container was not written by the set toy" in refusal(seen(names=["mine.container"]))
    assert (
        refuse(seen(names=["mine.container"], services=[]), REQUEST._replace(state="absent", units={}, files={})) == []
    )


def test_one_definition_per_name(tmp_path):
    (tmp_path / "app.container").write_text("")
    assert f"{tmp_path}/app.container have the same unit name" in refusal(seen(directories=[SET, str(tmp_path)]))
    twin = service("twin.container", folder=UNITS)._replace(name="app.service")
    assert "both make app.service" in refusal(seen(planned=Yield([*SERVICES, twin], [])))
    assert "already defines app.service" in refusal(
        seen(states={"app.service": UP._replace(fragment="/etc/systemd/user/app.service")})
    )
    assert "is masked" in refusal(seen(states={"app.service": UP._replace(load="masked")}))


@pytest.mark.parametrize(
    "dest", [f"{UNITS}/x.container", f"{UNITS}/app.container.d/1.conf", f"{SET}/deeper/x", "/srv/apps/x.network"]
)
def test_no_unit_among_the_files(dest):
    """Nothing has checked it, and nothing is reloaded for it: a broken one would make every unit of its directory vanish."""
    request = REQUEST._replace(files={dest: wanted(dest)})
    assert f"{dest} of files would lie in " in refusal(seen(directories=[SET, "/srv/apps"]), request)
    assert "name units in units" in refusal(seen(directories=["/srv/apps"]), request), (
        "its own directory is not there yet"
    )


def test_files_may_lie_beside_the_units_and_not_behind_a_link_to_them(tmp_path):
    searched, elsewhere = tmp_path / "systemd", tmp_path / "systemd-config"
    searched.mkdir()
    elsewhere.mkdir()
    (tmp_path / "link").symlink_to(searched)
    host = seen(directories=[str(searched)])
    for place in (elsewhere, tmp_path):
        path = str(place / "x.conf")
        assert refuse(host, REQUEST._replace(files={path: wanted(path)})) == []
    path = str(tmp_path / "link" / "x.container")
    assert f"{path} of files would lie in {searched}" in refusal(host, REQUEST._replace(files={path: wanted(path)}))


def test_the_generators_refusal_is_passed_on_and_an_old_one_of_others_is_not():
    line = 'converting "app.container": unsupported key'
    assert line in refusal(seen(planned=Yield([DATABASE, NET], [line])))
    assert "would refuse other units: theirs" in refusal(seen(planned=Yield(SERVICES, ["theirs"])))
    assert refuse(seen(planned=Yield(SERVICES, ["theirs"]), now=Yield([], ["theirs"]))) == []


def test_check_mode_forgives_what_an_earlier_task_would_make():
    line = 'converting "app.container": requested Quadlet unit other.network was not found'
    host = seen(planned=Yield([DATABASE, NET], [line]), services=[DATABASE, NET])
    assert line in refuse(host, check=True)[0]
    assert line in refusal(host)
    without = seen(secrets={})
    request = REQUEST._replace(secrets={})
    assert refuse(without, request, check=True) == [
        "Not checked: app.container names the secret password, which does not exist yet."
    ]
    assert "app.container names the secret password" in refusal(without, request)


def test_check_mode_forgives_what_an_earlier_task_would_take_away():
    # A play that removes everything removes the networks last; in check mode their users are still there.
    line = 'converting "theirs.container": requested Quadlet unit net.network was not found'
    host, absent = seen(planned=Yield([], [line]), services=[]), REQUEST._replace(state="absent", units={}, files={})
    assert line in refuse(host, absent, check=True)[0]
    assert line in refusal(host, absent)


# --- What is said ---


def test_trouble():
    states = {
        "app.service": UP,
        "database.service": UP._replace(active="activating", sub="auto-restart", result="exit-code"),
        "net-network.service": UP,
    }
    sick = [Container("app", "app.service", "", "", "unhealthy", ())]
    assert report.trouble(SERVICES, states, sick, 1000.0) == {
        "app.service": "is active, and its health is unhealthy",
        "database.service": "is activating (auto-restart, exit-code)",
    }
    assert report.trouble([APP], states, [], 1000.0) == {}
    assert report.trouble([APP], states, [], 101.5) == {"app.service": "has only just become active"}
    assert report.trouble([NET], {NET.name: UP._replace(active="inactive", kind="oneshot")}, [], 0.0) == {}


def test_the_diff_of_what_holds_or_held_a_secret_is_withheld():
    change = Change(CONFIG, b"old horse", b"new horse")
    hidden = REQUEST._replace(files={CONFIG: wanted(CONFIG, hidden=True)})
    for request, recorded in ((hidden, NOTHING), (REQUEST, Record(frozenset([CONFIG]), frozenset([CONFIG])))):
        host = seen(changes=[change], recorded=recorded)
        shown = report.report(request, host, plan(host, request), host.states, [], [])["diff"]
        assert "horse" not in str(shown)
        assert shown[0]["before"] != shown[0]["after"]
    host = seen(changes=[change])
    assert report.report(REQUEST, host, plan(host), host.states, [], [])["diff"][0]["after"] == "new horse"
