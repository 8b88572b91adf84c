"""Whatever list of items comes in, what goes out is taken by a provider as strict as OpenAI."""

from __future__ import annotations

import json

from hypothesis import given, settings

from assistant_gateway import items
from assistant_gateway.backends.repair import INTERRUPTED, ORIGIN, repair
from assistant_gateway.backends.request import Leeway, build
from assistant_gateway.testing.backend import a_step
from assistant_gateway.values import FunctionCall, JsonObject
from emulators.openai_rules import check_request
from fixtures.windows import MINE, windows


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
