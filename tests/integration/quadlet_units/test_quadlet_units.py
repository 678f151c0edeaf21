"""quadlet_units on a real host: systemd, rootless Podman and its real generator.

A task that writes with template and copy, reloads, and restarts by handlers fails most of these: a killed play never
restarts, one bad unit takes the whole directory with it, and a changed network stays as it was.
"""

from __future__ import annotations


def test_the_first_run_starts_all_and_the_second_changes_nothing(toy):
    first = toy.run()
    assert first.changed
    assert [(unit["name"], unit["change"], unit["action"], unit["active"]) for unit in first.result["units"]] == [
        ("toy.network", "created", "start", "active"),
        ("toy.container", "created", "start", "active"),
    ]
    assert first.unit("toy.container")["image"] == "registry.example.org/busybox:1"
    assert first.result["secrets"] == ["toy-password"]
    assert [path.rpartition("/")[2] for path in first.result["files"]] == ["read.conf", "toy.conf"]
    before = toy.tree()
    second = toy.run()
    assert not second.changed
    assert toy.tree() == before
    assert toy.host.as_account("stat -c %a containers/config/toy/toy.conf containers/config/toy/read.conf").split() == [
        "644",
        "600",
    ]


def test_check_mode_says_what_the_run_then_does(toy):
    """Also for a removed file and unit, a mode, and a new secret."""
    states = [
        ({}, {}),
        ({}, {"word": "second"}),
        ({"secrets": {"toy-password": "another"}}, {"word": "second"}),
        (
            {"files": [{"src": "toy.conf.j2", "dest": "containers/config/toy/toy.conf", "mode": "0640"}]},
            {"word": "second"},
        ),
        ({"files": [], "units": [*toy.arguments["units"], "units/second.container.j2"]}, {"word": "second"}),
        ({"files": []}, {"word": "second"}),
        ({"state": "stopped"}, {}),
        ({}, {}),
        ({"state": "absent"}, {}),
    ]
    for args, variables in states:
        before = toy.tree()
        said = toy.check(args=args, **variables)
        assert toy.tree() == before, "check mode writes nothing"
        did = toy.run(args=args, **variables)
        assert said.changed and did.changed
        assert said.diff == did.diff
        for one, two in zip(said.result["units"], did.result["units"]):
            assert [one[key] for key in ("name", "service", "change", "action", "why")] == [
                two[key] for key in ("name", "service", "change", "action", "why")
            ]
        assert len(said.result["units"]) == len(did.result["units"])
        if "state" in args:
            assert not toy.run(args=args, **variables).changed


def test_files_are_no_way_to_units(toy):
    before = toy.tree()
    dest = ".config/containers/systemd/toy.container.d/10.conf"
    for run in (toy.run, toy.check):
        refused = run(args={"files": [{"src": "toy.conf.j2", "dest": dest}]})
        assert refused.failed
        assert "10.conf of files would lie in" in refused.error
        assert toy.tree() == before


def test_only_what_reads_a_file_at_its_start_restarts(toy):
    toy.run()
    running = toy.container()
    config = toy.run(word="second")
    assert config.unit("toy.container")["why"] == "toy.container changes", "its description has changed as well"
    assert toy.container() != running

    toy.arguments["units"] = ["units/second.container.j2"]
    toy.arguments["files"] = [
        {"src": "toy.conf.j2", "dest": "containers/config/toy/toy.conf"},
        {"src": "read.conf.j2", "dest": "containers/config/toy/read.conf", "restart": ["second.container"]},
    ]
    toy.run()
    untouched = toy.run(word="third")
    assert untouched.changed and untouched.unit("second.container")["action"] == "none"
    restarted = toy.run(word="third", read_word="second")
    assert restarted.unit("second.container")["why"] == "read.conf changes"


def test_a_secret_is_compared_written_by_standard_input_and_never_shown(toy):
    toy.run()
    running = toy.container()
    secret = "an0ther-s3cret\nwith a line end\n"
    changed = toy.run("-vvv", args={"secrets": {"toy-password": secret}})
    assert changed.result["secrets"] == ["toy-password"]
    assert "the secret toy-password changes" in changed.unit("toy.container")["why"]
    assert toy.container() != running
    assert "an0ther" not in changed.printed
    assert toy.host.as_account("podman exec systemd-toy sh -c 'echo \"$PASSWORD\"'") == secret + "\n"
    assert "an0ther" not in toy.host.script("journalctl --no-pager")
    assert not toy.run(args={"secrets": {"toy-password": secret}}).changed


def test_the_diff_of_a_file_that_holds_or_held_a_secret_is_withheld(toy):
    toy.arguments["files"] = [{"src": "shown.conf.j2", "dest": "containers/config/toy/shown.conf", "mode": "0600"}]
    for variables in ({}, {"with_secret": False}):
        outcome = toy.run("-vvv", **variables)
        assert "shown.conf" in outcome.diff and "not shown" in outcome.diff
        assert "horse" not in outcome.printed
    assert toy.host.as_account("cat containers/config/toy/shown.conf") == "word = first\nno password\n"
    assert "+word = second" in toy.run(with_secret=False, word="second").diff, (
        "the secret has gone, and so has the reason"
    )


def test_what_the_generator_refuses_is_not_written(toy):
    toy.run()
    before = toy.tree()
    for mode in ((), ("--check",)):
        refused = toy.run(*mode, more="Colour=blue", word="second")
        assert "unsupported key 'Colour' in group 'Container'" in refused.error
        assert "Nothing was replaced" in refused.error
    assert toy.tree() == before


def test_a_unit_that_only_the_users_own_units_complete_is_accepted(toy):
    """The generator is asked over a copy of the whole search path, not over the set alone."""
    missing = toy.run(
        args={"units": [*toy.arguments["units"], "units/second.container.j2"]}, second_network="own.network"
    )
    assert "own.network" in missing.error
    foreseen = toy.check(
        args={"units": [*toy.arguments["units"], "units/second.container.j2"]}, second_network="own.network"
    )
    assert foreseen.changed and "own.network" in foreseen.result["unchecked"][0], (
        "an earlier task of the play may write it"
    )
    toy.host.as_account(
        "mkdir -p .config/containers/systemd/mine; printf '[Network]\\nNetworkName=own\\n' >.config/containers/systemd/mine/own.network"
    )
    assert toy.run(
        args={"units": [*toy.arguments["units"], "units/second.container.j2"]}, second_network="own.network"
    ).changed
    removed = toy.run(args={"state": "absent"})
    assert removed.changed
    toy.host.as_account("podman network exists own", check=True)


def test_removing_what_other_units_need_is_refused_in_the_generators_words(toy):
    toy.run()
    mine = "[Container]\nImage=registry.example.org/busybox:1\nNetwork=toy.network\n"
    toy.host.write(".config/containers/systemd/mine/user.container", mine)
    before = toy.tree()
    assert "user.container" in toy.run(args={"state": "absent"}).error
    assert toy.tree() == before


def test_drop_ins_of_others_are_kept_and_honoured(toy):
    toy.run()
    drop_in = ".config/containers/systemd/toy/toy.container.d/10-mine.conf"
    toy.host.write(drop_in, "[Container]\nEnvironment=TOUCH=mine\n")
    honoured = toy.run()
    assert honoured.unit("toy.container")["action"] == "restart"
    assert toy.host.as_account("podman exec systemd-toy sh -c 'echo \"$TOUCH\"'") == "mine\n"
    assert not toy.run().changed
    toy.run(args={"state": "absent"})
    assert toy.host.as_account("find .config/containers/systemd -type f").split() == [drop_in]


def test_a_name_that_others_hold_is_refused_with_both_paths(toy):
    place = f"{toy.host.units}/mine/toy.container"
    toy.host.write(place, "[Container]\nImage=x\n")
    refused = toy.run()
    assert place in refused.error and f"{toy.host.units}/toy/toy.container" in refused.error
    toy.host.write(".config/systemd/user/toy.service", "[Service]\nExecStart=sleep 1\n")
    toy.host.as_account(f"rm {place}; systemctl --user daemon-reload")
    refused = toy.run()
    assert f"{toy.host.home}/.config/systemd/user/toy.service already defines toy.service" in refused.error
    assert toy.host.as_account(f"ls {toy.host.units}") == "mine\n"


def test_files_that_others_wrote_are_refused(toy):
    toy.host.as_account("mkdir -p containers/config/toy; echo mine >containers/config/toy/toy.conf")
    assert "containers/config/toy/toy.conf exists, holds something else" in toy.run().error
    toy.host.as_account(
        f"rm containers/config/toy/toy.conf; mkdir -p {toy.host.units}/toy; printf '[Container]\\nImage=x\\n' >{toy.host.units}/toy/foreign.container"
    )
    assert f"{toy.host.units}/toy/foreign.container was not written by the set toy" in toy.run().error
    toy.host.as_account(f"rm {toy.host.units}/toy/foreign.container")
    toy.run()
    other = toy.run(
        args={
            "name": "other",
            "units": ["units/second.container.j2"],
            "secrets": {},
            "files": toy.arguments["files"][:1],
        }
    )
    assert "belongs to the set toy" in other.error


def test_a_changed_network_is_refused_in_use_and_made_anew_when_not(toy):
    toy.run()
    before = toy.tree()
    refused = toy.run(network_word="second")
    assert toy.tree() == before
    command = refused.error.partition("remove it with: ")[2].partition(" - then")[0]
    assert command == "systemctl --user stop toy.service toy-network.service && podman network rm toy"
    toy.host.as_account(command)
    toy.run(network_word="second")
    assert toy.host.as_account("podman network inspect toy --format '{{.Labels.word}}'") == "second\n"
    toy.run(network_word="second", args={"state": "stopped"})
    toy.run(network_word="third", args={"state": "stopped"})
    assert toy.run(network_word="third").changed
    assert toy.host.as_account("podman network inspect toy --format '{{.Labels.word}}'") == "third\n"
    assert not toy.run(network_word="third").changed


def test_stopped_stops_and_absent_leaves_what_is_not_the_sets(toy):
    toy.run()
    toy.host.as_account(
        "podman volume create kept; podman run --detach --network toy --name guest registry.example.org/busybox:1 sleep infinity"
    )
    stopped = toy.run(args={"state": "stopped"})
    assert stopped.unit("toy.container") | {"action": "stop", "active": "inactive"} == stopped.unit("toy.container")
    removed = toy.run(args={"state": "absent", "units": [], "files": [], "secrets": {}})
    assert {unit["name"]: unit["change"] for unit in removed.result["units"]} == {
        "toy.network": "removed",
        "toy.container": "removed",
    }
    assert toy.host.as_account("find .config/containers/systemd containers -type f") == ""
    assert (
        toy.host.as_account(
            "podman volume exists kept && podman network exists toy && podman secret exists toy-password && echo all"
        )
        == "all\n"
    )
    assert not toy.run(args={"state": "absent"}).changed
    toy.host.as_account("podman rm -f -t0 guest")
    toy.run()
    toy.run(args={"state": "absent"})
    assert toy.host.as_account("podman network ls --filter name=toy --quiet") == "", (
        "a network that nobody uses goes with its set"
    )
    toy.host.as_account("podman volume rm kept")


def test_what_does_not_come_up_is_said_with_its_last_words(toy):
    broken = toy.run(command="sh -c 'echo no such number >&2; exit 3'")
    assert "toy.service is " in broken.error
    assert "no such number" in broken.error
    assert broken.result["changed"]
    sick = toy.run(more="HealthCmd=/bin/false\nHealthInterval=1s\nHealthRetries=1", args={"timeout": 5})
    assert "its health is unhealthy" in sick.error
    healed = toy.run(more="HealthCmd=/bin/true\nHealthInterval=1s\nNotify=healthy")
    assert healed.unit("toy.container")["health"] == "healthy"


def test_a_unit_whose_assertion_fails_is_not_waited_for(toy):
    refused = toy.run(more_unit="AssertPathExists=/nowhere", args={"timeout": 600})
    assert "toy.service is inactive" in refused.error
    assert "/nowhere" in refused.error or "ssert" in refused.error


def test_a_missing_secret_is_named_before_anything_is_written(toy):
    refused = toy.run(args={"secrets": {}})
    assert "toy.container names the secret toy-password, which does not exist" in refused.error
    foreseen = toy.check(args={"secrets": {}})
    assert foreseen.changed and "toy-password" in foreseen.result["unchecked"][0]
    empty = toy.run(args={"secrets": {"toy-password": ""}})
    assert "toy-password has no value" in empty.error
    assert "no such file" in toy.host.as_account("ls .config/containers/systemd/toy 2>&1 || true").lower()


def test_pull(toy):
    """Never fails early, always restarts what runs another image than its reference names."""
    toy.host.as_account("podman rmi --force registry.example.org/busybox:2")
    never = toy.run(tag="2", args={"pull": "never"})
    assert "registry.example.org/busybox:2 is not on this host" in never.error
    assert toy.run(tag="2").changed
    assert not toy.run(tag="2", args={"pull": "always"}).changed
    # As when the tag was pushed anew: the reference names another image than the container runs.
    toy.host.as_account(
        "podman tag registry.example.org/busybox:1 registry.example.org/busybox:2; systemctl --user restart toy.service"
    )
    anew = toy.run(tag="2", args={"pull": "always"})
    assert "another image" in anew.unit("toy.container")["why"]
    assert toy.host.as_account("podman exec systemd-toy sh -c 'echo \"$TAG\"'") == "2\n"
    assert "whether a registry has newer images" in toy.check(tag="2", args={"pull": "always"}).result["unchecked"][0]


def test_without_root_it_is_the_accounts_own_task(toy):
    own = ("--become", f"--become-user={toy.arguments['user']}")
    del toy.arguments["user"]
    assert toy.run(*own).changed
    assert not toy.run(*own).changed
    toy.arguments["user"] = "photos"
    assert not toy.run().changed, "and root finds the same"


def test_check_mode_on_a_bare_host(host):
    """Nothing of the account is there yet; the run that follows says the same."""
    task = {"name": "toy", "user": "nobody-yet", "units": ["units/second.container.j2"]}
    said = host.outcome("--check", **task)
    assert said.changed
    assert said.result["unchecked"] == ["Not checked: there is no account nobody-yet on this host yet."]
    assert "/home/nobody-yet/.config/containers/systemd/toy/second.container" in said.diff
    host.script("useradd --create-home nobody-yet")
    said_now = host.outcome("--check", **task)
    assert "enable-linger" in said_now.result["unchecked"][0]
    assert said_now.diff == said.diff
    assert "enable-linger nobody-yet" in host.outcome(**task).error
    host.script("userdel --remove nobody-yet")
