"""
How servers tell an answer over Chat Completions: right, or bent in one of the ways that were seen.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from emulators.openai import (
    Abort,
    Act,
    Call,
    Eof,
    ErrorEvent,
    Event,
    Incomplete,
    Raw,
    Refuse,
    Say,
    Script,
    Silence,
    Think,
    Wait,
)
from emulators.shapes import Given, Json, encoded


@dataclass(frozen=True)
class Speech:
    """
    How a server speaks; the defaults are OpenAI's.

    Attributes:
        index: Of a call's fragments: counted, left out, always 0, or ``moved`` on with each fragment.
        ids: Of calls: in the first fragment, in each, in none, empty, the same for all, or the name.
        names: Of calls: in the first fragment, in each, in two pieces, or after the arguments.
        arguments: As pieces of text, as whole text, or as an object; the last two make one fragment of all.
        together: All fragments of an answer's calls stand in one chunk.
        function_call: The old way, for one call.
        finish: As it should be, always "stop", or none.
        done: Ends with ``[DONE]``.
        usage: Where it was asked for, in the last chunk always, in each chunk, or never.
        thoughts: The field of reasoning, "both" at once, a "tag" in the text, or "parts" of a list.
        line_end: Of the stream's lines.
        beats: A comment before each chunk.
        tag: The name of the tag.
        signature: What the first call of an answer must bring back.
    """

    index: Literal["counted", "missing", "zero", "moved"] = "counted"
    ids: Literal["first", "each", "missing", "empty", "same", "name"] = "first"
    names: Literal["first", "each", "pieces", "late"] = "first"
    arguments: Literal["pieces", "whole", "object"] = "pieces"
    together: bool = False
    function_call: bool = False
    finish: Literal["right", "stop", "missing"] = "right"
    done: bool = True
    usage: Literal["asked", "always", "each", "never"] = "asked"
    thoughts: Literal["reasoning_content", "reasoning", "both", "tag", "parts"] = "reasoning_content"
    line_end: bytes = b"\n"
    beats: bool = False
    tag: str = "think"
    signature: str = ""


SPEECHES: Mapping[str, Speech] = {
    "openai": Speech(),
    "azure": Speech(),
    "ollama": Speech(index="zero", arguments="whole", thoughts="reasoning"),
    "vllm": Speech(thoughts="both", beats=True),
    "llamacpp": Speech(),
    "lmstudio": Speech(thoughts="tag"),
    "litellm": Speech(ids="each"),
    "openrouter": Speech(thoughts="reasoning", beats=True),
    "compatible": Speech(thoughts="tag", usage="never"),
    "gemini": Speech(
        index="missing", ids="name", arguments="whole", finish="stop", usage="each", signature="c2lnbmVk"
    ),
    "anthropic": Speech(),
    "deepseek": Speech(usage="always"),
    "mistral": Speech(arguments="whole", usage="always", thoughts="parts"),
}
"""By the names of dialects."""

USAGE: Json = {
    "prompt_tokens": 120,
    "completion_tokens": 30,
    "total_tokens": 150,
    "prompt_tokens_details": {"cached_tokens": 64},
}


def fragments(calls: Sequence[Call], speech: Speech, ids: Iterator[str]) -> Iterable[Json]:
    """The fragments of *calls*, in order."""
    for number, call in enumerate(calls):
        text = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)
        id = {"same": "call_0", "name": call.name, "empty": "", "missing": ""}.get(
            speech.ids, call.call_id or next(ids)
        )
        if speech.arguments == "pieces":
            pieces: list[object] = list(re.findall(r".{1,6}", text, re.DOTALL))
        else:
            pieces = [json.loads(text) if speech.arguments == "object" else text]
        told: list[Json] = [{"arguments": piece} for piece in pieces]
        if speech.names == "pieces":
            half = len(call.name) // 2
            told[:0] = [{"name": call.name[:half]}, {"name": call.name[half:]}]
        elif speech.names == "late":
            told.append({"name": call.name})
        elif speech.arguments == "pieces":
            told.insert(0, {"name": call.name, "arguments": ""})
        else:
            told[0]["name"] = call.name
        for at, function in enumerate(told):
            if speech.names == "each":
                function["name"] = call.name
            fragment: Json = {"function": function}
            if speech.index != "missing":
                fragment["index"] = {"zero": 0, "moved": number + at}.get(speech.index, number)
            if speech.ids != "missing" and (at == 0 or speech.ids == "each"):
                fragment |= {"id": id, "type": "function"}
            if speech.signature and at == 0 and number == 0:
                fragment["extra_content"] = {"google": {"thought_signature": speech.signature}}
            yield fragment


class Completion:
    """One answer while it is told: its stream as bytes."""

    def __init__(self, body: Json, script: Script, speech: Speech, ids: Iterator[str]) -> None:
        options = body.get("stream_options")
        self._asked = isinstance(options, dict) and bool(options.get("include_usage"))
        self._script = script
        self._speech = speech
        self._ids = ids
        self._finish = "stop"
        self._envelope: Json = {
            "id": next(ids).replace("call", "chatcmpl"),
            "object": "chat.completion.chunk",
            "created": 1_795_000_000,
            "model": body["model"],
        }

    async def events(self) -> AsyncIterator[bytes | None]:
        """The stream; None tears the connection down."""
        yield self._chunk({"role": "assistant", "content": ""})
        for act in _grouped(self._script.acts):
            if isinstance(act, Abort):
                yield None
                return
            if isinstance(act, Eof):
                return
            if isinstance(act, Silence):
                await asyncio.Event().wait()
            elif isinstance(act, Wait):
                await act.until.wait()
            elif isinstance(act, Incomplete):
                self._finish = "length" if act.reason == "max_output_tokens" else act.reason
                break
            elif isinstance(act, ErrorEvent):
                error: Json = {"message": act.message, "type": act.code, "param": None, "code": act.code}
                yield self._data({"error": error} if act.nested else {"object": "error", **error})
                return
            else:
                for data in self._play(act):
                    yield data
        for data in self._end():
            yield data

    def _play(self, act: Act | list[Call]) -> Iterable[bytes]:
        match act:
            case list():
                yield from self._call(act)
            case Say(text=text, pieces=pieces):
                for piece in pieces if pieces is not None else re.findall(r"\s*\S+|\s+\Z", text):
                    yield self._chunk({"content": piece})
            case Refuse(text=text):
                for piece in re.findall(r"\s*\S+", text):
                    yield self._chunk({"refusal": piece})
            case Think(summary=summary):
                yield from self._think(summary)
            case Raw(data=data):
                yield data
            case Event(data=data):
                yield self._data(data)
            case _:
                raise AssertionError(act)

    def _call(self, calls: list[Call]) -> Iterable[bytes]:
        self._finish = "function_call" if self._speech.function_call else "tool_calls"
        told = list(fragments(calls, self._speech, self._ids))
        if self._speech.function_call:
            for fragment in told:
                yield self._chunk({"function_call": fragment["function"]})
        elif self._speech.together:
            yield self._chunk({"tool_calls": told})
        else:
            for fragment in told:
                yield self._chunk({"tool_calls": [fragment]})

    def _think(self, text: str) -> Iterable[bytes]:
        speech = self._speech
        words = re.findall(r"\s*\S+", text)
        if speech.thoughts == "tag":
            for piece in re.findall(r".{1,5}", f"<{speech.tag}>\n{text}\n</{speech.tag}>\n\n", re.DOTALL):
                yield self._chunk({"content": piece})
            return
        for word in words:
            if speech.thoughts == "parts":
                part = {"type": "thinking", "thinking": [{"type": "text", "text": word}]}
                yield self._chunk({"content": [part]})
            elif speech.thoughts == "both":
                yield self._chunk({"reasoning": word, "reasoning_content": word})
            else:
                yield self._chunk({speech.thoughts: word})

    def _end(self) -> Iterable[bytes]:
        speech = self._speech
        if speech.finish != "missing":
            finish = "stop" if speech.finish == "stop" and self._finish == "tool_calls" else self._finish
            yield self._chunk({}, finish)
        if speech.usage == "always" or (speech.usage == "asked" and self._asked):
            yield self._data({**self._envelope, "choices": [], "usage": self._script.usage or USAGE})
        if speech.done:
            yield b"data: [DONE]" + speech.line_end * 2

    def _chunk(self, delta: Given, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        chunk: Json = {**self._envelope, "choices": [choice]}
        if self._speech.usage == "each":
            chunk["usage"] = self._script.usage or USAGE
        elif self._asked:
            chunk["usage"] = None
        return self._data(chunk)

    def _data(self, chunk: Given) -> bytes:
        beat = b": beat" + self._speech.line_end * 2 if self._speech.beats else b""
        return beat + b"data: " + encoded(chunk) + self._speech.line_end * 2


def _grouped(acts: Iterable[Act]) -> Iterable[Act | list[Call]]:
    """Calls that stand together are told together."""
    calls: list[Call] = []
    for act in acts:
        if isinstance(act, Call):
            calls.append(act)
            continue
        if calls:
            yield calls
            calls = []
        yield act
    if calls:
        yield calls
