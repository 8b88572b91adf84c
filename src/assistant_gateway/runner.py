"""
Run an assistant for a claimed message, and bring it to an end whatever happens.

A provider that fails, a deadline that passes, a person who says stop: each is an outcome
that the person gets to see, not an error of the gateway. A command is answered without one.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

import structlog

from assistant_gateway import commands, items
from assistant_gateway.backend import Backend
from assistant_gateway.breaker import Breakers
from assistant_gateway.budgets import Budgets, Spender
from assistant_gateway.calls import closing, output_id
from assistant_gateway.config import AssistantSettings
from assistant_gateway.credits import Credits
from assistant_gateway.documents import Documents
from assistant_gateway.errors import BackendError, Revised
from assistant_gateway.events import RunCreated, RunRestarted, TextCreated, TextDelta, TextDone
from assistant_gateway.execution import PAUSES, Execution, WatchesRuns
from assistant_gateway.handler import Handlers
from assistant_gateway.prices import Prices
from assistant_gateway.store import Claim, Store
from assistant_gateway.store.controls import REVISED
from assistant_gateway.summary import Wish
from assistant_gateway.tools import Toolbox
from assistant_gateway.values import Answer, Command, Item, Message, Run, RunFailure, RunStatus
from assistant_gateway.window import Windows


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    How a run ended: its final state, the answer, and the items that are not on the thread yet.

    Attributes:
        wish: To be granted behind the answer.
    """

    run: Run
    answer: Answer
    items: tuple[Item, ...] = ()
    wish: Wish | None = None


class Stop:
    """Ends the run of one message early: at its deadline, or when somebody asks for it."""

    def __init__(self, message: int = 0) -> None:
        self.message = message
        self.reason = ""
        self._scope: asyncio.Timeout | None = None

    def request(self, reason: str) -> None:
        """End the run now. The first reason counts."""
        if not self.reason:
            self.reason = reason
            # A run that is over can't be stopped any more: its answer is on its way.
            if self._scope is not None and not self._scope.expired():
                self._scope.reschedule(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def scope(self, seconds: float) -> AsyncIterator[asyncio.Timeout]:
        """
        The scope to work in, *seconds* long; none at all when the stop came first.

        Raises:
            TimeoutError: It was ended early.
        """
        async with asyncio.timeout(0 if self.reason else seconds) as scope:
            self._scope = scope
            try:
                yield scope
            finally:
                self._scope = None


class Runner:
    """Executes runs. One serves all runs of the process."""

    def __init__(
        self,
        store: Store,
        backends: Mapping[str, Backend],
        assistants: Mapping[str, AssistantSettings],
        toolbox: Toolbox,
        windows: Windows,
        prices: Prices,
        budgets: Budgets,
        watch: WatchesRuns,
        *,
        tries: int,
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        self._breakers = Breakers(watch)
        self._documents = Documents(store)
        self._store = store
        self._backends = backends
        self._assistants = assistants
        self._toolbox = toolbox
        self._windows = windows
        self._prices = prices
        self._budgets = budgets
        self._watch = watch
        self._tries = tries
        self._pauses = pauses

    async def begin(self, claim: Claim) -> tuple[Claim, Run]:
        """
        Open the claim's run, or its next attempt, and put what people said on the thread.

        Where a budget is used up nothing is put there, and the claim that comes back knows the refusal.

        Raises:
            Revised: Somebody has changed the question after it was claimed.
        """
        message = claim.message
        settings = self._assistants.get(message.routed.assistant)
        run = Run(
            message.run.id if message.run else f"run_{secrets.token_hex(12)}",
            message.thread_id,
            message.routed.assistant,
            RunStatus.IN_PROGRESS,
            model=next(iter(settings.models.values())) if settings else "",
        )
        if message.run is None and message.asks_assistant:
            refusal = await self._budgets.refusal(Spender.of_message(message))
            if refusal:
                structlog.get_logger().info("message.over_budget", message=message.id)
                run = await self._store.begin(claim, run, None, refusal=refusal)
                return replace(claim, message=replace(message, refusal=refusal)), run
        if message.inbound.command is Command.RETRY and not message.refusal:
            again = await self._store.retry(claim, run)
            if again is not None:
                return claim, again
        asked = None if message.inbound.command or message.refusal else _asked(claim, run)
        return claim, await self._store.begin(claim, run, asked)

    async def execute(self, claim: Claim, run: Run, handlers: Handlers, stop: Stop) -> Outcome:
        """
        Run the claim's assistant to its end; a command is answered at once.

        Raises:
            LeaseLost: Another worker has the lane now.
            Revised: Somebody has changed the question; the message must be taken up again.
            StoreUnavailable: The store doesn't write; the run can be taken up again.
        """
        question = (*claim.merged, claim.message)
        if claim.message.refusal:
            return await self._tell(run, handlers, claim.message.refusal)
        if claim.message.inbound.command is not None:
            retried = await self._store.question(run.id)
            if not retried:
                told = await commands.answer(self._store, self._budgets, claim)
                return await self._tell(run, handlers, told)
            question = (*retried, claim.message)
        _refuse_revised(claim, stop)
        if stop.reason and run.attempt > 1:
            # Stopped before it was taken up again: what people have seen of it is not taken from them.
            why = RunFailure(stop.reason, _why_ended(stop.reason, 0), _short_id())
            return await self._as_kept(replace(run, status=RunStatus.CANCELLED, error=why))
        settings = self._assistants.get(run.assistant)
        if settings is None:
            return await self.give_up(
                run, "misconfigured", f"The assistant {run.assistant!r} is no longer configured."
            )
        spender = Spender.of_message(claim.message)
        execution = Execution(
            self._store,
            self._windows,
            self._documents,
            self._toolbox,
            self._breakers,
            self._prices,
            partial(self._budgets.refusal, spender),
            [self._backends[name] for name in settings.backends],
            settings,
            claim,
            question,
            run,
            handlers,
            self._watch,
            tries=self._tries,
            pauses=self._pauses,
        )
        status, error = RunStatus.FAILED, None
        try:
            async with stop.scope(settings.run_seconds) as scope:
                status, error = await execution.proceed()
        except TimeoutError:
            if not scope.expired():
                raise
            status = RunStatus.CANCELLED if stop.reason else RunStatus.EXPIRED
            error = RunFailure(stop.reason or "expired", _why_ended(stop.reason, settings.run_seconds), "")
        except BackendError as fault:
            error = RunFailure(fault.code, str(fault), "")
        _refuse_revised(claim, stop)
        if error is not None:
            error = replace(error, id=_short_id())
            log = structlog.get_logger()
            log.warning("run.troubled", status=status.value, code=error.code, error_id=error.id)
            # In the provider's words, which may quote what people said.
            log.debug("run.troubled_because", error_id=error.id, reason=error.message)
        run, answer, items_left = execution.conclude(status, error)
        notices = (*_cut(question, settings), *await self._budgets.notices(spender, run))
        wish = Wish(run.thread_id, run.id, run.assistant, execution.overhead)
        return Outcome(run, replace(answer, notices=notices), items_left, wish)

    async def give_up(self, run: Run, code: str, message: str) -> Outcome:
        """The outcome of a run that nothing more can be done for; what its attempts have kept stands."""
        error = RunFailure(code, message, _short_id())
        structlog.get_logger().error("run.failed", code=code, error_id=error.id, reason=message)
        return await self._as_kept(replace(run, status=RunStatus.FAILED, error=error))

    async def _as_kept(self, run: Run) -> Outcome:
        """The outcome of a run that has ended without this attempt: what earlier ones have kept stands."""
        kept = [item.body for item in await self._store.run_items(run.id)]
        outputs = closing(kept, await self._store.calls(run.id))
        left = tuple(Item(output_id(run, body), body, run_id=run.id) for body in outputs)
        credits = Credits()
        for body in kept:
            credits.recall(body)
        files = tuple(file for body in kept if (file := items.file_of(body)))
        answer = Answer(items.said(kept), run.status, run.usage, files, run.error, credits.citations)
        return Outcome(run, answer, left)

    async def _tell(self, run: Run, handlers: Handlers, text: str) -> Outcome:
        """The outcome of a command: nothing of it is put on the thread."""
        await handlers.emit(RunCreated(run) if run.attempt == 1 else RunRestarted(run))
        for event in (TextCreated(run.id), TextDelta(run.id, text), TextDone(run.id, text)):
            await handlers.emit(event)
        return Outcome(replace(run, status=RunStatus.COMPLETED), Answer(text, RunStatus.COMPLETED))


def _refuse_revised(claim: Claim, stop: Stop) -> None:
    # Whether there really is a newer question is the store's to say: a late word costs an attempt only.
    if stop.reason == REVISED:
        raise Revised(f"message {claim.message.id} was changed while it was answered")


def _asked(claim: Claim, run: Run) -> list[Item]:
    """
    What people said, as it is put on the thread; a changed question has ids of its own.

    The run's id is nowhere else in the world; a message's number may be on a thread that was imported.
    """
    changed = f".r{claim.message.revision}" if claim.message.revision else ""
    return [
        Item(
            f"{run.id}.in.{told.id}{changed}",
            items.user_message(told.inbound.text, told.files, sender=told.inbound.user.name),
        )
        for told in (*claim.merged, claim.message)
        if told.inbound.text or told.files
    ]


def _cut(question: Sequence[Message], settings: AssistantSettings) -> list[str]:
    """What is said below the answer to a question that was too long."""
    if all(len(message.inbound.text) <= settings.max_input for message in question):
        return []
    return [f"The question was longer than {settings.max_input:,} characters; what was beyond is left out."]


def _why_ended(reason: str, seconds: float) -> str:
    match reason:
        case "":
            return f"The answer took longer than {seconds:g} s."
        case "interrupted":
            return "Interrupted by a newer message."
        case "edited":
            return "Stopped: the question was changed."
        case "deleted":
            return "Stopped: the question was deleted."
        case _:
            return "Stopped."


def _short_id() -> str:
    """For people to quote, and to be found in the log."""
    return f"e-{secrets.token_hex(4)}"
