"""Writes docs/results/check.json: what ./check full has proved, and how many times, as the tests count it themselves.

A test that tries many things in one says how many by pytest's `record_property("what", number)`.
"""

from __future__ import annotations

import pathlib
import sys
from collections import Counter
from collections.abc import Sequence
from xml.etree import ElementTree

from runner import CHECKOUT, Outcome

sys.path.insert(0, str(CHECKOUT / "tests"))

import results


def write(outcomes: Sequence[Outcome], seed: str) -> None:
    """Write the outcome of a whole run in full size."""
    results.write("check", {"seed": int(seed), "steps": [_described(outcome) for outcome in outcomes]})


def _described(outcome: Outcome) -> dict[str, object]:
    step = outcome.step
    described: dict[str, object] = {
        "part": step.part,
        "name": step.name,
        "passed": outcome.passed,
        "seconds": outcome.seconds,
    }
    report = step.log.with_suffix(".xml")
    return described | _counted(report) if report.exists() else described


def _counted(report: pathlib.Path) -> dict[str, object]:
    """How many tests ran, and what they counted themselves, summed over a test's parameters."""
    cases = [case for case in ElementTree.parse(report).iter("testcase") if case.find("skipped") is None]
    counts: dict[str, Counter[str]] = {}
    for case in cases:
        test = case.attrib["name"].partition("[")[0]
        for counted in case.iter("property"):
            counts.setdefault(test, Counter())[counted.attrib["name"]] += int(counted.attrib["value"])
    return {"tests": len(cases), "counts": counts}
