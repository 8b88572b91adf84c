"""Errors as problem details (RFC 9457): what went wrong in words for the caller, and nothing from inside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.client import responses

from aiohttp import web

from assistant_gateway.values import JsonValue

CONTENT_TYPE = "application/problem+json"


def problem(
    status: int, detail: str = "", *, headers: Mapping[str, str] | None = None, **members: JsonValue
) -> web.Response:
    """A problem response; *members* stand beside ``type``, ``title``, ``status`` and ``detail``."""
    title = responses.get(status, "Error")
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail or title, **members}
    return web.Response(
        status=status,
        body=json.dumps(body).encode(),
        content_type=CONTENT_TYPE,
        headers=headers,
    )


def problem_of(error: web.HTTPException) -> web.Response:
    """The problem that an aiohttp exception stands for; its own text becomes the detail."""
    # Without a text of its own an aiohttp exception says "404: Not Found".
    detail = "" if error.text == f"{error.status}: {error.reason}" else error.text or ""
    kept = {name: value for name, value in error.headers.items() if not name.lower().startswith("content-")}
    return problem(error.status, detail, headers=kept)
