"""Generated calls: whatever text comes as arguments, the function sees valid values or is not entered."""

from __future__ import annotations

import asyncio
import datetime
import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field

from assistant_gateway.tools import Toolbox, ToolContext, tool
from assistant_gateway.values import Conversation, FunctionCall, User

jsonschema = pytest.importorskip("jsonschema")

CONTEXT = ToolContext(User("U1"), Conversation("slack", "T1", "C1"), "run", "thread", "call", "key")


@dataclass
class Point:
    x: float
    y: float


Entered = list[dict[str, object]]
entered: Entered = []


@tool(max_output=256)
async def everything(
    city: Annotated[str, Field(max_length=10)],
    count: Annotated[int, Field(ge=0, le=10)],
    where: Point,
    unit: Literal["C", "F"] = "C",
    tags: list[str] | None = None,
    day: datetime.date | None = None,
    deep: dict[str, list[int]] | None = None,
) -> object:
    """A function with a parameter of each kind; it gives back what it got."""
    entered.append({"city": city, "count": count, "where": where, "unit": unit, "tags": tags, "day": day})
    return [city, count, where, unit, tags, day, deep]


VALID: dict[str, st.SearchStrategy[Any]] = {
    "city": st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
    "count": st.integers(0, 10),
    "where": st.fixed_dictionaries(
        {"x": st.floats(allow_nan=False, allow_infinity=False), "y": st.integers(-9, 9)}
    ),
    "unit": st.sampled_from(["C", "F", None]),
    "tags": st.none() | st.lists(st.text("abc"), max_size=3),
    "day": st.none() | st.dates().map(str),
    "deep": st.none() | st.dictionaries(st.text("ab"), st.lists(st.integers(-5, 5), max_size=2), max_size=2),
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@st.composite
def nearly_valid(draw: st.DrawFn) -> dict[str, object]:
    """A valid call with up to two members removed, replaced or added."""
    arguments = draw(st.fixed_dictionaries(VALID))
    for _ in range(draw(st.integers(1, 2))):
        name = draw(st.sampled_from([*VALID, "user_id", "context", "__class__", "Count", ""]))
        if draw(st.booleans()):
            arguments.pop(name, None)
        else:
            arguments[name] = draw(JSON)
    return dict(arguments)


def fits(text: str) -> bool:
    """What an independent validator says of the schema that the model was given."""
    try:
        jsonschema.Draft202012Validator(
            everything.spec.parameters, format_checker=jsonschema.FormatChecker(["date"])
        ).validate(json.loads(text))
    except (ValueError, jsonschema.ValidationError):
        return False
    return True


def call(text: str) -> bool:
    """Whether the function was entered; the result is always text of a decent length."""
    entered.clear()
    result = asyncio.run(
        Toolbox([everything]).call(FunctionCall("c", "everything", text), CONTEXT, offered=["everything"])
    )
    assert isinstance(result.output, str)
    assert result.ok == bool(entered)
    assert len(result.output) <= (256 if result.ok else 6200)
    result.output.encode()
    if not result.ok:
        assert "invalid_arguments" == json.loads(result.output)["error"]["type"]
    return bool(entered)


PATIENT = settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@PATIENT
@given(st.fixed_dictionaries(VALID))
def test_every_valid_call_is_made(arguments: dict[str, object]) -> None:
    """500 calls that fit the schema: each one is made, with values of the annotated types."""
    text = json.dumps(arguments)

    assert fits(text)
    assert call(text)
    (got,) = entered
    assert type(got["count"]) is int
    assert isinstance(got["where"], Point)
    assert type(got["where"].x) is float
    assert got["unit"] in ("C", "F")
    assert got["day"] is None or type(got["day"]) is datetime.date


@PATIENT
@given(nearly_valid())
def test_no_invalid_call_is_made(arguments: dict[str, object]) -> None:
    """500 calls that are nearly right: the function is entered only where the schema holds."""
    text = json.dumps(arguments)

    assert not call(text) or fits(text)


@PATIENT
@given(
    st.text(max_size=200)
    | JSON.map(json.dumps)
    | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1"))
)
def test_no_text_does_harm(text: str) -> None:
    """500 texts, JSON or not: an answer each, and the function is entered only where the schema holds."""
    assert not call(text) or fits(text)
