"""What every backend keeps, by the two that come with the gateway and the scripted one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import SecretStr

from assistant_gateway.backends import demo_texts
from assistant_gateway.backends.demo import DemoBackend, DemoSettings
from assistant_gateway.backends.responses import ResponsesBackend, ResponsesSettings
from assistant_gateway.errors import BackendRefused, BackendUnavailable, ContextOverflow, StreamCut
from assistant_gateway.testing.backend import (
    Acts,
    BackendContract,
    Gate,
    Scenario,
    ScriptedBackend,
    Subject,
    a_step,
    begins,
    calls,
    says,
)
from assistant_gateway.values import FunctionCall, ToolSpec
from emulators.openai import OpenAIEmulator
from fixtures.backends import answer_in


class TestResponses(BackendContract):
    """The real SDK over a real socket; every write of the server is 7 bytes, so characters are cut."""

    @asynccontextmanager
    async def make_backend(self, scenario: Scenario) -> AsyncIterator[Subject]:
        async with OpenAIEmulator() as server:
            server.scripts.append(answer_in(scenario))
            backend = ResponsesBackend(
                "main",
                ResponsesSettings(base_url=server.base_url, api_key=SecretStr("test-key"), timeout=20),
            )
            yield Subject(backend, a_step("Hello"), server.gone if scenario is Scenario.SLOW else None)
            await backend.close()


class TestDemo(BackendContract):
    """The demo can't fail: it has nothing that could."""

    scenarios = frozenset({Scenario.TEXT, Scenario.CALL, Scenario.SLOW})
    CALL = FunctionCall("", "get_weather", '{"city": "Zürich"}')

    @asynccontextmanager
    async def make_backend(self, scenario: Scenario) -> AsyncIterator[Subject]:
        pace = 1 / 60 if scenario is Scenario.SLOW else 0
        backend = DemoBackend("demo", DemoSettings(words_per_second=pace))
        tools = [ToolSpec("get_weather", "", {})]
        yield Subject(
            backend,
            a_step("What's the weather in Zürich?" if scenario is Scenario.CALL else self.TEXT, tools=tools),
        )

    def expected_text(self) -> str:
        return demo_texts.not_understood(self.TEXT, "")


class TestScripted(BackendContract):
    """The model that is a function keeps what it is used to test."""

    @asynccontextmanager
    async def make_backend(self, scenario: Scenario) -> AsyncIterator[Subject]:
        acts: Acts
        match scenario:
            case Scenario.TEXT:
                acts = says(self.TEXT)
            case Scenario.CALL:
                acts = calls(self.CALL.name, self.CALL.arguments)
            case Scenario.SLOW:
                acts = [*begins("One"), Gate()]
            case Scenario.UNAVAILABLE:
                acts = [BackendUnavailable("busy", retry_after=1)]
            case Scenario.REFUSED:
                acts = [BackendRefused("no")]
            case Scenario.OVERFLOW:
                acts = [ContextOverflow("too long")]
            case Scenario.CUT:
                acts = [*begins("One two"), StreamCut("cut")]
        yield Subject(ScriptedBackend(lambda step: acts), a_step("Hello"))


async def test_a_scripted_backend_plays_step_after_step_and_keeps_the_steps() -> None:
    """Two scripts are two steps; a gate holds the second one until it is opened."""
    gate = Gate()
    backend = ScriptedBackend([calls("f"), [*begins("Well,"), gate, *says("done", item_id="msg_1")]])

    first = [event async for event in backend.stream(a_step("Hi"))]
    second = asyncio.create_task(_collect(backend))
    async with asyncio.timeout(5):
        await gate.reached.wait()
        waiting = not second.done()
        gate.opened.set()
        events = await second

    assert 4 <= len(first) < len(events)
    assert waiting
    assert [step.index for step in backend.steps] == [0, 1]


async def _collect(backend: ScriptedBackend) -> list[object]:
    return [event async for event in backend.stream(a_step("Hi", index=1))]
