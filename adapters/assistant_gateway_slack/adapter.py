"""
Slack as a platform: messages come in over Socket Mode or HTTP, answers are posts that grow by edits.

A reply is found again by its key: in the metadata of our posts, told by their echo or read in the
thread. Every call needs stored values alone, so that any process can finish any reply.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Sequence
from typing import Literal

import structlog
from aiohttp import web

from assistant_gateway.adapter import Budget, Content, Finding, Intake, Limits
from assistant_gateway.errors import (
    AdapterError,
    Forbidden,
    OutcomeUnknown,
    PostGone,
    RateLimited,
    TooLong,
)
from assistant_gateway.values import Conversation, JsonValue, ReplyTarget
from assistant_gateway_slack.bolt import Acknowledgement, Bolt
from assistant_gateway_slack.budgets import budgets
from assistant_gateway_slack.checks import findings
from assistant_gateway_slack.downloads import Downloads
from assistant_gateway_slack.ears import Aside, Ears
from assistant_gateway_slack.echoes import Echoes
from assistant_gateway_slack.history import History, Unread
from assistant_gateway_slack.markup import FLAGS, MARKDOWN_LENGTH, inert, message
from assistant_gateway_slack.people import People
from assistant_gateway_slack.reception import Reception
from assistant_gateway_slack.routes import Routes
from assistant_gateway_slack.said import ADAPTER, EVENT_TYPE
from assistant_gateway_slack.settings import SlackSettings
from assistant_gateway_slack.shapes import Json, table, tables, text
from assistant_gateway_slack.sockets import Socket
from assistant_gateway_slack.uploads import Uploads
from assistant_gateway_slack.web import TIMEOUT, Web

# chat.update: tier 3, 50 a minute for an app in a workspace: docs.slack.dev, "Rate limits", 2026-09-14.
EDIT_INTERVAL = 1.2  # seconds
ASIDES = 100  # that wait to be told
SOON = 0.2  # seconds until an answer with files is tried again that was finished too early
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds between two tries to learn who the bot is


class SlackAdapter:
    """The adapter of one Slack app in one workspace."""

    name = ADAPTER
    limits = Limits(text_length=MARKDOWN_LENGTH, edit_interval=EDIT_INTERVAL)

    def __init__(self, settings: SlackSettings, *, timeout: float = TIMEOUT) -> None:
        """*timeout* is for one call of the Web API, in seconds."""
        assert settings.bot_token is not None, "the settings refuse to be without"
        self._settings = settings
        self._web = Web(settings.bot_token, settings.base_url, timeout=timeout)
        self._echoes = Echoes()
        self._history = History(self._web)
        self._uploads = Uploads(self._web, self._history)
        self._asides: asyncio.Queue[Aside] = asyncio.Queue(ASIDES)
        ears = Ears(
            settings,
            People(self._web),
            Downloads(self._web, max_files=settings.max_files, max_size=settings.max_file_size),
            self._echoes,
            self._tell,
        )
        bolt = Bolt(settings.bot_token.get_secret_value(), lambda: self._web.known_identity)
        self._reception = Reception(self._web, ears, bolt)
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

                async def take(payload: Json) -> Acknowledgement:
                    return await self._reception.take(payload, intake)

                self._sockets = tuple(
                    Socket(self._web, app_token, take) for _ in range(self._settings.connections)
                )
                for number, socket in enumerate(self._sockets, start=1):
                    group.create_task(socket.run(), name=f"slack:socket-{number}")

    def routes(self, intake: Intake) -> Iterable[web.AbstractRouteDef]:
        secret = self._settings.signing_secret
        if secret is None:
            return ()
        self._intake = intake
        return Routes(secret, self._reception, intake).table()

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
        self._refuse_early_files(content)
        where = target.conversation
        body: dict[str, JsonValue] = {
            **_shown(content.text),
            "channel": where.channel,
            "metadata": {"event_type": EVENT_TYPE, "event_payload": {"reply_key": key}},
        }
        if where.topic:
            body["thread_ts"] = where.topic
        told = await self._web.write("chat.postMessage", body, once=True)
        ts = text(told.get("ts"))
        if not ts:
            raise OutcomeUnknown("chat.postMessage gave no ts")
        if where.topic and not text(table(told.get("message")).get("thread_ts")):
            await self._refuse_unthreaded(where, ts)
        await self._put_files(where, ts, content)
        return ts

    async def edit(self, target: ReplyTarget, post_id: str, content: Content) -> None:
        self._refuse_early_files(content)
        where = target.conversation
        await self._update(where, post_id, content.text)
        await self._put_files(where, post_id, content)

    async def delete(self, target: ReplyTarget, post_id: str) -> None:
        channel = target.conversation.channel
        try:
            await self._web.write("chat.delete", {"channel": channel, "ts": post_id})
        except PostGone:
            self._log.debug("slack.deleted_already", ts=post_id)
        self._echoes.forget(channel, post_id)

    async def find(self, target: ReplyTarget, key: str) -> str | None:
        where = target.conversation
        if heard := self._echoes.find(where.channel, key):
            return heard
        try:
            me = await self._web.identity()
            # The answer is younger than its question, whose ts is kept with it.
            async for each in self._history.since(where, text(target.reply_to.get("ts")) or "0"):
                if me.posted(each) and _key(each) == key:
                    return text(each.get("ts"))
        except RateLimited:
            raise
        except (AdapterError, Unread) as error:
            raise OutcomeUnknown(f"the thread can't be read: {error}") from error
        return self._echoes.find(where.channel, key)

    async def close(self) -> None:
        await self._web.close()

    async def _update(self, where: Conversation, post_id: str, markdown: str) -> None:
        await self._web.write("chat.update", {**_shown(markdown), "channel": where.channel, "ts": post_id})

    async def _refuse_unthreaded(self, where: Conversation, ts: str) -> None:
        """
        Take a post back that Slack has put beside its thread, whose root is gone.

        Raises:
            Forbidden: It was so: nobody wants the answer there any more.
        """
        try:
            told = await self._web.read("conversations.replies", channel=where.channel, ts=ts, limit=1)
            seen = next((each for each in tables(told.get("messages")) if each.get("ts") == ts), {})
            if not seen or text(seen.get("thread_ts")) == where.topic:
                return
            await self._web.write("chat.delete", {"channel": where.channel, "ts": ts})
        except AdapterError as error:
            self._log.warning("slack.unthreaded", ts=ts, error=str(error))
            return
        raise Forbidden("the thread's first message is gone")

    def _refuse_early_files(self, content: Content) -> None:
        """
        An answer that is finished while the gateway starts waits a moment for its files' bytes.

        Raises:
            RateLimited: The gateway does not serve yet.
        """
        if content.files and self._intake is None:
            raise RateLimited(SOON, "the gateway does not serve yet")

    async def _put_files(self, where: Conversation, post_id: str, content: Content) -> None:
        """Put the files of a finished answer below it; one that Slack does not take is told in the answer."""
        if not content.files or self._intake is None:
            return
        failed = await self._uploads.put(self._intake, where, post_id, content.files)
        if failed:
            note = f"\n\n_These files could not be put here: {', '.join(failed)}._"
            try:
                await self._update(where, post_id, content.text + note)
            except AdapterError as error:
                self._log.warning("slack.note_failed", error=str(error))

    # Asides

    def _tell(self, aside: Aside) -> None:
        try:
            self._asides.put_nowait(aside)
        except asyncio.QueueFull:
            self._log.warning("slack.aside_lost", channel=aside.conversation.channel)

    async def _tell_asides(self) -> None:
        while True:
            aside = await self._asides.get()
            where = aside.conversation
            body: dict[str, JsonValue] = {
                "channel": where.channel,
                "user": aside.user,
                "text": inert(aside.text),
                **FLAGS,
            }
            if where.topic:
                body["thread_ts"] = where.topic
            try:
                await self._web.write("chat.postEphemeral", body)
            except AdapterError as error:
                self._log.warning("slack.aside_failed", error=str(error))


def _shown(markdown: str) -> dict[str, JsonValue]:
    if len(inert(markdown)) > MARKDOWN_LENGTH:
        raise TooLong("msg_too_long")
    return dict(message(markdown))


def _key(posted: Json) -> str:
    metadata = table(posted.get("metadata"))
    key = table(metadata.get("event_payload")).get("reply_key")
    return text(key) if metadata.get("event_type") == EVENT_TYPE else ""
