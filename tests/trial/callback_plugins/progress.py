"""Standard output for people who watch: a heading for each role, a line for each change, the current task on a terminal."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: progress
type: stdout
short_description: a line for each role and each change
description:
  - Shows what a play does while it does it, and no more than that.
  - Writes the seconds that each role took to the file that E(PROGRESS_SUMMARY) names.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "progress"

    def __init__(self):
        super().__init__()
        self._terminal = sys.stdout.isatty()
        self._seconds = {}
        self._heading, self._task, self._started = "", "", time.monotonic()

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._account()
        role = task._role.get_name().rpartition(".")[2] if task._role else self._heading
        if role != self._heading:
            self._heading = role
            self._print(role)
        self._task = task.name or task.action
        if self._terminal:
            shown = f"  … {self._task}"[: shutil.get_terminal_size().columns - 1]
            print(f"\r\033[K{shown}", end="", flush=True)

    def v2_playbook_on_handler_task_start(self, task):
        self.v2_playbook_on_task_start(task, False)

    def v2_runner_on_ok(self, result):
        if result.is_changed():
            self._print(f"  + {self._task} ({time.monotonic() - self._started:.1f} s)")

    def v2_runner_on_failed(self, result, ignore_errors=False):
        if ignore_errors:
            return
        self._print(f"  FAILED {self._task}")
        answer = result._result
        for key in ("msg", "module_stderr", "stderr", "exception"):
            if answer.get(key):
                self._print("    " + str(answer[key]).strip().replace("\n", "\n    "))
                break

    def v2_runner_on_unreachable(self, result):
        self._print(f"  UNREACHABLE {result._result.get('msg')}")

    def v2_playbook_on_stats(self, stats):
        self._account()
        changed, ok = sum(stats.changed.values()), sum(stats.ok.values())
        self._print(f"\n{ok} tasks, changed={changed}, {sum(self._seconds.values()):.1f} s")
        if path := os.environ.get("PROGRESS_SUMMARY"):
            with open(path, "w", encoding="utf-8") as file:
                json.dump(self._seconds, file)

    def _account(self):
        now = time.monotonic()
        if self._heading:
            self._seconds[self._heading] = self._seconds.get(self._heading, 0.0) + now - self._started
        self._started = now

    def _print(self, line):
        print(f"\r\033[K{line}" if self._terminal else line, flush=True)
