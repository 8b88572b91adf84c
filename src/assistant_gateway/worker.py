"""
Answer accepted messages: one run at a time in each lane, in the order of acceptance.

The database decides who may answer what; the worker only claims, runs and delivers. Every
state in which a process can die is one that the next claim resumes from: before the run,
in the middle of it, or with the complete answer on disk and not yet shown. A message that
fails again and again ends in a visible error, and its lane goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

import structlog
from structlog.contextvars import bound_contextvars

from assistant_gateway.adapter import Adapter, Control
from assistant_gateway.config import WorkerSettings
from assistant_gateway.errors import LeaseLost, Revised, StoreError
from assistant_gateway.events import RunDone, RunEvent, TextDelta
from assistant_gateway.execution import WatchesRuns
from assistant_gateway.handler import Handlers, RunHandler
from assistant_gateway.journal import Journals
from assistant_gateway.listeners import Listeners
from assistant_gateway.presence import working
from assistant_gateway.replies import Reply, Undeliverable
from assistant_gateway.replies.pacing import Pacer
from assistant_gateway.replies.posts import WatchesReplies
from assistant_gateway.runner import Outcome, Runner, Stop
from assistant_gateway.store import Claim, Store
from assistant_gateway.summary import Summaries
from assistant_gateway.values import (
    Answer,
    FileRef,
    MessageState,
    Post,
    ReplyTarget,
    Run,
    RunStatus,
)

CLAIMERS = 4  # claims under way at once; each waits for the disk
POLL = 1.0  # seconds, the longest wait when nothing tells of new work
RETRY = (1.0, 5.0, 30.0)  # seconds before a failed message is tried again
GIVEN_UP = frozenset({"failed_repeatedly", "crashed_repeatedly"})  # codes of runs that end as dead letters
OUTAGE = 600.0  # seconds; a platform that is away for less costs nobody a complete answer
ABSENCE = 60.0  # seconds between two looks for an adapter that is not there


class WatchesWork(WatchesRuns, WatchesReplies, Protocol):
    """What is told about the worker's doings, for metrics."""

    def run_started(self, assistant: str) -> None: ...
    def first_text(self, assistant: str, seconds: float) -> None: ...
    def run_done(self, assistant: str, status: RunStatus, seconds: float) -> None: ...
    def dead_lettered(self, adapter: str) -> None: ...


class Worker:
    """
    Works the inbox off.

    Args:
        adapters: By name; None where nothing is shown on a platform (the Python API).
        owner: Names this process in leases; unique among all that ever share the store.
        handlers: Follow every run (the user's own, telemetry).
        controls: The buttons below answers, on platforms that have them.
        retry: Seconds before the second, third … try of a message that failed.
        outage: Seconds that a platform may fail to show a complete answer before it is set aside.
    """

    def __init__(
        self,
        store: Store,
        runner: Runner,
        adapters: Mapping[str, Adapter | None],
        journals: Journals,
        listeners: Listeners,
        summaries: Summaries,
        settings: WorkerSettings,
        watch: WatchesWork,
        *,
        owner: str,
        handlers: Sequence[RunHandler] = (),
        controls: Sequence[Control] = (),
        retry: Sequence[float] = RETRY,
        outage: float = OUTAGE,
    ) -> None:
        self._store = store
        self._runner = runner
        self._adapters = adapters
        self._journals = journals
        self._listeners = listeners
        self._summaries = summaries
        self._settings = settings
        self._watch = watch
        self._owner = owner
        self._handlers = tuple(handlers)
        self._controls = tuple(controls)
        self._retry = retry
        self._outage = outage
        self._away: dict[int, float] = {}  # since when an answer could not be shown, by message
        self._pacer = Pacer()
        # One token wakes one claimer, which then claims until nothing is left.
        self._work: asyncio.Queue[None] = asyncio.Queue(CLAIMERS)
        self._free = asyncio.Semaphore(settings.max_runs)
        self._live: dict[int, tuple[Stop, asyncio.Task[None]]] = {}
        self._closing = asyncio.Event()
        self._log = structlog.get_logger()

    @property
    def live(self) -> int:
        """How many messages are being answered now."""
        return len(self._live)

    def wake(self) -> None:
        """Something may be ready: look now."""
        with contextlib.suppress(asyncio.QueueFull):
            self._work.put_nowait(None)

    def stop(self, lane_id: int, reason: str, message: int | None = None) -> None:
        """End the run of a lane, if this process has it; with *message*, only the run that answers that."""
        if lane_id in self._live and message in (None, self._live[lane_id][0].message):
            self._live[lane_id][0].request(reason)

    async def run(self) -> None:
        """
        Work until `drain`; then give running answers ``drain_seconds`` to end, and let go of the others.

        What is let go of stays on disk and is taken up by the next process.
        """
        async with asyncio.TaskGroup() as group:
            renewing = group.create_task(self._renew(), name="worker:renew")
            async with asyncio.TaskGroup() as claimers:
                for number in range(CLAIMERS):
                    claimers.create_task(self._claim(group), name=f"worker:claim:{number}")
            await self._settle()
            renewing.cancel()

    def drain(self) -> None:
        """Claim nothing more."""
        self._closing.set()
        for _ in range(CLAIMERS):
            self._free.release()  # nobody waits for room any more
            self.wake()

    async def _settle(self) -> None:
        running = [task for _, task in self._live.values()]
        if running:
            self._log.info("worker.draining", runs=len(running), seconds=self._settings.drain_seconds)
            _, late = await asyncio.wait(running, timeout=self._settings.drain_seconds)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    async def _claim(self, group: asyncio.TaskGroup) -> None:
        """Claim and answer, as long as there is something to claim and room to run it."""
        while not self._closing.is_set():
            await self._free.acquire()
            claim = None
            try:
                if not self._closing.is_set():
                    claim = await self._store.claim(self._owner, self._settings.lease_seconds)
            except StoreError as error:
                self._log.error("worker.claim_failed", reason=str(error))
                await self._pause(POLL)
            except Exception:
                # What can't be foreseen must not end the worker, and with it every answer under way.
                self._log.exception("worker.claim_failed")
                await self._pause(POLL)
            finally:
                if claim is None:
                    self._free.release()
            if claim is None:
                await self._pause(await self._idle())
                continue
            self._start(claim, group)

    def _start(self, claim: Claim, group: asyncio.TaskGroup) -> None:
        lane_id, stop = claim.message.lane_id, Stop(claim.message.id)
        if claim.message.stop_reason:
            stop.request(claim.message.stop_reason)
        task = group.create_task(self._answer(claim, stop), name=f"answer:{claim.message.id}")
        self._live[lane_id] = live = (stop, task)

        def let_go(_: asyncio.Task[None]) -> None:
            # The lane may have been claimed again before this task was quite over.
            if self._live.get(lane_id) is live:
                del self._live[lane_id]
            self._free.release()
            self.wake()

        task.add_done_callback(let_go)

    async def _idle(self) -> float:
        """Seconds to wait when nothing could be claimed."""
        try:
            due = await self._store.next_wake()
        except StoreError:
            return POLL
        return POLL if due is None else min(POLL, max(0.01, due - time.time()))

    async def _pause(self, seconds: float) -> None:
        # Not `wait_for`: before Python 3.12 it may lose a cancellation.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._work.get()

    async def _renew(self) -> None:
        """Keep the leases of all running answers, and learn of stops that others asked for."""
        while True:
            await asyncio.sleep(self._settings.lease_seconds / 3)
            watched = list(self._live.items())  # what is claimed from here on is not in the answer
            if not watched:
                continue
            try:
                held = await self._store.renew(self._owner, self._settings.lease_seconds)
            except StoreError as error:
                self._log.error("worker.renew_failed", reason=str(error))
                continue
            for lane_id, (stop, task) in watched:
                if lane_id not in held:
                    task.cancel()
                elif held[lane_id]:
                    stop.request(held[lane_id])

    async def _answer(self, claim: Claim, stop: Stop) -> None:
        message = claim.message
        inbound = message.inbound
        with bound_contextvars(
            adapter=inbound.conversation.adapter,
            tenant=inbound.conversation.tenant,
            message=message.id,
            thread=message.thread_id,
        ):
            try:
                await self._resume(claim, stop)
            except asyncio.CancelledError:
                # The process ends (or lost the lane): what is on disk is enough to go on from.
                with contextlib.suppress(StoreError):
                    await asyncio.shield(self._store.release(claim, delay=0.0, failed=False))
                raise
            except LeaseLost:
                self._log.warning("message.lease_lost")
            except Revised:
                self._log.info("message.revised")
                await self._give_back(claim, failed=False, pause=0.0)
            except StoreError as error:
                self._log.error("message.interrupted", reason=str(error))
                await self._give_back(claim, failed=False)
            except Exception:
                self._log.exception("message.failed", failures=message.failures + 1)
                await self._give_back(claim, failed=True)

    async def _give_back(self, claim: Claim, *, failed: bool, pause: float | None = None) -> None:
        if pause is None:
            pause = self._retry[min(claim.message.failures, len(self._retry) - 1)]
        while True:
            try:
                await self._store.release(claim, delay=pause, failed=failed)
                return
            except LeaseLost:
                return
            except StoreError as error:
                # The lane is ours until this is written; nobody else could take it up.
                self._log.error("message.release_failed", reason=str(error))
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    # The process ends, and a fault that came at the same moment took the word's place.
                    raise asyncio.CancelledError from error
                await asyncio.sleep(POLL)

    async def _resume(self, claim: Claim, stop: Stop) -> None:
        """Take the message up where it stands."""
        message = claim.message
        if message.inbound.conversation.adapter not in self._adapters:
            # A process without tokens, or a chat in the terminal: the message waits for one that has them.
            self._log.warning("adapter.missing")
            await self._store.release(claim, delay=ABSENCE, failed=False)
            return
        if message.state is MessageState.FINAL_READY and message.run and message.answer:
            async with self._replying(claim, message.run) as reply:
                await self._deliver(claim, reply, message.answer)
            return
        for merged in claim.merged:
            self._journals.open(merged).forward(self._journals.open(message))
            self._journals.drop(merged.id)
        claim, run = await self._runner.begin(claim)
        with bound_contextvars(run=run.id, assistant=run.assistant):
            async with self._replying(claim, run) as reply:
                await self._run(claim, run, stop, reply)

    async def _run(self, claim: Claim, run: Run, stop: Stop, reply: Reply | None) -> None:
        message = claim.message
        journal = self._journals.open(message)
        journal.begin(run.attempt)
        # Where the assistant is not asked, who follows its runs is not told.
        asks = message.asks_assistant
        followers = [journal, *(self._handlers if asks else ()), *self._listeners.of(message)]
        handlers = Handlers([*([reply] if reply else []), *followers, _FirstText(self._watch, run)])
        started = asyncio.get_running_loop().time()
        if asks:
            self._watch.run_started(run.assistant)
        try:
            async with asyncio.TaskGroup() as group:
                if reply is not None:
                    group.create_task(reply.grow(), name=f"reply:{run.id}")
                try:
                    outcome = await self._execute(claim, run, handlers, stop)
                finally:
                    if reply is not None:
                        reply.close()
        except ExceptionGroup as faults:
            raise faults.exceptions[0] from None
        kept = journal.ended(outcome.run, outcome.answer)
        await self._store.conclude(claim, outcome.run, outcome.answer, outcome.items, kept)
        if outcome.wish is not None:
            self._summaries.want(outcome.wish)
        journal.close(outcome.run, outcome.answer)
        self._journals.drop(message.id)
        await handlers.emit(RunDone(outcome.run, outcome.answer.text, outcome.answer.files))
        await handlers.close()
        seconds = asyncio.get_running_loop().time() - started
        if asks:
            self._watch.run_done(run.assistant, outcome.run.status, seconds)
        self._log.info(
            "run.done",
            status=outcome.run.status.value,
            attempt=outcome.run.attempt,
            seconds=round(seconds, 3),
            input_tokens=outcome.run.usage.input_tokens,
            output_tokens=outcome.run.usage.output_tokens,
        )
        await self._deliver(claim, reply, outcome.answer)

    async def _execute(self, claim: Claim, run: Run, handlers: Handlers, stop: Stop) -> Outcome:
        message = claim.message
        if message.failures >= self._settings.tries:
            return await self._runner.give_up(
                run, "failed_repeatedly", "The message could not be answered, in several tries."
            )
        if message.attempts >= self._settings.crashes:
            return await self._runner.give_up(
                run, "crashed_repeatedly", "Answering this message was cut off again and again."
            )
        return await self._runner.execute(claim, run, handlers, stop)

    @contextlib.asynccontextmanager
    async def _replying(self, claim: Claim, run: Run) -> AsyncIterator[Reply | None]:
        """The reply on the message's platform; None where nothing is shown (the Python API)."""
        inbound = claim.message.inbound
        adapter = self._adapters[inbound.conversation.adapter]
        if adapter is None:
            yield None
            return

        async def save(post: Post) -> None:
            await self._store.save_post(claim, post)

        async def keep_file(name: str, content_type: str, data: bytes) -> FileRef:
            file = FileRef(f"file_{secrets.token_hex(12)}", name, content_type, len(data))
            await self._store.save_file(file, data)
            return file

        target = ReplyTarget(inbound.conversation, inbound.message_id, inbound.user, inbound.reply_to)
        reply = Reply(
            adapter,
            target,
            run.id,
            save=save,
            posts=await self._store.posts(run.id) if run.attempt > 1 or claim.message.attempts else [],
            watch=self._watch,
            pacer=self._pacer,
            keep_file=keep_file,
            # What the gateway itself says is neither stopped nor said again.
            controls=self._controls if claim.message.asks_assistant else (),
        )
        try:
            async with working(adapter, target):
                yield reply
        finally:
            reply.leave()

    async def _deliver(self, claim: Claim, reply: Reply | None, answer: Answer) -> None:
        """Show the complete answer, then let the lane go on."""
        state = _final_state(answer)
        if reply is not None:
            now = asyncio.get_running_loop().time()
            try:
                await reply.finish(answer, searched=now - self._away.get(claim.message.id, now))
            except Undeliverable as refusal:
                self._log.error("reply.undeliverable", reason=str(refusal))
                await self._bury(claim)
                return
            except StoreError:
                raise
            except Exception:
                now = asyncio.get_running_loop().time()
                if now - self._away.setdefault(claim.message.id, now) < self._outage:
                    raise
                self._log.exception("reply.given_up", seconds=self._outage)
                await self._bury(claim)
                return
            self._away.pop(claim.message.id, None)
        await self._store.finish(claim, state)
        if state is MessageState.DEAD_LETTER:
            self._watch.dead_lettered(claim.message.inbound.conversation.adapter)

    async def _bury(self, claim: Claim) -> None:
        self._away.pop(claim.message.id, None)
        self._log.error("message.dead_letter")
        self._watch.dead_lettered(claim.message.inbound.conversation.adapter)
        await self._store.finish(claim, MessageState.DEAD_LETTER)


class _FirstText(RunHandler):
    """Tells once how long the first words took."""

    def __init__(self, watch: WatchesWork, run: Run) -> None:
        self._watch = watch
        self._assistant = run.assistant
        self._started: float | None = asyncio.get_running_loop().time()

    async def on_event(self, event: RunEvent) -> None:
        if self._started is not None and type(event) is TextDelta:
            self._watch.first_text(self._assistant, asyncio.get_running_loop().time() - self._started)
            self._started = None


def _final_state(answer: Answer) -> MessageState:
    if answer.error is not None and answer.error.code in GIVEN_UP:
        return MessageState.DEAD_LETTER
    match answer.status:
        case RunStatus.COMPLETED | RunStatus.INCOMPLETE:
            return MessageState.DELIVERED
        case RunStatus.CANCELLED:
            return MessageState.CANCELLED
        case _:
            return MessageState.FAILED_VISIBLE
