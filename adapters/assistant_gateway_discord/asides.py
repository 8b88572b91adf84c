"""
Small words beside the answers: why a message was not accepted, and what is answered before it.

Discord has no notes that only one person sees, but after a command. So these are short replies, in small
print; the place in the queue is taken away when the answer begins. That it will stand is kept before it is
told, so that whatever dies in between, the next process finds it and takes it away.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, replace

import structlog

from assistant_gateway.adapter import Intake, Notes
from assistant_gateway.errors import AdapterError, Forbidden, PostGone, RateLimited, StoreError
from assistant_gateway.platforms.shapes import table, text
from assistant_gateway.values import Conversation, JsonObject, MessageState, ReplyTarget
from assistant_gateway_discord import routes
from assistant_gateway_discord.drafts import reply_to, small
from assistant_gateway_discord.echoes import nonce
from assistant_gateway_discord.faults import NoHistory
from assistant_gateway_discord.history import History
from assistant_gateway_discord.said import ADAPTER
from assistant_gateway_discord.shapes import born, older, snowflake
from assistant_gateway_discord.web import Web

NO_VOICE = "I can't listen to voice messages. Please write to me instead."
SCOPE = "discord:waiting"
MOST = 100  # that wait to be told
KEPT = 1_000  # conversations
TRIES = 4
PAUSE = 0.5  # seconds between the first two of them; twice as long each time, where Discord tells no time
LONGEST_PAUSE = 30.0  # seconds
LOOKED_THROUGH = 100  # messages after the question, for a note whose id is not known
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
    """
    A place in the queue that is told below a message.

    Attributes:
        id: Of the note; empty while nobody knows whether it was posted.
        text: What it shows.
    """

    channel: str
    id: str
    conversation: str
    text: str = ""


class Asides:
    """Tells asides, one after another; *notes* let a restart take away what stands."""

    def __init__(self, web: Web, notes: Notes | None) -> None:
        self._web = web
        self._history = History(web)
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

    async def run(self, intake: Intake) -> None:
        """Tell and take away until cancelled."""
        await self._load(intake)
        while True:
            job = await self._jobs.get()
            try:
                if isinstance(job, Aside):
                    await self._tell(job)
                else:
                    await self._take_away(*job)
            except (AdapterError, StoreError) as error:
                self._log.warning("discord.aside_failed", error=str(error))

    async def _tell(self, aside: Aside) -> None:
        if not aside.until_answered:
            await self._post(aside, "aside")
            return
        where = _key(aside.conversation) if aside.conversation else ""
        if self._has_begun(where, aside.message):
            return
        place = _Place(aside.channel, "", where, text(small(aside.text)["content"]))
        await self._keep(aside.message, place)
        try:
            place = replace(place, id=await self._post(aside, "waiting"))
            await self._keep(aside.message, place)
        finally:
            self._standing[aside.message] = place
            if self._has_begun(where, aside.message):
                self._remove(aside.message, place)

    async def _post(self, aside: Aside, kind: str) -> str:
        """The id of the note; it is made once, however often that is tried."""
        body = {**small(aside.text), "nonce": nonce(f"{kind}:{aside.message}"), "enforce_nonce": True}
        route = routes.post(aside.channel)
        try:
            told = await self._patiently(route, {**body, **reply_to(aside.message)})
        except NoHistory:
            told = await self._patiently(route, body)
        return snowflake(table(told).get("id"))

    def _has_begun(self, where: str, message: str) -> bool:
        return not older(self._begun.get(where, ""), message)

    def _remove(self, message: str, place: _Place) -> None:
        self._standing.pop(message, None)
        try:
            self._jobs.put_nowait((message, place))
        except asyncio.QueueFull:
            self._standing[message] = place

    async def _take_away(self, message: str, place: _Place) -> None:
        try:
            id = place.id or await self._look_for(message, place)
            if id:
                await self._patiently(routes.delete(place.channel, id), None)
        except (PostGone, Forbidden) as error:
            self._log.debug("discord.aside_gone", error=str(error))
        except AdapterError:
            self._standing[message] = place  # the next answer there, or the next process, tries again
            raise
        if self._notes is not None:
            await self._notes.forget_note(SCOPE, message)

    async def _look_for(self, message: str, place: _Place) -> str:
        """The id of a note that may have been posted; empty where there is none."""
        me = await self._web.identity()
        for each in await self._history.oldest(place.channel, after=message, limit=LOOKED_THROUGH):
            if me.posted(each) and text(each.get("content")) == place.text:
                refers = snowflake(table(each.get("message_reference")).get("message_id"))
                if refers in ("", message):
                    return snowflake(each.get("id"))
        return ""

    async def _load(self, intake: Intake) -> None:
        """Learn what stands; what is answered by now is taken away."""
        pause = PAUSE
        while self._notes is not None:
            try:
                for message, note in (await self._notes.notes(SCOPE)).items():
                    place = _place(note)
                    if await self._is_over(intake, message, place):
                        self._remove(message, place)
                    else:
                        self._standing.setdefault(message, place)
                return
            except StoreError as error:
                self._log.warning("discord.asides_unread", reason=str(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    async def _is_over(self, intake: Intake, message: str, place: _Place) -> bool:
        if time.time() - born(message) > STALE or self._has_begun(place.conversation, message):
            return True
        known = await intake.message(ADAPTER, place.conversation.partition("/")[0], message)
        return known is None or known.state is not MessageState.READY

    async def _keep(self, message: str, place: _Place) -> None:
        if self._notes is not None:
            value = {"channel": place.channel, "id": place.id}
            value |= {"conversation": place.conversation, "text": place.text}
            await self._notes.save_note(SCOPE, message, value)

    async def _patiently(self, route: routes.Route, body: JsonObject | None) -> object:
        """Make a call that may be repeated, and repeat it where it failed in passing."""
        pause = PAUSE
        for _ in range(TRIES - 1):
            try:
                return await self._web.call(route, body)
            except RateLimited as error:
                await asyncio.sleep(min(error.retry_after, LONGEST_PAUSE))
            except (Forbidden, PostGone, NoHistory):
                raise
            except AdapterError:
                await asyncio.sleep(pause)
                pause *= 2
        return await self._web.call(route, body)


def _place(note: JsonObject) -> _Place:
    return _Place(*(text(note.get(name)) for name in ("channel", "id", "conversation", "text")))


def _key(where: Conversation) -> str:
    return f"{where.tenant}/{where.channel}/{where.topic}"
