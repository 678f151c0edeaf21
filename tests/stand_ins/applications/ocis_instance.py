"""What makes an oCIS instance: its configuration with secrets that are made once, and the data that belongs to it."""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import pathlib
import secrets
import uuid
from typing import Any

import passwords
import yaml
from ocis_storage import Space

LAYOUT = (
    "config",
    "idm",
    "idp",
    "nats",
    "proxy",
    "search",
    "storage/metadata",
    "storage/ocm",
    "storage/users",
    "thumbnails",
    "web",
)


class Refused(Exception):
    """Why a command ends without having done its work."""


def config_file() -> pathlib.Path:
    return pathlib.Path(os.environ.get("OCIS_CONFIG_DIR", "/etc/ocis")) / "ocis.yaml"


def data_folder() -> pathlib.Path:
    return pathlib.Path(os.environ.get("OCIS_BASE_DATA_PATH", "/var/lib/ocis"))


def users_folder() -> pathlib.Path:
    return pathlib.Path(os.environ.get("STORAGE_USERS_OCIS_ROOT", data_folder() / "storage" / "users"))


def new_config(admin_password: str, insecure: bool) -> dict[str, Any]:
    return {
        "token_manager": {"jwt_secret": secrets.token_urlsafe(24)},
        "machine_auth_api_key": secrets.token_urlsafe(24),
        "system_user_api_key": secrets.token_urlsafe(24),
        "transfer_secret": secrets.token_urlsafe(24),
        "system_user_id": str(uuid.uuid4()),
        "admin_user_id": str(uuid.uuid4()),
        "idm": {
            "service_user_passwords": {"admin_password": admin_password, "idm_password": secrets.token_urlsafe(24)}
        },
        "storage_users": {"mount_id": str(uuid.uuid4())},
        "insecure": insecure,
    }


def read_config() -> dict[str, Any]:
    path = config_file()
    try:
        config = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        config = {}
    except (OSError, yaml.YAMLError) as problem:
        raise Refused(f"{path}: {problem}") from None
    if not isinstance(config, dict) or not set(new_config("", False)) - {"insecure"} <= set(config):
        raise Refused(
            "The jwt_secret has not been set properly in your config for ocis. "
            f"Make sure your {path} config contains the proper values (e.g. by using 'ocis init')."
        )
    return config


class Instance:
    """A configuration and the data under it. One process at a time may have it open."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.data = data_folder()
        self.accounts_file = self.data / "idm" / "ocis.boltdb"

    def open(self) -> None:
        """Makes the folders and the accounts where they are missing; after that, variables and configuration change no password."""
        for folder in LAYOUT:
            (self.data / folder).mkdir(parents=True, exist_ok=True)
        self._lock = self.accounts_file.with_suffix(".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Refused(
                f"{self.accounts_file}: timeout: another process has it open. Stop the whole instance first."
            ) from None
        if not self.accounts_file.exists():
            passwords_of = self.config["idm"]["service_user_passwords"]
            users = {
                "admin": (
                    self.config["admin_user_id"],
                    os.environ.get("IDM_ADMIN_PASSWORD") or passwords_of["admin_password"],
                )
            }
            if os.environ.get("IDM_CREATE_DEMO_USERS") == "true":
                users["einstein"] = (str(uuid.uuid4()), "relativity")
            accounts = {
                name: {"id": identifier, "password": passwords.hash_password(password)}
                for name, (identifier, password) in users.items()
            }
            self._write_accounts({"bind": passwords.hash_token(passwords_of["idm_password"]), "users": accounts})
        # As the real one's database, it is open for writing as long as the instance is.
        self._held = self.accounts_file.open("r+b")

    def _write_accounts(self, accounts: dict[str, Any]) -> None:
        unfinished = self.accounts_file.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(accounts))
        unfinished.chmod(0o600)
        unfinished.rename(self.accounts_file)

    def accounts(self) -> dict[str, Any]:
        """By name; nobody, where the configuration is not the one that the accounts were made with."""
        found = json.loads(self.accounts_file.read_text())
        if found["bind"] != passwords.hash_token(self.config["idm"]["service_user_passwords"]["idm_password"]):
            raise Refused('LDAP Result Code 49 "Invalid Credentials": ocis.yaml does not belong to this data')
        users: dict[str, Any] = found["users"]
        return users

    def reset_password(self, name: str, password: str) -> None:
        users = self.accounts()
        if name not in users:
            raise Refused(f"there is no user {name}")
        users[name]["password"] = passwords.hash_password(password)
        self._write_accounts({**json.loads(self.accounts_file.read_text()), "users": users})

    def login(self, name: str, password: str) -> bool:
        users = self.accounts()
        return name in users and passwords.password_is(password, users[name]["password"])

    def token(self, name: str) -> str:
        key = self.config["token_manager"]["jwt_secret"].encode()
        return f"{name}.{hmac.new(key, name.encode(), hashlib.sha256).hexdigest()}"

    def user_of(self, token: str) -> str | None:
        name = token.rpartition(".")[0]
        return name if name and hmac.compare_digest(token, self.token(name)) and name in self.accounts() else None

    def space(self, name: str) -> Space:
        identifier = uuid.UUID(self.accounts()[name]["id"]).hex
        return Space(users_folder(), identifier)
