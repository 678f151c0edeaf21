"""Errors as Immich's API words them."""

from __future__ import annotations

import web


def error(status: int, message: str) -> web.Answer:
    names = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 500: "Internal Server Error"}
    return web.as_json({"message": message, "error": names[status], "statusCode": status}, status)


def refuse(status: int, message: str) -> web.Refusal:
    return web.Refusal(error(status, message))
