"""
What Slack delivers, turned into accepted messages: when `hear` returns, Slack may be told "received".

Messages of one conversation go in one after another, in the order in which they came, so that a slow
file or name does not let a later message overtake. A repetition waits behind the first delivery and
finds the message accepted.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from assistant_gateway.adapter import Intake, Verdict
from assistant_gateway.values import Conversation, Inbound, User
from assistant_gateway_slack.downloads import Downloads
from assistant_gateway_slack.echoes import Echoes
from assistant_gateway_slack.identity import Identity
from assistant_gateway_slack.markup import mentioned, readable
from assistant_gateway_slack.people import People, Person
from assistant_gateway_slack.said import Echo, Ignored, Said, judge
from assistant_gateway_slack.settings import SlackSettings
from assistant_gateway_slack.shapes import Json, text

LOOPS_KEPT = 10_000  # conversations in which bots spoke


@dataclass(frozen=True, slots=True)
class Aside:
    """A note for one person about their own message, that is no answer."""

    conversation: Conversation
    user: str
    text: str


class Ears:
    """Hears events; *tell* shows an aside, soon, and does not wait."""

    def __init__(
        self,
        settings: SlackSettings,
        people: People,
        downloads: Downloads,
        echoes: Echoes,
        tell: Callable[[Aside], None],
    ) -> None:
        self._settings = settings
        self._people = people
        self._downloads = downloads
        self._echoes = echoes
        self._tell = tell
        self._turns = Turns()
        self._bots = BotTurns(settings.max_bot_turns)
        self._told: OrderedDict[str, None] = OrderedDict()
        self._log = structlog.get_logger()

    async def hear(self, payload: Json, me: Identity, intake: Intake) -> None:
        """
        Take in what an ``event_callback`` holds.

        Raises:
            StoreUnavailable: Nothing was written; Slack must send it again.
        """
        judged = judge(payload, me)
        match judged:
            case Echo():
                self._echoes.hear(judged.channel, judged.key, judged.ts)
            case Ignored():
                log = self._log.warning if judged.odd else self._log.debug
                log("slack.ignored", reason=judged.reason, event_id=text(payload.get("event_id"))[:100])
            case Said() if self._may_speak(judged):
                async with self._turns.of(judged.conversation):
                    await self._accept(judged, me, intake)

    def _may_speak(self, said: Said) -> bool:
        settings = self._settings
        if said.is_bot and settings.ignore_bots:
            return False
        if settings.users is not None and said.user not in settings.users:
            return False
        return said.direct or settings.channels is None or said.channel in settings.channels

    async def _accept(self, said: Said, me: Identity, intake: Intake) -> None:
        if not await self._is_for_us(said, intake):
            return
        if not self._bots.allow(said):
            self._log.warning("slack.bot_loop", channel=said.channel, turns=self._settings.max_bot_turns)
            return
        known = await intake.message(said.conversation.adapter, said.team, said.message_id)
        inbound, notes = await self._inbound(said, me, with_files=known is None)
        receipt = await intake.accept(inbound)
        if receipt.verdict is Verdict.ACCEPTED:
            for note in notes:
                self._tell(Aside(said.conversation, said.user, note))
        elif receipt.verdict is Verdict.BUSY or (
            receipt.verdict is Verdict.REFUSED and (said.direct or said.mentioned)
        ):
            self._tell_once(said, receipt.reason, busy=receipt.verdict is Verdict.BUSY)

    async def _is_for_us(self, said: Said, intake: Intake) -> bool:
        """Direct messages, mentions, what is said where everything is answered, and follow-ups."""
        settings = self._settings
        if said.direct or said.mentioned:
            return True
        if settings.answer == "always" or said.channel in settings.always_in:
            return True
        if settings.answer == "mention" or not said.thread_ts:
            return False
        return await intake.takes_part(said.conversation)

    async def _inbound(
        self, said: Said, me: Identity, *, with_files: bool
    ) -> tuple[Inbound, tuple[str, ...]]:
        """The message as the gateway takes it; a file that was left out is told to the model, too."""
        ids = [id for id in mentioned(said.text) if id != me.user_id]
        people = await self._people.known([said.user, *ids[:20]])
        names = {id: person.name for id, person in people.items() if person.name}
        words = readable(said.text, me=me.user_id, names=names)
        attachments, notes = await self._downloads.fetch(said.files) if with_files else ((), ())
        shown = "\n".join(part for part in (words, *(f"[{note}]" for note in notes)) if part)
        inbound = Inbound(
            conversation=said.conversation,
            message_id=said.message_id,
            user=_user(said, people.get(said.user, Person()), me),
            text=shown,
            attachments=attachments,
            keys=said.keys,
            reply_to={"ts": said.ts},
        )
        return inbound, notes

    def _tell_once(self, said: Said, reason: str, *, busy: bool) -> None:
        """A mention comes twice, and nothing of a refused message is kept that would tell."""
        if said.message_id in self._told:
            return
        self._told[said.message_id] = None
        while len(self._told) > 1000:
            self._told.popitem(last=False)
        begin = "Busy, not accepted" if busy else "Not accepted"
        self._tell(Aside(said.conversation, said.user, f"{begin}: {reason}" if reason else f"{begin}."))


def _user(said: Said, person: Person, me: Identity) -> User:
    is_of_us = person.team_id in ("", me.team_id) or (
        bool(me.enterprise_id) and person.enterprise_id == me.enterprise_id
    )
    return User(
        id=said.user,
        name=person.name,
        is_bot=said.is_bot or person.is_bot,
        is_external=said.is_foreign or person.is_guest or not is_of_us,
    )


class Turns:
    """Lets one message of a conversation in at a time, in the order in which they came."""

    def __init__(self) -> None:
        self._locks: dict[Conversation, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def of(self, conversation: Conversation) -> AsyncIterator[None]:
        """The turn of one message."""
        lock, waiting = self._locks.get(conversation, (asyncio.Lock(), 0))
        self._locks[conversation] = lock, waiting + 1
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._locks[conversation]
            if waiting == 1:
                del self._locks[conversation]
            else:
                self._locks[conversation] = lock, waiting - 1


class BotTurns:
    """
    Ends talks of bots with each other: so many messages of bots in a row are answered, and no more.

    A person's word begins a new count. A repetition counts once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._rows: OrderedDict[Conversation, list[str]] = OrderedDict()

    def allow(self, said: Said) -> bool:
        """Whether a message is still answered."""
        where = said.conversation
        if not said.is_bot:
            self._rows.pop(where, None)
            return True
        row = self._rows.setdefault(where, [])
        self._rows.move_to_end(where)
        while len(self._rows) > LOOPS_KEPT:
            self._rows.popitem(last=False)
        if said.message_id in row:
            return True
        if len(row) >= self._most:
            return False
        row.append(said.message_id)
        return True
