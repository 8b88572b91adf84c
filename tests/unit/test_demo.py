"""The demo: conversations with real tool outputs, memory, long texts, plain words on what it can't do."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from assistant_gateway import items
from assistant_gateway.backend import Step
from assistant_gateway.backends.demo import DemoBackend, DemoSettings
from assistant_gateway.backends.demo_tools import get_weather, solve_linear_equation
from assistant_gateway.backends.equation import find_equation
from assistant_gateway.errors import ToolError
from assistant_gateway.events import ItemDone, StepDone, StepEvent, TextDelta
from assistant_gateway.testing.backend import a_step, assert_calls_add_up, assert_parts_add_up
from assistant_gateway.values import FileRef, FunctionCall, JsonObject

TUTOR = "I need to solve the equation `3x + 11 = 14`. Can you help me?"
TOOLS = (solve_linear_equation.spec, get_weather.spec)


async def play(step: Step) -> list[StepEvent]:
    backend = DemoBackend("demo", DemoSettings(words_per_second=0))
    events = [event async for event in backend.stream(step)]
    assert_parts_add_up(events)
    assert_calls_add_up(events)
    return events


def bodies(events: Sequence[StepEvent]) -> list[JsonObject]:
    return [event.body for event in events if isinstance(event, ItemDone)]


def execute(call: FunctionCall) -> str:
    """The output of a real tool, or the structured error of one that failed."""
    arguments = json.loads(call.arguments)
    try:
        if call.name == "solve_linear_equation":
            return json.dumps(solve_linear_equation(**arguments))
        return json.dumps(get_weather(**arguments))
    except ToolError as error:
        return json.dumps({"error": {"type": "tool_error", "message": str(error)}})


async def converse(*said: str | JsonObject, instructions: str = "") -> tuple[list[FunctionCall], str]:
    """The calls that the demo asks for, and what it says in the end."""
    first = bodies(await play(a_step(*said, tools=TOOLS, instructions=instructions)))
    calls = list(items.calls_of(first))
    if not calls:
        return calls, items.said(first)
    outputs = [items.function_call_output(call.call_id, execute(call)) for call in calls]
    second = await play(a_step(*said, *first, *outputs, tools=TOOLS, instructions=instructions, index=1))
    return calls, items.said(bodies(second))


async def test_the_math_tutor_calls_the_function_and_explains_its_steps() -> None:
    """3x + 11 = 14: the call has a = 3, b = 11, c = 14; the answer has both steps and x = 1."""
    calls, text = await converse(TUTOR)

    assert ["solve_linear_equation"] == [call.name for call in calls]
    assert {"a": 3, "b": 11, "c": 14} == json.loads(calls[0].arguments)
    assert "1. Subtract 11 from both sides: `3x = 3`" in text
    assert "2. Divide both sides by 3: `x = 1`" in text
    assert "**x = 1**" in text


async def test_the_tutor_addresses_people_as_the_instructions_say() -> None:
    """The starter guide's instructions: Jane Doe is addressed by her name."""
    _, text = await converse(TUTOR, instructions="Please address the user as Jane Doe. She is premium.")

    assert "together, Jane Doe." in text


@pytest.mark.parametrize(
    ("said", "arguments", "x"),
    [
        ("solve 2x + 1 = 0", {"a": 2, "b": 1, "c": 0}, "-0.5"),
        ("-4x - 6 = 10 please", {"a": -4, "b": -6, "c": 10}, "-4"),
        ("3x = 1", {"a": 3, "b": 0, "c": 1}, "1/3"),
        ("11 + 3y = 14", {"a": 3, "b": 11, "c": 14}, "1"),
        ("0.5*x + 0.1 = 0.3", {"a": 0.5, "b": 0.1, "c": 0.3}, "0.4"),
        ("x/2 − 1 = 3", {"a": 0.5, "b": -1, "c": 3}, "8"),
        ("5x + 2 = 3x + 8", {"a": 2, "b": 2, "c": 8}, "3"),
        ("1/3 x + 1 = 2", {"a": 1 / 3, "b": 1, "c": 2}, "3"),
        ("0x + 1 = 2", {"a": 0, "b": 1, "c": 2}, "no number"),
        ("2x - 2x + 1 = 1", {"a": 0, "b": 1, "c": 1}, "every number"),
    ],
)
async def test_any_linear_equation_is_solved_exactly(said: str, arguments: JsonObject, x: str) -> None:
    """Negative, fractional, on both sides, without a solution: the numbers are exact."""
    calls, text = await converse(said)

    assert arguments == json.loads(calls[0].arguments)
    assert x == solve_linear_equation(**json.loads(calls[0].arguments))["x"]
    assert x in text


@pytest.mark.parametrize(
    "text",
    ["x + y = 3", "a = b", "E = mc", "3 = 3", "x == 3", "the id=5", "", " " * 50_000 + "= 3", "x/0 = 2"],
)
def test_what_is_no_linear_equation_is_left_alone(text: str) -> None:
    """Two variables, none, or no equation."""
    assert find_equation(text) is None


async def test_the_weather_is_told_from_the_tool_and_says_that_it_is_made_up() -> None:
    """Paris: one call with the city; the answer has the tool's numbers and where they come from."""
    calls, text = await converse("What's the weather in Paris?")

    assert [("get_weather", {"city": "Paris"})] == [(c.name, json.loads(c.arguments)) for c in calls]
    weather = get_weather("Paris")
    assert f"In Paris it is {weather['sky']} at {weather['temperature_celsius']} °C" in text
    assert "made up" in text
    assert weather == get_weather("  Paris ")


@pytest.mark.parametrize(
    ("said", "city"),
    [("weather in New York today?", "New York"), ("Tell me the weather for São Paulo, please", "São Paulo")],
)
async def test_the_city_is_found(said: str, city: str) -> None:
    """Two words, other letters, and what follows the name."""
    calls, _ = await converse(said)

    assert city == json.loads(calls[0].arguments)["city"]


async def test_without_the_tool_it_says_so() -> None:
    """No tool is offered: no call, and its name is told."""
    found = bodies(await play(a_step(TUTOR)))

    assert () == items.calls_of(found)
    assert "`solve_linear_equation`, but this assistant does not offer it" in items.said(found)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ('{"error": {"type": "tool_failed", "message": "It broke."}}', "could not do it: It broke."),
        ('{"error": {"type": "unknown_outcome", "message": "restarted"}}', "it may have run"),
        ('{"error": "interrupted"}', "it may have run"),
        ("not json", "answered: not json"),
        ("[1, 2]", "answered: [1, 2]"),
        ("{}", "answered: {}"),
        ("", "answered: nothing"),
    ],
)
async def test_a_failing_tool_is_told_to_people(output: str, said: str) -> None:
    """Errors, unknown outcomes and odd outputs end in a sentence, not in another call."""
    first = bodies(await play(a_step(TUTOR, tools=TOOLS)))
    call = items.calls_of(first)[0]

    answer = [items.function_call_output(call.call_id, output)]
    events = await play(a_step(TUTOR, *first, *answer, tools=TOOLS, index=1))

    assert said in items.said(bodies(events))
    assert () == items.calls_of(bodies(events))


async def test_it_knows_the_thread() -> None:
    """The name, the first and the last message come from the items before."""
    before: list[str | JsonObject] = ["My name is Ann.", items.assistant_message("Hello."), "I like tea."]

    _, name = await converse(*before, "What is my name?")
    _, last = await converse(*before, "What did I say before?")
    _, first = await converse(*before, "What was my first message?")
    _, nothing = await converse("What did I say before?")

    assert "Your name is Ann" in name
    assert "“I like tea.”" in last
    assert "“My name is Ann.”" in first
    assert "This is the first thing that you say" in nothing


async def test_very_long_is_at_least_6000_characters_with_code_and_a_table() -> None:
    """Headings, fences in pairs, tables; "long" is shorter."""
    _, very = await converse("Write something very long with code and a table")
    _, long = await converse("long text with code and a table")

    assert 2_000 < len(long) < 6_000 <= len(very)
    for text in (long, very):
        assert "\n## 1." in text
        assert text.count("```") % 2 == 0
        assert "|---:|" in text


async def test_everything_else_is_answered_honestly() -> None:
    """It says that it is a demo without a model, what was said, and what can be tried."""
    _, text = await converse("Write me a haiku", instructions="Be nice.")

    assert "no language model" in text
    assert "“Write me a haiku”" in text
    assert "3x + 11 = 14" in text
    assert "instructions" in text


async def test_files_are_named() -> None:
    """Two files: both names, and that they can't be read."""
    files = [FileRef("f1", "a.txt", "text/plain", 3), FileRef("f2", "b.png", "image/png", 3)]

    _, text = await converse(items.user_message("", files))

    assert "I got 2 files: `a.txt`, `b.png`" in text


async def test_messages_that_were_merged_are_all_answered() -> None:
    """Two questions in one run: two calls at once, both explained."""
    calls, text = await converse(TUTOR, "What's the weather in Rome?")

    assert ["solve_linear_equation", "get_weather"] == [call.name for call in calls]
    assert "x = 1" in text
    assert "In Rome" in text


async def test_a_cap_of_tokens_ends_the_step_incomplete() -> None:
    """Five words of many, and the reason of a provider."""
    events = await play(a_step("Hello", max_output_tokens=5))

    assert StepDone("incomplete", reason="max_output_tokens") == events[-1]
    assert 5 == sum(isinstance(event, TextDelta) for event in events)


async def test_it_says_the_same_each_time() -> None:
    """Two runs of the same step give the same events."""
    assert await play(a_step(TUTOR, tools=TOOLS)) == await play(a_step(TUTOR, tools=TOOLS))


def test_the_solver_refuses_numbers_that_a_float_does_not_hold() -> None:
    """Above 10^15 the answer would be a guess."""
    with pytest.raises(ToolError):
        solve_linear_equation(1e16, 1, 2)
