"""
Conversations without a platform: open a thread, add to it, run an assistant on it.

It is the same way that every platform's messages go: what `ask` returns has been through
the inbox, and a crash in between loses nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from assistant_gateway import items
from assistant_gateway.adapter import Verdict
from assistant_gateway.errors import GatewayError, StoreUnavailable
from assistant_gateway.handler import RunHandler
from assistant_gateway.inbox import Inbox
from assistant_gateway.listeners import Listeners
from assistant_gateway.store import Store
from assistant_gateway.values import (
    Answer,
    Attachment,
    Busy,
    Conversation,
    FileRef,
    Inbound,
    Item,
    Lane,
    Routed,
    Thread,
    User,
)

PYTHON = "python"  # the adapter's name in conversations that have no platform
CALLER = User("python", "")


class Busyness(GatewayError):
    """Too many messages wait on this thread; try again when some are answered."""


class Threads:
    """The threads that Python code talks on."""

    def __init__(self, store: Store, inbox: Inbox, listeners: Listeners) -> None:
        self._store = store
        self._inbox = inbox
        self._listeners = listeners

    async def open(self, key: str = "") -> Thread:
        """The current thread of the conversation *key*, made when there is none; without a key, a new one."""
        return await self._store.open_thread(Lane(PYTHON, "", key or secrets.token_hex(8)))

    async def get(self, id: str) -> Thread | None:
        """The thread with this id, of whatever conversation."""
        return await self._store.thread(id)

    async def reset(self, thread: Thread) -> Thread:
        """Begin a new thread in the conversation of *thread*; the old one stays readable."""
        return await self._store.reset(thread.lane)

    async def items(self, thread: Thread, *, before: int | None = None, limit: int = 100) -> list[Item]:
        """The newest *limit* items older than *before*, oldest first."""
        return await self._store.items(thread.id, before=before, limit=limit)

    async def add(self, thread: Thread, text: str, *, files: Sequence[Attachment] = ()) -> Item:
        """Put a person's message on the thread without running an assistant."""
        refs = []
        for file in files:
            ref = FileRef(f"file_{secrets.token_hex(12)}", file.name, file.content_type, len(file.data))
            await self._store.save_file(ref, file.data)
            refs.append(ref)
        item = Item(f"msg_{secrets.token_hex(12)}", items.user_message(text, refs))
        await self._store.add_items(thread.id, [item])
        return item

    async def run(
        self,
        thread: Thread,
        *,
        text: str = "",
        files: Sequence[Attachment] = (),
        assistant: str = "default",
        instructions: str = "",
        handler: RunHandler | None = None,
        user: User = CALLER,
        timeout: float = 3600.0,
    ) -> Answer:
        """
        Run an assistant on the thread and wait for its answer; *text* is added to the thread first.

        Runs of one thread queue up. A run that failed is an answer with an ``error``, not an exception.

        Raises:
            LookupError: A newer thread has taken this one's place in its conversation.
            Busyness: Too many runs wait on this thread already; nothing was done.
            TimeoutError: It is not answered after *timeout* seconds; it goes on all the same.
            StoreUnavailable: The gateway closes; what was accepted goes on when it is opened again.
        """
        lane = thread.lane
        if (await self._store.open_thread(lane)).id != thread.id:
            raise LookupError(f"{thread.id} is not the current thread of its conversation")
        message_id = f"py_{secrets.token_hex(12)}"
        inbound = Inbound(
            Conversation(lane.adapter, lane.tenant, lane.channel, lane.topic),
            message_id,
            user,
            text,
            attachments=tuple(files),
            instructions=instructions,
        )
        if handler is not None:
            self._listeners.attach(lane.adapter, lane.tenant, message_id, handler)
        try:
            receipt = await self._inbox.accept_routed(inbound, Routed(lane, assistant, Busy.QUEUE))
            if receipt.verdict is not Verdict.ACCEPTED or receipt.message is None:
                raise Busyness(receipt.reason or "too many messages wait on this thread")
            message = await self._inbox.answered(receipt.message, timeout=timeout)
            if message.answer is None and self._inbox.draining:
                raise StoreUnavailable("the gateway is shutting down")
            if message.answer is None:
                raise TimeoutError(f"not answered after {timeout:g} s")
            if handler is not None:
                await self._listeners.ended(lane.adapter, lane.tenant, message_id)
        finally:
            self._listeners.detach(lane.adapter, lane.tenant, message_id)
        return message.answer

    async def stop(self, thread: Thread) -> bool:
        """Cancel what is being answered on the thread; False when nothing is."""
        return await self._inbox.stop_lane(thread.lane)
