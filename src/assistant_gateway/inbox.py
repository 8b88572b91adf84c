"""
The door: a message is cleaned, routed and on disk before the platform is told "received".

Whatever a platform delivers twice is accepted once. What can't be accepted is refused in
words that the person gets to see; nothing is dropped in silence. What people do about a message
that is in already (stop, change, rate) comes through the same door, under the same rights.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Protocol

import structlog

from assistant_gateway import commands
from assistant_gateway.adapter import JournalEntry, Outbox, Receipt, Verdict
from assistant_gateway.budgets import Budgets, Spender
from assistant_gateway.errors import NotAllowed, StoreUnavailable
from assistant_gateway.following import Following
from assistant_gateway.journal import Journals
from assistant_gateway.rates import Rates
from assistant_gateway.routing import Refusal, Router
from assistant_gateway.store import Effect, Store
from assistant_gateway.store.controls import REVISED, STOPPED
from assistant_gateway.store.text import clean
from assistant_gateway.values import (
    Busy,
    Command,
    Conversation,
    FileRef,
    Inbound,
    Item,
    Lane,
    Message,
    Rating,
    Routed,
    User,
)

LONGEST_TEXT = 40_000  # characters of one message to an assistant that is no longer configured
LONGEST_COMMENT = 4_000  # characters of one comment on an answer


class WatchesIntake(Protocol):
    """What is told about the door, for metrics."""

    def accepted(self, adapter: str, verdict: Verdict, seconds: float) -> None: ...
    def rated(self, rating: Rating) -> None: ...


class Inbox:
    """
    The gateway's `Intake`.

    Args:
        wake: Tells the worker that something is ready.
        stop: Tells the worker to end the run of a lane, for a reason; of one message, or (None) of any.
        longest: Characters of one message, by the assistant that answers it.
        commands: Whether people can type commands.
    """

    def __init__(
        self,
        store: Store,
        router: Router,
        journals: Journals,
        watch: WatchesIntake,
        *,
        cap: int,
        wake: Callable[[], None],
        stop: Callable[[int, str, int | None], None],
        budgets: Budgets,
        rates: Rates,
        longest: Mapping[str, int],
        commands: bool = True,
    ) -> None:
        self._store = store
        self._router = router
        self._following = Following(store, journals)
        self._watch = watch
        self._cap = cap
        self._wake = wake
        self._stop = stop
        self._budgets = budgets
        self._rates = rates
        self._longest = longest
        self._commands = commands
        self._draining = False
        self._log = structlog.get_logger()

    @property
    def draining(self) -> bool:
        return self._draining

    @property
    def outbox(self) -> Outbox:
        return self._store

    def drain(self) -> None:
        """Accept nothing more."""
        self._draining = True

    async def accept(self, inbound: Inbound) -> Receipt:
        routed = self._router.route(inbound)
        if isinstance(routed, Refusal):
            self._watch.accepted(inbound.conversation.adapter, Verdict.REFUSED, 0.0)
            self._log.info("message.refused", adapter=inbound.conversation.adapter, reason=routed.reason)
            return Receipt(Verdict.REFUSED, reason=routed.reason)
        # With a file it is more than a word: a command would leave the file unread.
        if self._commands and inbound.command is None and not inbound.attachments:
            inbound = replace(inbound, command=commands.parse(inbound.text))
        return await self._accept_in_time(inbound, routed)

    async def _accept_in_time(self, inbound: Inbound, routed: Routed, *, run_id: str = "") -> Receipt:
        """Take a message in, unless its author has sent too many."""
        if inbound.command in (Command.STOP, Command.HELP):
            return await self.accept_routed(inbound, routed, run_id=run_id)
        where = inbound.conversation
        sender = (where.adapter, where.tenant, inbound.user.id)
        wait = self._rates.take(sender)
        if wait and await self._store.find_message(where.adapter, where.tenant, inbound.message_id) is None:
            self._watch.accepted(where.adapter, Verdict.BUSY, 0.0)
            self._log.info("message.too_many", adapter=where.adapter, seconds=round(wait, 1))
            sent = self._rates.per_minute
            sent_words = "a message" if sent == 1 else f"{sent} messages"
            reason = (
                f"You have sent {sent_words} within a minute; the next one is taken in {math.ceil(wait)} s."
            )
            return Receipt(Verdict.BUSY, reason=reason, retry_after=wait)
        is_new = False
        try:
            receipt = await self.accept_routed(inbound, routed, run_id=run_id)
            is_new = receipt.verdict is Verdict.ACCEPTED
        finally:
            if not is_new and not wait:
                self._rates.give_back(sender)
        return receipt

    async def accept_routed(self, inbound: Inbound, routed: Routed, *, run_id: str = "") -> Receipt:
        """Take a message in whose way is already decided; *run_id* is the only run that a retry is about."""
        if self._draining:
            raise StoreUnavailable("the gateway is shutting down")
        loop = asyncio.get_running_loop()
        started = loop.time()
        longest = self._longest.get(routed.assistant, LONGEST_TEXT)
        receipt = await self._store.accept(cleaned(inbound, longest), routed, cap=self._cap, run_id=run_id)
        adapter = inbound.conversation.adapter
        self._watch.accepted(adapter, receipt.verdict, loop.time() - started)
        if receipt.verdict is Verdict.ACCEPTED and receipt.message is not None:
            self._interrupt(receipt.message)
            self._wake()
            self._log.info(
                "message.accepted", adapter=adapter, message=receipt.message.id, ahead=receipt.ahead
            )
        else:
            self._log.info("message.not_new", adapter=adapter, verdict=receipt.verdict.value)
        if receipt.verdict is Verdict.BUSY and inbound.command is Command.STOP:
            told = commands.STOPPED if await self.stop_lane(routed.lane) else commands.IDLE
            return replace(receipt, reason=told)
        return receipt

    def _interrupt(self, message: Message) -> None:
        """Let this process's worker know at once what a new message ends."""
        if message.inbound.command is Command.STOP and message.note:
            self._stop(message.lane_id, STOPPED, int(message.note))
        elif message.inbound.command is None and message.routed.busy is Busy.INTERRUPT:
            self._stop(message.lane_id, "interrupted", None)

    async def message(self, conversation_adapter: str, tenant: str, message_id: str) -> Message | None:
        found = await self._store.find_message(conversation_adapter, tenant, message_id)
        return await self._following.with_answer(found) if found is not None else None

    async def takes_part(self, conversation: Conversation) -> bool:
        return await self._store.knows_topic(conversation)

    async def answered(self, message: Message, *, timeout: float) -> Message:
        return await self._following.answered(message, timeout=timeout)

    def events(self, message: Message, *, after: int = 0) -> AsyncIterator[JournalEntry]:
        return self._following.events(message, after=after)

    async def stop(self, conversation: Conversation, user: User, *, run_id: str = "") -> bool:
        return await self.stop_lane(self._routed(conversation, user).lane, run_id=run_id)

    async def stop_lane(self, lane: Lane, *, run_id: str = "") -> bool:
        """Cancel what is being answered in a lane, with *run_id* only that; False when nothing is."""
        message = await self._store.request_stop(lane, STOPPED, run_id=run_id)
        if message is not None:
            self._stop(message.lane_id, STOPPED, message.id)
            self._wake()
            self._log.info("run.stop_requested", adapter=lane.adapter, message=message.id)
        return message is not None

    async def reset(self, conversation: Conversation, user: User) -> str:
        thread = await self._store.reset(self._routed(conversation, user).lane)
        self._log.info("thread.reset", adapter=conversation.adapter, thread=thread.id)
        return thread.id

    async def command(self, inbound: Inbound, *, run_id: str = "") -> str:
        conversation, user = inbound.conversation, inbound.user
        routed = self._routed(conversation, user)
        if self._draining:
            raise StoreUnavailable("the gateway is shutting down")
        match inbound.command:
            case Command.STOP:
                return commands.STOPPED if await self.stop_lane(routed.lane, run_id=run_id) else commands.IDLE
            case Command.RESET:
                await self.reset(conversation, user)
                return commands.RESET
            case Command.UNDO:
                return commands.UNDONE[await self._store.undo(routed.lane)]
            case Command.USAGE:
                standing = await self._store.standing(routed.lane)
                spender = Spender.of(conversation, user, routed.assistant)
                return await commands.used(self._store, self._budgets, spender, standing.thread_id)
            case Command.RETRY:
                return await self._retry(inbound, routed, run_id)
            case _:
                return commands.HELP

    async def _retry(self, inbound: Inbound, routed: Routed, run_id: str) -> str:
        where = inbound.conversation
        known = await self._store.find_message(where.adapter, where.tenant, inbound.message_id)
        if known is None or known.state.is_final:
            refusal = commands.no_retry(await self._store.standing(routed.lane), run_id)
            if refusal or known is not None:
                return refusal or commands.OUTDATED
        receipt = await self._accept_in_time(inbound, routed, run_id=run_id)
        return commands.RETRYING if receipt.message is not None else receipt.reason

    async def feedback(
        self, conversation: Conversation, user: User, run_id: str, rating: Rating, comment: str | None = None
    ) -> bool:
        self._routed(conversation, user)
        words = None if comment is None else clean(comment)[:LONGEST_COMMENT]
        kept = await self._store.rate(conversation, user, run_id, rating, words)
        if kept:
            self._watch.rated(rating)
            self._log.info("run.rated", adapter=conversation.adapter, run=run_id, rating=rating.value)
        return kept

    async def edited(self, conversation: Conversation, message_id: str, text: str) -> None:
        await self._revise(conversation, message_id, clean(text), "edited")

    async def deleted(self, conversation: Conversation, message_id: str) -> None:
        await self._revise(conversation, message_id, None, "deleted")

    async def _revise(
        self, conversation: Conversation, message_id: str, text: str | None, reason: str
    ) -> None:
        message = await self._store.find_message(conversation.adapter, conversation.tenant, message_id)
        if message is None or message.inbound.conversation.channel != conversation.channel:
            return
        if text is not None:
            text = shortened(text, self._longest.get(message.routed.assistant, LONGEST_TEXT))
        effect = await self._store.revise(message.id, text, reason=reason)
        if effect is Effect.NOTHING:
            return
        if effect in (Effect.REVISED, Effect.STOPPED):
            # Read anew: it may have been merged into another one since.
            now = await self._store.message(message.id) or message
            why = REVISED if effect is Effect.REVISED else reason
            self._stop(now.lane_id, why, now.merged_into or now.id)
        elif effect is Effect.WITHDRAWN:
            self._following.withdrawn(message)
        self._wake()
        self._log.info(f"message.{reason}", message=message.id, effect=effect.value)

    async def items(
        self, conversation: Conversation, user: User, *, before: int | None = None, limit: int = 100
    ) -> list[Item]:
        thread = await self._store.open_thread(self._routed(conversation, user).lane)
        return await self._store.items(thread.id, before=before, limit=limit)

    async def merged(self, message: Message) -> list[Message]:
        return await self._store.merged(message.id)

    async def file(self, file: FileRef) -> bytes:
        found = await self._store.file(file.id)
        if found is None:
            raise LookupError(file.id)
        return found[1]

    def _routed(self, conversation: Conversation, user: User) -> Routed:
        """The way of what *user* says there; who may not ask may not stop, reset, rate or read either."""
        routed = self._router.route(Inbound(conversation, "", user, ""))
        if isinstance(routed, Refusal):
            raise NotAllowed(routed.reason)
        return routed


def cleaned(inbound: Inbound, longest: int = LONGEST_TEXT) -> Inbound:
    """The message as it can be stored and shown to a model."""
    user = replace(inbound.user, id=clean(inbound.user.id), name=clean(inbound.user.name))
    return replace(
        inbound,
        text=shortened(clean(inbound.text), longest),
        user=user,
        instructions=clean(inbound.instructions),
        metadata={clean(key): clean(value) for key, value in inbound.metadata.items()},
    )


def shortened(text: str, longest: int) -> str:
    """The text of a message, cut visibly where it has more than *longest* characters."""
    if len(text) <= longest:
        return text
    left_out = len(text) - longest
    return f"{text[:longest]}\n[{left_out} characters were left out here: the message was too long.]"
