"""Who may ask the stand-in for Immich what: accounts, sessions, and API keys with permissions."""

from __future__ import annotations

import re
import secrets
from typing import Any

import immich_store as store
import passwords
import web
from immich_errors import refuse

User = dict[str, Any]


class People:
    def __init__(self, database: store.Database) -> None:
        self.database = database

    def authorize(self, request: web.Request, permission: str) -> User:
        key = request.headers.get("x-api-key")
        token = request.headers.get("Authorization", "").removeprefix("Bearer ") or re.sub(
            r".*immich_access_token=([^;]*).*", r"\1", request.headers.get("Cookie", "")
        )
        granted = ["all"]
        if key is not None and key != "":
            rows = self.database.query(
                'SELECT "userId", "permissions" FROM "{api_key}" WHERE "key" = %s', passwords.hash_token(key)
            )
            if not rows:
                raise refuse(401, "Invalid API key")
            user_id, granted = rows[0]
        else:
            rows = (
                self.database.query('SELECT "userId" FROM "{session}" WHERE "token" = %s', passwords.hash_token(token))
                if token
                else []
            )
            if not rows:
                raise refuse(401, "Invalid user token" if token else "Authentication required")
            user_id = rows[0][0]
        user = self.user(str(user_id))
        wanted = permission.removeprefix("admin:")
        if permission != wanted and not user["isAdmin"]:
            raise refuse(403, "Forbidden")
        if "all" not in granted and wanted not in granted:
            raise refuse(403, f"Missing required permission: {wanted}")
        return user

    def user(self, user_id: str) -> User:
        email_address, name, is_admin = self.database.query(
            'SELECT "email", "name", "isAdmin" FROM "{user}" WHERE "id" = %s', user_id
        )[0]
        return {"id": user_id, "email": email_address, "name": name, "isAdmin": is_admin}

    def sign_up(self, request: web.Request) -> web.Answer:
        if self.database.value('SELECT EXISTS (SELECT 1 FROM "{user}" WHERE "isAdmin")'):
            raise refuse(400, "The server already has an admin")
        return self._add_user(request.json(), is_admin=True)

    def add_user(self, request: web.Request, user: User) -> web.Answer:
        return self._add_user(request.json(), is_admin=False)

    def _add_user(self, wanted: dict[str, Any], is_admin: bool) -> web.Answer:
        values = wanted["email"], passwords.hash_password(wanted["password"]), wanted.get("name", ""), is_admin
        user_id = self.database.value(
            'INSERT INTO "{user}" ("email", "password", "name", "isAdmin") VALUES (%s, %s, %s, %s) RETURNING "id"',
            *values,
        )
        return web.as_json(self.user(str(user_id)), 201)

    def login(self, request: web.Request) -> web.Answer:
        given = request.json()
        rows = self.database.query('SELECT "id", "password" FROM "{user}" WHERE "email" = %s', given.get("email"))
        if not rows or not passwords.password_is(given.get("password", ""), rows[0][1]):
            raise refuse(401, "Incorrect email or password")
        token = secrets.token_urlsafe(32)
        self.database.query(
            'INSERT INTO "{session}" ("token", "userId") VALUES (%s, %s)', passwords.hash_token(token), rows[0][0]
        )
        user = self.user(str(rows[0][0]))
        answer = {
            "accessToken": token,
            "userId": user["id"],
            "userEmail": user["email"],
            "name": user["name"],
            "isAdmin": user["isAdmin"],
        }
        return web.as_json(
            answer, 201, **{"Set-Cookie": f"immich_access_token={token}; HttpOnly; Path=/; SameSite=Lax"}
        )

    def add_key(self, request: web.Request, user: User) -> web.Answer:
        wanted = request.json()
        secret = secrets.token_urlsafe(32)
        values = (
            wanted.get("name", "API Key"),
            passwords.hash_token(secret),
            user["id"],
            wanted.get("permissions") or ["all"],
        )
        key_id = self.database.value(
            'INSERT INTO "{api_key}" ("name", "key", "userId", "permissions") VALUES (%s, %s, %s, %s) RETURNING "id"',
            *values,
        )
        return web.as_json(
            {"secret": secret, "apiKey": {"id": str(key_id), "name": values[0], "permissions": values[3]}}, 201
        )
