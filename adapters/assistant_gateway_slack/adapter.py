"""
Slack as a platform: messages come in over Socket Mode or HTTP, answers are posts that grow by edits.

What is heard and said in a workspace is `workspace.Workspace`'s; this finds the workspace, keeps the
app's connections, and tells what people are told beside their answers.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Sequence
from typing import Literal

import structlog
from aiohttp import web

from assistant_gateway.adapter import Budget, Content, Finding, Intake, Limits
from assistant_gateway.errors import AdapterError, RateLimited
from assistant_gateway.values import Conversation, ReplyTarget
from assistant_gateway_slack.bolt import Acknowledgement
from assistant_gateway_slack.budgets import budgets
from assistant_gateway_slack.checks import findings
from assistant_gateway_slack.ears import Aside
from assistant_gateway_slack.markup import MARKDOWN_LENGTH
from assistant_gateway_slack.routes import Routes
from assistant_gateway_slack.said import ADAPTER
from assistant_gateway_slack.settings import SlackSettings
from assistant_gateway_slack.shapes import Json
from assistant_gateway_slack.sockets import Socket
from assistant_gateway_slack.web import TIMEOUT, Web
from assistant_gateway_slack.workspace import Workspace

# chat.update: tier 3, 50 a minute for an app in a workspace: docs.slack.dev, "Rate limits", 2026-09-14.
EDIT_INTERVAL = 1.2  # seconds
ASIDES = 100  # that wait to be told
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds between two tries to learn who the bot is


class SlackAdapter:
    """The adapter of one Slack app."""

    name = ADAPTER
    limits = Limits(text_length=MARKDOWN_LENGTH, edit_interval=EDIT_INTERVAL)

    def __init__(self, settings: SlackSettings, *, timeout: float = TIMEOUT) -> None:
        """*timeout* is for one call of the Web API, in seconds."""
        assert settings.bot_token is not None, "the settings refuse to be without"
        self._settings = settings
        self._asides: asyncio.Queue[Aside] = asyncio.Queue(ASIDES)
        self._web = Web(settings.bot_token, settings.base_url, timeout=timeout)
        self._workspace = Workspace(settings, self._web, tell=self._tell, intake=lambda: self._intake)
        self._intake: Intake | None = None
        self._sockets: tuple[Socket, ...] = ()
        self._refusal = ""
        self._log = structlog.get_logger()

    # In

    async def run(self, intake: Intake) -> None:
        self._intake = intake
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tell_asides(), name="slack:asides")
            await self._introduce()
            app_token = self._settings.app_token
            if app_token is not None:
                self._sockets = tuple(
                    Socket(self._web, app_token, self.take) for _ in range(self._settings.connections)
                )
                for number, socket in enumerate(self._sockets, start=1):
                    group.create_task(socket.run(), name=f"slack:socket-{number}")

    def routes(self, intake: Intake) -> Iterable[web.AbstractRouteDef]:
        secret = self._settings.signing_secret
        if secret is None:
            return ()
        self._intake = intake
        return Routes(secret, self.take).table()

    async def take(self, payload: Json) -> Acknowledgement:
        """
        Give a verified payload to its workspace; how Slack is answered.

        Raises:
            StoreUnavailable: It could not be kept; Slack must send it again.
        """
        assert self._intake is not None, "nothing comes in before there is an intake"
        return await self._workspace.take(payload, self._intake)

    def unready(self) -> str:
        if self._web.known_identity is None:
            return self._refusal or "connecting…"
        if self._settings.app_token is None or any(socket.connected for socket in self._sockets):
            return ""
        return next((f"no connection: {each.fault}" for each in self._sockets if each.fault), "connecting…")

    async def check(self) -> Sequence[Finding]:
        return await findings(self._web, self._settings)

    async def _introduce(self) -> None:
        """Learn who the bot is; while Slack refuses, say so and ask again."""
        pause = FIRST_PAUSE
        while True:
            try:
                me = await self._web.identity()
            except AdapterError as error:
                self._refusal = f"auth.test: {error}"
                self._log.error("slack.not_authorised", reason=str(error))
                wait = max(pause, error.retry_after) if isinstance(error, RateLimited) else pause
                await asyncio.sleep(wait * (1 + random.random() / 2))  # noqa: S311
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                self._log.info("slack.authorised", team=me.team_id, bot=me.user_id)
                return

    # Out

    def budgets(self, target: ReplyTarget, call: Literal["post", "edit", "delete"]) -> Sequence[Budget]:
        return budgets(target.conversation, call)

    async def post(self, target: ReplyTarget, key: str, content: Content) -> str:
        return await self._in(target.conversation).post(target, key, content)

    async def edit(self, target: ReplyTarget, post_id: str, content: Content) -> None:
        await self._in(target.conversation).edit(target, post_id, content)

    async def delete(self, target: ReplyTarget, post_id: str) -> None:
        await self._in(target.conversation).delete(target, post_id)

    async def find(self, target: ReplyTarget, key: str) -> str | None:
        return await self._in(target.conversation).find(target, key)

    async def close(self) -> None:
        await self._web.close()

    def _in(self, where: Conversation) -> Workspace:
        """The workspace of a conversation."""
        return self._workspace

    # Asides

    def _tell(self, aside: Aside) -> None:
        try:
            self._asides.put_nowait(aside)
        except asyncio.QueueFull:
            self._log.warning("slack.aside_lost", channel=aside.conversation.channel)

    async def _tell_asides(self) -> None:
        while True:
            aside = await self._asides.get()
            try:
                await self._in(aside.conversation).whisper(aside)
            except AdapterError as error:
                self._log.warning("slack.aside_failed", error=str(error))
