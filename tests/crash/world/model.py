"""
A model: what it does with a message depends on the message's number and on how often it was asked.

A quarter of the messages make it call a function first, half of them one with a key. Each answer
names its message and its take, so that an answer that was made twice can be told from one that
was shown twice. It writes down every output that it is given.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from aiohttp import web

from crash.record import Asked, Record, Told

CALLS = 0.25  # of the messages need a function
KEYED = 0.5  # of those, the one with a key
CUT = 0.02  # of the streams end early
WORDS = ("the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "while", "seven", "boxes")
NUMBER = re.compile(r"#(\d+)")

Item = Mapping[str, object]


class Model:
    """Answers as a stream of JSON lines: ``{"delta": …}``, ``{"call": …}``, and ``{}`` at its end."""

    def __init__(self, record: Record, seed: int) -> None:
        self._record = record
        self._seed = seed
        self._takes: Counter[int] = Counter()
        self._told: set[str] = set()

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return (web.post("/model", self._answer),)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        items: Sequence[Item] = asked["items"]
        self._note_outputs(items)
        number, since = _question(items)
        self._takes[number] += 1
        take = self._takes[number]
        chance = random.Random(f"{self._seed}:{number}:{take}")
        called = any(item["type"] == "function_call" for item in since)
        calls = not called and self._calls(number)
        deltas = self._deltas(number, take, chance, calls)
        cut = chance.randrange(len(deltas) + 1) if chance.random() < CUT else None
        call_id = f"call_{number}_{take}" if calls else ""
        said = [*(_text(item) for item in since if item["type"] == "message"), "".join(deltas)]
        self._record.asked.append(
            Asked(
                self._record.tick(),
                number,
                take,
                call_id if cut is None else "",
                "\n\n".join(text for text in said if text),
                cut is not None,
                asked["run"],
            )
        )
        response = web.StreamResponse()
        with suppress(ConnectionResetError):  # who asked is dead
            await response.prepare(request)
            for delta in deltas[:cut]:
                await asyncio.sleep(chance.uniform(0.003, 0.02))
                await _write(response, {"delta": delta})
            if calls and cut is None:
                await _write(response, {"call": call_id, "name": self._function(number), "number": number})
            if cut is None:
                await _write(response, {})
        return response

    def _calls(self, number: int) -> bool:
        return random.Random(f"{self._seed}:{number}:calls").random() < CALLS

    def _function(self, number: int) -> str:
        keyed = random.Random(f"{self._seed}:{number}:keyed").random() < KEYED
        return "book" if keyed else "notify"

    def _deltas(self, number: int, take: int, chance: random.Random, calls: bool) -> list[str]:
        if calls and chance.random() < 0.5:
            return []
        words = [
            "".join(f" {chance.choice(WORDS)}" for _ in range(chance.randint(1, 9)))
            for _ in range(chance.randint(1, 8))
        ]
        return [f"[{number}.{take}]", *words, f" [end:{number}.{take}]"]

    def _note_outputs(self, items: Sequence[Item]) -> None:
        for item in items:
            if item["type"] == "function_call_output" and item["call_id"] not in self._told:
                call_id = str(item["call_id"])
                self._told.add(call_id)
                self._record.told.append(Told(self._record.tick(), call_id, str(item["output"])))


def _question(items: Sequence[Item]) -> tuple[int, Sequence[Item]]:
    """The number of the message to answer, and what the run has said and done since."""
    for index in range(len(items) - 1, -1, -1):
        if items[index].get("role") == "user":
            # What was said before may be quoted above the question.
            return int(NUMBER.findall(_text(items[index]))[-1]), items[index + 1 :]
    raise web.HTTPBadRequest(text="nobody has said anything")


def _text(item: Item) -> str:
    content = item["content"]
    assert isinstance(content, list)
    return "".join(str(part["text"]) for part in content)


async def _write(response: web.StreamResponse, line: object) -> None:
    await response.write(json.dumps(line).encode() + b"\n")
