"""
A backend without a model: deterministic, offline, and honest about it.

It behaves as a provider does (word by word, function calls, a second step after their
outputs), so that a bot can be set up, shown and tested before anybody has a key. All that it
knows is in the step's items.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from pydantic import Field

from assistant_gateway import items
from assistant_gateway.backend import BackendPlugin, Step
from assistant_gateway.backends import demo_texts as texts
from assistant_gateway.backends.characters import label
from assistant_gateway.backends.equation import find_equation
from assistant_gateway.backends.repair import INTERRUPTED, unused_id
from assistant_gateway.config import Section
from assistant_gateway.events import (
    ItemDone,
    StepDone,
    StepEvent,
    TextCreated,
    TextDelta,
    TextDone,
    ToolCallCreated,
    ToolCallDelta,
)
from assistant_gateway.values import FunctionCall, JsonObject

SOLVE = "solve_linear_equation"
WEATHER = "get_weather"

_WEATHER = re.compile(r"\bweather\b", re.IGNORECASE)
_CITY = re.compile(r"\bweather\b[^?.!\n]{0,40}?\b(?:in|at|for|of) ([^\W\d_][^?!,.;:\n]{0,60})", re.IGNORECASE)
_LATER = re.compile(r" (?:today|tomorrow|now|right now|please|like|this week)\b.*$", re.IGNORECASE)
_LONG = re.compile(
    r"\b(very )?long\b(?=.*\b(text|answer|code|table|something|article|story|essay)\b)|"
    r"\b(?:write|say|tell|give)\b.*?\b(very )?long\b",
    re.IGNORECASE | re.DOTALL,
)
_NAME_ASKED = re.compile(
    r"\b(?:what(?:'s|’s| is| was)|do you (?:know|remember)|tell me) my name\b|\bwho am i\b", re.I
)
_SAID_ASKED = re.compile(
    r"\bwhat (?:did i|have i) (?:just )?(?:say|said|ask|asked|tell|told|write|written)\b|"
    r"\bmy (?:first|last|previous|earlier) (?:message|question)\b|\bdo you remember\b",
    re.IGNORECASE,
)
_NAME_TOLD = re.compile(r"\b(?:my name is|call me) ([^\W\d_][\w'’-]*(?: [A-Z][\w'’-]*)?)", re.IGNORECASE)
_ADDRESSEE = re.compile(r"\baddress (?:the user|them|me) as ([^.,;\n]{1,60})", re.IGNORECASE)


class DemoSettings(Section):
    """The demo's pace; 0 words per second means without any pause."""

    words_per_second: float = Field(default=25.0, ge=0, le=10_000)


@dataclass(frozen=True, slots=True)
class _Wish:
    """A function that the demo wants called."""

    name: str
    arguments: JsonObject


class DemoBackend:
    """Answers by a few rules."""

    def __init__(self, name: str, settings: DemoSettings) -> None:
        self.name = name
        self._pause = 1 / settings.words_per_second if settings.words_per_second else 0.0

    async def stream(self, step: Step) -> AsyncGenerator[StepEvent, None]:
        """Answer the newest messages, or go on after the outputs of the calls that were asked for."""
        asked, since = _newest(step.items)
        replies: list[str] = []
        wishes: list[_Wish] = []
        if calls := items.calls_of(since):
            replies = [_explain(call, since, step.instructions) for call in calls]
        else:
            earlier = [body for body in step.items if items.role(body) == "user"][: -len(asked) or None]
            for body in asked or [items.user_message("")]:
                reply = _answer(body, earlier, step)
                if isinstance(reply, _Wish):
                    wishes.append(reply)
                else:
                    replies.append(reply)
                earlier = [*earlier, body]
        id = f"{step.run_id}-{step.index}"
        cut = False
        if replies:
            words = re.findall(r"\s*\S+", "\n\n".join(dict.fromkeys(replies)))
            cut = step.max_output_tokens is not None and len(words) > step.max_output_tokens
            async for event in self._say(f"{id}-0", words[: step.max_output_tokens] if cut else words, cut):
                yield event
        used = {call.call_id for call in items.calls_of(step.items)}
        for number, wish in enumerate(() if cut else wishes):
            call_id = unused_id(f"call_{id}-{number}", used)
            async for event in self._ask(FunctionCall(call_id, wish.name, json.dumps(wish.arguments))):
                yield event
        # One word stands for one token here; nobody is billed for either.
        yield StepDone("incomplete", reason="max_output_tokens") if cut else StepDone()

    async def check(self) -> str:
        """One line about the demo."""
        return "the demo answers by a few rules; no model, no network"

    async def close(self) -> None:
        """Nothing is held."""

    async def _say(self, item_id: str, words: Sequence[str], cut: bool) -> AsyncIterator[StepEvent]:
        yield TextCreated(item_id)
        for word in words:
            yield TextDelta(item_id, word)
            if self._pause:
                await asyncio.sleep(self._pause)
        text = "".join(words)
        yield TextDone(item_id, text)
        yield ItemDone(items.assistant_message(text, id=item_id, status="incomplete" if cut else "completed"))

    async def _ask(self, call: FunctionCall) -> AsyncIterator[StepEvent]:
        yield ToolCallCreated(call.call_id, call.name)
        for piece in re.findall(r".{1,8}", call.arguments, re.DOTALL):
            yield ToolCallDelta(call.call_id, piece)
            if self._pause:
                await asyncio.sleep(self._pause)
        yield ItemDone(items.function_call(call))


def _newest(bodies: Sequence[JsonObject]) -> tuple[list[JsonObject], list[JsonObject]]:
    """The newest messages of people that stand together, and all that came after them."""
    end = len(bodies)
    while end and items.role(bodies[end - 1]) != "user":
        end -= 1
    begin = end
    while begin and items.role(bodies[begin - 1]) == "user":
        begin -= 1
    return list(bodies[begin:end]), list(bodies[end:])


def _answer(body: JsonObject, earlier: Sequence[JsonObject], step: Step) -> str | _Wish:
    text = items.text_of(body)
    files = _files(body)
    wish: str | _Wish | None = None
    if (equation := find_equation(text)) is not None:
        numbers: dict[str, int | float] = {
            "a": _number(equation.a),
            "b": _number(equation.b),
            "c": _number(equation.c),
        }
        wish = _offered(_Wish(SOLVE, numbers), step)
    elif _WEATHER.search(text):
        found = _CITY.search(" ".join(text.split()))
        city = label(_LATER.sub("", found[1]), 60) if found else ""
        wish = _offered(_Wish(WEATHER, {"city": city}), step) if city else "The weather in which city?"
    elif _NAME_ASKED.search(text):
        wish = _remember("name", earlier)
    elif _SAID_ASKED.search(text):
        wish = _remember("first" if "first" in text.lower() else "last", earlier)
    elif (long := _LONG.search(text)) is not None:
        wish = texts.long_text(12 if "very" in long[0].lower() else 3)
    elif (name := _NAME_TOLD.search(text)) is not None:
        wish = f"Nice to meet you, {name[1]}. {texts.WHAT_I_AM} Ask me for your name later: I'll know it."
    if wish is None:
        wish = (
            texts.files_seen(files)
            if files and not text.strip()
            else texts.not_understood(text, step.instructions)
        )
    if files and isinstance(wish, str) and not wish.startswith("I got"):
        wish = f"{texts.files_seen(files)}\n\n{wish}"
    return wish


def _explain(call: FunctionCall, since: Sequence[JsonObject], instructions: str) -> str:
    """What is said about a call after its output has come."""
    output = next(
        (
            str(body.get("output", ""))
            for body in since
            if items.kind(body) == "function_call_output" and body.get("call_id") == call.call_id
        ),
        INTERRUPTED,
    )
    told = texts.parsed(output)
    addressee = _ADDRESSEE.search(instructions)
    name = label(addressee[1]) if addressee else ""
    if told is not None and "error" in told:
        return texts.failed_tool(call.name, told)
    if told is not None and call.name == SOLVE and "x" in told:
        return texts.tutor(told, str(told.get("equation", "")), name)
    if told is not None and call.name == WEATHER and "city" in told:
        return texts.weather(told, name)
    return texts.any_output(call.name, output)


def _offered(wish: _Wish, step: Step) -> str | _Wish:
    return wish if any(tool.name == wish.name for tool in step.tools) else texts.no_tool(wish.name)


def _remember(question: str, earlier: Sequence[JsonObject]) -> str:
    said = [text for text in map(items.text_of, earlier) if text.strip()]
    names = [match[1] for text in said for match in _NAME_TOLD.finditer(text)]
    return texts.remembered(question, said, names)


def _files(body: JsonObject) -> list[str]:
    content = body.get("content")
    return [
        str(part.get("filename") or "file")
        for part in (content if isinstance(content, list) else ())
        if isinstance(part, dict) and part.get("type") in ("input_file", "input_image")
    ]


def _number(value: Fraction) -> int | float:
    return value.numerator if value.denominator == 1 else float(value)


plugin = BackendPlugin(
    settings=DemoSettings,
    build=DemoBackend,
    default_model="demo",
    tools=("assistant_gateway.backends.demo_tools",),
)
