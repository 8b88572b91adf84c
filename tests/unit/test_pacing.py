"""
Turns and budgets: nobody overdraws, ends come first, nobody starves, a 429 is obeyed to the digit.

All of it happens on a virtual clock.
"""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant_gateway.adapter import Budget, CallKind, Limits
from assistant_gateway.errors import RateLimited
from assistant_gateway.replies.allowance import Allowance
from assistant_gateway.replies.lifetimes import Lifetimes
from assistant_gateway.replies.pacing import Pace, Pacer, Rank, Turn
from assistant_gateway.replies.spread import PROMPT
from assistant_gateway.testing.adapter import FakeAdapter
from assistant_gateway.testing.clock import run_virtual
from assistant_gateway.testing.metered import MeteredAdapter
from assistant_gateway.values import Conversation, ReplyTarget, User

Test = Callable[..., Coroutine[object, object, None]]


def on_virtual_clock(test: Test) -> Callable[..., None]:
    """Run an async test on a loop whose time jumps."""

    @functools.wraps(test)
    def run(*args: object, **kwargs: object) -> None:
        run_virtual(test(*args, **kwargs))

    return run


def now() -> float:
    return asyncio.get_running_loop().time()


def target(channel: str = "C1") -> ReplyTarget:
    return ReplyTarget(Conversation("fake", "T1", channel), "m1", User("U1"))


def platform(**calls: tuple[int, float]) -> MeteredAdapter:
    """A platform with one budget for each kind of call: how many in how many seconds."""
    budgets: Mapping[str, Sequence[Budget]] = {
        kind: [Budget(kind, number, seconds)] for kind, (number, seconds) in calls.items()
    }
    return MeteredAdapter(lambda target, kind: budgets.get(kind, ()))


async def call(
    pace: Pace, rank: Rank = Rank.GROWTH, *, kind: CallKind = "edit", since: float | None = None
) -> float:
    """Make a call that takes no time; when it was made."""
    turn = await pace.turn(kind, rank, now() if since is None else since)
    assert turn is not None
    with turn:
        return now()


async def refused(pace: Pace, seconds: float, scope: str = "") -> None:
    """Make a call that the platform answers with 429."""
    turn = await pace.turn("edit", Rank.FINAL, now())
    assert turn is not None
    with pytest.raises(RateLimited), turn:
        raise RateLimited(seconds, scope=scope)


def most_in(window: float, times: Sequence[float]) -> int:
    """The most calls in any window, which has its beginning and lacks its end."""
    return max(
        sum(begin <= at < begin + window - 1e-9 for at in times) for begin in times
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    calls=st.integers(1, 8),
    seconds=st.floats(0.5, 60),
    replies=st.integers(1, 12),
    slowest=st.floats(0, 3),
    seed=st.integers(0, 1 << 30),
)
def test_no_window_of_the_platform_holds_too_many_calls(
    calls: int, seconds: float, replies: int, slowest: float, seed: int
) -> None:
    """Whenever between its beginning and its answer a call is counted: no window has more than its budget."""
    chance = random.Random(seed)
    counted: list[float] = []

    async def reply(pace: Pace) -> None:
        for rank in chance.choices([Rank.GROWTH, Rank.FIRST, Rank.FINAL], k=6):
            await asyncio.sleep(chance.uniform(0, 2))
            withdrawal = asyncio.get_running_loop().call_later(300, pace.withdraw)
            turn = await pace.turn("edit", rank, now())
            withdrawal.cancel()
            if turn is None:
                continue  # all that there is, is kept for ends
            with turn:
                latency = chance.uniform(0, slowest)
                way = chance.uniform(0, latency)
                await asyncio.sleep(way)
                counted.append(now())
                await asyncio.sleep(latency - way)
        pace.leave()

    async def main() -> None:
        pacer, adapter = Pacer(), platform(edit=(calls, seconds))
        await asyncio.gather(*(reply(pacer.pace(adapter, target(str(number)))) for number in range(replies)))

    run_virtual(main())

    assert not counted or most_in(seconds, counted) <= calls


@settings(max_examples=40, deadline=None)
@given(replies=st.integers(1, 49), talk=st.lists(st.floats(0.1, 50), min_size=49, max_size=49))
def test_no_final_waits_for_edits(replies: int, talk: list[float]) -> None:
    """Of up to 49 replies that share 50 edits a minute, each gets its end at once, whenever that is."""
    waits: list[float] = []

    async def reply(pace: Pace, seconds: float) -> None:
        await call(pace, Rank.FIRST, kind="post")

        async def grow() -> None:
            while True:
                await call(pace)

        growing = asyncio.ensure_future(grow())
        await asyncio.sleep(seconds)
        growing.cancel()
        await asyncio.wait([growing])
        asked = now()
        waits.append(await call(pace, Rank.FINAL) - asked)
        pace.leave()

    async def main() -> None:
        pacer, adapter = Pacer(), platform(edit=(50, 60))
        paces = [pacer.pace(adapter, target(str(number))) for number in range(replies)]
        await asyncio.gather(*map(reply, paces, talk))

    run_virtual(main())

    assert replies == len(waits)
    assert max(waits) <= PROMPT


@settings(max_examples=30, deadline=None)
@given(replies=st.integers(1, 30), calls=st.integers(1, 5))
def test_nobody_starves(replies: int, calls: int) -> None:
    """However many want a turn again and again, each gets more than half of an even share."""
    turns = [0] * replies

    async def reply(pacer: Pacer, adapter: MeteredAdapter, number: int) -> None:
        # Every call comes from a reply of its own: what is shared is waiting alone.
        while True:
            await call(pacer.pace(adapter, target()), Rank.FIRST)
            turns[number] += 1
            await asyncio.sleep(0.01)

    async def main() -> None:
        pacer, adapter = Pacer(), platform(edit=(calls, 1.0))
        growing = [asyncio.ensure_future(reply(pacer, adapter, number)) for number in range(replies)]
        await asyncio.sleep(200)
        for task in growing:
            task.cancel()
        await asyncio.wait(growing)

    run_virtual(main())

    assert min(turns) > sum(turns) / replies / 2


@on_virtual_clock
async def test_growth_is_shared_evenly() -> None:
    """Three replies in a channel with 5 edits in 5 s get 35 to 60 turns a minute, all equally many."""
    pacer, adapter = Pacer(), platform(edit=(5, 5.0))
    turns = [0, 0, 0]

    async def reply(number: int) -> None:
        pace = pacer.pace(adapter, target())
        while True:
            await call(pace)
            turns[number] += 1

    growing = [asyncio.ensure_future(reply(number)) for number in range(3)]
    await asyncio.sleep(60)
    for task in growing:
        task.cancel()
    await asyncio.wait(growing)

    assert 35 <= sum(turns) <= 60
    assert max(turns) - min(turns) <= 1, turns


@on_virtual_clock
async def test_finals_then_first_words_then_the_longest_wait() -> None:
    """Of five that wait for one call a second, the end goes first, the oldest growth before a newer one."""
    pacer, adapter = Pacer(), platform(edit=(1, 1.0))
    order: list[str] = []

    async def wait(name: str, rank: Rank, since: float) -> None:
        await call(pacer.pace(adapter, target()), rank, since=since)
        order.append(name)

    await call(pacer.pace(adapter, target()), Rank.FINAL)
    await asyncio.gather(
        wait("newer first words", Rank.FIRST, 0.2),
        wait("newer end", Rank.FINAL, 0.3),
        wait("first words", Rank.FIRST, 0.1),
        wait("end", Rank.FINAL, 0.0),
    )

    assert order == ["end", "newer end", "first words", "newer first words"]


@on_virtual_clock
async def test_the_reply_that_waited_longest_goes_first() -> None:
    """When a call comes back, it is for what was said at second 1, not for what was said at second 2."""
    pacer, adapter = Pacer(), platform(edit=(3, 60.0))
    early, late = pacer.pace(adapter, target()), pacer.pace(adapter, target())
    order: list[str] = []

    async def wait(name: str, pace: Pace, since: float) -> None:
        await call(pace, Rank.GROWTH, since=since)
        order.append(name)

    for pace in (early, late):
        await call(pace, Rank.FIRST)
    newer = asyncio.ensure_future(wait("newer", late, 2.0))
    older = asyncio.ensure_future(wait("older", early, 1.0))
    await asyncio.sleep(120)
    for task in (newer, older):
        task.cancel()
    await asyncio.wait([newer, older])

    assert order[0] == "older"


@on_virtual_clock
async def test_one_reply_is_fast_and_many_are_slow() -> None:
    """In a quiet minute one reply is edited twice a second, each of ten at most every two seconds."""
    times: dict[int, list[float]] = {}

    async def run(replies: int) -> None:
        pacer, adapter = Pacer(), platform(edit=(50, 60.0))

        async def reply(number: int) -> None:
            pace = pacer.pace(adapter, target())
            while True:
                times.setdefault(number, []).append(await call(pace))

        growing = [asyncio.ensure_future(reply(number)) for number in range(replies)]
        await asyncio.sleep(10)
        for task in growing:
            task.cancel()
        await asyncio.wait(growing)

    await run(1)
    alone = len(times.pop(0))
    await run(10)

    assert alone >= 20
    assert all(len(each) <= 6 for each in times.values())


@on_virtual_clock
async def test_a_429_is_waited_out_exactly() -> None:
    """'Wait 7.5 s' holds every call of that budget until second 7.5, and none of another budget."""
    pacer, adapter = Pacer(), platform(edit=(50, 60.0), post=(50, 60.0))
    one, two = pacer.pace(adapter, target()), pacer.pace(adapter, target())

    await refused(one, 7.5)
    posted = await call(two, Rank.FIRST, kind="post")
    edited = await asyncio.gather(call(one, Rank.FINAL), call(two, Rank.FINAL))

    assert posted == 0.0
    assert list(edited) == [7.5, 7.5]


@on_virtual_clock
async def test_a_429_shuts_the_budget_that_is_fullest() -> None:
    """With 5 of 5 in a channel and 6 of 50 in all, a 429 of unknown scope is the channel's."""
    narrow = {name: Budget(name, 5, 5.0) for name in ("C1", "C2")}
    whole = Budget("bot", 50, 1.0)
    adapter = MeteredAdapter(lambda target, kind: [narrow[target.conversation.channel], whole])
    pacer = Pacer()
    here, elsewhere = pacer.pace(adapter, target("C1")), pacer.pace(adapter, target("C2"))

    for _ in range(4):
        await call(here, Rank.FINAL)
    await refused(here, 20.0)

    assert await call(elsewhere, Rank.FINAL) == 0.0
    assert await call(here, Rank.FINAL) == 20.0


@on_virtual_clock
async def test_a_429_shuts_the_budget_that_it_names() -> None:
    """A 429 of the whole bot holds all channels."""
    adapter = MeteredAdapter(
        lambda target, kind: [Budget(target.conversation.channel, 5, 5.0), Budget("bot", 50, 1.0)]
    )
    pacer = Pacer()

    await refused(pacer.pace(adapter, target("C1")), 3.0, scope="bot")

    assert await call(pacer.pace(adapter, target("C2")), Rank.FINAL) == 3.0


def test_a_429_shrinks_the_budget_which_recovers_slowly() -> None:
    """After a 429 at the 45th call a budget of 50 counts as 37, 5 % more each minute, and soon as 50."""
    allowance = Allowance(Budget("edit", 50, 60.0))

    for _ in range(45):
        allowance.take()
        allowance.settle(0.0, began=0.0)
    allowance.refused(0.0, 30.0, began=0.0)

    assert [allowance.capacity(minute * 60.0) for minute in range(7)] == [37, 40, 42, 45, 47, 50, 50]


def test_calls_that_fail_together_shrink_the_budget_once() -> None:
    """Twenty calls that were under way when the first 429 came tell nothing new: 25, not 0."""
    allowance = Allowance(Budget("edit", 50, 60.0))

    for number in range(20):
        allowance.refused(1.0 + number / 100, 30.0, began=0.5)

    assert allowance.capacity(1.2) == 25


def test_a_budget_that_seems_spent_is_probed_one_call_at_a_time() -> None:
    """After a 429's wait one call may go although the account says 'none'; the next one after its answer."""
    allowance = Allowance(Budget("edit", 2, 60.0))
    for _ in range(2):
        allowance.take()
        allowance.settle(0.0, began=0.0)
    allowance.refused(0.0, 10.0, began=0.0)

    before, after = allowance.is_open(9.9), allowance.is_open(10.0)
    allowance.take()
    during = allowance.is_open(10.0)
    allowance.settle(10.2, began=10.0)

    assert (before, after, during) == (False, True, False)
    assert allowance.is_open(10.2)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1 << 30))
def test_a_cancelled_turn_is_nobodys_loss(seed: int) -> None:
    """Replies that are cancelled at any moment, also as they get their turn, leave the budget whole."""
    chance = random.Random(seed)
    made: list[float] = []

    async def main() -> None:
        pacer, adapter = Pacer(), platform(edit=(2, 1.0))

        async def reply() -> None:
            pace = pacer.pace(adapter, target())
            try:
                made.append(await call(pace, chance.choice(list(Rank))))
            finally:
                pace.leave()

        replies = [asyncio.ensure_future(reply()) for _ in range(10)]
        for task in chance.sample(replies, 5):
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            task.cancel()
        await asyncio.wait(replies, timeout=60)
        await asyncio.sleep(2)
        at = now()
        again = [await call(pacer.pace(adapter, target()), Rank.FINAL) for _ in range(2)]
        assert again == [at, at]

    run_virtual(main())

    assert len(made) >= 5
    assert not made or most_in(1.0, made) <= 2


@on_virtual_clock
async def test_a_budget_that_is_learnt_meanwhile_lets_the_reply_go_on() -> None:
    """Five calls in 5 s are believed and spent; then 5 in 0.25 s are known: the final goes after 0.25 s."""
    adapter, pacer = Learning(), Pacer()
    pace = pacer.pace(adapter, target())
    for number in range(5):
        adapter.seconds = 5.0 if number < 3 else 0.25
        with await granted(pace.turn("edit", Rank.FIRST, now())):
            await asyncio.sleep(0.01)
    began = now()

    with await granted(pace.turn("edit", Rank.FINAL, now())):
        waited = now() - began

    assert waited < 0.3


class Learning(FakeAdapter):
    """A platform whose budget turns out to be another one."""

    seconds = 5.0

    def budgets(self, target: ReplyTarget, call: CallKind) -> Sequence[Budget]:
        return (Budget("edits", 5, self.seconds),)


async def granted(turn: Awaitable[Turn | None]) -> Turn:
    found = await turn
    assert found is not None
    return found


@on_virtual_clock
async def test_growth_that_is_withdrawn_gets_no_turn() -> None:
    """A reply that closes while it waits gets None at once, and its call goes to the next one."""
    pacer, adapter = Pacer(), platform(edit=(1, 10.0))
    closing, other = pacer.pace(adapter, target()), pacer.pace(adapter, target())
    await call(other, Rank.FINAL)

    waiting = asyncio.ensure_future(closing.turn("edit", Rank.GROWTH, 0.0))
    await asyncio.sleep(1)
    closing.withdraw()

    assert await waiting is None
    assert now() == 1.0


@on_virtual_clock
async def test_a_turn_that_is_declined_is_free_again() -> None:
    """Who finds that there is nothing to show gives the only call back."""
    pacer, adapter = Pacer(), platform(edit=(1, 60.0))
    turn = await pacer.pace(adapter, target()).turn("edit", Rank.FINAL, 0.0)
    assert turn is not None

    with turn:
        turn.decline()

    assert await call(pacer.pace(adapter, target()), Rank.FINAL) == 0.0


@on_virtual_clock
async def test_a_reply_that_leaves_lets_the_others_go_on() -> None:
    """With three edits a minute and three live replies none is edited, until two have left."""
    pacer, adapter = Pacer(), platform(edit=(3, 60.0))
    paces = [pacer.pace(adapter, target()) for _ in range(3)]
    for pace in paces:
        await call(pace, Rank.FIRST, kind="post")

    growing = asyncio.ensure_future(call(paces[0]))
    await asyncio.sleep(30)
    before = growing.done()
    for pace in paces[1:]:
        pace.leave()

    assert not before
    assert await growing == 30.0


@on_virtual_clock
async def test_idle_budgets_are_forgotten() -> None:
    """A thousand channels in which one reply each was told leave at most 128 accounts."""
    adapter = MeteredAdapter(lambda target, kind: [Budget(target.conversation.channel, 5, 5.0)])
    pacer = Pacer()

    for number in range(1000):
        pace = pacer.pace(adapter, target(f"C{number}"))
        await call(pace, Rank.FIRST)
        await call(pace, Rank.FINAL)
        pace.leave()
        await asyncio.sleep(1)

    assert pacer.accounts <= 128


@on_virtual_clock
async def test_without_budgets_an_interval_is_the_pace() -> None:
    """On a platform with nothing but an edit interval of 2 s, a reply is edited at 2, 4 and 6 s."""
    adapter = FakeAdapter(limits=Limits(text_length=100, edit_interval=2.0))
    pace = Pacer().pace(adapter, target())
    await call(pace, Rank.FIRST, kind="post")

    times = [await call(pace), await call(pace), await call(pace, Rank.FINAL)]

    assert times == [2.0, 4.0, 6.0]


def test_what_is_left_of_an_answer_is_learned() -> None:
    """After 32 answers of 20 s, one of 5 s goes on for 15 s; one of 40 s for at least half of a usual one."""
    lifetimes = Lifetimes()

    for _ in range(32):
        lifetimes.add(20.0)

    assert lifetimes.left(5.0) == 15.0
    assert lifetimes.left(15.0) == 10.0
    assert lifetimes.left(40.0) == 20.0
