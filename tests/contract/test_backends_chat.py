"""The chat backend and servers of each dialect over a real socket: ends, errors, fragments, customs."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from openai._models import FinalRequestOptions
from pydantic import SecretStr, ValidationError

from assistant_gateway import items
from assistant_gateway.backend import Step
from assistant_gateway.backends.chat import ChatBackend, ChatSettings
from assistant_gateway.backends.dialects import DIALECTS
from assistant_gateway.backends.repair import ORIGIN
from assistant_gateway.backends.responses import ResponsesBackend, ResponsesSettings
from assistant_gateway.errors import (
    BackendError,
    BackendRefused,
    BackendUnavailable,
    ContextOverflow,
    StreamCut,
)
from assistant_gateway.events import (
    ReasoningDelta,
    StepDone,
    StepEvent,
    ToolCallDone,
)
from assistant_gateway.testing.backend import (
    BackendContract,
    Scenario,
    Subject,
    a_step,
    assert_calls_add_up,
    assert_parts_add_up,
)
from assistant_gateway.values import FileRef, FunctionCall, JsonObject, ToolSpec, Usage
from emulators.openai import (
    Abort,
    Act,
    Answer,
    Call,
    Eof,
    ErrorEvent,
    Event,
    Http,
    Incomplete,
    Raw,
    Refuse,
    Say,
    Script,
    Silence,
    Think,
)
from emulators.openai_chat import ChatEmulator
from emulators.openai_chat_rules import RULES
from emulators.openai_chat_wire import SPEECHES, Speech
from fixtures import backends
from fixtures.backends import OVERFLOW, PNG, WEATHER, answer_in, asked_for, bodies, said

KEY = "test-key"
MODEL = "some-model"
CALL = FunctionCall("call_abc", "get_weather", '{"city": "Paris"}')
A_TURN = (
    "Weather?",
    items.function_call(CALL),
    items.function_call_output("call_abc", '{"sky": "blue"}'),
    items.assistant_message("Blue."),
)


def backend_for(base_url: str, **settings: object) -> ChatBackend:
    return ChatBackend(
        "main",
        ChatSettings.model_validate({"base_url": base_url, "api_key": KEY, "dialect": "openai", **settings}),
    )


@asynccontextmanager
async def speaking(
    *answers: Answer, server: ChatEmulator | None = None, **settings: object
) -> AsyncIterator[tuple[ChatEmulator, ChatBackend]]:
    async with server or ChatEmulator() as started:
        assert isinstance(started, ChatEmulator)
        started.scripts.extend(answers)
        backend = backend_for(started.base_url, **{"dialect": started.dialect, **settings})
        yield started, backend
        await backend.close()


def step(
    *said: str | JsonObject,
    tools: Sequence[ToolSpec] = (),
    instructions: str = "",
    max_output_tokens: int | None = None,
    options: JsonObject | None = None,
) -> Step:
    return a_step(
        *(said or ("Hello",)),
        model=MODEL,
        tools=tools,
        instructions=instructions,
        max_output_tokens=max_output_tokens,
        options=options,
    )


async def collect(backend: ChatBackend, asked: Step | None = None) -> list[StepEvent]:
    return await backends.collect(backend, asked or step())


async def fault(backend: ChatBackend, asked: Step | None = None) -> tuple[BackendError, list[StepEvent]]:
    return await backends.fault(backend, asked or step())


def thought(events: list[StepEvent]) -> str:
    return "".join(event.delta for event in events if isinstance(event, ReasoningDelta))


def sent(server: ChatEmulator, number: int = -1) -> list[dict[str, object]]:
    told = server.requests[number].body["messages"]
    assert isinstance(told, list)
    return told


class TestChat(BackendContract):
    """The real SDK over a real socket; every write of the server is 7 bytes, so characters are cut."""

    @asynccontextmanager
    async def make_backend(self, scenario: Scenario) -> AsyncIterator[Subject]:
        async with speaking(answer_in(scenario), timeout=20) as (server, backend):
            yield Subject(backend, step(), server.gone if scenario is Scenario.SLOW else None)


class TestChatOfStrangers(TestChat):
    """The same over a server of which nothing is known, with CRLF, comments and thoughts looked for."""

    @asynccontextmanager
    async def make_backend(self, scenario: Scenario) -> AsyncIterator[Subject]:
        async with super().make_backend(scenario) as subject:
            backend = subject.backend
            assert isinstance(backend, ChatBackend)
            backend._dialect = DIALECTS["compatible"]
            yield subject


# How a stream ends


async def test_an_answer_is_a_completed_step_with_its_usage() -> None:
    """120 tokens in, 64 of them cached, 30 out: the step ends with exactly that."""
    async with speaking([Say("Hello, you.")]) as (_, backend):
        events = await collect(backend)

    assert StepDone("completed", Usage(120, 30, 64)) == events[-1]
    assert said(events) == "Hello, you."
    assert_parts_add_up(events)


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
async def test_every_dialect_says_thinks_and_calls(dialect: str) -> None:
    """Text, thoughts and two calls; then the outputs go back, and nothing of it is refused."""
    calls = [Call("get_weather", {"city": "Paris"}), Call("get_weather", {"city": "Rome"})]
    async with speaking([Think("Hm, well."), Say("Let me look."), *calls], server=ChatEmulator(dialect)) as (
        server,
        backend,
    ):
        asked = step("Weather?", tools=[WEATHER], instructions="Be brief.", max_output_tokens=100)
        first = await collect(backend, asked)
        outputs = [items.function_call_output(call.call_id, "{}") for call in items.calls_of(bodies(first))]
        window: list[str | JsonObject] = ["Weather?", *bodies(first), *outputs]
        second = await collect(backend, replace(asked, items=step(*window).items, index=1))
        third = await collect(backend, replace(asked, items=step(*window, "And?", "Well?").items, index=2))

    assert said(first) == "Let me look."
    assert thought(first).strip() == "Hm, well."
    assert_parts_add_up(first)
    assert [("get_weather", {"city": "Paris"}), ("get_weather", {"city": "Rome"})] == asked_for(first)
    assert said(second) == "The function answered: {}"
    assert said(third) == "You said: And?\n\nWell?"
    assert [] == server.refused
    done = first[-1]
    assert isinstance(done, StepDone)
    assert (Usage(120, 30, 64) if SPEECHES[dialect].usage != "never" else None) == done.usage


@pytest.mark.parametrize(
    ("speech", "acts"),
    [
        (Speech(finish="missing"), [Say("One two")]),
        (Speech(done=False), [Say("One two")]),
        (Speech(done=False, usage="never"), [Say("One two")]),
        (Speech(usage="each", done=False), [Say("One two")]),
        (Speech(line_end=b"\r\n", beats=True), [Say("One two")]),
        (Speech(line_end=b"\r"), [Say("One two"), Raw(b": end\n")]),
        (Speech(), [Say("One two"), Raw(b"retry: 10\nid: 5\nevent: x\nnonsense\n\n")]),
        (Speech(), [Raw(b'data: {"choices":\ndata: [{"delta": {"content":\ndata: "One two"}}]}\n\n')]),
        (Speech(), [Event({"choices": None}), Event({"choices": []}), Event({}), Say("One two")]),
        (Speech(), [Event({"choices": [{"index": 1, "delta": {"content": "x"}}]}), Say("One two")]),
        (Speech(), [Say("One two"), Event({"error": None, "choices": [{"delta": None}]})]),
        (Speech(), [Event({"choices": [{"delta": {"content": "One two"}, "finish_reason": "null"}]})]),
        (Speech(), [Event({"choices": [{"delta": {"content": [{"type": "text", "text": "One two"}]}}]})]),
    ],
)
async def test_an_answer_is_complete_however_its_end_is_told(speech: Speech, acts: list[Act]) -> None:
    """Without finish, `[DONE]` or usage, with CRLF, comments, lines in pieces: the same words."""
    async with speaking(acts, server=ChatEmulator(speech=speech)) as (_, backend):
        events = await collect(backend)

    done = events[-1]
    assert isinstance(done, StepDone)
    assert ("One two", "completed") == (said(events), done.status)
    assert items.said(bodies(events)) == "One two"


@pytest.mark.parametrize("end", [Eof(), Abort(), Silence()])
async def test_after_its_finish_an_answer_can_break_off(end: Act) -> None:
    """The finish is known: an end, a torn connection and a silence of 2 s make no difference."""
    finish = Event({"choices": [{"delta": {"content": " two"}, "finish_reason": "stop"}]})
    late = Event({"choices": [{"delta": {"content": " three"}}]})
    async with speaking([Say("One"), finish, late, end], timeout=20) as (_, backend):
        events = await collect(backend)

    assert ("One two three", StepDone()) == (said(events), events[-1])


async def test_a_server_that_only_dribbles_after_its_finish_is_not_waited_for() -> None:
    """Comments for 10 s after the finish: the answer is complete 2 s after its last word."""
    finish = Event({"choices": [{"delta": {"content": " two"}, "finish_reason": "stop"}]})
    beats: list[Act] = [Raw(b": beat\n\n")] * 500
    async with speaking(Script([Say("One"), finish, *beats], pace=0.02)) as (server, backend):
        events = await collect(backend)
        async with asyncio.timeout(5):
            await server.gone.wait()

    assert ("One two", StepDone()) == (said(events), events[-1])


@pytest.mark.parametrize(
    ("finish", "reason"),
    [("max_output_tokens", "max_output_tokens"), ("content_filter", "content_filter")],
)
async def test_an_incomplete_answer_keeps_what_was_said(finish: str, reason: str) -> None:
    """`length` and `content_filter` end the step with their reason; half a call is not kept."""
    half = Event(
        {
            "choices": [
                {"delta": {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": '{"a'}}]}}
            ]
        }
    )
    async with speaking([Say("Half an"), half, Incomplete(finish)]) as (_, backend):
        events = await collect(backend)

    done = events[-1]
    assert isinstance(done, StepDone)
    assert ("incomplete", reason) == (done.status, done.reason)
    assert ["message"] == [items.kind(body) for body in bodies(events)]
    assert [False] == [event.ok for event in events if isinstance(event, ToolCallDone)]
    assert_calls_add_up(events)


def chunk(**delta: object) -> Event:
    return Event({"choices": [{"index": 0, "delta": delta}]})


@pytest.mark.parametrize(
    ("acts", "kind"),
    [
        ([Say("One two"), Eof()], StreamCut),
        ([Eof()], StreamCut),
        ([Say("One two"), Abort()], StreamCut),
        ([Abort()], BackendUnavailable),
        ([Raw(b"data: [DONE]\n\n")], StreamCut),
        ([Say("One"), Raw(b'data: {"choices": \n\n')], StreamCut),
        ([Say("One"), Raw(b"data: [1, 2]\n\n")], StreamCut),
        ([Say("One"), Raw(b"data: \xff\xfe\n\n")], StreamCut),
        ([Say("One"), Raw(b"data: " + b"[" * 100_000 + b"\n\n")], StreamCut),
        ([Say("One"), Raw(b'data: {"choices": [], "n": NaN}\n\n')], StreamCut),
        ([Say("One"), Raw(b"<html>\n\n\0\0garbage\r\r\n"), Eof()], StreamCut),
        ([Say("One"), chunk(content=7)], StreamCut),
        ([Say("One"), Event({"choices": {"delta": {}}})], StreamCut),
        ([chunk(tool_calls=[{"index": 0, "function": {"arguments": '{"a": 1}'}}])], StreamCut),
        (
            [
                chunk(
                    tool_calls=[
                        {"index": n, "function": {"name": "f", "arguments": "{}"}} for n in range(1001)
                    ]
                )
            ],
            StreamCut,
        ),
        ([Say("One"), Incomplete("error")], BackendUnavailable),
        ([Say("One"), Incomplete("insufficient_system_resource")], BackendUnavailable),
        ([Say("One"), ErrorEvent("server_error")], BackendUnavailable),
        ([Say("One"), ErrorEvent("overloaded_error", nested=True)], BackendUnavailable),
        ([ErrorEvent("rate_limit_exceeded", nested=True)], BackendUnavailable),
        ([ErrorEvent("context_length_exceeded", nested=True)], ContextOverflow),
        ([ErrorEvent("insufficient_quota", nested=True)], BackendRefused),
        ([Event({"error": {"message": "no type at all", "code": 500}})], BackendUnavailable),
        ([Event({"error": {"message": "litellm.RateLimitError", "code": "429"}})], BackendUnavailable),
        ([Event({"error": "a text"})], BackendUnavailable),
        ([Event({"type": "error"})], BackendUnavailable),
        (
            [Event({"object": "error", "message": "Bad.", "type": "BadRequestError", "code": 400})],
            BackendRefused,
        ),
    ],
)
async def test_every_other_end_is_an_error(acts: list[Act], kind: type[BackendError]) -> None:
    """Only a finish, or `[DONE]` after an answer, is an outcome; each other end is told as what it is."""
    async with speaking(acts) as (_, backend):
        error, _ = await fault(backend)

    assert kind is type(error), str(error)
    assert "\n" not in str(error)


async def test_done_inside_of_a_call_is_a_cut() -> None:
    """`[DONE]` without a finish after half of the arguments: nothing is called."""
    half = chunk(tool_calls=[{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"a'}}])
    async with speaking([half], server=ChatEmulator(speech=Speech(finish="missing"))) as (_, backend):
        error, events = await fault(backend)

    assert StreamCut is type(error)
    assert [] == bodies(events)


async def test_silence_is_a_cut() -> None:
    """A server that says two words and then nothing for 0.3 s has cut the stream."""
    async with speaking([Say("One two"), Silence()], timeout=0.3) as (_, backend):
        error, events = await fault(backend)

    assert StreamCut is type(error)
    assert "silent for 0.3 s" in str(error)
    assert said(events) == "One two"


async def test_an_endless_line_is_cut_at_ten_megabytes() -> None:
    """A delta of more than 10 MB ends the stream; the process does not keep it."""
    big = b'data: {"choices": [{"delta": {"content": "' + b"x" * 10_100_000
    async with speaking([Say("One"), Raw(big), Silence()]) as (_, backend):
        error, _ = await fault(backend)

    assert StreamCut is type(error)
    assert "10000000 bytes" in str(error)


async def test_a_finished_stream_gives_its_connection_back() -> None:
    """Two steps, one connection."""
    async with speaking([Say("One")], [Say("Two")]) as (server, backend):
        await collect(backend)
        await collect(backend)

    assert 1 == len({id(request.connection) for request in server.requests})


# Errors without a stream


def wrong(message: str, **more: object) -> dict[str, object]:
    return {
        "error": {"message": message, "type": "invalid_request_error", "param": None, "code": None, **more}
    }


@pytest.mark.parametrize(
    ("answer", "kind", "wait"),
    [
        (Http(400, wrong("Bad.")), BackendRefused, 0),
        (Http(400, OVERFLOW), ContextOverflow, 0),
        (Http(400, wrong("This model's maximum context length is 4096 tokens.")), ContextOverflow, 0),
        (Http(400, {"error": {"type": "exceed_context_size_error", "code": 400}}), ContextOverflow, 0),
        (Http(400, "[" + json.dumps(wrong("Bad.", code=400)) + "]"), BackendRefused, 0),
        (Http(401, wrong("Incorrect API key provided: test-key.")), BackendRefused, 0),
        (Http(404, wrong("No such model.", code="model_not_found")), BackendRefused, 0),
        (Http(404, "<h1>Not Found</h1>", content_type="text/html"), BackendRefused, 0),
        (Http(413, "too large", content_type="text/plain"), ContextOverflow, 0),
        (Http(422, {"detail": "no"}), BackendRefused, 0),
        (Http(429, wrong("Slow down."), {"Retry-After": "7"}), BackendUnavailable, 7),
        (Http(429, wrong("No money.", code="insufficient_quota")), BackendRefused, 0),
        (Http(500, wrong("Oh.", type="server_error")), BackendUnavailable, 0),
        (Http(529, wrong("Overloaded.", type="overloaded_error")), BackendUnavailable, 0),
        (Http(200, {"object": "chat.completion"}), BackendRefused, 0),
    ],
)
async def test_each_http_error_tells_what_can_be_done(
    answer: Http, kind: type[BackendError], wait: float
) -> None:
    """Whether to wait (and how long), to shrink the window, or to ask a person; one POST each."""
    async with speaking(answer) as (server, backend):
        error, events = await fault(backend)

    assert (kind, wait) == (type(error), error.retry_after), str(error)
    assert events == []
    assert 1 == len(server.requests)
    assert KEY not in str(error)


async def test_nobody_listening_is_unavailable() -> None:
    """A refused connection is worth another try."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    backend = backend_for(f"http://127.0.0.1:{port}/v1")

    error, _ = await fault(backend)
    await backend.close()

    assert BackendUnavailable is type(error)


async def test_an_assistant_must_name_its_model() -> None:
    """There is no model that every server has."""
    backend = backend_for("http://127.0.0.1:1/v1")

    with pytest.raises(BackendRefused, match="name one"):
        await collect(backend, a_step("Hi"))


# Calls in fragments


@pytest.mark.parametrize(
    ("fragments", "wanted"),
    [
        ([[{"index": 0, "function": {"name": "get_weather"}}]], 1),
        ([[{"index": 0, "function": {"name": "get_weather", "arguments": ""}}]], 1),
        ([[{"index": 0, "function": {"name": "get_weather", "arguments": None}}]], 1),
        ([[{"index": 0, "function": {"name": "get_weather", "arguments": {}}}]], 1),
        ([[{"function": {"name": "get_weather"}}, {"function": {"name": "get_weather"}}]], 2),
        (
            [
                [{"id": "a", "function": {"name": "get_weather"}}],
                [{"id": "b", "function": {"name": "get_weather"}}],
            ],
            2,
        ),
        ([[{"id": "a", "name": "get_weather", "arguments": "{}"}]], 1),
        ([[{"id": "a", "function": {"name": "get_weather", "arguments": "{}"}}]] * 2, 1),
        ([[{"index": 0, "function": {"name": "get_weather", "arguments": "{}"}}]] * 2, 2),
        ([[None, 7, {}, {"index": True, "id": 5, "function": "x"}]], 0),
    ],
)
async def test_calls_without_arguments_are_called_with_none(fragments: list[object], wanted: int) -> None:
    """Empty, missing and null arguments are `{}`; the same whole call told twice under one id is one."""
    acts: list[Act] = [chunk(tool_calls=told) for told in fragments]
    async with speaking([Say("So."), *acts]) as (_, backend):
        events = await collect(backend, step("Weather?", tools=[WEATHER]))

    assert [("get_weather", {})] * wanted == asked_for(events)


async def test_a_call_of_the_old_kind_is_a_call() -> None:
    """`function_call` in pieces, finish "function_call"."""
    server = ChatEmulator(speech=Speech(function_call=True))
    async with speaking([Call("get_weather", {"city": "Paris"})], server=server) as (_, backend):
        events = await collect(backend)

    assert [("get_weather", {"city": "Paris"})] == asked_for(events)


async def test_a_hundred_calls_of_one_id_are_a_hundred_calls() -> None:
    """100 calls with the id of a call on the thread: every id is used once."""
    server = ChatEmulator(speech=Speech(ids="same", arguments="whole", together=True))
    calls = [Call("get_weather", {"city": str(number)}) for number in range(100)]
    before = FunctionCall("call_0", "get_weather", "{}")
    asked = step("x", items.function_call(before), items.function_call_output("call_0", "y"), tools=[WEATHER])
    async with speaking(calls, server=server) as (_, backend):
        events = await collect(backend, asked)

    found = items.calls_of(bodies(events))
    assert_calls_add_up(events)
    assert 100 == len({call.call_id for call in found} - {"call_0"})
    assert [str(n) for n in range(100)] == [json.loads(call.arguments)["city"] for call in found]


async def test_malformed_arguments_come_to_the_toolbox_as_they_are() -> None:
    """Where the finish was told, it is the model that wrote them, and the model that is told so."""
    bad = '{"city": "Paris"'
    async with speaking([Call("get_weather", bad)]) as (_, backend):
        events = await collect(backend)

    assert [bad] == [call.arguments for call in items.calls_of(bodies(events))]


# Thoughts, refusals, characters


@pytest.mark.parametrize(
    ("text", "thoughts", "answer"),
    [
        ("<think>Hm.</think>Yes.", "Hm.", "Yes."),
        ("\n<think>\nHm.\n</think>\n\n  Yes. </think> <think>", "\nHm.\n", "Yes. </think> <think>"),
        ("<think></think>Yes.", "", "Yes."),
        (
            "Use <think> for thoughts, </think> ends them.",
            "",
            "Use <think> for thoughts, </think> ends them.",
        ),
        ("<thinking>Yes.</thinking>", "", "<thinking>Yes.</thinking>"),
        ("  <thin", "", "  <thin"),
        ("<think> is a tag", " is a tag", "<think> is a tag"),
        (" " * 300 + "<think>x</think>", "", " " * 300 + "<think>x</think>"),
    ],
)
async def test_thoughts_are_no_part_of_the_answer(text: str, thoughts: str, answer: str) -> None:
    """A tag at the very beginning, wherever it is cut; and no word of an answer about tags is lost."""
    for pieces in ([text], list(text), [text[:3], text[3:]]):
        async with speaking([Say(text, pieces)], server=ChatEmulator("compatible")) as (_, backend):
            events = await collect(backend)

        assert (thoughts, answer) == (thought(events), said(events))
        assert answer == items.said(bodies(events))
        assert_parts_add_up(events)


async def test_thoughts_that_run_out_of_tokens_are_no_answer() -> None:
    """`length` inside of the thoughts: nothing was said."""
    acts: list[Act] = [Say("<think>Let me"), Incomplete()]
    async with speaking(acts, server=ChatEmulator("compatible")) as (_, backend):
        events = await collect(backend)

    assert ("Let me", "", []) == (thought(events), said(events), bodies(events))


async def test_tags_stay_where_thoughts_have_a_field() -> None:
    """A provider that tells thoughts apart is believed: its text may begin with a tag."""
    acts: list[Act] = [Say("\n", ["\n"]), Think("Hm."), Say("<think> is a tag")]
    server = ChatEmulator("compatible", speech=Speech(thoughts="reasoning"))
    async with speaking(acts, server=server) as (_, backend):
        events = await collect(backend)

    assert ("Hm.", "\n<think> is a tag") == (thought(events), said(events))


async def test_a_refusal_is_read_by_people_and_kept_as_one() -> None:
    """The refusal streams as text; its item stays a refusal."""
    async with speaking([Refuse("I can't help with that.")]) as (_, backend):
        events = await collect(backend)

    assert said(events) == "I can't help with that."
    assert [{"type": "refusal", "refusal": "I can't help with that."}] == bodies(events)[0]["content"]


async def test_an_empty_answer_is_complete() -> None:
    """A finish and nothing else: no item, no word."""
    async with speaking([]) as (_, backend):
        events = await collect(backend)

    assert [StepDone("completed", Usage(120, 30, 64))] == events


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (["Hi \ud83d", "\ude00!"], "Hi 😀!"),
        (["Hi \ud83d", "!"], "Hi \ufffd!"),
        (["\ude00 low", " and high \ud83d"], "\ufffd low and high \ufffd"),
        (["a\0b"], "a\ufffdb"),
        (["<@every", "one> [x](ht", "tps://e.org) ``", "`py\n"], "<@everyone> [x](https://e.org) ```py\n"),
    ],
)
@pytest.mark.parametrize("dialect", ["openai", "compatible"])
async def test_characters_cut_by_deltas_are_joined(dialect: str, pieces: list[str], text: str) -> None:
    """A surrogate pair in two deltas is one character; half of one never leaves the backend."""
    async with speaking([Say(text, pieces)], server=ChatEmulator(dialect)) as (_, backend):
        events = await collect(backend)

    assert text == said(events) == items.said(bodies(events))
    assert said(events).encode()
    assert_parts_add_up(events)


# What is sent


async def test_the_thread_goes_as_messages() -> None:
    """Instructions first, words and calls of the assistant in one message, each output under its id."""
    calls = [
        items.function_call(FunctionCall("a", "get_weather", '{"city": "Paris"}')),
        items.function_call(FunctionCall("b", "get_weather", "{}")),
    ]
    window: list[str | JsonObject] = ["Weather?", items.assistant_message("Let me look.", id="run-1"), *calls]
    outputs = [items.function_call_output("b", "2"), items.function_call_output("a", "1")]
    asked = step(*window, *outputs, "And?", "Well?", tools=[WEATHER], instructions="Be brief.")
    async with speaking() as (server, backend):
        await collect(backend, replace(asked, max_output_tokens=100))

    body = server.requests[0].body
    assert {
        "max_completion_tokens": 100,
        "model": MODEL,
        "store": False,
        "stream": True,
        "stream_options": {"include_usage": True},
    } == {key: value for key, value in body.items() if key not in ("messages", "tools")}
    functions = [
        {"id": id, "type": "function", "function": {"name": "get_weather", "arguments": arguments}}
        for id, arguments in (("a", '{"city": "Paris"}'), ("b", "{}"))
    ]
    assert [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "Let me look.", "tool_calls": functions},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": "2"},
        {"role": "user", "content": "And?\n\nWell?"},
    ] == sent(server)


async def test_files_go_as_the_provider_takes_them() -> None:
    """OpenAI takes pictures and documents, another pictures, DeepSeek a note for each; text is text."""
    files = {"a.png": PNG, "b.pdf": b"%PDF", "c.txt": b"words"}
    types = {"a.png": "image/png", "b.pdf": "application/pdf", "c.txt": "text/plain"}
    asked = items.user_message("Look", [FileRef(name, name, types[name], 1) for name in files])
    found = {}
    for dialect in ("openai", "ollama", "deepseek"):
        async with speaking(server=ChatEmulator(dialect)) as (server, backend):
            await collect(backend, replace(a_step(asked, files=files), model=MODEL))

        content = json.dumps(sent(server)[-1]["content"])
        found[dialect] = [words in content for words in ("data:image/png", "data:application/pdf", "words")]
        assert [] == server.refused

    assert {
        "openai": [True, True, True],
        "ollama": [True, False, True],
        "deepseek": [False, False, True],
    } == found


async def test_a_refused_picture_does_not_spoil_the_thread() -> None:
    """A model that sees nothing refuses the picture; the step goes on with a note in its place."""
    message = items.user_message("Look", [FileRef("f", "a.png", "image/png", 24)])
    blind = replace(RULES["ollama"], pictures=False)
    async with speaking(server=ChatEmulator("ollama", rules=blind)) as (server, backend):
        await collect(backend, replace(a_step(message, files={"f": PNG}), model=MODEL))

    assert (1, 1) == (len(server.refused), len(server.requests))
    assert "a.png" in str(sent(server))


async def test_a_failing_server_is_not_asked_without_the_picture() -> None:
    """500 says nothing of the picture: the step is the runner's to try again, as it is."""
    message = items.user_message("Look", [FileRef("f", "a.png", "image/png", 24)])
    async with speaking(Http(500, wrong("Oh."))) as (server, backend):
        error, _ = await fault(backend, replace(a_step(message, files={"f": PNG}), model=MODEL))

    assert BackendUnavailable is type(error)
    assert 1 == len(server.requests)


async def test_what_a_model_wrote_wrong_can_be_sent_again() -> None:
    """Servers read old arguments: half an object and NaN go back inside of one that can be read."""
    for arguments in ('{"city": ', '{"n": NaN}', "[]"):
        call = FunctionCall("a", "get_weather", arguments)
        async with speaking(server=ChatEmulator("vllm")) as (server, backend):
            await collect(
                backend, step("Hi", items.function_call(call), items.function_call_output("a", "x"))
            )

        told = sent(server)[1]["tool_calls"][0]["function"]["arguments"]  # type: ignore[index]
        assert {"not_json": arguments} == json.loads(told)
        assert [] == server.refused


async def test_thoughts_go_back_to_deepseek_and_to_nobody_else() -> None:
    """With their calls they return in `reasoning_content`; another provider is sent neither words nor key."""
    acts: list[Act] = [Think("Which city?"), Call("get_weather", {"city": "Paris"})]
    async with speaking(acts, server=ChatEmulator("deepseek")) as (server, backend):
        kept = bodies(await collect(backend, step("Weather?", tools=[WEATHER])))
        output = items.function_call_output(str(kept[-1]["call_id"]), "{}")
        await collect(backend, step("Weather?", *kept, output))
        await collect(backend, step(*A_TURN, "And?"))
    async with speaking(server=ChatEmulator("ollama")) as (other, backend):
        await collect(backend, step("Weather?", *kept, output))

    assert ["reasoning", "function_call"] == [items.kind(body) for body in kept]
    assert "Which city?" == sent(server, 1)[1]["reasoning_content"]
    assert "" == sent(server, 2)[1]["reasoning_content"]
    assert [] == server.refused
    assert "reasoning" not in str(sent(other))
    assert "x_" not in str(sent(other))


async def test_signatures_go_back_to_gemini_and_calls_of_others_get_its_word_for_them() -> None:
    """The own signature returns with its call, the documented stand-in with another's."""
    async with speaking([Call("get_weather", {"city": "Paris"})], server=ChatEmulator("gemini")) as (
        server,
        backend,
    ):
        kept = bodies(await collect(backend, step("Weather?", tools=[WEATHER])))
        output = items.function_call_output(str(kept[-1]["call_id"]), "{}")
        await collect(backend, step("Weather?", *kept, output))
        await collect(backend, step(*A_TURN, "And?"))

    signatures = [
        message["tool_calls"][0]["extra_content"]["google"]["thought_signature"]  # type: ignore[index]
        for message in (sent(server, 1)[1], sent(server, 2)[1])
    ]
    assert ["c2lnbmVk", "skip_thought_signature_validator"] == signatures
    assert str(kept[0][ORIGIN]).startswith("main/")
    assert [] == server.refused


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
async def test_a_thread_of_another_backend_goes_on(dialect: str) -> None:
    """Calls, foreign thoughts, an open call, an answer at the end: taken without a refusal by each."""
    foreign = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "b", ORIGIN: "other/1"}
    open_call = items.function_call(FunctionCall("x" * 70, "bad name!", '{"a'))
    windows: list[list[str | JsonObject]] = [
        [items.assistant_message("Hello!"), foreign, *A_TURN],
        [*A_TURN[:3], "Thanks!", foreign, open_call],
        [open_call, "Well?"],
        [],
    ]
    async with speaking(server=ChatEmulator(dialect)) as (server, backend):
        for window in windows:
            asked = replace(a_step(*window, tools=[WEATHER], instructions="Be brief."), model=MODEL)
            assert isinstance((await collect(backend, asked))[-1], StepDone)

    assert [] == server.refused
    assert "encrypted" not in str([request.body for request in server.requests])


async def test_options_are_passed_on_but_the_thread_is_ours() -> None:
    """`temperature` goes through, what Mistral refuses does not; `store` and `n` are nobody's to set."""
    async with speaking(server=ChatEmulator("mistral")) as (server, backend):
        await collect(
            backend, replace(step(), options={"temperature": 0.2, "user": "u", "stream_options": {}})
        )
        with pytest.raises(BackendRefused, match="n, store"):
            await collect(backend, replace(step(), options={"store": True, "n": 2}))

    assert {"messages", "model", "stream", "temperature"} == server.requests[0].body.keys()


# What is learned


@pytest.mark.parametrize(
    ("dialect", "rules"),
    [
        ("openai", replace(RULES["openai"], effort=False)),
        ("openai", replace(RULES["openai"], limit="max_tokens")),
        ("openai", replace(RULES["openai"], developer=False)),
        ("openai", replace(RULES["openai"], fields=(RULES["openai"].fields or frozenset()) - {"store"})),
        ("openai", replace(RULES["openai"], strict=False)),
        ("compatible", RULES["openai"]),
        ("compatible", RULES["mistral"]),
        ("compatible", RULES["deepseek"]),
        ("compatible", RULES["gemini"]),
        ("compatible", replace(RULES["compatible"], system=False)),
    ],
    ids=["effort", "limit", "role", "store", "strict", "openai", "mistral", "deepseek", "gemini", "system"],
)
async def test_what_a_provider_refuses_is_left_out_from_then_on(dialect: str, rules: object) -> None:
    """A wrong guess costs tries in the first step, and none in the second."""
    server = ChatEmulator(dialect, rules=rules, speech=SPEECHES["openai"])  # type: ignore[arg-type]
    if rules == RULES["openai"]:
        server.rules = replace(RULES["openai"], reads_arguments=True)
    asked = step(*A_TURN[:3], "And?", tools=[WEATHER], instructions="Be brief.", max_output_tokens=100)
    async with speaking(server=server) as (_, backend):
        first = await collect(backend, asked)
        tries = len(server.refused)
        await collect(backend, replace(asked, index=1))

    assert said(first) == "You said: And?"
    assert 1 <= tries <= 4
    assert tries == len(server.refused)


async def test_a_provider_that_refuses_everything_is_believed() -> None:
    """It complains of one thing, then of its contrary: the second complaint is the error."""
    complaints = [
        Http(400, wrong("Unsupported parameter: 'max_completion_tokens'.")),
        Http(400, wrong("Unsupported parameter: 'max_tokens'.")),
    ]
    async with speaking(*complaints) as (server, backend):
        error, _ = await fault(backend, step(max_output_tokens=100))

    assert "'max_tokens'" in str(error)
    assert 2 == len(server.requests) + len(server.refused)


# Settings


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://contoso.openai.azure.com/openai/v1", "azure"),
        ("https://contoso.services.ai.azure.com/openai/v1", "azure"),
        ("http://127.0.0.1:11434/v1", "ollama"),
        ("http://ollama:11434/v1", "ollama"),
        ("http://gpu-box:8000/v1", "vllm"),
        ("http://localhost:8080/v1", "llamacpp"),
        ("http://localhost:1234/v1", "lmstudio"),
        ("http://localhost:4000", "litellm"),
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("https://generativelanguage.googleapis.com/v1beta/openai", "gemini"),
        (
            "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l/endpoints/openapi",
            "gemini",
        ),
        ("https://api.anthropic.com/v1", "anthropic"),
        ("https://api.deepseek.com", "deepseek"),
        ("https://api.mistral.ai/v1", "mistral"),
        ("https://notapi.openai.com.example/v1", "compatible"),
        ("https://gateway.example/v1", "compatible"),
    ],
)
def test_the_address_suggests_the_dialect(url: str, name: str) -> None:
    """By host, then by port; a stranger is a stranger."""
    assert name == ChatBackend("main", ChatSettings(base_url=url))._dialect.name


def test_a_dialect_that_nobody_knows_is_refused() -> None:
    """The message names those that there are; the key is in no `repr`."""
    with pytest.raises(ValidationError, match="auto or one of compatible, openai"):
        ChatSettings(dialect="klingon")

    assert "secret" not in repr(ChatSettings(api_key=SecretStr("sk-secret")))


async def test_azures_dated_address_takes_the_key_in_a_header_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`?api-version=` and `api-key`, no bearer token, and the model in the address."""
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "belongs-to-somebody-else")
    async with ChatEmulator("azure") as server:
        address = f"{server.base_url.removesuffix('/v1')}/openai"
        backend = backend_for(address, dialect="azure", api_version="2024-10-21")
        events = await collect(backend)
        await backend.close()
        wrong_version = backend_for(address, dialect="azure", api_version="x")
        error, _ = await fault(wrong_version)
        await wrong_version.close()

    assert said(events) == "You said: Hello"
    assert BackendRefused is type(error)


async def test_azures_dated_address_serves_responses_too() -> None:
    """The same settings; the model stays in the body."""
    settings = ResponsesSettings(
        base_url="https://a.openai.azure.com/openai", api_version="2025-03-01-preview"
    )
    backend = ResponsesBackend("main", settings)

    client = await backend._connection.open()
    request = client._build_request(
        FinalRequestOptions(method="post", url="/responses", json_data={"model": "m"})
    )
    await backend.close()

    assert "https://a.openai.azure.com/openai/responses?api-version=2025-03-01-preview" == str(request.url)
    assert ("none", None) == (request.headers["api-key"], request.headers.get("Authorization"))


async def test_the_key_of_the_environment_never_reaches_another_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A backend without a key sends none of OpenAI's."""
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "belongs-to-openai")
    async with speaking(server=ChatEmulator(api_key="none"), api_key="") as (server, backend):
        await collect(backend)

    assert "belongs-to-openai" not in str(server.requests[0].headers)


async def test_check_says_what_answered() -> None:
    """The number of models that the server lists."""
    async with speaking() as (_, backend):
        await backend.warm_up()

        assert (await backend.check()).endswith("answers and serves 2 models")
