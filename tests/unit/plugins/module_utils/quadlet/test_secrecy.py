# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a unit may be shown. Masking the values of Environment= alone fails nearly all of it."""

from __future__ import annotations

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.secrecy import may_be_secret, without_secrets
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.unit_file import parse


@pytest.mark.parametrize(
    "lines",
    [
        "Environment=PW=s3cret",
        "Environment = PW=s3cret  ",
        "Environ\\\nment=PW=s3cret",
        "Environment=A=b \\\n# PW=s3cret was the old one\n  B=s3cret",
        "Environment=A=b \\\n\\\n  B=s3cret\\",
        "Creds=me:s3cret",
        "DecryptionKey=/key.pem:s3cret",
        "BuildArg=TOKEN=s3cret",
        "PodmanArgs=--init -e PW=s3cret",
        "PodmanArgs=-ePW=s3cret",
        "PodmanArgs=-ite PW=s3cret",
        'PodmanArgs="--env=PW=s3cret"',
        "PodmanArgs=--creds me:s3cret",
        "GlobalArgs=--decryption-key=/key.pem:s3cret",
        "PodmanArgs=--build-arg TOKEN=s3cret",
        "#Environment=PW=s3cret",
        "  ; Creds = me:s3cret",
        "# was: Environment=PW=s3cret",
        "#PodmanArgs=--init \\\n#  --env PW=s3cret \\\n#  s3cret",
        "#Environment=A=b \\\n#  s3cret=",
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_what_may_be_secret_is_not_shown(lines: str, newline: str) -> None:
    text = f"# kept\n[Container]\nImage=a:1\n{lines}\n# after\nPull=never\n".replace("\n", newline)
    shown = without_secrets(text.encode()).decode()
    assert "s3cret" not in shown
    assert "(not shown)" in shown
    assert shown.startswith(newline.join(["# kept", "[Container]", "Image=a:1", ""]))
    if not lines.endswith("\\"):
        assert shown.endswith(newline.join(["# after", "Pull=never", ""]))
        assert len(parse(shown.encode()).assignments) == len(parse(text.encode()).assignments)


@pytest.mark.parametrize(
    "line",
    [
        "Image=a:1",
        "Environment=",
        "EnvironmentFile=/etc/app.env",
        "PodmanArgs=--env-file=/etc/app.env --env-host --device /dev/x -l release=1",
        "GlobalArgs=--log-level=debug",
        "# The Environment is in app.env \\",
        "#Image=a:1 \\\n# goes on",
    ],
)
def test_the_rest_is_shown_byte_for_byte(line: str) -> None:
    data = f"[Container]\n{line}\n# \xe9\nExec=x".encode("latin-1")
    assert without_secrets(data) == data


def test_keys() -> None:
    assert may_be_secret("Environment", [])
    assert may_be_secret("Creds", ["me:s3cret"])
    assert may_be_secret("PodmanArgs", ["--init", "--env PW=s3cret"])
    assert not may_be_secret("PodmanArgs", ["--init"])
    assert not may_be_secret("Volume", ["-e"])
