"""
The gateway as an adapter sees it, in memory: test an adapter without a store or a model.

Messages are accepted, deduplicated and kept; you answer them by hand (`say`, `answer`,
`fail`, `cancel`, `merge`) or give a function that answers each one at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

from assistant_gateway.adapter import JournalEntry, Receipt, Verdict
from assistant_gateway.errors import GatewayError
from assistant_gateway.items import assistant_message, user_message
from assistant_gateway.testing.outbox import MemoryOutbox
from assistant_gateway.values import (
    Answer,
    Command,
    Conversation,
    Feedback,
    FileRef,
    Inbound,
    Item,
    JsonObject,
    Lane,
    Message,
    MessageState,
    Rating,
    Routed,
    Run,
    RunFailure,
    RunStatus,
    Usage,
    User,
)


class FakeIntake:
    """
    An intake in memory.

    Attributes:
        draining: Set it to see how the adapter behaves while the gateway shuts down.
        verdict: Set it to ``BUSY`` or ``REFUSED`` to turn messages away.
        knocked: Set when a message has reached `accept`, also while it is held there.
        stored: Bytes of files by their id.
        stopped: The conversations in which somebody asked to stop.
        commands: What `command` was asked, each with the run that its button belongs to.
        ratings: What `feedback` was told.
        edits: What `edited` was told, by the platform's message id.
        deletions: The platform's ids of the messages that were deleted.
    """

    def __init__(self, answers: Callable[[Inbound], str] | None = None) -> None:
        """With *answers*, every accepted message is answered at once with what it returns."""
        self.draining = False
        self.verdict = Verdict.ACCEPTED
        self.knocked = asyncio.Event()
        self.stored: dict[str, bytes] = {}
        self.stopped: list[tuple[Conversation, User]] = []
        self.commands: list[tuple[Inbound, str]] = []
        self.ratings: list[Feedback] = []
        self.edits: dict[str, str] = {}
        self.deletions: list[str] = []
        self._answers = answers
        self._outbox = MemoryOutbox()
        self._messages: dict[int, Message] = {}
        self._by_key: dict[tuple[str, str, str], int] = {}
        self._journals: dict[int, list[JournalEntry]] = {}
        self._threads: dict[Conversation, int] = {}
        self._failures: deque[GatewayError] = deque()
        self._open = asyncio.Event()
        self._open.set()
        self._changed = asyncio.Condition()

    # What an adapter calls

    @property
    def outbox(self) -> MemoryOutbox:
        return self._outbox

    async def accept(self, inbound: Inbound) -> Receipt:
        self.knocked.set()
        await self._open.wait()
        if self._failures:
            raise self._failures.popleft()
        earlier = self._find(inbound)
        if earlier is not None:
            same = inbound.fingerprint == earlier.inbound.fingerprint
            return Receipt(Verdict.DUPLICATE if same else Verdict.CONFLICT, earlier)
        if self.verdict is not Verdict.ACCEPTED:
            return Receipt(self.verdict, reason="not now")
        message = self._keep(inbound)
        if self._answers is not None:
            await self.answer(inbound.message_id, self._answers(inbound))
        return Receipt(Verdict.ACCEPTED, self._messages[message.id])

    async def message(self, conversation_adapter: str, tenant: str, message_id: str) -> Message | None:
        for message in self._messages.values():
            where = message.inbound.conversation
            if (conversation_adapter, tenant, message_id) == (
                where.adapter,
                where.tenant,
                message.inbound.message_id,
            ):
                return self._as_it_stands(message)
        return None

    async def takes_part(self, conversation: Conversation) -> bool:
        known = (message.inbound.conversation for message in self._messages.values())
        return bool(conversation.topic) and conversation in known

    async def answered(self, message: Message, *, timeout: float) -> Message:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout), self._changed:
                await self._changed.wait_for(lambda: self._target(message).state.is_final)
        return self._as_it_stands(message)

    async def events(self, message: Message, *, after: int = 0) -> AsyncIterator[JournalEntry]:
        if not 0 <= after <= len(self._journals[message.id]):
            raise LookupError(f"no entry {after} in this journal")
        while True:
            journal = self._journals[message.id]
            while after < len(journal):
                yield journal[after]
                after += 1
            if self._messages[message.id].state is MessageState.MERGED:
                async for entry in self.events(self._target(message), after=1):
                    yield replace(entry, id=entry.id + after)
                return
            if self._messages[message.id].state.is_final:
                return
            await self._moved(message.id, after)

    async def stop(self, conversation: Conversation, user: User, *, run_id: str = "") -> bool:
        self.stopped.append((conversation, user))
        live = [
            message
            for message in self._messages.values()
            if message.inbound.conversation == conversation
            and not message.state.is_final
            and (not run_id or (message.run is not None and message.run.id == run_id))
        ]
        for message in live:
            await self.cancel(message.inbound.message_id)
        return bool(live)

    async def command(self, inbound: Inbound, *, run_id: str = "") -> str:
        if self._failures:
            raise self._failures.popleft()
        assert inbound.command is not None
        self.commands.append((inbound, run_id))
        if inbound.command is Command.STOP:
            await self.stop(inbound.conversation, inbound.user, run_id=run_id)
        elif inbound.command is Command.RESET:
            await self.reset(inbound.conversation, inbound.user)
        elif inbound.command is Command.RETRY:
            await self.accept(inbound)
        return f"Done: {inbound.command.value}."

    async def feedback(
        self, conversation: Conversation, user: User, run_id: str, rating: Rating, comment: str | None = None
    ) -> bool:
        if self._failures:
            raise self._failures.popleft()
        self.ratings.append(Feedback(run_id, user, rating, comment or ""))
        return True

    async def edited(self, conversation: Conversation, message_id: str, text: str) -> None:
        if self._failures:
            raise self._failures.popleft()
        self.edits[message_id] = text

    async def deleted(self, conversation: Conversation, message_id: str) -> None:
        if self._failures:
            raise self._failures.popleft()
        self.deletions.append(message_id)

    async def reset(self, conversation: Conversation, user: User) -> str:
        self._threads[conversation] = self._threads.get(conversation, 1) + 1
        return self._thread(conversation)

    async def items(
        self, conversation: Conversation, user: User, *, before: int | None = None, limit: int = 100
    ) -> list[Item]:
        bodies: list[JsonObject] = []
        for message in self._messages.values():
            if message.inbound.conversation == conversation and message.thread_id == self._thread(
                conversation
            ):
                bodies.append(user_message(message.inbound.text, message.files))
                if message.answer is not None:
                    bodies.append(assistant_message(message.answer.text))
        items = [Item(f"item_{seq}", body, seq) for seq, body in enumerate(bodies, 1)]
        return [item for item in items if before is None or item.seq < before][-limit:]

    async def merged(self, message: Message) -> list[Message]:
        return [other for other in self._messages.values() if other.merged_into == message.id]

    async def file(self, file: FileRef) -> bytes:
        return self.stored[file.id]

    # What a test calls

    @property
    def messages(self) -> Sequence[Message]:
        """The accepted messages, oldest first."""
        return tuple(self._messages.values())

    def hold(self) -> None:
        """Let `accept` wait, as on a slow disk, until `let_go`."""
        self.knocked.clear()
        self._open.clear()

    def let_go(self) -> None:
        """Let what `hold` keeps waiting go on."""
        self._open.set()

    def fail_next(self, error: GatewayError) -> None:
        """The next `accept` that comes so far raises *error*."""
        self._failures.append(error)

    async def say(self, message_id: str, delta: str) -> None:
        """The assistant says a little more."""
        message = await self._begin(message_id)
        self._write(message, "text.delta", {"delta": delta})
        await self._tell(message)

    async def require_action(self, message_id: str) -> None:
        """The run waits for a function."""
        message = await self._begin(message_id)
        assert message.run is not None
        await self._tell(replace(message, run=replace(message.run, status=RunStatus.REQUIRES_ACTION)))

    async def answer(
        self, message_id: str, text: str, *, usage: Usage | None = None, files: tuple[FileRef, ...] = ()
    ) -> Answer:
        """The answer is complete and delivered."""
        answer = Answer(text, RunStatus.COMPLETED, usage or Usage(3, 4), files)
        return await self._end(message_id, answer, MessageState.DELIVERED)

    async def fail(self, message_id: str, error: RunFailure, text: str = "") -> Answer:
        """The run failed."""
        answer = Answer(text, RunStatus.FAILED, error=error)
        return await self._end(message_id, answer, MessageState.FAILED_VISIBLE)

    async def cancel(self, message_id: str, text: str = "") -> Answer:
        """Somebody stopped it."""
        return await self._end(message_id, Answer(text, RunStatus.CANCELLED), MessageState.CANCELLED)

    async def merge(self, message_id: str, into: str) -> None:
        """A message joins the run of a newer one."""
        message = replace(
            self._named(message_id), state=MessageState.MERGED, merged_into=self._named(into).id
        )
        await self._tell(message)

    # Inside

    def _find(self, inbound: Inbound) -> Message | None:
        known = (self._by_key.get(key) for key in _keys(inbound))
        return next((self._messages[id] for id in known if id is not None), None)

    def _keep(self, inbound: Inbound) -> Message:
        id = len(self._messages) + 1
        where = inbound.conversation
        lane = Lane(where.adapter, where.tenant, where.channel, where.topic)
        message = Message(
            id=id,
            lane_id=1,
            seq=id,
            state=MessageState.READY,
            inbound=inbound,
            routed=Routed(lane, "default"),
            thread_id=self._thread(where),
            files=tuple(
                FileRef(f"file_{id}_{number}", file.name, file.content_type, len(file.data))
                for number, file in enumerate(inbound.attachments)
            ),
        )
        self._messages[id] = message
        self._by_key.update(dict.fromkeys(_keys(inbound), id))
        self._journals[id] = []
        self._write(
            message,
            "message.accepted",
            {"id": inbound.message_id, "conversation": where.channel, "thread": message.thread_id},
        )
        return message

    async def _begin(self, message_id: str) -> Message:
        message = self._named(message_id)
        if message.run is None:
            run = Run(f"run_{message.id}", message.thread_id, "default", RunStatus.IN_PROGRESS)
            message = replace(message, run=run, state=MessageState.ANSWERING)
            self._write(message, "run.created", {"run": {"id": run.id, "status": run.status.value}})
        await self._tell(message)
        return message

    async def _end(self, message_id: str, answer: Answer, state: MessageState) -> Answer:
        message = await self._begin(message_id)
        assert message.run is not None
        run = replace(message.run, status=answer.status, usage=answer.usage, error=answer.error)
        self._write(
            message, f"run.{answer.status.value}", {"run": {"id": run.id, "status": run.status.value}}
        )
        word = {MessageState.DELIVERED: "answered", MessageState.CANCELLED: "cancelled"}.get(state, "failed")
        self._write(message, f"message.{word}", {"text": answer.text})
        await self._tell(replace(message, run=run, answer=answer, state=state))
        return answer

    def _named(self, message_id: str) -> Message:
        return next(m for m in self._messages.values() if m.inbound.message_id == message_id)

    def _target(self, message: Message) -> Message:
        message = self._messages[message.id]
        while message.merged_into is not None:
            message = self._messages[message.merged_into]
        return message

    def _as_it_stands(self, message: Message) -> Message:
        """The message; a merged one with the run and the answer that it shares."""
        target = self._target(message)
        return replace(self._messages[message.id], run=target.run, answer=target.answer)

    async def _moved(self, id: int, after: int) -> None:
        """Return when the journal is longer than *after* or the message has ended."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: len(self._journals[id]) > after or self._messages[id].state.is_final
            )

    def _thread(self, conversation: Conversation) -> str:
        return f"thread_{conversation.channel}_{self._threads.get(conversation, 1)}"

    def _write(self, message: Message, event: str, data: JsonObject) -> None:
        journal = self._journals[message.id]
        journal.append(JournalEntry(len(journal) + 1, event, data))

    async def _tell(self, message: Message) -> None:
        self._messages[message.id] = message
        async with self._changed:
            self._changed.notify_all()


def _keys(inbound: Inbound) -> list[tuple[str, str, str]]:
    """What a message is known by: its id and the further keys, each within its tenant."""
    where = inbound.conversation
    return [(where.adapter, where.tenant, key) for key in (inbound.message_id, *inbound.keys)]
