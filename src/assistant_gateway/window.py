"""
The part of a thread that a model is shown: the newest whole turns that fit its budget.

A turn begins with what people said and ends before they speak again. Turns are never cut,
so a function call never loses its output; only a newest turn that is too large by itself is
shortened, by its oldest whole steps and then by its oldest messages. Where older turns are left
out, a window begins where the one before began as long as that fits: providers take less for a
beginning that they have seen. Reading stops where the budget ends: the cost does not depend on
the length of the thread.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence

from assistant_gateway import items
from assistant_gateway.store import Store
from assistant_gateway.values import Item, JsonObject, ToolSpec

CHARACTERS_PER_TOKEN = 3.5  # before the provider has told better; English prose is near 4, code near 3
IMAGE_TOKENS = 1_100  # a rough middle of what vision models charge for one picture
PAGE = 100  # items read at once


def estimate(body: JsonObject) -> int:
    """The size of an item in characters, as a model will see it."""
    size = len(json.dumps(body, ensure_ascii=False, separators=(",", ":")))
    content = body.get("content")
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict) and part.get("type") == "input_image":
            size += int(IMAGE_TOKENS * CHARACTERS_PER_TOKEN)
        elif isinstance(part, dict) and isinstance(part.get("size"), int):
            size += part["size"]
    return size


def overhead(instructions: str, tools: Sequence[ToolSpec]) -> int:
    """The size in characters of what every model call carries beside the thread."""
    specs = sum(len(json.dumps(tool.parameters)) + len(tool.name) + len(tool.description) for tool in tools)
    return len(instructions) + specs


def turns(bodies: Sequence[JsonObject]) -> list[list[JsonObject]]:
    """Split items into turns; what stands before the first person's message is a turn of its own."""
    found: list[list[JsonObject]] = []
    spoken = False
    for body in bodies:
        asks = items.role(body) == "user"
        if not found or (asks and not spoken):
            found.append([])
        found[-1].append(body)
        spoken = asks
    return found


def fit(bodies: Sequence[JsonObject], budget: int) -> list[JsonObject]:
    """The newest whole turns of *bodies* within *budget* characters; the newest turn always."""
    found = turns(bodies)
    kept = _newest(found, budget) or [shorten(turn, budget) for turn in found[-1:]]
    return [body for turn in kept for body in turn]


def shorten(turn: Sequence[JsonObject], budget: int) -> list[JsonObject]:
    """The newest of what a turn asks, and its newest whole steps, within *budget* characters."""
    asked = [[body] for body in turn if items.role(body) == "user"]
    questions = _newest(asked, budget) or asked[-1:]
    left = budget - sum(map(_size, questions))
    steps = _newest(_steps([body for body in turn if items.role(body) != "user"]), left)
    return [body for group in questions + steps for body in group]


def halve(bodies: Sequence[JsonObject]) -> list[JsonObject]:
    """The newer half of a window by size, in whole turns; the newest question always."""
    return fit(bodies, sum(map(estimate, bodies)) // 2)


class Windows:
    """Makes windows from stored threads, and learns from providers how long a token is."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ratios: dict[str, float] = {}
        self._kept: dict[str, float] = {}

    async def window(
        self, thread_id: str, *, model: str, tokens: int, overhead: int, summary: bool = False
    ) -> list[JsonObject]:
        """
        The newest whole turns that fit *tokens*, beside *overhead* characters of other text.

        With *summary*, the thread's newest one comes first, and stands for what is before it.
        """
        budget = await self.budget(model, tokens=tokens, overhead=overhead)
        found = await self._store.summary(thread_id) if summary else None
        first = [] if found is None else [items.recalled(found.text)]
        begin = 0 if found is None else found.covers
        budget -= _size(first)
        read: list[Item] = []
        size = 0
        before: int | None = None
        while True:
            page = await self._store.items(thread_id, before=before, limit=PAGE)
            before = page[0].seq if page else 0
            is_last = len(page) < PAGE or before <= begin
            page = [item for item in page if item.seq > begin and items.kind(item.body) != "summary"]
            read = page + read
            size += sum(estimate(item.body) for item in page)
            # One page beyond the budget: the turn at its edge must be seen whole to be left out whole.
            if is_last or (size > budget and _has_turn_start(page)):
                window = fit([item.body for item in read], budget)
                is_all = is_last and len(window) == len(read)
                return first + (window if is_all else window[_steady_start(read, window, budget) :])

    async def budget(self, model: str, *, tokens: int, overhead: int) -> int:
        """The characters of a thread that fit *tokens*, beside *overhead* characters of other text."""
        return int(tokens * await self._ratio(model)) - overhead

    async def learn(self, model: str, *, characters: int, tokens: int) -> None:
        """Take note that the provider counted *tokens* for *characters*."""
        if tokens < 50 or characters < 200:
            return
        measured = min(8.0, max(0.5, characters / tokens))
        before = await self._ratio(model)
        ratio = before + 0.3 * (measured - before)
        self._ratios[model] = ratio
        if abs(ratio - self._kept[model]) > 0.05 * self._kept[model]:
            self._kept[model] = ratio
            await self._store.save_note("calibration", model, {"characters_per_token": ratio})

    async def _ratio(self, model: str) -> float:
        if model not in self._ratios:
            note = await self._store.note("calibration", model) or {}
            ratio = note.get("characters_per_token")
            known = float(ratio) if isinstance(ratio, int | float) else CHARACTERS_PER_TOKEN
            self._ratios[model] = self._kept[model] = known
        return self._ratios[model]


def _steady_start(read: Sequence[Item], window: Sequence[JsonObject], budget: int) -> int:
    """
    Where *window*, the end of *read*, should begin so that it begins there for many messages.

    Of the turns at which more than half of the budget is left, the one whose number has the highest
    hash: until it falls out or a higher one comes in, every window begins there, in any process.
    """
    kept = read[len(read) - len(window) :]
    if not window or kept[0].body is not window[0]:
        return 0  # the newest turn alone, shortened
    left, at, best = _size(window), 0, (-1, 0)
    for turn in turns(window):
        if at and left * 2 < budget:
            break
        best = max(best, (zlib.crc32(str(kept[at].seq).encode()), at))
        at += len(turn)
        left -= _size(turn)
    return best[1]


def _size(group: Sequence[JsonObject]) -> int:
    return sum(map(estimate, group))


def _newest(groups: Sequence[list[JsonObject]], budget: int) -> list[list[JsonObject]]:
    """The newest of *groups* that fit into *budget* characters, without a gap."""
    kept: list[list[JsonObject]] = []
    for group in reversed(groups):
        budget -= _size(group)
        if budget < 0:
            break
        kept.append(group)
    return kept[::-1]


def _has_turn_start(page: Sequence[Item]) -> bool:
    return any(items.role(item.body) == "user" for item in page)


def _steps(bodies: Sequence[JsonObject]) -> list[list[JsonObject]]:
    """Group a turn's items so that a call and its output are in one group."""
    steps: list[list[JsonObject]] = []
    after_output = True
    for body in bodies:
        is_output = items.kind(body) == "function_call_output"
        if after_output and not is_output:
            steps.append([])
        if not steps:
            steps.append([])
        steps[-1].append(body)
        after_output = is_output
    return steps
