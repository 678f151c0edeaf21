"""What the pages of Immich and oCIS have in common: many small modules with hashed names, none of which outlives its version."""

from __future__ import annotations

import hashlib


def hashed(version: str, name: str) -> str:
    return hashlib.sha256(f"{version}/{name}".encode()).hexdigest()[:8]


def module(product: str, version: str, number: int) -> bytes:
    return f"export const number = {number}; // stand-in for {product} {version}\n".encode() + b"/* filler */\n" * 40
