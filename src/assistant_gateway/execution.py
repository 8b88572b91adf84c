"""
One run under way: what it has said, spent and asked for.

What a step said and asked for is on disk before its functions are called. So a run that a
crash cut off goes on where it was: finished steps are not asked for again, finished calls
not made again. A failed step is tried again only while nothing of it has been seen or done.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol, cast

import structlog

from assistant_gateway import items
from assistant_gateway.backend import Backend, Step
from assistant_gateway.breaker import Breakers, WatchesBackends
from assistant_gateway.calls import Calls, WatchesCalls, closing, error_output, output_id, requested
from assistant_gateway.config import AssistantSettings
from assistant_gateway.credits import Credits
from assistant_gateway.documents import Documents
from assistant_gateway.errors import BackendError, ContextOverflow, StreamCut
from assistant_gateway.events import (
    AnnotationAdded,
    FileDone,
    ItemDone,
    RunCreated,
    RunEvent,
    RunRequiresAction,
    RunRestarted,
    StepCreated,
    StepDone,
    StepEvent,
    TextCreated,
    TextDelta,
    TextDone,
    ToolCallCreated,
    ToolCallDelta,
    ToolCallDone,
)
from assistant_gateway.handler import Handlers
from assistant_gateway.made import MadeFiles
from assistant_gateway.prices import Prices
from assistant_gateway.speech import Speech
from assistant_gateway.store import Claim, Store
from assistant_gateway.tools import Toolbox
from assistant_gateway.values import (
    Answer,
    CallRecord,
    CallState,
    FileRef,
    Item,
    JsonObject,
    Message,
    Run,
    RunFailure,
    RunStatus,
    ToolSpec,
    Usage,
)
from assistant_gateway.window import Windows, estimate, halve, overhead

PAUSES = (0.5, 2.0, 5.0)  # seconds before the second, third … try of a step
# What handlers were told can't be taken back. Thoughts are no part of the answer.
VISIBLE = frozenset(
    {TextDelta, TextDone, ToolCallCreated, ToolCallDelta, ToolCallDone, FileDone, AnnotationAdded}
)
HALVINGS = 3  # of a window that is too large for the model
LONGEST_PAUSE = 30.0  # seconds; who asks for more is not waited for while a person waits


class WatchesRuns(WatchesCalls, WatchesBackends, Protocol):
    """What is told about runs, for metrics."""

    def step_done(self, assistant: str, usage: Usage | None, cost: int) -> None: ...


class Execution:
    """
    One attempt to bring one run to its end.

    Args:
        used_up: Says why there must be no further step, or nothing.
        chain: The backends to try, in order.
        question: The messages that are answered: the claim's own, but for a retry.
        tries: How often a step is tried at most; each backend of the chain gets one at least.
        pauses: Seconds before the second, third … try of a step.
    """

    def __init__(
        self,
        store: Store,
        windows: Windows,
        documents: Documents,
        toolbox: Toolbox,
        breakers: Breakers,
        prices: Prices,
        used_up: Callable[[], Awaitable[str]],
        chain: Sequence[Backend],
        settings: AssistantSettings,
        claim: Claim,
        question: Sequence[Message],
        run: Run,
        handlers: Handlers,
        watch: WatchesRuns,
        *,
        tries: int,
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        self._store = store
        self._windows = windows
        self._documents = documents
        self._breakers = breakers
        self._prices = prices
        self._used_up = used_up
        self._chain = chain
        # A backend may be configured under another name than its own.
        self._models = {
            backend.name: model for backend, model in zip(chain, settings.models.values(), strict=True)
        }
        self._settings = settings
        self._claim = claim
        self._run = run
        self._handlers = handlers
        self._watch = watch
        self._tries = max(tries, len(chain))
        self._pauses = pauses
        self._tools = _offered(toolbox, settings, claim)
        offered = frozenset(tool.name for tool in self._tools)
        self._calls = Calls(store, toolbox, claim, self._emit, watch, offered=offered)
        asked = [message.inbound.instructions for message in question]
        told = (settings.instructions, claim.message.routed.instructions, *dict.fromkeys(asked))
        self._instructions = "\n\n".join(text for text in told if text)
        self._speech = Speech()
        self._credits = Credits(tools=settings.show_tools, code=settings.show_code)
        self._made = MadeFiles(store.save_file)
        self._halvings = 0  # of the window, in the whole run: what was too large once is so again
        self._part: list[str] = []  # the message that is being said, not complete yet
        self._seen = False  # something of the step has been shown or done: it can't be taken back
        self._bodies: list[JsonObject] = []  # complete items that are not on the thread yet
        self._open: dict[str, CallRecord] = {}  # calls whose outputs are not on the thread yet
        self._files: list[FileRef] = []
        self._asked_for = 0  # calls in the whole run
        self._step = 0

    @property
    def overhead(self) -> int:
        """Characters that each model call carries beside the thread."""
        return overhead(self._instructions, self._tools)

    async def proceed(self) -> tuple[RunStatus, RunFailure | None]:
        """Go on from where the run stands until it ends by itself: its state, and why it is not complete."""
        await self._catch_up()
        why = ""
        for number in range(self._settings.max_steps):
            # For a run's first step this was asked before it was begun.
            if number or self._run.attempt > 1:
                why = await self._used_up()
            if self._open and not why:
                await self._call_functions()
                why = await self._used_up()  # a call may take long
            if why:
                return RunStatus.INCOMPLETE, RunFailure("budget_used_up", why, "")
            done = await self._take_step()
            calls = self._take_calls()
            if not calls:
                if done.status == "completed":
                    return RunStatus.COMPLETED, None
                return RunStatus.INCOMPLETE, RunFailure(
                    done.reason or "incomplete", _why_incomplete(done.reason), ""
                )
            await self._keep_step(calls)
        return RunStatus.INCOMPLETE, RunFailure(
            "max_steps", f"The assistant reached its limit of {self._settings.max_steps} steps.", ""
        )

    def conclude(self, status: RunStatus, error: RunFailure | None) -> tuple[Run, Answer, tuple[Item, ...]]:
        """The run's end: the answer, and the items that are not on the thread yet. No call is left open."""
        bodies = list(self._bodies)
        if self._part:
            bodies.append(items.assistant_message("".join(self._part), status="incomplete"))
        bodies += closing(bodies, map(self._calls.as_it_stands, self._open.values()))
        run = replace(self._run, status=status, error=error)
        answer = Answer(
            self._speech.text,
            status,
            run.usage,
            tuple(self._files),
            error,
            self._credits.citations,
            self._credits.tools,
        )
        return run, answer, self._as_items(bodies)

    async def _emit(self, event: RunEvent) -> None:
        self._speech.hear(event)
        self._credits.hear(event)
        if type(event) is FileDone:
            self._files.append(event.file)
        if type(event) is ToolCallDone and event.call_id in self._open:
            record = self._open[event.call_id]
            self._open[event.call_id] = replace(
                record, state=CallState.DONE, output=event.output, ok=event.ok
            )
        await self._handlers.emit(event)

    async def _catch_up(self) -> None:
        """Say what earlier attempts have put on disk, and find the calls that are still open."""
        if self._run.attempt == 1:
            await self._emit(RunCreated(self._run))
            return
        await self._emit(RunRestarted(self._run))
        answered = set()
        for item in await self._store.run_items(self._run.id):
            text = items.text_of(item.body) if items.role(item.body) == "assistant" else ""
            if text:
                await self._emit(TextCreated(item.id))
                await self._emit(TextDelta(item.id, text))
                await self._emit(TextDone(item.id, text))
            if items.kind(item.body) == "function_call_output":
                answered.add(str(item.body["call_id"]))
            self._credits.recall(item.body)
            if file := items.file_of(item.body):
                self._made.count(file)
                await self._emit(FileDone(file))
        for record in await self._store.calls(self._run.id):
            self._asked_for += 1
            if record.call.call_id not in answered:
                self._open[record.call.call_id] = record
                await self._emit(ToolCallCreated(record.call.call_id, record.call.name))
                if record.call.arguments:
                    await self._emit(ToolCallDelta(record.call.call_id, record.call.arguments))

    async def _take_step(self) -> StepDone:
        """Make one model call; try again, or another backend, while nothing of it has been seen."""
        attempt = 0
        await self._emit(StepCreated(self._step))
        chain = self._breakers.order(self._chain)
        while True:
            backend = chain[min(attempt, len(chain) - 1)]
            attempt += 1
            step = await self._next_step(backend)
            try:
                done = await self._stream(backend, step)
                self._breakers.served(backend)
                return done
            except BackendError as fault:
                self._breakers.failed(backend, fault)
                another = attempt < len(chain)
                if isinstance(fault, ContextOverflow) and not another and self._may_halve(step):
                    self._halvings += 1
                    attempt -= 1
                    structlog.get_logger().warning(
                        "window.halved", backend=backend.name, times=self._halvings
                    )
                    continue
                patient = fault.retryable and fault.retry_after <= LONGEST_PAUSE
                if self._seen or attempt >= self._tries or not (another or patient):
                    raise
                usual = self._pauses[min(attempt, len(self._pauses)) - 1]
                pause = 0.0 if another else max(fault.retry_after, usual)
                log = structlog.get_logger()
                log.warning("step.retried", backend=backend.name, code=fault.code, pause=pause)
                # In the provider's words, which may quote what people said.
                log.debug("step.retried_because", backend=backend.name, reason=str(fault))
                await asyncio.sleep(pause)

    def _may_halve(self, step: Step) -> bool:
        """Whether there is less to ask with, and nothing was seen of the step."""
        return not self._seen and self._halvings < HALVINGS and len(halve(step.items)) < len(step.items)

    async def _next_step(self, backend: Backend) -> Step:
        window = await self._windows.window(
            self._run.thread_id,
            model=f"{backend.name}/{self._models[backend.name]}",
            tokens=self._settings.window_tokens,
            overhead=self.overhead,
            summary=self._settings.summary,
        )
        for _ in range(self._halvings):
            window = halve(window)
        return Step(
            run_id=self._run.id,
            thread_id=self._run.thread_id,
            index=self._step,
            model=self._models[backend.name],
            instructions=self._instructions,
            items=window,
            load_file=self._load_file,
            tools=self._tools,
            max_output_tokens=self._settings.max_output_tokens,
            options=self._settings.options,
            hosted_tools=[tool.model_dump() for tool in self._settings.hosted_tools],
            save_file=self._made.save,
            read_document=self._documents.text,
            state=await self._store.note(f"backend:{backend.name}", self._run.thread_id) or {},
        )

    async def _stream(self, backend: Backend, step: Step) -> StepDone:
        self._part = []
        self._bodies = []
        self._seen = False
        done: StepDone | None = None
        created: list[TextCreated] = []  # told with the first words: before them the step may be tried again
        stream = cast("AsyncGenerator[StepEvent, None]", backend.stream(step))
        async with aclosing(stream) as events:
            async for event in events:
                if type(event) is TextCreated:
                    created.append(event)
                    continue
                if type(event) in VISIBLE:
                    self._seen = True
                    while created:
                        await self._emit(created.pop(0))
                if type(event) is TextDelta:
                    self._part.append(event.delta)
                elif type(event) is ItemDone:
                    self._bodies.append(event.body)
                    if items.role(event.body) == "assistant":
                        self._part = []
                elif type(event) is FileDone:
                    self._bodies.append(items.made_file(event.file))
                elif type(event) is StepDone:
                    done = event
                await self._emit(event)
        if done is None:
            raise StreamCut("The provider's stream ended early.")
        self._step += 1
        charge = self._prices.charge(backend.name, step.model, done.usage or Usage())
        if done.usage is not None:
            self._run = self._run.charged(charge)
        if done.usage is not None and not done.sums_up:
            await self._windows.learn(
                f"{backend.name}/{step.model}",
                characters=sum(map(estimate, step.items)) + self.overhead,
                tokens=done.usage.input_tokens,
            )
        if done.state is not None:
            await self._store.save_note(f"backend:{backend.name}", self._run.thread_id, done.state)
        self._watch.step_done(self._run.assistant, done.usage, charge.cost)
        return done

    def _take_calls(self) -> list[CallRecord]:
        """The step's calls, each once; what is over the run's limit gets an error instead of a call."""
        records: dict[str, CallRecord] = {}
        bodies = []
        for body in self._bodies:
            for call in items.calls_of([body]):
                if call.call_id in records:
                    break  # the same call twice is one call
                self._asked_for += 1
                record = requested(self._run, call)
                if self._asked_for > self._settings.max_calls:
                    output = error_output(
                        "too_many_calls", f"A run may make {self._settings.max_calls} calls."
                    )
                    record = replace(record, state=CallState.DONE, output=output, ok=False)
                records[call.call_id] = record
            else:
                bodies.append(body)
        self._bodies = bodies
        return list(records.values())

    async def _keep_step(self, calls: Sequence[CallRecord]) -> None:
        self._run = replace(self._run, status=RunStatus.REQUIRES_ACTION)
        self._open = {record.call.call_id: record for record in calls}
        await self._store.save_step(self._claim, self._as_items(self._bodies), calls, self._run)
        self._bodies = []
        await self._emit(RunRequiresAction(self._run, tuple(record.call for record in calls)))

    async def _call_functions(self) -> None:
        records = await self._calls.make(self._run, self._open.values())
        outputs = [items.function_call_output(record.call.call_id, record.output) for record in records]
        self._run = replace(self._run, status=RunStatus.IN_PROGRESS)
        await self._store.save_step(self._claim, self._as_items(outputs), [], self._run)
        self._open = {}

    def _as_items(self, bodies: Sequence[JsonObject]) -> tuple[Item, ...]:
        found = []
        for number, body in enumerate(bodies):
            if items.kind(body) == "function_call_output":
                id = output_id(self._run, body)
            else:
                id = f"{self._run.id}.{self._run.attempt}.{self._step}.{number}"
            found.append(Item(id, body, run_id=self._run.id))
        return tuple(found)

    async def _load_file(self, id: str) -> bytes:
        found = await self._store.file(id)
        if found is None:
            raise LookupError(id)
        return found[1]


def _offered(toolbox: Toolbox, settings: AssistantSettings, claim: Claim) -> tuple[ToolSpec, ...]:
    """The assistant's tools for this person, narrowed by the route."""
    inbound, narrowed = claim.message.inbound, claim.message.routed.tools
    specs = toolbox.specs(settings.tools, inbound.user, inbound.conversation)
    if narrowed is None:
        return specs
    names = {spec.name for spec in toolbox.specs(narrowed, inbound.user, inbound.conversation)}
    return tuple(spec for spec in specs if spec.name in names)


def _why_incomplete(reason: str) -> str:
    match reason:
        case "max_output_tokens":
            return "The answer reached its longest length."
        case "content_filter":
            return "The provider's content filter ended the answer."
        case _:
            return "The provider ended the answer early."
