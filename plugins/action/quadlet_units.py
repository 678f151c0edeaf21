# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of quadlet_units: templates are rendered here, and the host is called once with all of them."""

from __future__ import annotations

import base64
import html
import json
import os
import shlex
import urllib.parse

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.common.text.converters import to_text
from ansible.plugins.action import ActionBase
from ansible.template import generate_ansible_template_vars, trust_as_template


def _forms(secret: str) -> set[str]:
    """The ways in which templates usually write a value down; of several lines, each that is no commonplace as well."""
    forms = {base64.b64encode(secret.encode("utf-8")).decode("ascii")}
    for text in {secret, *(line.strip() for line in secret.splitlines() if len(line.strip()) >= 8)}:
        dumped = json.dumps(text)[1:-1]
        forms |= {text, dumped, text.replace("'", "''"), shlex.quote(text), _in_page(text), _in_script(dumped)}
        forms |= {urllib.parse.quote(text, safe=""), urllib.parse.quote(text), urllib.parse.quote_plus(text)}
    return forms


def _in_page(text: str) -> str:
    """As Jinja escapes it, which writes quotes by other numbers than Python does."""
    return html.escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")


def _in_script(dumped: str) -> str:
    """As Jinja's tojson writes JSON, so that it can stand in HTML."""
    for character in "<>&'":
        dumped = dumped.replace(character, f"\\u{ord(character):04x}")
    return dumped


class ActionModule(ActionBase):
    _supports_check_mode = True
    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        arguments = self._task.args.copy()
        wanted = {} if arguments.get("state") == "absent" else arguments
        self._forms = {
            form for value in (wanted.get("secrets") or {}).values() for form in _forms(to_text(value)) if value
        }
        rendered = {
            "units": [
                self._rendered(source, os.path.basename(source), task_vars)
                for source in self._listed(wanted, "units", str)
            ],
            "files": [
                self._rendered(one.get("src"), one.get("dest"), task_vars)
                for one in self._listed(wanted, "files", dict)
            ],
        }
        arguments["rendered"] = json.dumps(rendered)
        result.update(
            self._execute_module(
                module_name="patriark.homelab.quadlet_units", module_args=arguments, task_vars=task_vars
            )
        )
        return result

    def _listed(self, arguments, name, kind):
        found = arguments.get(name) or []
        if not isinstance(found, list) or not all(isinstance(one, kind) for one in found):
            raise AnsibleActionFail(
                f"{name} has to be a list of {'templates' if kind is str else 'files with src and dest'}."
            )
        return found

    def _rendered(self, source, dest, task_vars):
        """The text as ansible.builtin.template would write it, and whether a secret is in it."""
        if not source or not dest:
            raise AnsibleActionFail("Each of files needs src, its template, and dest, where it goes.")
        try:
            path = self._find_needle("templates", source)
        except AnsibleError as exc:
            raise AnsibleActionFail(to_text(exc)) from exc
        places = [*task_vars.get("ansible_search_path", []), self._loader.get_basedir(), os.path.dirname(path)]
        variables = {**task_vars, **generate_ansible_template_vars(source, path, dest)}
        if "ansible_managed" in task_vars:
            variables["ansible_managed"] = task_vars["ansible_managed"]
        templar = self._templar.copy_with_new_env(
            searchpath=[place for one in places for place in (os.path.join(one, "templates"), one)],
            available_variables=variables,
        )
        text = templar.template(trust_as_template(self._loader.get_text_file_contents(path)), escape_backslashes=False)
        content = "" if text is None else to_text(text)
        return {"content": content, "hidden": any(form in content for form in self._forms)}
