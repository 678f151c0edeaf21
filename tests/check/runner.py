"""Runs steps within their time, two at a time, and prints one line for each."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import pathlib
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
LOGS = CHECKOUT / "tests" / "output" / "check"
_LANES = 2
_LAST_LINES = 60
_PLAIN = {"NO_COLOR": "1", "ANSIBLE_NOCOLOR": "1", "PY_COLORS": "0"}  # for logs, which nobody reads in colour


class Step(NamedTuple):
    """Commands that succeed or fail together."""

    part: str
    name: str
    commands: Sequence[Sequence[str]]
    seconds: int = 300  # the limit
    alone: bool = False  # nothing else may run meanwhile
    cwd: pathlib.Path = CHECKOUT
    env: Mapping[str, str] = MappingProxyType({})

    @property
    def log(self) -> pathlib.Path:
        return log_of(self.part, self.name)


class Outcome(NamedTuple):
    """How a step went."""

    step: Step
    passed: bool
    seconds: float


def log_of(part: str, name: str) -> pathlib.Path:
    """Where a step's output goes."""
    return LOGS / f"{part}-{name}.log".replace("/", "-")


def run(steps: Sequence[Step], started: float, ceiling: float, lock: int) -> list[Outcome]:
    """Run all steps; print a line for each and the totals. What a killed run leaves at work keeps the lock, a descriptor.

    All times are since the machine's start, as /proc/uptime has them: the clock may be set meanwhile.
    """
    end = started + ceiling
    results: list[Outcome] = []
    with _stopped_by_signals():
        together = [step for step in steps if not step.alone]
        with concurrent.futures.ThreadPoolExecutor(_LANES) as lanes:
            results += lanes.map(lambda step: _run_step(step, end, lock), together)
        results += [_run_step(step, end, lock) for step in steps if step.alone]
    failed = sum(not outcome.passed for outcome in results)
    print(f"Whole run: {_now() - started:.0f} s")
    print(f"{len(results) - failed} passed, {failed} failed", flush=True)
    return results


def _run_step(step: Step, end: float, lock: int) -> Outcome:
    start = _now()
    trouble = _trouble(step, end, lock) if not _stop.is_set() else "not started: stopped"
    seconds = _now() - start
    with _printing:
        verdict = "FAILED" if trouble else "passed"
        print(f"{verdict}  {step.part:12} {step.name:32} {seconds:7.1f} s", flush=True)
        if trouble:
            tail = step.log.read_text(errors="replace").splitlines()[-_LAST_LINES:] if step.log.exists() else []
            print("\n".join(f"    {line}" for line in [*tail, trouble, f"The whole log: {step.log}"]), flush=True)
    return Outcome(step, not trouble, round(seconds, 1))


def _trouble(step: Step, end: float, lock: int) -> str:
    """What went wrong, or nothing."""
    step_end = min(_now() + step.seconds, end)
    with step.log.open("wb") as log:
        for command in step.commands:
            if _now() >= end:
                return "not started: the time for the whole run is over"
            log.write(f"$ {' '.join(command)}\n".encode())
            log.flush()
            process = subprocess.Popen(
                command,
                cwd=step.cwd,
                env={**os.environ, **_PLAIN, **step.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[lock],
            )
            _running.add(process)
            try:
                status = process.wait(max(0.0, step_end - _now()))
            except subprocess.TimeoutExpired:
                return f"ended after {step.seconds} s: its time was over"
            finally:
                _kill(process)
                _running.discard(process)
            if status:
                return f"exit status {status}"
    return ""


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


_printing = threading.Lock()
_stop = threading.Event()
_running: set[subprocess.Popen[bytes]] = set()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the command with all that it left running."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    except PermissionError:  # what sudo started is root's
        subprocess.run(["sudo", "kill", "-KILL", "--", f"-{process.pid}"], check=False)
    process.wait()


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """On Ctrl-C or a polite kill nothing of this run stays behind."""

    def stop(*_signal: object) -> None:
        _stop.set()
        for process in list(_running):
            _kill(process)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
