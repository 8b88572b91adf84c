"""
"Typing…", while an answer is made.

Discord shows it for ten seconds, and no longer once a message of the bot appears; so it is renewed a moment
later, unless the answer is over by then. Nothing has to be ended: what is not renewed goes away by itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from assistant_gateway.errors import AdapterError, Forbidden
from assistant_gateway.values import ReplyTarget
from assistant_gateway_discord import routes, targets
from assistant_gateway_discord.web import Web

SECONDS = 10.0  # developers/resources/channel.mdx, "Trigger Typing Indicator", 2026-08-06
LATER = 2.0  # seconds after a post: what is complete by then must not look as if more came
PATIENCE = 2.0  # seconds that a call may wait until there is room for it
SULK = 600.0  # seconds in which a channel is left alone where the bot may not type
KEPT = 1_000  # channels


class Indicator:
    """Shows that answers are being made; *clock* gives seconds."""

    def __init__(self, web: Web, clock: Callable[[], float] = time.monotonic) -> None:
        self._web = web
        self._clock = clock
        self._working: set[str] = set()
        self._posted: dict[str, str] = {}  # where the answers to messages are
        self._shut: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger()

    def working(self, target: ReplyTarget) -> None:
        """An answer is being made. Never waits."""
        self._working.add(target.message_id)
        if targets.token(target) is None:  # a command says "thinking…" by itself
            where = target.conversation
            # A thread of its own may not be there before the first post.
            self._show(self._posted.get(target.message_id) or _before(target) or where.topic or where.channel)

    def rested(self, target: ReplyTarget) -> None:
        """It is over."""
        self._working.discard(target.message_id)
        self._posted.pop(target.message_id, None)

    def posted(self, target: ReplyTarget, channel: str) -> None:
        """A message was posted, after which Discord shows nothing any more."""
        if target.message_id in self._working:
            self._posted[target.message_id] = channel
            self._show(channel, after=target.message_id)

    async def close(self) -> None:
        """Let go of what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _show(self, channel: str, *, after: str = "") -> None:
        if self._shut.get(channel, 0.0) > self._clock():
            return
        task = asyncio.create_task(self._type(channel, after), name=f"discord:typing-{channel}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _type(self, channel: str, after: str) -> None:
        if after:
            await asyncio.sleep(LATER)
            if after not in self._working:
                return
        try:
            await self._web.call(routes.typing(channel), patience=PATIENCE)
        except Forbidden:
            if len(self._shut) >= KEPT:
                self._shut.clear()
            self._shut[channel] = self._clock() + SULK
        except AdapterError as error:
            self._log.debug("discord.typing_failed", error=str(error))


def _before(target: ReplyTarget) -> str:
    """The channel of a question whose answer begins a thread; empty for any other."""
    return target.conversation.channel if targets.thread_name(target) else ""
