"""The command that the published machine learning image uses as its health check."""

from __future__ import annotations

import sys
import urllib.request

try:
    sys.exit(0 if urllib.request.urlopen("http://127.0.0.1:3003/ping", timeout=2).read() == b"pong" else 1)
except OSError as problem:
    sys.exit(str(problem))
