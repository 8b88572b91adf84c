"""The window: the newest whole turns, within the budget, at a cost that no thread's length changes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import count, pairwise
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant_gateway import items
from assistant_gateway.store import Store
from assistant_gateway.values import FileRef, FunctionCall, Item, JsonObject, ToolSpec
from assistant_gateway.window import CHARACTERS_PER_TOKEN, PAGE, Windows, estimate, fit, overhead, turns


class Shelf:
    """The few verbs of a store that a window needs, in memory; counts what is read."""

    def __init__(self, bodies: Sequence[JsonObject] = ()) -> None:
        self.thread = [Item(f"i{seq}", body, seq=seq) for seq, body in enumerate(bodies, 1)]
        self.notes: dict[tuple[str, str], JsonObject] = {}
        self.pages = 0
        self.saved = 0

    async def items(self, thread_id: str, *, before: int | None = None, limit: int = 200) -> list[Item]:
        self.pages += 1
        end = len(self.thread) if before is None else before - 1
        return self.thread[max(0, end - limit) : end]

    async def note(self, scope: str, key: str) -> JsonObject | None:
        return self.notes.get((scope, key))

    async def save_note(self, scope: str, key: str, value: JsonObject) -> None:
        self.saved += 1
        self.notes[scope, key] = value


def windows(shelf: Shelf) -> Windows:
    return Windows(cast(Store, shelf))


def ask(text: str = "Why?") -> JsonObject:
    return items.user_message(text)


def answer(text: str = "Because.") -> JsonObject:
    return items.assistant_message(text)


def call(id: str, arguments: str = "{}") -> JsonObject:
    return items.function_call(FunctionCall(id, "look", arguments))


def output(id: str, text: str = "seen") -> JsonObject:
    return items.function_call_output(id, text)


def size(bodies: Sequence[JsonObject]) -> int:
    return sum(map(estimate, bodies))


def is_paired(bodies: Sequence[JsonObject]) -> bool:
    """Whether each call has its output behind it, and each output its call before it."""
    open_calls: set[object] = set()
    for body in bodies:
        if items.kind(body) == "function_call":
            open_calls.add(body["call_id"])
        elif items.kind(body) == "function_call_output":
            if body["call_id"] not in open_calls:
                return False
            open_calls.remove(body["call_id"])
    return not open_calls


@st.composite
def conversations(draw: st.DrawFn) -> list[JsonObject]:
    """A thread as the gateway writes it: questions, steps with calls and their outputs, answers."""
    numbers = count()
    texts = st.text(max_size=40)
    bodies: list[JsonObject] = [answer(draw(texts))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 6))):
        bodies += [ask(draw(texts)) for _ in range(draw(st.integers(1, 3)))]
        for _ in range(draw(st.integers(0, 3))):
            if draw(st.booleans()):
                bodies.append({"type": "reasoning", "summary": [], "encrypted_content": draw(texts)})
            if draw(st.booleans()):
                bodies.append(answer(draw(texts)))
            ids = [f"c{next(numbers)}" for _ in range(draw(st.integers(1, 3)))]
            bodies += [call(id) for id in ids]
            bodies += [output(id, draw(texts)) for id in ids]
        if draw(st.booleans()):
            bodies.append(answer(draw(texts)))
    return bodies


budgets = st.integers(min_value=-100, max_value=4000)


@given(conversations(), budgets)
def test_a_call_never_loses_its_output(bodies: list[JsonObject], budget: int) -> None:
    """Whatever thread and budget: every call in the window is followed by its output."""
    assert is_paired(fit(bodies, budget))


@given(conversations(), budgets)
def test_the_newest_question_is_always_there(bodies: list[JsonObject], budget: int) -> None:
    """However small the budget, the last thing that a person said is in the window."""
    last = [body for body in bodies if items.role(body) == "user"][-1]

    assert any(body is last for body in fit(bodies, budget))


@given(conversations(), budgets)
def test_the_budget_is_kept(bodies: list[JsonObject], budget: int) -> None:
    """A window is larger than the budget only where the newest question alone is."""
    window = fit(bodies, budget)

    assert size(window) <= budget or [items.role(body) for body in window] == ["user"]


@given(conversations(), budgets)
def test_turns_are_whole_and_without_a_gap(bodies: list[JsonObject], budget: int) -> None:
    """A window is the end of the thread from a turn's start on, unless the newest turn alone is too large."""
    window = fit(bodies, budget)

    starts = _tails(bodies)
    assert len(window) in starts or size(turns(bodies)[-1]) > budget
    if len(window) in starts:
        assert window == bodies[len(bodies) - len(window) :]


@given(conversations())
def test_all_of_a_thread_that_fits_is_shown(bodies: list[JsonObject]) -> None:
    """A budget of exactly the thread's size shows the thread; one character less leaves out a turn."""
    assert fit(bodies, size(bodies)) == bodies
    assert len(fit(bodies, size(bodies) - 1)) < len(bodies) or len(turns(bodies)) == 1


@given(conversations(), st.integers(min_value=256, max_value=1000), st.data())
async def test_pages_give_the_same_window_as_the_whole_thread(
    bodies: list[JsonObject], tokens: int, data: st.DataObject
) -> None:
    """Reading backwards finds the newest turns that fit; where some are left out, at least half of them."""
    long = [body for _ in range(data.draw(st.integers(1, 12))) for body in bodies]
    shelf = Shelf(long)

    window = await windows(shelf).window("t", model="m", tokens=tokens, overhead=100)

    budget = int(tokens * CHARACTERS_PER_TOKEN) - 100
    most = fit(long, budget)
    assert window == most[len(most) - len(window) :]
    assert window == most or (len(most) < len(long) and size(window) * 2 >= budget)
    assert len(window) in _tails(most)


async def test_a_window_begins_where_the_one_before_began() -> None:
    """200 turns, each shown in a window of about 40: the beginning moves at most 30 times, not 160 times."""
    shelf = Shelf()
    beginnings = []

    for number in range(200):
        shelf.thread.append(Item(f"q{number}", ask(f"{number}: " + "x" * 300), seq=2 * number + 1))
        beginnings.append((await windows(shelf).window("t", model="m", tokens=6000, overhead=0))[0])
        shelf.thread.append(Item(f"a{number}", answer("y" * 100), seq=2 * number + 2))

    texts = [items.text_of(body) for body in beginnings]
    assert [texts[0]] * 20 == texts[:20]
    assert 5 <= sum(before != after for before, after in pairwise(texts)) <= 30


def test_a_turn_that_is_too_large_keeps_its_question_and_newest_steps() -> None:
    """Of 50 steps with 1,000 characters each, a budget of 3,500 keeps the question and the last 3 steps."""
    steps = [[call(f"c{n}"), output(f"c{n}", "x" * 870)] for n in range(50)]
    turn = [ask("Count!"), *(body for step in steps for body in step)]
    assert 940 < size(steps[9]) < 1000

    window = fit([ask("Old"), answer("Older"), *turn], 3500)

    assert window == [turn[0], *(body for step in steps[-3:] for body in step)]


def test_a_flood_of_questions_is_cut_at_its_old_end() -> None:
    """Of 100 messages that nobody answered yet, the newest that fit are shown."""
    flood = [ask("x" * 1000) for _ in range(100)]

    window = fit(flood, 10_000)

    assert window == flood[-9:]


async def test_the_cost_does_not_depend_on_the_length_of_the_thread() -> None:
    """A window of 1,000 tokens reads one page, of a thread of 200 items and of one of 10,000."""
    read = {}
    for length in (200, 10_000):
        shelf = Shelf([ask(), answer()] * (length // 2))

        await windows(shelf).window("t", model="m", tokens=1000, overhead=0)

        read[length] = shelf.pages

    assert read == {200: 1, 10_000: 1}


async def test_a_long_newest_turn_is_read_to_its_question() -> None:
    """With 250 steps behind the question, its page is read too: the model must know what was asked."""
    steps = [body for n in range(250) for body in (call(f"c{n}"), output(f"c{n}", "x" * 500))]
    shelf = Shelf([ask("Old"), answer(), ask("The question"), *steps])

    window = await windows(shelf).window("t", model="m", tokens=2000, overhead=0)

    assert items.text_of(window[0]) == "The question"
    assert is_paired(window)
    assert shelf.pages == 503 // PAGE + 1


async def room(learner: Windows, shelf: Shelf, *, tokens: int) -> int:
    """The size of the longest thread that is shown whole."""
    turn = [ask("x" * 100), answer()]

    async def is_whole(length: int) -> bool:
        shelf.thread = Shelf(turn * length).thread
        return len(await learner.window("t", model="m", tokens=tokens, overhead=0)) == 2 * length

    shown, cut = 0, 2000
    while cut - shown > 1:
        middle = (shown + cut) // 2
        shown, cut = (middle, cut) if await is_whole(middle) else (shown, middle)
    return size(turn * shown)


async def test_a_provider_that_counts_otherwise_is_learned() -> None:
    """After 20 steps with a provider that counts 2.5 characters a token, the budget is right within 1 %."""
    shelf = Shelf()
    learner = windows(shelf)
    before = await room(learner, shelf, tokens=10_000)

    for _ in range(20):
        await learner.learn("m", characters=25_000, tokens=10_000)
    after = await room(learner, shelf, tokens=10_000)

    assert before == pytest.approx(35_000, rel=0.02)
    assert after == pytest.approx(25_000, rel=0.02)
    assert after <= 25_000 * 1.01


async def test_what_was_learned_survives_a_restart() -> None:
    """A new process starts within 5 % of what the old one knew; 20 steps cost at most 7 writes."""
    shelf = Shelf()
    learner = windows(shelf)

    for _ in range(20):
        await learner.learn("m", characters=25_000, tokens=10_000)
    kept = cast(float, shelf.notes["calibration", "m"]["characters_per_token"])

    assert kept == pytest.approx(2.5, rel=0.055)
    assert shelf.saved <= 7


async def test_models_are_told_apart_and_oddities_ignored() -> None:
    """What one model counts changes no other; a report of 10 tokens, or of nonsense, moves little."""
    learner = windows(shelf := Shelf())

    await learner.learn("m", characters=30, tokens=10)
    await learner.learn("n", characters=1_000_000, tokens=60)

    assert await room(learner, shelf, tokens=1000) == pytest.approx(3500, rel=0.1)
    assert cast(float, shelf.notes["calibration", "n"]["characters_per_token"]) < 8


def test_files_and_pictures_count() -> None:
    """A picture counts as about 1,100 tokens, another file as its bytes; a text as its JSON."""
    picture = items.user_message("", [FileRef("f", "a.png", "image/png", 5_000_000)])
    table = items.user_message("", [FileRef("f", "a.csv", "text/csv", 5_000)])

    assert 3_850 < estimate(picture) < 4_100
    assert 5_000 < estimate(table) < 5_300
    assert estimate(ask("abc")) == len(json.dumps(ask("abc"), separators=(",", ":")))


def test_instructions_and_tools_are_part_of_the_budget() -> None:
    """The overhead is the system text and what the tools' names, descriptions and schemas take."""
    spec = ToolSpec("add", "Adds.", {"type": "object"})

    assert overhead("Be kind.", [spec]) == len("Be kind.") + len("add") + len("Adds.") + len(
        '{"type": "object"}'
    )


def _tails(bodies: Sequence[JsonObject]) -> list[int]:
    """The lengths of the ends of a thread that begin with a turn."""
    lengths, total = [], 0
    for turn in reversed(turns(bodies)):
        total += len(turn)
        lengths.append(total)
    return lengths
