"""Appends a line for each task to the file that DURATIONS names: its name, its seconds and whether it changed anything."""

from __future__ import annotations

import json
import os
import time

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: durations
type: aggregate
short_description: The seconds of each task as the controller sees them
description: The seconds of each task as the controller sees them.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "durations"

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._started = time.perf_counter()

    def v2_runner_on_ok(self, result):
        line = [result.task_name, time.perf_counter() - self._started, result.is_changed()]
        with open(os.environ["DURATIONS"], "a", encoding="utf-8") as stream:
            print(json.dumps(line), file=stream)
