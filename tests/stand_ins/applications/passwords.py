"""Passwords and tokens as they are kept: hashed."""

from __future__ import annotations

import hashlib
import secrets


def hash_token(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def hash_password(password: str, salt: str | None = None) -> str:
    salt = salt or secrets.token_hex(8)
    return f"{salt}${hashlib.scrypt(password.encode(), salt=salt.encode(), n=1024, r=8, p=1).hex()}"


def password_is(password: str, hashed: str) -> bool:
    return secrets.compare_digest(hash_password(password, hashed.split("$")[0]), hashed)
