"""How long it takes to find that units are pinned already, against ansible.builtin.ping in the same run.

The module library/carry.py takes as many pins and gives back as much, and does nothing: less than that no module costs.

python3 tests/benchmarks/quadlet_image_pin/run.py --size small|full
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))
sys.path.insert(0, str(HERE.parents[1] / "integration"))

import results
from throwaway_host import ACCOUNT, ThrowawayHost

UNIT = """# Service {number}, by hand
[Unit]
Description=Service {number}
After=network-online.target

[Container]
Image={image}
ContainerName=service-{number}
Volume=%h/service-{number}:/data:Z
Environment=TZ=Etc/UTC
PublishPort=127.0.0.1:{port}:80

[Service]
Restart=always

[Install]
WantedBy=default.target
"""
SIZES = {"small": ([50, 200], 5), "full": ([250, 500, 1000, 2000], 15)}
# Where as many units are on the host and two of them are pinned: to hand over 1,000 pins alone takes longer.
AIM = (1000, 1.5)


def image(number: int) -> str:
    return f"registry.example.org/service-{number}:1.2.3"


def lay(host: ThrowawayHost, count: int) -> None:
    """That many units in the account's directory, and no others, which its systemd has loaded."""
    script = "import json, os, sys\nfor name, text in json.load(sys.stdin).items():\n    open(os.path.join(sys.argv[1], name), 'w').write(text)"
    units = {
        f"service-{number}.container": UNIT.format(number=number, image=image(number), port=10000 + number)
        for number in range(count)
    }
    host.as_account("rm -rf .config/containers/systemd; mkdir -p .config/containers/systemd")
    host.shell("python3", "-c", script, host.units, stdin=json.dumps(units).encode())
    host.shell("chown", "--recursive", ACCOUNT, host.units)
    host.as_account("systemctl --user daemon-reload")


def measure(host: ThrowawayHost, count: int, rounds: int) -> dict[str, float]:
    """The medians of one play in which ping, pin and the module that does nothing take turns."""
    pins = [{"unit": f"service-{number}.container", "image": image(number)} for number in range(count)]
    with tempfile.TemporaryDirectory() as scratch:
        variables, durations = pathlib.Path(scratch, "variables.json"), pathlib.Path(scratch, "durations")
        variables.write_text(json.dumps({"pins": pins, "rounds": rounds}))
        command = [
            str(pathlib.Path(sys.executable).with_name("ansible-playbook")),
            f"--inventory={host.facts['inventory']}",
            f"--extra-vars=@{variables}",
            "benchmark.yml",
        ]
        settings = {
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callbacks"),
            "ANSIBLE_CALLBACKS_ENABLED": "durations",
            "DURATIONS": str(durations),
            "ANSIBLE_PIPELINING": "1",
        }
        done = subprocess.run(
            command, cwd=HERE, env={**os.environ, **settings}, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(done.stdout + done.stderr)
        lines = [json.loads(line) for line in durations.read_text().splitlines()]
    if any(changed for _name, _seconds, changed in lines):
        raise SystemExit("There was nothing to change, and something changed.")
    ping, every, two, nothing = (
        statistics.median(seconds for name, seconds, _changed in lines if name == task)
        for task in ("Ping", "Pin", "Pin two", "Carry")
    )
    return {
        "units": count,
        "ping_seconds": round(ping, 3),
        "pin_every_unit_seconds": round(every, 3),
        "pin_two_units_seconds": round(two, 3),
        "ratio_every_unit": round(every / ping, 2),
        "ratio_two_units": round(two / ping, 2),
        "ratio_doing_nothing": round(nothing / ping, 2),
        "load": round(os.getloadavg()[0], 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="small")
    size = parser.parse_args().size
    counts, rounds = SIZES[size]
    host = ThrowawayHost("pin-benchmark")
    try:
        host.make_account()
        rows = []
        print("units  ping s  pin every unit s (ratio)  pin two of them s (ratio)  ratio of doing nothing  load")
        for count in counts:
            lay(host, count)
            row = measure(host, count, rounds)
            rows.append(row)
            every = f"{row['pin_every_unit_seconds']:.3f} ({row['ratio_every_unit']:.2f})"
            two = f"{row['pin_two_units_seconds']:.3f} ({row['ratio_two_units']:.2f})"
            print(
                f"{count:>5} {row['ping_seconds']:>7.3f} {every:>25} {two:>26} {row['ratio_doing_nothing']:>23} {row['load']:>5}",
                flush=True,
            )
    finally:
        host.down()
    if size == "full":
        units, aim = AIM
        met = next(row["ratio_two_units"] for row in rows if row["units"] == units)
        print(f"The aim is a ratio of at most {aim} where two of {units} units are pinned; it is {met}.")
        results.write("quadlet_image_pin", {"rows": rows, "rounds": rounds, "aim": {"units": units, "ratio": aim}})
    return 0


if __name__ == "__main__":
    sys.exit(main())
