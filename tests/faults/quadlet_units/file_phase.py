"""What quadlet_units does with files, as a process of its own that a test can kill, or whose system calls it can fail.

Called with a home directory and a file of parameters. Ends with 0, or with 3 where the library refused or gave up.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys

from ansible_collections.patriark.homelab.plugins.module_utils.errors import HomelabError
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.deployment import own_files
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.deployment.request import read_request

BEGIN = "/here-begins-the-file-phase"


def main() -> int:
    home = sys.argv[1]
    with open(sys.argv[2], encoding="utf-8") as stream:
        request = read_request(json.load(stream), home, os.path.join(home, ".config/containers/systemd"))
    with contextlib.suppress(OSError):
        os.rmdir(BEGIN)
    try:
        recorded = own_files.read_record(request.record, home)
        found = own_files.on_disk({*request.everything, *recorded.paths})
        changes = own_files.file_changes(request, recorded.paths, found)
        own_files.write(request, home, recorded, changes)
    except HomelabError as exc:
        print(exc.message, file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
