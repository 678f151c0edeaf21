"""Templates are rendered on the controller exactly as ansible.builtin.template renders them.

Rendering without the role's search path fails at the include, without trust at the first expression, with trust in
everything at the text that a command printed, and by Jinja alone at the header and at native values.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent


def test_it_is_what_ansible_builtin_template_writes(tmp_path):
    play = [
        pathlib.Path(sys.executable).with_name("ansible-playbook"),
        HERE / "rendering" / "play.yml",
        f"--extra-vars=scratch={tmp_path}",
    ]
    done = subprocess.run(
        play,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rendered = {
        pathlib.Path(one["after_header"]).name.removesuffix(".j2"): one["after"]
        for one in json.loads((tmp_path / "rendered.json").read_text())
    }
    written = {
        path.name.removesuffix(".j2"): path.read_text() for path in tmp_path.iterdir() if path.name != "rendered.json"
    }
    assert rendered == written
    assert "Image={{ service_word }}\n" in rendered["plain.container"], "what a command printed is no template"
