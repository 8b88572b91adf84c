"""Whatever happens to a remote thread: a model that is asked knows the whole window, once and in order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import aclosing
from itertools import count
from typing import Literal, TypeAlias

from hypothesis import event as note
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assistant_gateway import items
from assistant_gateway.backends.assistants_ladder import RunLadder
from assistant_gateway.backends.assistants_memory import Memory
from assistant_gateway.backends.assistants_messages import messages
from assistant_gateway.errors import BackendError
from assistant_gateway.events import StepEvent, TextDelta
from assistant_gateway.testing.backend import assert_calls_add_up, assert_parts_add_up
from assistant_gateway.values import FunctionCall, JsonObject, JsonValue
from emulators.openai import Abort, Call, Eof, ErrorEvent, Failed, Http, Incomplete, Say, Silence
from emulators.openai_assistants import AssistantsEmulator
from emulators.openai_assistants_run import Expire, Play, RunAct, Show
from fixtures.assistants import Talk, held, seen, speaking

Fault: TypeAlias = Literal[
    "none", "abort", "eof", "failed", "error", "expired", "http", "stop", "stop early", "crash"
]

answers = st.lists(
    st.sampled_from(["say", "say", "show", "call", "call", "incomplete"]), min_size=1, max_size=4
)
faults: st.SearchStrategy[Fault] = st.sampled_from(
    [
        "none",
        "none",
        "none",
        "abort",
        "eof",
        "failed",
        "error",
        "expired",
        "http",
        "stop",
        "stop early",
        "crash",
    ]
)
asks = st.tuples(st.just("ask"), answers, faults)
happenings = st.sampled_from(
    [
        ("returns",),
        ("lost",),
        ("stranger",),
        ("late",),
        ("undone",),
        ("truncated",),
        ("elsewhere",),
        ("edited",),
    ]
)
stories = st.lists(st.one_of(asks, happenings), min_size=1, max_size=12)


class Story:
    """One thread of ours and what happens to it and to its remote one."""

    def __init__(self, server: AssistantsEmulator, talk: Talk) -> None:
        self.server = server
        self.talk = talk
        self.forgets = False  # a crash has lost which remote thread it was
        self._words = count(1)

    def word(self) -> str:
        return f"w{next(self._words)}"

    async def happens(self, what: tuple[object, ...]) -> None:
        """One thing after the other."""
        talk, server = self.talk, self.server
        match what:
            case ("ask", list(acts), str(fault)):
                if not self._open_calls():
                    talk.says(self.word())
                await self._step(acts, fault)
            case ("returns",):
                talk.returns(*(self.word() for _ in self._open_calls()))
            case ("lost",):
                server.threads.clear()
            case ("stranger",):
                for thread in server.threads.values():
                    content = [{"type": "text", "text": {"value": "stranger", "annotations": []}}]
                    thread.add({"id": f"msg_{self.word()}", "role": "user", "content": content})
            case ("late",):
                server.now += 601
            case ("undone",):
                asked = [at for at, body in enumerate(talk.bodies) if items.role(body) == "user"]
                del talk.bodies[asked[-1] if asked else 0 :]
            case ("truncated",):
                asked = [at for at, body in enumerate(talk.bodies) if items.role(body) == "user"]
                del talk.bodies[: asked[1] if len(asked) > 1 else 0]
            case ("elsewhere",):
                self._close()
                call = FunctionCall(f"other_{self.word()}", "f", self.word())
                talk.bodies += [
                    items.user_message(self.word()),
                    items.function_call(call),
                    items.function_call_output(call.call_id, self.word()),
                    items.assistant_message(self.word()),
                ]
            case ("edited",) if talk.bodies and items.role(talk.bodies[0]) == "user":
                talk.bodies[0] = items.user_message(self.word())

    async def _step(self, acts: list[object], fault: str) -> None:
        """Ask the backend; without a fault it answers, and whoever was asked knew exactly the window."""
        self._return()
        talk, server = self.talk, self.server
        server.plays.clear()
        server.plays.append(self._play(acts, fault))
        before, known, views = list(talk.bodies), talk.state, len(server.views)
        said: list[str] = []
        try:
            async with asyncio.timeout(20), aclosing(talk.stream()) as events:
                async for found in events:
                    if isinstance(found, TextDelta):
                        said.append(found.delta)
                    if fault == "stop" and isinstance(found, TextDelta):
                        break
                    if fault == "stop early":
                        break
        except BackendError:
            assert fault not in ("none", "stop", "stop early", "crash")
        for view in server.views[views:]:
            assert held(before) == seen(view)
        assert len(server.views) > views
        note(fault)
        if fault == "crash":
            talk.bodies, talk.state, self.forgets = before, known, True
        elif fault != "none" and talk.bodies == before and said:
            talk.bodies.append(items.assistant_message("".join(said), status="incomplete"))

    def _play(self, acts: list[object], fault: str) -> Play | Http:
        told: list[RunAct] = []
        calls: list[Call] = []
        for act in acts:
            match act:
                case "say":
                    told.append(Say(f"{self.word()} {self.word()}"))
                case "show":
                    told.append(Show([self.word(), self.word()]))
                case "call":
                    calls.append(Call("get_weather", {"city": self.word()}))
                case "incomplete" if not calls:
                    told.append(Incomplete())
        ends: dict[str, RunAct] = {
            "abort": Abort(),
            "eof": Eof(),
            "failed": Failed("server_error"),
            "error": ErrorEvent("server_error"),
            "expired": Expire(),
            "stop": Silence(),
        }
        if fault == "http":
            return Http(500, {"error": {"message": "Oh."}})
        if fault in ends:
            told = [act for act in told if not isinstance(act, Incomplete)]
            told.append(Say(self.word()))
            told.append(ends[fault])
        return Play([*told, *calls])

    def _open_calls(self) -> list[FunctionCall]:
        answered = {
            body["call_id"] for body in self.talk.bodies if items.kind(body) == "function_call_output"
        }
        return [call for call in items.calls_of(self.talk.bodies) if call.call_id not in answered]

    def _return(self) -> None:
        self.talk.returns(*(self.word() for _ in self._open_calls()))

    _close = _return


@settings(max_examples=150, deadline=None)
@given(stories, st.sampled_from(["end", "stay"]), st.booleans())
@example(
    [("ask", ["call"], "none"), ("returns",), ("ask", ["say"], "abort"), ("ask", ["say"], "none")],
    "end",
    True,
)
@example([("ask", ["say"], "none"), ("ask", ["say"], "stop early"), ("ask", ["say"], "none")], "stay", False)
def test_a_model_knows_the_window_once_and_in_order(
    story: list[tuple[object, ...]], orphans: Literal["end", "stay"], locks: bool
) -> None:
    """150 stories of up to 12 happenings: no view differs from the window, and nothing is left behind."""

    async def tell() -> None:
        server = AssistantsEmulator(orphans=orphans, locks=locks)
        async with speaking(server) as (_, backend):
            told = Story(server, Talk(backend))
            for what in story:
                await told.happens(what)
            await backend.close()  # it waits for what is being removed
            remembered = Memory.read(told.talk.state)
            kept = {remembered.thread} if remembered is not None else set()
            assert told.forgets or server.threads.keys() <= kept

    asyncio.run(tell())


texts = st.text(st.sampled_from("ab \n>`:"), min_size=1, max_size=30)


@st.composite
def windows(draw: st.DrawFn) -> list[JsonObject]:
    """Items in the easy form, each with a word of its own: texts, pictures, calls with their outputs."""
    words = count(1)
    found: list[JsonObject] = []
    for kind in draw(st.lists(st.sampled_from(["user", "assistant", "picture", "calls"]), max_size=25)):
        text = f"w{next(words)} {draw(texts)}"
        match kind:
            case "picture":
                picture: JsonObject = {"type": "image_file", "image_file": {"file_id": f"w{next(words)}"}}
                content: list[JsonValue] = [{"type": "input_text", "text": text}, picture]
                found.append({"type": "message", "role": "user", "content": content})
            case "calls":
                calls = [FunctionCall(f"c{next(words)}", "f", f"w{next(words)}") for _ in range(2)]
                found += map(items.function_call, calls)
                found += [
                    items.function_call_output(call.call_id, f"w{next(words)} {text}") for call in calls
                ]
            case _:
                found.append({"type": "message", "role": kind, "content": text})
    return found


@settings(max_examples=300, deadline=None)
@given(windows(), st.integers(2, 8), st.integers(60, 400))
def test_any_window_becomes_few_messages_that_say_all_of_it(
    window: list[JsonObject], most: int, longest: int
) -> None:
    """300 windows: never too many, never too long, a person's last, no word lost, moved or doubled."""
    try:
        told = messages(window, most=most, longest=longest)
    except BackendError:
        assert len(json.dumps(window)) > longest * most // 4
        return

    assert 1 <= len(told) <= most
    assert "user" == told[-1]["role"]
    for message in told:
        content = message["content"]
        assert content
        assert isinstance(content, str | list)
        assert longest >= sum(len(str(part.get("text", ""))) for part in _parts(content))
    roles = [message["role"] for message in told]
    assert {"user", "assistant"} >= set(roles)
    said = [("assistant", _shown(part)) for message in told for part in _parts(message["content"])]
    assert held([_as_item(body) for body in window]) == seen(said)


def _parts(content: JsonValue) -> list[dict[str, JsonValue]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    assert isinstance(content, list)
    return [dict(part) for part in content if isinstance(part, dict)]


def _as_item(body: JsonObject) -> JsonObject:
    """An easy item whose picture is told by its file."""
    if items.kind(body) != "message":
        return body
    return {**body, "content": "\n".join(map(_shown, _parts(body["content"])))}


def _shown(part: JsonObject) -> str:
    picture = part.get("image_file")
    return str(picture["file_id"]) if isinstance(picture, dict) else str(part["text"])


words = st.sampled_from(["", "a", "Hi \ud83d", "\ude00", '{"a"', ": 1}", "{}"])
values: st.SearchStrategy[JsonValue] = st.one_of(
    st.none(), st.integers(-1, 2), words, st.lists(st.none(), max_size=1)
)
ids = st.sampled_from(["1", "2", "", None, 3])
sources = st.lists(
    st.sampled_from([None, 1, {"type": "file_path", "text": "a/b", "file_path": {"file_id": "f"}}]),
    max_size=2,
)


def objects(required: Mapping[str, object], optional: Mapping[str, object]) -> st.SearchStrategy[JsonValue]:
    """Objects with these keys, some of them with all, and other things in their place."""
    found: st.SearchStrategy[JsonValue] = st.fixed_dictionaries(required, optional=optional)  # type: ignore[arg-type]
    return st.one_of(found, found, found, values)


contents = st.lists(
    objects(
        {"type": st.sampled_from(["text", "refusal", "image_file", 3])},
        {
            "index": st.sampled_from([0, 1, 0, -1, "0", True]),
            "text": objects({"value": values}, {"annotations": sources}),
            "refusal": values,
            "image_file": st.sampled_from([{"file_id": "f"}, 3]),
        },
    ),
    max_size=3,
)
outputs = st.lists(objects({"index": values, "logs": values}, {}), max_size=2)
calls = st.lists(
    objects(
        {"type": st.sampled_from(["function", "function", "code_interpreter", "file_search", 3])},
        {
            "index": st.sampled_from([0, 1, 0, "0"]),
            "id": ids,
            "function": objects({"name": values, "arguments": values}, {}),
            "code_interpreter": objects({"input": values}, {"outputs": outputs}),
        },
    ),
    max_size=3,
)
details = objects({"tool_calls": st.one_of(values, calls)}, {})
statuses = st.sampled_from(["in_progress", "completed", "failed", "incomplete", None, 3])
told_events = st.one_of(
    st.fixed_dictionaries(
        {"object": st.just("thread.message.delta")},
        optional={"id": ids, "delta": objects({"content": contents}, {})},
    ),
    st.fixed_dictionaries(
        {"object": st.just("thread.message"), "id": ids, "status": statuses},
        optional={
            "content": contents,
            "role": st.sampled_from(["assistant", "user", None]),
        },
    ),
    st.fixed_dictionaries(
        {"object": st.just("thread.run.step.delta"), "id": ids},
        optional={"delta": objects({"step_details": details}, {})},
    ),
    st.fixed_dictionaries(
        {"object": st.just("thread.run.step"), "id": ids, "status": statuses, "type": st.just("tool_calls")},
        optional={"step_details": details},
    ),
    st.fixed_dictionaries({"object": st.sampled_from(["thread.run", "x", 5]), "status": st.just("queued")}),
)
ends = st.one_of(
    st.just({"status": "completed"}),
    st.just({"status": "incomplete", "incomplete_details": {"reason": "x"}}),
    calls.map(
        lambda told: {
            "status": "requires_action",
            "required_action": {"submit_tool_outputs": {"tool_calls": told}},
        }
    ),
)


@settings(max_examples=1500, deadline=None)
@given(st.lists(told_events, max_size=8), ends, st.lists(st.sampled_from(["1", "2"]), max_size=1))
def test_whatever_a_server_sends_the_ladder_holds_or_says_why_not(
    told: list[dict[str, JsonValue]], end: dict[str, JsonValue], past: list[str]
) -> None:
    """1500 senseless streams: parts and calls add up to the end, or a typed error ends them."""
    ladder = RunLadder("run-0", past=past)
    found: list[StepEvent] = []
    try:
        for event in [*told, {"object": "thread.run", "id": "r", **end}]:
            found.extend(ladder.feed(event))
    except BackendError:
        pass
    assert_parts_add_up(found)
    assert_calls_add_up(found)
    for given_on in found:
        repr(given_on).encode()
