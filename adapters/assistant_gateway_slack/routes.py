"""
HTTP mode: ``POST /slack/events`` takes events, clicks and commands.

The raw bytes are verified before anything looks into them; then they are parsed, taken in, and
only then answered.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

from aiohttp import web
from pydantic import SecretStr

from assistant_gateway.platforms.shapes import Json
from assistant_gateway_slack.bolt import Acknowledgement
from assistant_gateway_slack.settings import PATH
from assistant_gateway_slack.signature import Unverified, verify

CHALLENGE_LENGTH = 200  # characters
FIELDS = 200  # of a form


class Malformed(Exception):
    """A signed body is not what Slack sends."""


class Routes:
    """
    The handler.

    Args:
        take: Takes a payload in; raises `StoreUnavailable` where Slack must send it again.
        clock: Gives epoch seconds.
    """

    def __init__(
        self,
        secret: SecretStr,
        take: Callable[[Json], Awaitable[Acknowledgement]],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._secret = secret
        self._take = take
        self._clock = clock

    def table(self) -> list[web.AbstractRouteDef]:
        return [web.post(PATH, self.take)]

    async def take(self, request: web.Request) -> web.Response:
        """One delivery of Slack."""
        raw = await request.read()
        try:
            verify(self._secret.get_secret_value(), request.headers, raw, self._clock())
            payload = parsed(raw, request.content_type)
        except Unverified as error:
            raise web.HTTPUnauthorized(text=str(error)) from None
        except Malformed as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        if payload.get("type") == "url_verification":
            return _challenged(payload.get("challenge"))
        if "ssl_check" in payload:
            return web.Response()
        answer = await self._take(payload)
        return web.Response(text=answer.body, status=answer.status, content_type=answer.content_type)


def _challenged(challenge: object) -> web.Response:
    if not isinstance(challenge, str) or not 0 < len(challenge) <= CHALLENGE_LENGTH:
        raise web.HTTPBadRequest(text=f"challenge: should be a text of at most {CHALLENGE_LENGTH} characters")
    return web.Response(text=challenge, content_type="text/plain")


def parsed(raw: bytes, content_type: str) -> Json:
    """
    The payload of a body: JSON for events; a form for clicks (``payload``) and commands.

    Raises:
        Malformed: It is neither.
    """
    try:
        if content_type != "application/x-www-form-urlencoded":
            return _object(raw.decode())
        form = dict(parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=FIELDS))
        return _object(form["payload"]) if "payload" in form else form
    except (ValueError, RecursionError):
        raise Malformed("The body is neither JSON nor a form.") from None


def _object(text: str) -> Json:
    value: object = json.loads(text, parse_constant=_refuse)
    if not isinstance(value, dict):
        raise ValueError("no object")
    return value


def _refuse(constant: str) -> float:
    raise ValueError(constant)
