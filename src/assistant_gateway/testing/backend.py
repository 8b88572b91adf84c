"""
Try a backend, or do without one.

`ScriptedBackend` is a model that is a function: it plays what a test wants said. `BackendContract`
is what every backend must keep; a new one proves itself by saying how it is brought to each scenario.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from assistant_gateway import items
from assistant_gateway.backend import Backend, Step
from assistant_gateway.errors import (
    BackendError,
    BackendRefused,
    BackendUnavailable,
    ContextOverflow,
    StreamCut,
)
from assistant_gateway.events import (
    ItemDone,
    ReasoningDelta,
    StepDone,
    StepEvent,
    TextCreated,
    TextDelta,
    TextDone,
    ToolCallCreated,
    ToolCallDelta,
    ToolCallDone,
)
from assistant_gateway.values import FunctionCall, JsonObject, ToolSpec, Usage


@dataclass(frozen=True, slots=True)
class Gate:
    """
    A point of a script at which it waits until the test opens it.

    Attributes:
        reached: The script has come to it.
        opened: Set it to let the script go on.
    """

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)


Act: TypeAlias = StepEvent | Gate | BaseException
Acts: TypeAlias = Iterable[Act] | AsyncIterator[Act]
Model: TypeAlias = Callable[[Step], Acts]


def says(text: str, *, item_id: str = "msg_0", part: int = 0, status: str = "completed") -> list[Act]:
    """A message, word by word; the words joined are *text*."""
    words = re.findall(r"\s*\S+|\s+\Z", text)
    return [
        TextCreated(item_id, part),
        *(TextDelta(item_id, word, part) for word in words),
        TextDone(item_id, text, part),
        ItemDone(items.assistant_message(text, id=item_id, status=status)),
    ]


def begins(text: str, *, item_id: str = "msg_0") -> list[Act]:
    """The beginning of a message that never ends: put an error or a `Gate` behind it."""
    return [TextCreated(item_id), *(TextDelta(item_id, word) for word in re.findall(r"\s*\S+", text))]


def calls(name: str, arguments: Mapping[str, object] | str = "{}", *, call_id: str = "call_0") -> list[Act]:
    """A function call; *arguments* as an object, or as text where it should be malformed."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return [
        ToolCallCreated(call_id, name),
        *(ToolCallDelta(call_id, piece) for piece in re.findall(r".{1,8}", text, re.DOTALL)),
        ItemDone(items.function_call(FunctionCall(call_id, name, text))),
    ]


def thinks(summary: str, *, item_id: str = "rs_0") -> list[Act]:
    """A reasoning item and its summary."""
    body: JsonObject = {
        "type": "reasoning",
        "id": item_id,
        "summary": [{"type": "summary_text", "text": summary}],
    }
    return [ReasoningDelta(item_id, summary), ItemDone(body)]


class ScriptedBackend:
    """
    A model that is a function.

    Args:
        script: A function from a step to what happens in it; or one list of acts for each step, in
            order. What is raised in the place of an event is given as an exception among the acts.
            `StepDone` is added where an act list lacks it.

    Attributes:
        steps: The steps it was given, oldest first.
        closed: How many of its streams were closed before their end.
    """

    def __init__(self, script: Model | Sequence[Iterable[Act]] = (), *, name: str = "scripted") -> None:
        self.name = name
        self.steps: list[Step] = []
        self.closed = 0
        self._script = script

    async def stream(self, step: Step) -> AsyncGenerator[StepEvent, None]:
        """Play the script's part for *step*."""
        self.steps.append(step)
        last: Act | None = None
        ended = False
        try:
            async with aclosing(_one_by_one(self._acts(step))) as acts:
                async for act in acts:
                    last = act
                    if isinstance(act, BaseException):
                        ended = True
                        raise act
                    if isinstance(act, Gate):
                        act.reached.set()
                        await act.opened.wait()
                    else:
                        yield act
            ended = True
            if not isinstance(last, StepDone):
                yield StepDone(usage=Usage(10, 5))
        finally:
            self.closed += not ended

    async def check(self) -> str:
        """One line about the script."""
        return "scripted"

    async def close(self) -> None:
        """Nothing is held."""

    def _acts(self, step: Step) -> Acts:
        if callable(self._script):
            return self._script(step)
        if len(self.steps) > len(self._script):
            raise AssertionError(f"step {len(self.steps)} of a script of {len(self._script)}")
        return self._script[len(self.steps) - 1]


async def _one_by_one(acts: Acts) -> AsyncGenerator[Act, None]:
    if isinstance(acts, AsyncIterator):
        async for act in acts:
            yield act
    else:
        for act in acts:
            yield act


async def _no_file(id: str) -> bytes:
    raise LookupError(id)


def a_step(
    *said: str | JsonObject,
    tools: Sequence[ToolSpec] = (),
    instructions: str = "",
    model: str = "",
    index: int = 0,
    files: Mapping[str, bytes] | None = None,
    options: JsonObject | None = None,
    max_output_tokens: int | None = None,
) -> Step:
    """A step about *said*: texts become messages of a person, items stay as they are."""

    async def load_file(id: str) -> bytes:
        return (files or {})[id]

    return Step(
        run_id="run_0",
        thread_id="thread_0",
        index=index,
        model=model,
        instructions=instructions,
        items=[items.user_message(item) if isinstance(item, str) else item for item in said],
        load_file=load_file if files is not None else _no_file,
        tools=tools,
        options=options or {},
        max_output_tokens=max_output_tokens,
    )


class Scenario(StrEnum):
    """What a backend is brought to by `BackendContract.make_backend`."""

    TEXT = "text"
    """It says `BackendContract.TEXT`."""

    CALL = "call"
    """It calls `BackendContract.CALL`, with at least two pieces of arguments."""

    SLOW = "slow"
    """It says at least one word, and then is silent until it is closed."""

    UNAVAILABLE = "unavailable"
    REFUSED = "refused"
    OVERFLOW = "overflow"
    CUT = "cut"
    """It says at least one word, and then its stream ends without an outcome."""


@dataclass(frozen=True, slots=True)
class Subject:
    """
    A backend in a scenario.

    Attributes:
        step: What it is given.
        let_go: Waits until the provider has seen the connection go; None where there is none.
    """

    backend: Backend
    step: Step
    let_go: asyncio.Event | None = None


class BackendContract:
    """
    What every backend keeps. Subclass it as ``Test…`` and override `make_backend`.

    A scenario that a backend can't be brought to is left out by taking it from `scenarios`.
    """

    TEXT = "Grüße, 世界! 👩‍👩‍👧 naïve\n\n```py\nx = '𝒳'\n```\n<@everyone> https://example.org/ä\n"
    CALL = FunctionCall("", "get_weather", '{"city": "Zürich 🌦", "days": 3}')
    scenarios: frozenset[Scenario] = frozenset(Scenario)

    def make_backend(self, scenario: Scenario) -> AbstractAsyncContextManager[Subject]:
        """A context in which the backend is in *scenario*."""
        raise NotImplementedError

    async def test_one_step_done_comes_last(self) -> None:
        """A step has exactly one `StepDone`, and nothing follows it."""
        for scenario in (Scenario.TEXT, Scenario.CALL):
            events = await self._events(scenario)

            done = [event for event in events if isinstance(event, StepDone)]
            assert not events or [events[-1]] == done

    async def test_deltas_add_up_to_the_text(self) -> None:
        """Each part is created empty, grows by its deltas to the done text, and its item holds the same."""
        events = await self._events(Scenario.TEXT)

        assert_parts_add_up(events)
        said = items.said(event.body for event in events if isinstance(event, ItemDone))
        assert self.expected_text() == (said or None) or Scenario.TEXT not in self.scenarios

    async def test_a_function_call_is_created_grows_and_is_done_once(self) -> None:
        """One `ToolCallCreated`, deltas that add up to the arguments, one `ItemDone`, in this order."""
        events = await self._events(Scenario.CALL)

        assert_calls_add_up(events)
        found = items.calls_of(event.body for event in events if isinstance(event, ItemDone))
        assert [(self.CALL.name, json.loads(self.CALL.arguments))] == [
            (call.name, json.loads(call.arguments)) for call in found
        ] or Scenario.CALL not in self.scenarios

    async def test_a_closed_stream_lets_go(self) -> None:
        """`aclose` in the middle of an answer ends within 2 s, and the provider sees it."""
        if Scenario.SLOW not in self.scenarios:
            return
        async with self.make_backend(Scenario.SLOW) as subject:
            stream = subject.backend.stream(subject.step)
            async for event in stream:
                if isinstance(event, TextDelta):
                    break

            async with asyncio.timeout(2):
                await _aclose(stream)
                if subject.let_go is not None:
                    await subject.let_go.wait()

    async def test_a_cancelled_stream_lets_go(self) -> None:
        """A task that is cancelled while it waits for the next word ends within 2 s."""
        if Scenario.SLOW not in self.scenarios:
            return
        async with self.make_backend(Scenario.SLOW) as subject:
            speaking = asyncio.Event()

            async def listen() -> None:
                async with aclosing(_closable(subject.backend.stream(subject.step))) as events:
                    async for event in events:
                        if isinstance(event, TextDelta):
                            speaking.set()

            task = asyncio.create_task(listen())
            async with asyncio.timeout(10):
                await speaking.wait()

            task.cancel()
            async with asyncio.timeout(2):
                await asyncio.wait([task])
                if subject.let_go is not None:
                    await subject.let_go.wait()
            assert task.cancelled()

    async def test_errors_are_typed_by_what_can_be_done(self) -> None:
        """Each failure is the error that tells the runner whether to wait, shrink, or give up."""
        for scenario, kind in (
            (Scenario.UNAVAILABLE, BackendUnavailable),
            (Scenario.REFUSED, BackendRefused),
            (Scenario.OVERFLOW, ContextOverflow),
            (Scenario.CUT, StreamCut),
        ):
            if scenario in self.scenarios:
                error = await self._error(scenario)

                assert kind is type(error), f"{scenario}: {error!r}"
                assert "\n" not in str(error)

    def expected_text(self) -> str | None:
        """What the `TEXT` scenario says; override it for a backend with a mind of its own."""
        return self.TEXT

    async def _events(self, scenario: Scenario) -> list[StepEvent]:
        if scenario not in self.scenarios:
            return []
        async with self.make_backend(scenario) as subject, asyncio.timeout(30):
            return [event async for event in subject.backend.stream(subject.step)]

    async def _error(self, scenario: Scenario) -> BackendError | None:
        async with self.make_backend(scenario) as subject, asyncio.timeout(30):
            try:
                async for event in subject.backend.stream(subject.step):
                    assert not isinstance(event, StepDone)
            except BackendError as error:
                return error
        return None


def assert_parts_add_up(events: Iterable[StepEvent]) -> None:
    """Every part of text is created once, before its deltas, and done once with all of them."""
    parts: dict[tuple[str, int], str] = {}
    done: set[tuple[str, int]] = set()
    for event in events:
        match event:
            case TextCreated(item_id=item_id, part=part):
                assert (item_id, part) not in parts, "created twice"
                parts[item_id, part] = ""
            case TextDelta(item_id=item_id, delta=delta, part=part):
                assert (item_id, part) in parts, "a delta before its part was created"
                assert (item_id, part) not in done, "a delta after its part was done"
                assert delta, "an empty delta"
                parts[item_id, part] += delta
            case TextDone(item_id=item_id, text=text, part=part):
                assert (item_id, part) not in done, "done twice"
                assert parts[item_id, part] == text
                done.add((item_id, part))
            case StepDone():
                assert parts.keys() == done, "a part was left open"
            case _:
                pass


def assert_calls_add_up(events: Iterable[StepEvent]) -> None:
    """
    Every function call is created once, its deltas add up to its arguments, its item comes once.

    Half a call, at which an answer broke off, ends with a `ToolCallDone` that is not ok instead.
    """
    arguments: dict[str, str] = {}
    done: set[str] = set()
    for event in events:
        if isinstance(event, ToolCallCreated) and event.kind == "function":
            assert event.call_id not in arguments, "created twice"
            arguments[event.call_id] = ""
        elif isinstance(event, ToolCallDelta) and event.call_id in arguments:
            assert event.call_id not in done, "a delta after the call was done"
            arguments[event.call_id] += event.delta
        elif isinstance(event, ItemDone):
            for call in items.calls_of([event.body]):
                assert call.call_id not in done, "done twice"
                assert arguments[call.call_id] == call.arguments
                done.add(call.call_id)
        elif isinstance(event, ToolCallDone) and event.call_id in arguments:
            assert event.call_id not in done, "done twice"
            assert not event.ok, "a backend does not execute functions"
            done.add(event.call_id)
        elif isinstance(event, StepDone):
            assert arguments.keys() == done, "a call was left open"


async def _closable(stream: AsyncIterator[StepEvent]) -> AsyncGenerator[StepEvent, None]:
    try:
        async for event in stream:
            yield event
    finally:
        await _aclose(stream)


async def _aclose(stream: AsyncIterator[StepEvent]) -> None:
    assert inspect.isasyncgen(stream), "a backend's stream must be closable"
    await stream.aclose()
