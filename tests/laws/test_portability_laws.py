"""
A conversation changes its backend: what the next one is sent holds the whole thread, in order, once.

Every text, call, output and file holds a word of its own, ``w1``, ``w2`` …; the words of a request are
compared with those of the thread in the store.
"""

from __future__ import annotations

import asyncio
import base64
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count, permutations
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant_gateway import items
from assistant_gateway.backend import Backend
from assistant_gateway.backends.assistants import AssistantsBackend, AssistantsSettings
from assistant_gateway.backends.chat import ChatBackend, ChatSettings
from assistant_gateway.backends.demo import DemoBackend, DemoSettings
from assistant_gateway.backends.responses import ResponsesBackend, ResponsesSettings
from assistant_gateway.tools import tool
from assistant_gateway.values import Attachment, JsonObject, JsonValue, Message, MessageState
from emulators.openai import Act, Call, OpenAIEmulator, Say, Script
from emulators.openai_assistants import AssistantsEmulator
from emulators.openai_assistants_run import Entry, Play
from emulators.openai_chat import ChatEmulator
from fixtures.assistants import MODEL, seen
from fixtures.house import House

PNG = b"\x89PNG\r\n\x1a\n"
KEY = "test-key"

Piece: TypeAlias = Literal["text", "picture", "file", "say", "call", "two calls"]
Turn: TypeAlias = Sequence[Piece]

turns: st.SearchStrategy[list[Turn]] = st.lists(
    st.lists(
        st.sampled_from(["text", "picture", "file", "say", "call", "two calls"]), min_size=1, max_size=5
    ),
    min_size=1,
    max_size=4,
)


@tool
async def look_up(word: str) -> str:
    """Look a word up."""
    return f"It is w{int(word[1:]) + 100_000}."


class Speaker(Protocol):
    """A backend with its provider, and a view of what the provider's model was told."""

    @property
    def backend(self) -> Backend: ...
    def says(self, acts: Sequence[Act]) -> None: ...
    def told(self) -> list[Entry]: ...


@dataclass
class OverResponses:
    backend: Backend
    server: OpenAIEmulator

    def says(self, acts: Sequence[Act]) -> None:
        self.server.scripts.append(Script(acts))

    def told(self) -> list[Entry]:
        found: list[Entry] = []
        for item in _list(self.server.requests[-1].body["input"]):
            match items.kind(item):
                case "function_call":
                    found.append(("call", str(item["call_id"]), str(item["name"]), str(item["arguments"])))
                case "function_call_output":
                    found.append(("output", str(item["call_id"]), str(item["output"])))
                case _:
                    found.append((str(item["role"]), _content(item["content"])))
        return found


@dataclass
class OverChat:
    backend: Backend
    server: ChatEmulator

    def says(self, acts: Sequence[Act]) -> None:
        self.server.scripts.append(Script(acts))

    def told(self) -> list[Entry]:
        found: list[Entry] = []
        for message in _list(self.server.requests[-1].body["messages"]):
            if message["role"] == "tool":
                found.append(("output", str(message["tool_call_id"]), str(message["content"])))
                continue
            found.append((str(message["role"]), _content(message["content"])))
            for call in _list(message.get("tool_calls") or []):
                function = call["function"]
                assert isinstance(function, dict)
                found.append(("call", str(call["id"]), str(function["name"]), str(function["arguments"])))
        return found


@dataclass
class OverAssistants:
    backend: Backend
    server: AssistantsEmulator

    def says(self, acts: Sequence[Act]) -> None:
        self.server.plays.append(Play(acts))

    def told(self) -> list[Entry]:
        def shown(match: re.Match[str]) -> str:
            return self.server.files[match[1]].data.removeprefix(PNG).decode()

        return [
            (*entry[:-1], re.sub(r"\[picture (\w+)\]", shown, entry[-1])) for entry in self.server.views[-1]
        ]


@dataclass
class Demo:
    backend: Backend

    def says(self, acts: Sequence[Act]) -> None:
        """It has a mind of its own."""

    def told(self) -> list[Entry]:
        raise AssertionError("nobody is asked")


@asynccontextmanager
async def responses() -> AsyncIterator[Speaker]:
    async with OpenAIEmulator() as server:
        told = ResponsesSettings.model_validate({"base_url": server.base_url, "api_key": KEY})
        yield OverResponses(ResponsesBackend("responses", told), server)


@asynccontextmanager
async def chat(dialect: str) -> AsyncIterator[Speaker]:
    async with ChatEmulator(dialect) as server:
        told = {"base_url": server.base_url, "api_key": KEY, "dialect": dialect}
        yield OverChat(ChatBackend(dialect, ChatSettings.model_validate(told)), server)


@asynccontextmanager
async def assistants() -> AsyncIterator[Speaker]:
    async with AssistantsEmulator() as server:
        told = AssistantsSettings.model_validate({"base_url": server.base_url, "api_key": KEY})
        yield OverAssistants(AssistantsBackend("assistants", told), server)


@asynccontextmanager
async def demo() -> AsyncIterator[Speaker]:
    yield Demo(DemoBackend("demo", DemoSettings(words_per_second=0)))


SPEAKERS: Mapping[str, Callable[[], object]] = {
    "responses": responses,
    "openai": lambda: chat("openai"),
    "mistral": lambda: chat("mistral"),
    "assistants": assistants,
    "demo": demo,
}
PAIRS = [pair for pair in permutations(SPEAKERS, 2) if pair[1] != "demo"]


class Conversation:
    """One conversation in one store, whoever answers it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._words = count(1)
        self._ids = count(1)

    async def goes_on(self, speaker: Speaker, story: Sequence[Turn]) -> None:
        """Some turns with one backend: at its last answer it was told the words of the thread, no others."""
        async with House(
            self._path, speaker.backend, tools=[look_up], assistant={"model": MODEL, "window_tokens": 100_000}
        ) as house:
            for turn in story:
                message = await self._turn(house, speaker, turn)
                assert message.state is MessageState.DELIVERED
                assert message.answer is not None
                assert message.answer.error is None
            if isinstance(speaker, Demo):
                return
            window = await house.bodies(message)
            while items.role(window[-1]) == "assistant":
                window.pop()  # the last answer itself
            held = [word for body in window for word in await self._held(house, body)]
            assert held
            assert _in_pairs(window, held) == seen(speaker.told())

    async def _turn(self, house: House, speaker: Speaker, turn: Turn) -> Message:
        rounds: list[list[Act]] = [[]]
        texts, files = [], []
        for piece in turn:
            match piece:
                case "text":
                    texts.append(self._word())
                case "picture":
                    files.append(Attachment("a.png", "image/png", PNG + self._word().encode()))
                case "file":
                    files.append(Attachment("a.txt", "text/plain", f"Read {self._word()}.".encode()))
                case "say":
                    rounds[-1].append(Say(f"I say {self._word()}."))
                case "call" | "two calls":
                    calls = 1 if piece == "call" else 2
                    rounds[-1] += [Call("look_up", {"word": self._word()}) for _ in range(calls)]
                    rounds.append([])
        rounds[-1].append(Say(f"At last {self._word()}."))
        for acts in rounds:
            speaker.says(acts)
        said = " ".join(texts) or f"Go on, {self._word()}."
        receipt = await house.say(said, id=f"m{next(self._ids)}", attachments=tuple(files))
        return await house.settled(receipt.message)

    async def _held(self, house: House, body: JsonObject) -> list[str]:
        """The words of one item of the store, with those of its files."""
        told = [str(body.get("arguments", "")), str(body.get("output", "")), items.text_of(body)]
        for id in items.file_ids(body):
            found = await house.store.file(id)
            assert found is not None
            told.append(found[1].removeprefix(PNG).decode())
        return re.findall(r"\bw\d+\b", "\n".join(told))

    def _word(self) -> str:
        return f"w{next(self._words)}"


def _in_pairs(window: Sequence[JsonObject], held: Sequence[str]) -> list[str]:
    """The words with each output's directly behind its call's."""
    outputs = {
        str(body["call_id"]): re.findall(r"\bw\d+\b", str(body["output"]))
        for body in window
        if items.kind(body) == "function_call_output"
    }
    behind = {word for words in outputs.values() for word in words}
    calls = {
        re.findall(r"\bw\d+\b", call.arguments)[0]: outputs[call.call_id]
        for call in items.calls_of(window)
        if call.name == "look_up"
    }
    return [word for first in held if first not in behind for word in (first, *calls.get(first, ()))]


def _list(value: object) -> list[dict[str, JsonValue]]:
    assert isinstance(value, list)
    return value


def _content(content: JsonValue) -> str:
    """A content's texts and the words of its pictures."""
    if not isinstance(content, list):
        return str(content or "")
    told = []
    for part in content:
        assert isinstance(part, dict)
        picture = part.get("image_url")
        url = picture.get("url") if isinstance(picture, dict) else picture
        if isinstance(url, str):
            told.append(base64.b64decode(url.partition(",")[2]).removeprefix(PNG).decode())
        else:
            told.append(str(part.get("text", "")))
    return "\n".join(told)


async def talk(order: Sequence[str], stories: Sequence[Sequence[Turn]]) -> None:
    """One conversation, each story with another backend."""
    with tempfile.TemporaryDirectory() as path:
        conversation = Conversation(Path(path))
        async with AsyncExitStack() as stack:
            speakers: dict[str, Speaker] = {}
            for name in dict.fromkeys(order):
                speakers[name] = await stack.enter_async_context(SPEAKERS[name]())  # type: ignore[arg-type]
                stack.push_async_callback(speakers[name].backend.close)
            for name, story in zip(order, stories, strict=True):
                await conversation.goes_on(speakers[name], story)


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=map(" → ".join, PAIRS))
@settings(max_examples=4, deadline=None)
@given(before=turns, after=turns)
def test_the_next_backend_is_told_all_of_it(
    first: str, second: str, before: Sequence[Turn], after: Sequence[Turn]
) -> None:
    """Sixteen pairs: nothing of what was said, called, returned and shown is lost, moved or doubled."""
    asyncio.run(talk((first, second), (before, after)))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(sorted(SPEAKERS)), min_size=3, max_size=5), st.data())
def test_a_backend_that_comes_back_is_told_what_it_has_missed(order: list[str], data: st.DataObject) -> None:
    """Fifteen conversations that change their backend up to four times, and may come back to one."""
    asyncio.run(talk(order, [data.draw(turns) for _ in order]))
