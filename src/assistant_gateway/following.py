"""
Read what becomes of a message: live, afterwards, and over a restart in between.

Whoever waits or follows is led to the end, also of a message that was merged into another one, or
that its author took back.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

from assistant_gateway.adapter import JournalEntry
from assistant_gateway.journal import Journal, Journals
from assistant_gateway.store import Store
from assistant_gateway.values import Answer, Message, MessageState, RunStatus


class Following:
    """The journals of accepted messages, from the process where it answers them, else from the store."""

    def __init__(self, store: Store, journals: Journals) -> None:
        self._store = store
        self._journals = journals

    async def answered(self, message: Message, *, timeout: float) -> Message:
        """See `Intake.answered`."""
        if message.state is MessageState.MERGED or message.answer is None:
            journal = await self._live_journal(message)
            if journal is not None:
                # Not `wait_for`: before Python 3.12 it may lose a cancellation.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(timeout):
                        await journal.wait_closed()
        return await self.with_answer(await self._store.message(message.id) or message)

    async def events(self, message: Message, *, after: int = 0) -> AsyncIterator[JournalEntry]:
        """See `Intake.events`."""
        journal = await self._live_journal(message)
        if journal is None:
            journal = await self._kept_journal(message)
        async for entry in journal.follow(after):
            yield entry

    def withdrawn(self, message: Message) -> None:
        """Let those go who wait for a message that is never answered."""
        journal = self._journals.get(message.id)
        if journal is not None:
            journal.close(None, Answer("", RunStatus.CANCELLED))
            self._journals.drop(message.id)

    async def with_answer(self, message: Message) -> Message:
        """A merged message with the run and the answer that it shares."""
        if message.merged_into is None:
            return message
        target = await self._store.message(message.merged_into)
        return replace(message, run=target.run, answer=target.answer) if target is not None else message

    async def _live_journal(self, message: Message) -> Journal | None:
        """The journal that is being written; None when the message is answered."""
        # Taken before the look at the store: an answer that comes in between closes it. Whoever finds
        # it open must look for himself: another reader may have opened it for an answered message.
        journal = self._journals.open(message)
        now = await self._store.message(message.id) or message
        if now.state is MessageState.MERGED and now.merged_into is not None:
            target = await self._store.message(now.merged_into)
            live = await self._live_journal(target) if target is not None else None
            if live is not None and not journal.closed:
                journal.forward(live)
            self._journals.drop(message.id)
            return journal if live is not None else None
        if now.answer is not None or now.state.is_final:
            self._journals.drop(message.id)
            return None
        return journal

    async def _kept_journal(self, message: Message) -> Journal:
        """The journal of an answered message, from the store."""
        now = await self._store.message(message.id) or message
        kept = await self._store.journal(now.id)
        if kept is not None:
            return Journal.load(now, kept)
        journal = Journal(now)
        target = await self._store.message(now.merged_into) if now.merged_into is not None else None
        if target is not None:
            journal.forward(await self._kept_journal(target))
        else:
            # It was given up or withdrawn before anything could be said.
            status = RunStatus.CANCELLED if now.state is MessageState.CANCELLED else RunStatus.FAILED
            journal.close(now.run, now.answer or Answer("", status))
        return journal
