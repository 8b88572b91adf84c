"""Whatever list of items comes in, what goes out is taken by a provider as strict as OpenAI."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from assistant_gateway import items
from assistant_gateway.backends.repair import INTERRUPTED, ORIGIN, repair
from assistant_gateway.backends.request import Leeway, build
from assistant_gateway.testing.backend import a_step
from assistant_gateway.values import FunctionCall, JsonObject
from emulators.openai_rules import BLOB, check_request

MINE = "main/0123"

ids = st.sampled_from(["a", "b", "c", "", "x" * 70, "\ud83d", "ü"])
texts = st.one_of(st.sampled_from(["", " ", "Hello", "\ud83d", "a\0b"]), st.text(max_size=5))
junk = st.one_of(st.none(), st.integers(), texts, st.lists(texts, max_size=2), st.dictionaries(texts, texts))
messages = st.one_of(
    st.builds(items.user_message, texts, sender=texts),
    st.builds(items.assistant_message, texts, id=texts),
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "tool", "system"]), "content": junk}
    ),
    st.fixed_dictionaries({"type": st.just("message"), "role": junk, "content": st.lists(junk, max_size=2)}),
)
calls = st.builds(
    lambda id, name, arguments: {**items.function_call(FunctionCall(id, name, arguments)), "id": "fc"},
    ids,
    st.sampled_from(["get_weather", "bad name!", "", "n" * 99]),
    st.sampled_from(["{}", "", '{"a": 1}', "{"]),
)
outputs = st.one_of(
    st.builds(items.function_call_output, ids, texts),
    st.fixed_dictionaries({"type": st.just("function_call_output"), "call_id": ids, "output": junk}),
)
reasoning = st.fixed_dictionaries(
    {"type": st.sampled_from(["reasoning", "compaction"]), "id": st.just("rs_1"), "summary": junk},
    optional={
        "encrypted_content": st.sampled_from([BLOB + "1", "", None]),
        ORIGIN: st.sampled_from([MINE, "other/1"]),
        "status": st.just("completed"),
    },
)
others = st.one_of(
    st.fixed_dictionaries({"type": st.sampled_from(["web_search_call", "item_reference", "x"])}), junk
)
windows = st.lists(st.one_of(messages, calls, outputs, reasoning, others), max_size=14)


@settings(max_examples=400, deadline=None)
@given(windows)
async def test_any_window_is_taken_by_the_strict_provider(window: list[JsonObject]) -> None:
    """400 windows of messages, calls, outputs, reasoning and junk: no 400, no 404."""
    said = [body for body in window if isinstance(body, dict)]

    request = await build(a_step(*said), "gpt-6.1-sol", Leeway(origin=MINE, encrypted=True))

    check_request(json.loads(json.dumps(request.body)), models=["gpt-6.1-sol"])
    json.dumps(request.body, ensure_ascii=False).encode()


@settings(max_examples=400, deadline=None)
@given(windows)
def test_outputs_stand_right_behind_their_group_of_calls(window: list[object]) -> None:
    """Calls, then exactly their outputs in the same order: what the strictest of all servers want."""
    sent = repair(window, origin=MINE)

    waiting: list[object] = []
    answering = False
    for body in sent:
        kind = items.kind(body)
        if kind == "function_call":
            assert not (answering and waiting)
            answering = False
            waiting.append(body["call_id"])
        elif kind == "function_call_output":
            answering = True
            assert waiting.pop(0) == body["call_id"]
        elif kind != "reasoning":
            assert not waiting
    assert not waiting


@settings(max_examples=200, deadline=None)
@given(windows)
def test_repair_changes_nothing_of_what_is_whole(window: list[object]) -> None:
    """A repaired window keeps its calls and outputs when it is repaired again."""
    once = repair(window)

    assert once == repair(once)


def test_an_open_call_is_told_as_interrupted_and_an_orphan_output_goes() -> None:
    """One call without output, one output without call."""
    call = items.function_call(FunctionCall("a", "f", "{}"))

    sent = repair([items.function_call_output("z", "lost"), call, items.user_message("And?")])

    assert [call, items.function_call_output("a", INTERRUPTED), items.user_message("And?")] == sent


def test_an_id_that_comes_again_is_another_call() -> None:
    """A server that counts from 0 each time: the unanswered call does not take the later one's output."""
    call = items.function_call(FunctionCall("call_0", "f", "{}"))
    window = [call, items.user_message("Again"), call, items.function_call_output("call_0", "right")]

    sent = repair(window)

    outputs = [body["output"] for body in sent if items.kind(body) == "function_call_output"]
    assert [INTERRUPTED, "right"] == outputs
    assert ["call_0", "call_0_2"] == [call.call_id for call in items.calls_of(sent)]


def test_reasoning_stays_only_before_what_it_led_to() -> None:
    """With its call it stays, without id; at the end of the window it goes."""
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "blob", ORIGIN: MINE}
    call = items.function_call(FunctionCall("a", "f", "{}"))
    output = items.function_call_output("a", "1")

    sent = repair([thought, call, output, thought, items.user_message("Hm?"), thought], origin=MINE)

    kept = {"type": "reasoning", "summary": [], "encrypted_content": "blob"}
    assert [kept, call, output, items.user_message("Hm?")] == sent
