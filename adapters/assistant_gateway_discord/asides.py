"""
Small words beside the answers: why a message was not accepted, and what is answered before it.

Discord has no notes that only one person sees, but after a command. So these are short replies, in small
print; the place in the queue is taken away when the answer begins.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass

import structlog

from assistant_gateway.adapter import Notes
from assistant_gateway.errors import AdapterError, Forbidden, PostGone, RateLimited, StoreError
from assistant_gateway.platforms.shapes import table
from assistant_gateway.values import Conversation, JsonObject, ReplyTarget
from assistant_gateway_discord import routes
from assistant_gateway_discord.drafts import reply_to, small
from assistant_gateway_discord.echoes import nonce
from assistant_gateway_discord.shapes import born, older, snowflake
from assistant_gateway_discord.web import Web

SCOPE = "discord:waiting"
MOST = 100  # that wait to be told
KEPT = 1_000  # conversations
TRIES = 3
STALE = 86_400.0  # seconds after which a place in the queue is forgotten


@dataclass(frozen=True, slots=True)
class Aside:
    """
    A word about a message.

    Attributes:
        channel: Where the message stands.
        until_answered: It is taken away when the answer begins.
    """

    channel: str
    message: str
    text: str
    conversation: Conversation | None = None
    until_answered: bool = False


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in the queue that is told below a message."""

    channel: str
    id: str
    conversation: str


class Asides:
    """Tells asides, one after another; *notes* let a restart take away what stands."""

    def __init__(self, web: Web, notes: Notes | None) -> None:
        self._web = web
        self._notes = notes
        self._jobs: asyncio.Queue[Aside | tuple[str, _Place]] = asyncio.Queue(MOST)
        self._standing: dict[str, _Place] = {}
        # Of each conversation, the newest message whose answer has begun.
        self._begun: OrderedDict[str, str] = OrderedDict()
        self._log = structlog.get_logger()

    def tell(self, aside: Aside) -> None:
        """Tell it soon. Never waits."""
        try:
            self._jobs.put_nowait(aside)
        except asyncio.QueueFull:
            self._log.warning("discord.aside_lost", channel=aside.channel)

    def begins(self, target: ReplyTarget) -> None:
        """An answer begins: the places told to it, and to those that it answers too, are taken away."""
        where = _key(target.conversation)
        if older(self._begun.get(where, ""), target.message_id):
            self._begun[where] = target.message_id
            self._begun.move_to_end(where)
        while len(self._begun) > KEPT:
            self._begun.popitem(last=False)
        for message, place in list(self._standing.items()):
            if place.conversation == where and not older(target.message_id, message):
                self._remove(message, place)

    def gone(self, message: str) -> None:
        """A person has taken a message away."""
        if place := self._standing.get(message):
            self._remove(message, place)

    async def run(self) -> None:
        """Tell and take away until cancelled."""
        await self._load()
        while True:
            job = await self._jobs.get()
            try:
                if isinstance(job, Aside):
                    await self._post(job)
                else:
                    await self._take_away(*job)
            except (AdapterError, StoreError) as error:
                self._log.warning("discord.aside_failed", error=str(error))

    async def _post(self, aside: Aside) -> None:
        where = _key(aside.conversation) if aside.conversation else ""
        if aside.until_answered and not older(self._begun.get(where, ""), aside.message):
            return
        kind = "waiting" if aside.until_answered else "aside"
        body = {**small(aside.text), **reply_to(aside.message)}
        body = {**body, "nonce": nonce(f"{kind}:{aside.message}"), "enforce_nonce": True}
        told = await self._patiently(routes.post(aside.channel), body)
        id = snowflake(table(told).get("id"))
        if not (aside.until_answered and id):
            return
        place = _Place(aside.channel, id, where)
        self._standing[aside.message] = place
        if self._notes is not None:
            value = {"channel": place.channel, "id": id, "conversation": where}
            await self._notes.save_note(SCOPE, aside.message, value)
        if not older(self._begun.get(where, ""), aside.message):
            self._remove(aside.message, place)

    def _remove(self, message: str, place: _Place) -> None:
        self._standing.pop(message, None)
        try:
            self._jobs.put_nowait((message, place))
        except asyncio.QueueFull:
            self._standing[message] = place

    async def _take_away(self, message: str, place: _Place) -> None:
        try:
            await self._patiently(routes.delete(place.channel, place.id), None)
        except (PostGone, Forbidden) as error:
            self._log.debug("discord.aside_gone", error=str(error))
        if self._notes is not None:
            await self._notes.forget_note(SCOPE, message)

    async def _load(self) -> None:
        if self._notes is None:
            return
        try:
            kept = await self._notes.notes(SCOPE)
        except StoreError as error:
            self._log.warning("discord.asides_unread", reason=str(error))
            return
        for message, note in kept.items():
            place = _Place(str(note.get("channel")), str(note.get("id")), str(note.get("conversation")))
            if time.time() - born(message) > STALE:
                self._remove(message, place)
            else:
                self._standing.setdefault(message, place)

    async def _patiently(self, route: routes.Route, body: JsonObject | None) -> object:
        for _ in range(TRIES - 1):
            try:
                return await self._web.call(route, body)
            except RateLimited as error:
                await asyncio.sleep(min(error.retry_after, 30.0))
        return await self._web.call(route, body)


def _key(where: Conversation) -> str:
    return f"{where.tenant}/{where.channel}/{where.topic}"
