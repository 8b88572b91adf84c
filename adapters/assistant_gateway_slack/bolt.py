"""
The Bolt app behind the gateway: what came in is on disk by then; Bolt says how Slack is answered.

Every event, click, form and command that is none of ours has a listener, so that nothing goes unmatched
(Bolt's 404 makes Slack repeat, and counts as a failure) and nobody sees an error. Who the bot is was
learned once; Bolt need not ask `auth.test` for it, and loses no event when Slack is slow.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_bolt.request.async_request import AsyncBoltRequest

from assistant_gateway.platforms.shapes import Json
from assistant_gateway.values import JsonObject
from assistant_gateway_slack.identity import Identity
from assistant_gateway_slack.markup import inert

NO_COMMANDS = "I do not know that command. Mention me, or write me a direct message."
EVERYTHING = re.compile("")


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """How Slack is answered."""

    status: int
    body: str
    content_type: str


TAKEN = Acknowledgement(200, "", "text/plain")


def privately(words: str) -> Acknowledgement:
    """An answer to a command that only its person sees."""
    return _json({"response_type": "ephemeral", "text": inert(words)})


def form_error(block_id: str, words: str) -> Acknowledgement:
    """A dialog stays open and says what is wrong."""
    return _json({"response_action": "errors", "errors": {block_id: words}})


def _json(body: JsonObject) -> Acknowledgement:
    return Acknowledgement(200, json.dumps(body), "application/json")


class Bolt:
    """A Bolt app that acknowledges everything; *token* and *me* tell who the bot is by then."""

    def __init__(self, token: Callable[[], str], me: Callable[[], Identity | None]) -> None:
        # Bolt logs bodies of requests at INFO and what it finds in the environment as warnings.
        logger = logging.getLogger("assistant_gateway_slack.bolt")
        logger.setLevel(logging.ERROR)
        self.app = AsyncApp(
            logger=logger,
            name="assistant-gateway",
            signing_secret="",  # verified before: see `signature`
            authorize=_authorize(token, me),
            request_verification_enabled=False,
            ssl_check_enabled=False,
            url_verification_enabled=False,
        )
        _listen(self.app)
        self._log = structlog.get_logger()

    async def answer(self, payload: Json) -> Acknowledgement:
        """How Slack is answered; *payload* is verified and, where it is a message, on disk."""
        try:
            # As in Socket Mode: the payload is parsed already, and Bolt must not do it a second time.
            request = AsyncBoltRequest(body=dict(payload), mode="socket_mode")
            response = await self.app.async_dispatch(request)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            # slack_bolt 1.30 trusts the shape of what it reads; nothing of that shape is ours.
            self._log.warning("slack.odd_payload", error=type(error).__name__)
            return TAKEN
        types = response.headers.get("content-type", ["text/plain"])
        return Acknowledgement(response.status, response.body or "", types[0].partition(";")[0])


def _authorize(
    token: Callable[[], str], me: Callable[[], Identity | None]
) -> Callable[[], Awaitable[AuthorizeResult]]:
    async def authorize() -> AuthorizeResult:
        known = me()
        assert known is not None, "nothing is taken in before the bot knows who it is"
        return AuthorizeResult(
            enterprise_id=known.enterprise_id or None,
            team_id=known.team_id,
            bot_token=token(),
            bot_id=known.bot_id,
            bot_user_id=known.user_id,
        )

    return authorize


def _listen(app: AsyncApp) -> None:
    async def acknowledge(ack: AsyncAck) -> None:
        await ack()

    async def explain(ack: AsyncAck) -> None:
        await ack(text=NO_COMMANDS, response_type="ephemeral")

    async def suggest_nothing(ack: AsyncAck) -> None:
        await ack(options=[])

    app.command(EVERYTHING)(explain)
    app.options(EVERYTHING)(suggest_nothing)
    for register in (app.event, app.action, app.shortcut, app.view):
        register(EVERYTHING)(acknowledge)
