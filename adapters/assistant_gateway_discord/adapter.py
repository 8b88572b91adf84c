"""
Discord as a platform: messages come in over its gateway, answers are messages that grow by edits.

A message is kept before it counts as heard; what was missed is read from the history. Every call needs
stored values alone, so that any process can finish any reply.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import structlog

from assistant_gateway.adapter import Budget, CallKind, Content, Finding, Intake, Limits, Notes
from assistant_gateway.errors import AdapterError, Forbidden, RateLimited, StoreError
from assistant_gateway.platforms.files import label
from assistant_gateway.platforms.shapes import Json
from assistant_gateway.values import ReplyTarget
from assistant_gateway_discord.asides import Asides
from assistant_gateway_discord.budgets import budgets
from assistant_gateway_discord.checks import findings
from assistant_gateway_discord.commands import register
from assistant_gateway_discord.counter import Counter
from assistant_gateway_discord.cursors import Cursors
from assistant_gateway_discord.downloads import Downloads
from assistant_gateway_discord.drafts import LENGTH
from assistant_gateway_discord.ears import Ears
from assistant_gateway_discord.echoes import Echoes
from assistant_gateway_discord.faults import Blocked, FilesTooLarge
from assistant_gateway_discord.indicator import SECONDS, Indicator
from assistant_gateway_discord.interactions import Interaction, read
from assistant_gateway_discord.line import Line
from assistant_gateway_discord.places import Places
from assistant_gateway_discord.posts import Posts
from assistant_gateway_discord.queues import Changed, Created, Deleted, Event, Gap, Queues
from assistant_gateway_discord.said import ADAPTER
from assistant_gateway_discord.settings import DiscordSettings
from assistant_gateway_discord.shapes import snowflake, snowflakes
from assistant_gateway_discord.targets import PostId
from assistant_gateway_discord.uploads import note, uploads
from assistant_gateway_discord.web import TIMEOUT, Upload, Web

EDIT_INTERVAL = 1.0  # seconds; the budgets say it more finely
SOON = 0.2  # seconds until an answer with files is tried again that was finished too early
FLUSH = 30.0  # seconds between two writes of how far channels were heard
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0  # seconds between two tries to register the commands
BLOCKED = "_This server's rules (AutoMod) do not let the answer be shown._"

Shown = TypeVar("Shown")


class DiscordAdapter:
    """The adapter of one Discord bot."""

    name = ADAPTER
    limits = Limits(text_length=LENGTH, edit_interval=EDIT_INTERVAL, unit="utf16")
    typing_seconds = SECONDS

    def __init__(self, settings: DiscordSettings, notes: Notes | None, *, timeout: float = TIMEOUT) -> None:
        """
        An adapter that does not listen yet.

        Args:
            notes: Where it keeps how far it has heard; without it that is forgotten.
            timeout: Of one call of the HTTP API, in seconds.
        """
        assert settings.bot_token is not None, "the settings refuse to be without"
        self._settings = settings
        self._web = Web(settings.bot_token, settings.base_url, timeout=timeout)
        self._echoes = Echoes()
        self._posts = Posts(self._web, self._echoes)
        self._indicator = Indicator(self._web)
        self._asides = Asides(self._web, notes)
        self._cursors = Cursors(notes)
        self._queues = Queues(self._take)
        self._line = Line(
            self._web,
            settings.bot_token,
            shards=settings.shards,
            message_content=settings.message_content,
            hear=self._hear,
            begun=self._begin,
        )
        downloads = Downloads(self._web, max_files=settings.max_files, max_size=settings.max_file_size)
        self._ears = Ears(
            settings,
            self._web,
            Places(self._web, self._line.place),
            downloads,
            self._cursors,
            self._echoes,
            self._asides,
            self._line.own_roles,
        )
        self._counter = Counter(settings, self._web, downloads, self._cursors, notes)
        self._intake: Intake | None = None
        self._group: asyncio.TaskGroup | None = None
        self._registering = False
        self._log = structlog.get_logger()

    # In

    async def run(self, intake: Intake) -> None:
        self._intake = intake
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                await self._remember()
                group.create_task(self._queues.run(), name="discord:queues")
                group.create_task(self._asides.run(intake), name="discord:asides")
                group.create_task(self._flush(), name="discord:cursors")
                await self._line.run()
        finally:
            self._group = None
            await self._cursors.flush()

    def unready(self) -> str:
        return "" if self._line.connected else self._line.fault or "connecting…"

    async def check(self) -> Sequence[Finding]:
        return await findings(self._web, self._settings)

    def _hear(self, kind: str, data: Json) -> None:
        """An event of the gateway; what is about one channel keeps its order."""
        channel, guild = snowflake(data.get("channel_id")), snowflake(data.get("guild_id"))
        event: Event
        match kind:
            case "INTERACTION_CREATE":
                self._serve(data)
                return
            case "MESSAGE_CREATE":
                event = Created(data, guild)
            case "MESSAGE_UPDATE":
                event = Changed(data, guild)
            case "MESSAGE_DELETE":
                event = Deleted(snowflakes([data.get("id")]), guild)
            case "MESSAGE_DELETE_BULK":
                event = Deleted(snowflakes(data.get("ids")), guild)
            case _:
                return
        if channel:
            self._queues.put(channel, event)

    def _serve(self, data: Json) -> None:
        asked = read(data)
        if asked is not None and self._group is not None and self._intake is not None:
            serving = self._serve_alone(asked, self._intake)
            self._group.create_task(serving, name=f"discord:interaction-{asked.id}")

    async def _serve_alone(self, asked: Interaction, intake: Intake) -> None:
        try:
            await self._counter.serve(asked, intake)
        except Exception:  # one person's command must end nobody else's
            self._log.exception("discord.interaction_failed")

    def _begin(self, shard: int, shards: int) -> None:
        """A session has begun: what was written before it was not delivered."""
        if self._settings.commands and not self._registering and self._group is not None:
            self._registering = True
            self._group.create_task(self._register(), name="discord:commands")
        for heard in self._cursors.known():
            if (int(heard.guild or 0) >> 22) % shards == shard:
                self._queues.put(heard.channel, Gap())

    async def _take(self, channel: str, event: Event) -> None:
        assert self._intake is not None, "nothing is heard before"
        await self._ears.take(channel, event, await self._web.identity(), self._intake)

    async def _remember(self) -> None:
        """Learn how far channels were heard; without it nothing could be caught up."""
        while True:
            try:
                await self._cursors.load()
                await self._counter.sweep()
                return
            except StoreError as error:
                self._log.warning("discord.cursors_unread", reason=str(error))
                await asyncio.sleep(FIRST_PAUSE)

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(FLUSH)
            await self._cursors.flush()

    async def _register(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                await register(self._web, await self._web.identity())
                return
            except AdapterError as error:
                self._log.warning("discord.commands_not_registered", reason=str(error))
                await asyncio.sleep(
                    max(pause, error.retry_after) if isinstance(error, RateLimited) else pause
                )
                pause = min(pause * 2, LONGEST_PAUSE)

    # Out

    def budgets(self, target: ReplyTarget, call: CallKind) -> Sequence[Budget]:
        return budgets(self._posts.route(target, call), self._web.buckets)

    async def working(self, target: ReplyTarget) -> None:
        self._asides.begins(target)
        self._indicator.working(target)

    async def rested(self, target: ReplyTarget) -> None:
        self._indicator.rested(target)

    async def post(self, target: ReplyTarget, key: str, content: Content) -> str:
        async def call(shown: Content, files: Sequence[Upload]) -> str:
            return await self._posts.post(target, key, shown, files)

        posted = await self._show(content, call)
        if not content.final:
            self._indicator.posted(target, PostId.read(posted).channel)
        return posted

    async def edit(self, target: ReplyTarget, post_id: str, content: Content) -> None:
        async def call(shown: Content, files: Sequence[Upload]) -> None:
            await self._posts.edit(target, post_id, shown, files)

        await self._show(content, call)

    async def delete(self, target: ReplyTarget, post_id: str) -> None:
        await self._posts.delete(target, post_id)

    async def find(self, target: ReplyTarget, key: str) -> str | None:
        return await self._posts.find(target, key)

    async def close(self) -> None:
        await self._indicator.close()
        await self._web.close()

    async def _show(
        self, content: Content, call: Callable[[Content, Sequence[Upload]], Awaitable[Shown]]
    ) -> Shown:
        """Let *call* show *content*; what Discord does not take there, people are told of in the end."""
        shown, files = await self._with_files(content)
        try:
            try:
                return await call(shown, files)
            except (Forbidden, FilesTooLarge) as error:
                if isinstance(error, Blocked) or not files:
                    raise
                self._log.warning("discord.files_refused", files=len(files), reason=str(error))
                names = [label(file.name) for file in content.files]
                return await call(replace(content, text=content.text + note(names), files=()), ())
        except Blocked:
            if not content.final:
                raise
            return await call(replace(content, text=BLOCKED, files=()), ())

    async def _with_files(self, content: Content) -> tuple[Content, Sequence[Upload]]:
        """
        What is shown, with the files that Discord takes; those that it does not are named.

        Raises:
            RateLimited: The answer was finished while the gateway starts; soon its files can be had.
        """
        if not content.files:
            return content, ()
        if self._intake is None:
            raise RateLimited(SOON, "the gateway does not serve yet")
        files, left_out = await uploads(self._intake, content.files)
        return replace(content, text=content.text + note(left_out)), files
