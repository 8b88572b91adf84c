"""
Test a store against the contract: the promises that every store keeps, as a suite for pytest.

Subclass `StoreContract`, say how your store is made, and pytest (with pytest-asyncio) runs it:

    class TestMyStore(StoreContract):
        async def make_store(self, place: Path) -> Store: ...
        async def next_process(self, store: Store, place: Path) -> Store: ...

Clocks aren't touched: a lease of 0 seconds has run out as soon as it is given. For readable failures,
call ``pytest.register_assert_rewrite("assistant_gateway.testing.store")`` before the import.
"""

# What is expected comes first in an assert; the dice here need no secrecy.

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import pytest
import pytest_asyncio

from assistant_gateway.adapter import Delivery, DeliveryState, EndpointFault, Receipt, Verdict
from assistant_gateway.errors import LeaseLost, StoreUnavailable
from assistant_gateway.store import Claim, Store
from assistant_gateway.values import (
    Answer,
    Attachment,
    Busy,
    CallRecord,
    CallState,
    Conversation,
    FileRef,
    FunctionCall,
    Inbound,
    Item,
    JsonObject,
    Lane,
    Message,
    MessageState,
    Post,
    Routed,
    Run,
    RunFailure,
    RunStatus,
    Usage,
    User,
)

LEASE = 30.0
CAP = 100


def said(
    message_id: str, *, channel: str = "C1", tenant: str = "T1", topic: str = "", text: str = "Hi"
) -> Inbound:
    """A message of Ann's."""
    return Inbound(Conversation("fake", tenant, channel, topic), message_id, User("U1", "Ann"), text)


def routed(inbound: Inbound, busy: Busy = Busy.QUEUE) -> Routed:
    """A route that gives each conversation a lane of its own."""
    where = inbound.conversation
    return Routed(Lane(where.adapter, where.tenant, where.channel, where.topic), "default", busy)


def item(id: str, text: str = "Hi", run_id: str = "") -> Item:
    """An item of a thread."""
    body: JsonObject = {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": text}],
    }
    return Item(id, body, run_id=run_id)


@dataclass
class Race:
    """
    Many claimers at the messages of many lanes.

    Attributes:
        claimed: Lane and seq of each claimed message, in the order of the claims.
        together: Claims of a lane that was held by another claimer of this race.
    """

    claimed: list[tuple[int, int]] = field(default_factory=list)
    together: int = 0
    _held: set[int] = field(default_factory=set)

    async def run(self, store: Store, claimers: int) -> None:
        """Claim and finish until nothing is left."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(claimers):
                tasks.create_task(self._claim(store, f"worker-{number}"))

    async def _claim(self, store: Store, owner: str) -> None:
        while (claim := await store.claim(owner, LEASE)) is not None:
            lane = claim.message.lane_id
            self.together += lane in self._held
            self._held.add(lane)
            self.claimed.append((lane, claim.message.seq))
            await asyncio.sleep(0)
            self._held.discard(lane)
            try:
                await store.finish(claim, MessageState.DELIVERED)
            except LeaseLost:
                self.together += 1

    def flaws(self) -> int:
        """How often a message was claimed twice or before an older one, or a lane by two at once."""
        twice = sum(times - 1 for times in Counter(self.claimed).values())
        lanes: dict[int, list[int]] = {}
        for lane, seq in self.claimed:
            lanes.setdefault(lane, []).append(seq)
        disorder = sum(later < earlier for seqs in lanes.values() for earlier, later in pairwise(seqs))
        return twice + disorder + self.together


class Stores:
    """The stores of one test."""

    def __init__(self, contract: StoreContract, place: Path) -> None:
        self._contract = contract
        self._place = place
        self._open: list[Store] = []

    async def first(self) -> Store:
        """An open store with nothing in it."""
        return self._keep(await self._contract.make_store(self._place))

    async def after_crash(self, store: Store) -> Store:
        """The open store that the next process finds when *store*'s dies at this moment."""
        return self._keep(await self._contract.next_process(store, self._place))

    async def close(self) -> None:
        for store in self._open:
            await store.close()

    def _keep(self, store: Store) -> Store:
        self._open.append(store)
        return store


class StoreContract:
    """What every store promises. *lanes* and *messages* are the size of the race of the claimers."""

    pytestmark = pytest.mark.asyncio
    lanes = 50
    messages = 24

    async def make_store(self, place: Path) -> Store:
        """An open store with nothing in it; *place* is a directory for this test alone."""
        raise NotImplementedError

    async def next_process(self, store: Store, place: Path) -> Store:
        """The open store that a new process finds when the one of *store* is killed now."""
        raise NotImplementedError

    @pytest_asyncio.fixture
    async def stores(self, tmp_path: Path) -> AsyncIterator[Stores]:
        stores = Stores(self, tmp_path)
        yield stores
        await stores.close()

    @pytest_asyncio.fixture
    async def store(self, stores: Stores) -> Store:
        return await stores.first()

    # Intake

    async def test_an_accepted_message_is_kept_as_it_came(self, store: Store) -> None:
        """All that an adapter and a route say about a message is read back equal, bytes by their file."""
        inbound = Inbound(
            Conversation("fake", "T1", "C1", "123.4"),
            "m1",
            User("U1", "Ann", is_external=True, roles=("R1", "R2")),
            "What is in it?",
            attachments=(Attachment("a.txt", "text/plain", b"one"), Attachment("b.png", "image/png", b"two")),
            keys=("e1", "c1"),
            fingerprint="f1",
            instructions="Be brief.",
            metadata={"ticket": "7"},
            reply_to={"callback": {"url": "https://example.org"}, "n": 3},
        )
        route = Routed(Lane("fake", "T1", "C1", "", "U1"), "helper", Busy.MERGE, "Be kind.", tools=("get_*",))

        receipt = await store.accept(inbound, route, cap=CAP)

        message = accepted(receipt)
        assert 0 == receipt.ahead
        assert message == await store.message(message.id)
        assert message == await store.find_message("fake", "T1", "m1")
        assert replace(inbound, attachments=()) == message.inbound
        assert route == message.routed
        assert MessageState.READY is message.state
        assert ["a.txt", "b.png"] == [file.name for file in message.files]
        assert [(file, data) for file, data in zip(message.files, (b"one", b"two"), strict=True)] == [
            await store.file(file.id) for file in message.files
        ]

    async def test_a_repeated_message_is_a_duplicate_by_any_of_its_keys(self, store: Store) -> None:
        """Three deliveries that share an id, an event or a client's id are one message."""
        first = replace(said("m1"), keys=("event-1", "client-1"), fingerprint="f")
        same_event = replace(said("m2"), keys=("event-1",), fingerprint="g")
        same_client = replace(said("m3", channel="C2"), keys=("event-3", "client-1"))

        message = accepted(await take(store, first))
        repeats = [await take(store, repeat) for repeat in (first, same_event, same_client)]

        assert [Verdict.DUPLICATE] * 3 == [repeat.verdict for repeat in repeats]
        assert [message] * 3 == [repeat.message for repeat in repeats]
        assert 1 == (await store.counts()).messages[MessageState.READY]

    async def test_the_same_id_with_another_content_is_a_conflict(self, store: Store) -> None:
        """The first content stands; without a fingerprint nothing can be told and it is a duplicate."""
        message = accepted(await take(store, replace(said("m1"), fingerprint="f")))

        other = await take(store, replace(said("m1", text="Bye"), fingerprint="g"))
        unknown = await take(store, said("m1", text="Bye"))

        assert (Verdict.CONFLICT, message) == (other.verdict, other.message)
        assert (Verdict.DUPLICATE, message) == (unknown.verdict, unknown.message)

    async def test_an_event_id_is_no_message_id(self, store: Store) -> None:
        """The words "a" as message id and "a" as event id name two messages."""
        accepted(await take(store, said("a")))

        receipt = await take(store, replace(said("b"), keys=("a",)))

        assert Verdict.ACCEPTED is receipt.verdict

    @pytest.mark.parametrize(
        ("left", "right"),
        [
            (said("1", tenant="T1/C", channel="1"), said("1", tenant="T1", channel="C/1")),
            (said("1", tenant="T1"), said("1", tenant="T2")),
            (said("1", tenant="t1"), said("1", tenant="T1")),
            (said("1", tenant="caf\u00e9"), said("1", tenant="cafe\u0301")),
            (said("m", channel="C"), said("M", channel="c")),
            (said("x", channel="A", topic="B"), said("y", channel="AB")),
        ],
    )
    async def test_words_that_differ_at_all_share_nothing(
        self, store: Store, left: Inbound, right: Inbound
    ) -> None:
        """Neither a separator, nor case, nor the form of an accent makes two places one."""
        one, other = accepted(await take(store, left)), accepted(await take(store, right))

        assert one.lane_id != other.lane_id
        assert one.thread_id != other.thread_id

    async def test_five_deliveries_at_once_are_one_message(self, store: Store) -> None:
        """Of 5 concurrent deliveries of one message exactly 1 is accepted."""
        receipts = await asyncio.gather(*(take(store, said("m1")) for _ in range(5)))

        assert 1 == [receipt.verdict for receipt in receipts].count(Verdict.ACCEPTED)
        assert 1 == len({accepted_or_known(receipt).id for receipt in receipts})

    async def test_over_the_cap_nothing_is_written(self, store: Store) -> None:
        """With a cap of 3 the fourth is busy and unknown afterwards; other lanes still take messages."""
        for n in range(3):
            receipt = await take(store, said(f"m{n}"), cap=3)
            assert (Verdict.ACCEPTED, n) == (receipt.verdict, receipt.ahead)

        refused = await take(store, said("m3"), cap=3)
        elsewhere = await take(store, said("m4", channel="C2"), cap=3)
        repeated = await take(store, said("m1"), cap=3)

        assert (Verdict.BUSY, None) == (refused.verdict, refused.message)
        assert refused.reason
        assert None is await store.find_message("fake", "T1", "m3")
        assert Verdict.ACCEPTED is elsewhere.verdict
        assert (Verdict.DUPLICATE, 1) == (repeated.verdict, repeated.ahead)

    async def test_a_finished_message_makes_room(self, store: Store) -> None:
        """A duplicate doesn't fill the lane, and a finished message leaves it."""
        for _ in range(3):
            await take(store, said("m1"), cap=1)
        await finish(store, await claimed(store))

        receipt = await take(store, said("m2"), cap=1)

        assert (Verdict.ACCEPTED, 0) == (receipt.verdict, receipt.ahead)

    async def test_text_that_no_database_can_keep_is_mended(self, store: Store) -> None:
        """U+0000 and half a surrogate pair become U+FFFD wherever they are; the store goes on."""
        bad, good = "a\0b\ud800c", "a\ufffdb\ufffdc"
        inbound = replace(
            said(f"m{bad}", text=bad, topic=bad),
            user=User(f"U{bad}", bad),
            keys=(bad,),
            metadata={bad: bad},
            instructions=bad,
            attachments=(Attachment(bad, bad, b"\0\xff"),),
        )

        id = accepted(await take(store, inbound)).id
        claim = await claimed(store)
        run = await begin(store, claim, items=(item("i1", bad),))
        await store.save_post(claim, Post("k1", 0, text=bad))
        record = CallRecord(FunctionCall("c1", bad, bad), "k", CallState.DONE, bad)
        await store.save_call(claim, record)
        await store.conclude(claim, run, Answer(bad, RunStatus.COMPLETED), [item("i2", "\\u0000")], bad)

        message = await store.find_message("fake", "T1", f"m{bad}")
        assert message is not None
        assert (id, good, good) == (message.id, message.inbound.text, message.inbound.instructions)
        assert (f"m{good}", good) == (message.inbound.message_id, message.inbound.user.name)
        assert {good: good} == message.inbound.metadata
        assert good == message.files[0].name
        assert [item("i1", good).body, item("i2", "\\u0000").body] == [
            entry.body for entry in await store.items(message.thread_id)
        ]
        assert [good] == [post.text for post in await store.posts(run.id)]
        assert [good] == [call.output for call in await store.calls(run.id)]
        assert (good, good) == (message.answer and message.answer.text, await store.journal(id))

    async def test_callers_that_leave_harm_nobody(self, store: Store) -> None:
        """Of 3,000 concurrent accepts a third is cancelled: all others succeed, and 100 later ones."""
        dice = random.Random(7)
        tasks = [
            asyncio.create_task(take(store, said(f"m{n}", channel=f"C{n % 50}"), cap=10_000))
            for n in range(3000)
        ]
        for task in dice.sample(tasks, 1000):
            task.cancel()
            if dice.random() < 0.1:
                await asyncio.sleep(0)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        later = [await take(store, said(f"later-{n}"), cap=10_000) for n in range(100)]

        kept = [outcome for outcome in outcomes if isinstance(outcome, Receipt)]
        assert all(isinstance(outcome, Receipt | asyncio.CancelledError) for outcome in outcomes)
        assert len(kept) >= 2000
        for receipt in kept[:100]:
            assert receipt.message == await store.message(accepted(receipt).id)
        assert [Verdict.ACCEPTED] * 100 == [receipt.verdict for receipt in later]

    # Claims

    async def test_a_lane_is_answered_in_order_and_one_at_a_time(self, store: Store) -> None:
        """The second message can't be claimed before the first is final."""
        await take(store, said("m1"))
        await take(store, said("m2"))

        first = await claimed(store)
        meanwhile = await store.claim("other", LEASE)
        await finish(store, first)
        second = await claimed(store)

        assert ("m1", None, "m2") == (named(first), meanwhile, named(second))
        assert MessageState.CLAIMED is second.message.state
        assert second.fence > first.fence

    async def test_lanes_are_served_by_who_has_waited_longest(self, store: Store) -> None:
        """Three lanes are claimed in the order of their oldest waiting message."""
        for n, channel in enumerate(("C", "A", "B", "C", "A")):
            await take(store, said(f"m{n}", channel=channel))

        order = [named(await claimed(store)) for _ in range(3)]

        assert ["m0", "m1", "m2"] == order
        assert None is await store.claim("w", LEASE)

    async def test_claimers_never_meet(self, store: Store) -> None:
        """8 claimers take each message exactly once, in order, and no lane is held by two of them."""
        await fill(store, self.lanes, self.messages)
        race = Race()

        await race.run(store, claimers=8)

        assert 0 == race.flaws()
        assert self.lanes * self.messages == len(race.claimed)
        assert self.lanes * self.messages == (await store.counts()).messages[MessageState.DELIVERED]

    async def test_a_released_message_waits_and_counts_its_failures(self, store: Store) -> None:
        """After a release for an hour nothing is due; released at once, it comes back as it was."""
        await take(store, said("m1"))
        await store.release(await claimed(store), delay=0, failed=True)
        second = await claimed(store)
        await begin(store, second)
        await store.release(second, delay=0, failed=True)
        third = await claimed(store)
        await store.release(third, delay=3600, failed=False)
        waiting = await store.message(third.message.id)

        due = await store.next_wake()

        assert (0, 1, 2) == (0, second.message.failures, third.message.failures)
        assert (0, 1) == (second.message.attempts, third.message.attempts)
        assert MessageState.ANSWERING is third.message.state
        assert None is await store.claim("w", LEASE)
        assert waiting is not None
        assert due is not None
        assert 3500 < due - waiting.accepted_at < 3700

    async def test_next_wake_speaks_of_lanes_that_nobody_holds(self, store: Store) -> None:
        """None without messages, a time with one that is ready, None while it is held."""
        empty = await store.next_wake()
        await take(store, said("m1"))
        ready = await store.next_wake()
        await claimed(store)
        held = await store.next_wake()

        assert (None, False, None) == (empty, ready is None, held)

    async def test_a_lease_that_ran_out_is_taken_over_and_the_late_worker_changes_nothing(
        self, store: Store
    ) -> None:
        """Each of the seven writes under a claim is refused to a worker whose lane was taken over."""
        await take(store, said("m1"))
        late = await claimed(store, "late", lease=0)
        fresh = await claimed(store, "fresh")
        run = await begin(store, fresh)
        answer = Answer("Hello", RunStatus.COMPLETED)
        call = CallRecord(FunctionCall("c1", "f", "{}"), "k")

        writes = [
            store.begin(late, run, [item("late")]),
            store.save_step(late, [item("late")], [call], run),
            store.save_call(late, call),
            store.save_post(late, Post("k", 0)),
            store.conclude(late, run, answer, [item("late")], ""),
            store.finish(late, MessageState.DELIVERED),
            store.release(late, delay=0, failed=True),
        ]
        outcomes = await asyncio.gather(*writes, return_exceptions=True)

        assert [LeaseLost] * 7 == [type(outcome) for outcome in outcomes]
        assert fresh.fence > late.fence
        assert [] == await store.items(run.thread_id)
        assert ([], []) == (await store.calls(run.id), await store.posts(run.id))
        await finish(store, fresh)
        message = await store.message(fresh.message.id)
        assert message is not None
        assert (MessageState.DELIVERED, 0) == (message.state, message.failures)

    async def test_a_claim_ends_with_its_message(self, store: Store) -> None:
        """A second finish is refused, also while the same worker holds the lane's next message."""
        await take(store, said("m1"))
        await take(store, said("m2"))
        first = await claimed(store)
        await finish(store, first)
        second = await claimed(store)

        with pytest.raises(LeaseLost):
            await finish(store, first)

        await finish(store, second)
        assert None is await store.claim("w", LEASE)

    async def test_renewing_keeps_a_lane_and_tells_what_to_stop(self, store: Store) -> None:
        """A lease of 0 seconds that was renewed is no longer free; its stop reason arrives with it."""
        await take(store, said("m1"))
        claim = await claimed(store, lease=0)
        before = await store.renew("w", LEASE)
        other = await store.claim("other", LEASE)

        stopped = await store.request_stop(claim.message.routed.lane, "stopped by Ann")
        after = await store.renew("w", LEASE)

        lane = claim.message.lane_id
        assert ({lane: ""}, None, lane) == (before, other, stopped)
        assert {lane: "stopped by Ann"} == after
        assert {} == await store.renew("other", LEASE)

    async def test_a_stop_reaches_only_what_is_being_answered(self, store: Store) -> None:
        """None is stopped in an idle lane, and the next message doesn't inherit a stop."""
        await take(store, said("m1"))
        await take(store, said("m2"))
        lane = routed(said("m1")).lane
        idle = await store.request_stop(lane, "too early")
        first = await claimed(store)
        await store.request_stop(lane, "now")
        await store.finish(first, MessageState.CANCELLED)
        await claimed(store)

        reasons = await store.renew("w", LEASE)

        assert None is idle
        assert [""] == list(reasons.values())

    # Busy lanes

    async def test_waiting_messages_are_merged_where_the_newest_says_so(self, store: Store) -> None:
        """Of 4 messages the first is being answered and the other 3 share the next answer."""
        await take(store, said("m0"))
        first = await claimed(store)
        for n in range(1, 4):
            await take(store, said(f"m{n}"), Busy.MERGE)
        await finish(store, first)

        claim = await claimed(store)
        await finish(store, claim)

        assert ("m3", ["m1", "m2"]) == (named(claim), [one.inbound.message_id for one in claim.merged])
        assert list(claim.merged) == await store.merged(claim.message.id)
        assert {(MessageState.MERGED, claim.message.id)} == {
            (one.state, one.merged_into) for one in claim.merged
        }
        assert None is await store.claim("w", LEASE)
        counts = (await store.counts()).messages
        assert (2, 2, 0) == (
            counts[MessageState.DELIVERED],
            counts[MessageState.MERGED],
            counts[MessageState.READY],
        )

    async def test_queued_messages_are_not_merged(self, store: Store) -> None:
        """Where the newest waits in the queue, each message has its own answer."""
        await take(store, said("m0"), Busy.MERGE)
        await take(store, said("m1"), Busy.QUEUE)

        claim = await claimed(store)

        assert ("m0", ()) == (named(claim), claim.merged)

    async def test_at_most_fifty_messages_are_merged_at_once(self, store: Store) -> None:
        """Of 60 waiting messages the 51st takes 50 along; the other 9 share the next answer."""
        for n in range(60):
            await take(store, said(f"m{n}"), Busy.MERGE)

        first = await claimed(store)
        await finish(store, first)
        second = await claimed(store)

        assert ("m50", 50) == (named(first), len(first.merged))
        assert ("m59", 8) == (named(second), len(second.merged))

    async def test_what_was_merged_follows_into_a_later_merge(self, store: Store) -> None:
        """A merged message that was released before it began joins a newer one with all that it had."""
        await take(store, said("m1"), Busy.MERGE)
        await take(store, said("m2"), Busy.MERGE)
        await store.release(await claimed(store), delay=0, failed=False)
        await take(store, said("m3"), Busy.MERGE)

        claim = await claimed(store)

        assert ("m3", ["m1", "m2"]) == (named(claim), [one.inbound.message_id for one in claim.merged])
        assert 0 == (await take(store, said("m4", channel="C2"))).ahead
        await finish(store, claim)
        assert 0 == (await take(store, said("m5"))).ahead

    async def test_nothing_is_merged_across_a_reset(self, store: Store) -> None:
        """Two messages that wait for two threads get two answers."""
        await take(store, said("m1"), Busy.MERGE)
        await store.reset(routed(said("m1")).lane)
        await take(store, said("m2"), Busy.MERGE)

        first = await claimed(store)
        await finish(store, first)
        second = await claimed(store)

        assert ("m1", "m2") == (named(first), named(second))
        assert ((), ()) == (first.merged, second.merged)
        assert first.message.thread_id != second.message.thread_id

    async def test_an_interrupting_message_stops_the_answer_that_is_being_made(self, store: Store) -> None:
        """The stop comes in the same write as the message; a person's own stop is not overwritten."""
        await take(store, said("m1"))
        first = await claimed(store)
        await take(store, said("m2"), Busy.INTERRUPT)
        interrupted = await store.renew("w", LEASE)
        await store.request_stop(first.message.routed.lane, "stopped")
        await take(store, said("m3"), Busy.INTERRUPT)
        stopped = await store.renew("w", LEASE)
        await store.finish(first, MessageState.CANCELLED)

        claim = await claimed(store)

        assert ["interrupted"] == list(interrupted.values())
        assert ["stopped"] == list(stopped.values())
        assert ("m3", ["m2"]) == (named(claim), [one.inbound.message_id for one in claim.merged])
        assert [""] == list((await store.renew("w", LEASE)).values())

    # Answers

    async def test_a_message_lives_from_ready_to_delivered(self, store: Store) -> None:
        """Each verb leaves message, run, items, calls and posts as it says."""
        await take(store, said("m1"))
        claim = await claimed(store)
        id, thread = claim.message.id, claim.message.thread_id
        run = Run(f"run-{id}", thread, "default", model="m")

        begun = await store.begin(claim, run, [item("i1")])
        call = CallRecord(FunctionCall("c1", "f", '{"a": 1}'), "key-1")
        await store.save_step(claim, [item("i2")], [call], replace(begun, usage=Usage(5, 2, 1)))
        started = replace(call, state=CallState.STARTED)
        await store.save_call(claim, started)
        done = replace(call, state=CallState.DONE, output="1", ok=False)
        await store.save_call(claim, done)
        await store.save_post(claim, Post("run.0", 0))
        await store.save_post(claim, Post("run.1", 1))
        await store.save_post(claim, Post("run.0", 0, "p1", "Hello"))
        file = FileRef("f1", "a.png", "image/png", 3)
        error = RunFailure("cut", "It was cut off.", "x1")
        answer = Answer("Hello", RunStatus.INCOMPLETE, Usage(10, 4, 2), (file,), error)
        ended = replace(begun, status=RunStatus.INCOMPLETE, usage=answer.usage, error=error)
        await store.conclude(claim, ended, answer, [item("i3")], '["journal"]')
        ready = await store.message(id)
        await store.finish(claim, MessageState.FAILED_VISIBLE)
        final = await store.message(id)

        assert replace(run, status=RunStatus.IN_PROGRESS) == begun
        assert ready is not None
        assert final is not None
        assert (MessageState.FINAL_READY, answer, ended) == (ready.state, ready.answer, ready.run)
        assert replace(ready, state=MessageState.FAILED_VISIBLE) == final
        assert 1 == final.attempts
        assert ended == await store.run(run.id)
        assert [("i1", 1), ("i2", 2), ("i3", 3)] == [(i.id, i.seq) for i in await store.items(thread)]
        assert ["i2", "i3"] == [i.id for i in await store.run_items(run.id)]
        assert [done] == await store.calls(run.id)
        assert [Post("run.0", 0, "p1", "Hello"), Post("run.1", 1)] == await store.posts(run.id)
        assert '["journal"]' == await store.journal(id)

    async def test_a_step_may_be_kept_twice(self, store: Store) -> None:
        """The second time adds nothing, and a call that is done stays done."""
        await take(store, said("m1"))
        claim = await claimed(store)
        run = await begin(store, claim)
        calls = [CallRecord(FunctionCall(f"c{n}", "f", "{}"), f"k{n}") for n in (2, 1)]
        done = replace(calls[0], state=CallState.DONE, output="2")

        await store.save_step(claim, [item("i1")], calls, run)
        await store.save_call(claim, done)
        await store.save_step(claim, [item("i1"), item("i2")], calls, run)
        await store.save_call(claim, replace(calls[0], state=CallState.STARTED))

        assert ["i1", "i2"] == [i.id for i in await store.items(run.thread_id)]
        assert [done, calls[1]] == await store.calls(run.id)

    async def test_the_same_item_id_in_two_runs_is_two_items(self, store: Store) -> None:
        """A provider that counts its items from 1 in each run loses nothing."""
        for n in range(2):
            await take(store, said(f"m{n}"))
            claim = await claimed(store)
            run = await begin(store, claim)
            await store.save_step(claim, [item("msg_1", f"answer {n}")], [], run)
            await finish(store, claim)

        assert 2 == len(await store.items(run.thread_id))

    async def test_another_attempt_goes_on_with_the_same_run(self, store: Store) -> None:
        """The second begin counts an attempt and leaves items and the run's id alone."""
        await take(store, said("m1"))
        first = await claimed(store, lease=0)
        run = await begin(store, first, items=(item("i1"),))
        error = RunFailure("x", "It failed.", "1")
        await store.save_step(first, [], [], replace(run, status=RunStatus.FAILED, error=error))
        second = await claimed(store)
        again = await store.begin(second, Run("other", run.thread_id, "default"), [item("i9")])

        assert run.id == (second.message.run and second.message.run.id)
        assert replace(run, attempt=2) == again
        assert ["i1"] == [i.id for i in await store.items(run.thread_id)]
        message = await store.message(first.message.id)
        assert message is not None
        assert (2, MessageState.ANSWERING) == (message.attempts, message.state)

    async def test_an_answer_never_changes(self, store: Store) -> None:
        """After final_ready a second answer changes nothing, and the run can't be begun again."""
        await take(store, said("m1"))
        claim = await claimed(store)
        run = await begin(store, claim)
        await store.conclude(claim, run, Answer("one", RunStatus.COMPLETED), [item("i1")], "j1")

        await store.conclude(claim, run, Answer("two", RunStatus.FAILED), [item("i2")], "j2")
        with pytest.raises(LeaseLost):
            await store.begin(claim, run, [])

        message = await store.message(claim.message.id)
        assert message is not None
        assert message.answer is not None
        assert ("one", "j1", 1) == (
            message.answer.text,
            await store.journal(message.id),
            len(await store.items(run.thread_id)),
        )

    async def test_a_message_can_end_without_an_answer(self, store: Store) -> None:
        """A dead letter, whether it was begun or not, leaves no live run in the way of the next one."""
        for n in range(3):
            await take(store, said(f"m{n}"))
        await store.finish(await claimed(store), MessageState.DEAD_LETTER)
        second = await claimed(store)
        run = await begin(store, second)
        await store.finish(second, MessageState.DEAD_LETTER)

        third = await claimed(store)
        await begin(store, third)

        ended = await store.run(run.id)
        assert ended is not None
        assert RunStatus.FAILED is ended.status
        assert "m2" == named(third)

    @pytest.mark.parametrize("state", [MessageState.READY, MessageState.ANSWERING, MessageState.MERGED])
    async def test_only_an_end_finishes_a_message(self, store: Store, state: MessageState) -> None:
        """A state that is no end of an answer is refused, and the claim goes on."""
        await take(store, said("m1"))
        claim = await claimed(store)

        with pytest.raises(ValueError, match=state.value):
            await store.finish(claim, state)

        await finish(store, claim)

    # The next process

    @pytest.mark.parametrize(
        "state",
        [MessageState.READY, MessageState.CLAIMED, MessageState.ANSWERING, MessageState.FINAL_READY],
    )
    async def test_every_state_is_resumed_by_the_next_process(
        self, store: Store, stores: Stores, state: MessageState
    ) -> None:
        """A process that dies without a word leaves nothing that the next one must wait for."""
        for n in range(2):
            await take(store, said(f"m{n}"), Busy.MERGE)
        if state is not MessageState.READY:
            claim = await claimed(store)
        if state in (MessageState.ANSWERING, MessageState.FINAL_READY):
            run = await begin(store, claim, items=(item("i1"),))
            await store.save_post(claim, Post("k0", 0))
            await store.save_call(claim, CallRecord(FunctionCall("c1", "f", "{}"), "k", CallState.STARTED))
        answer = Answer("Hello", RunStatus.COMPLETED)
        if state is MessageState.FINAL_READY:
            await store.conclude(claim, replace(run, status=RunStatus.COMPLETED), answer, [], "j")
        store = await stores.after_crash(store)

        resumed = await claimed(store, "next")

        assert ("m1", ["m0"]) == (named(resumed), [one.inbound.message_id for one in resumed.merged])
        assert resumed.message.state is (MessageState.CLAIMED if state is MessageState.READY else state)
        if state is MessageState.FINAL_READY:
            assert answer == resumed.message.answer
        else:
            again = await begin(store, resumed)
            assert (2 if state is MessageState.ANSWERING else 1) == again.attempt
        if state in (MessageState.ANSWERING, MessageState.FINAL_READY):
            assert run.id == (resumed.message.run and resumed.message.run.id)
            assert [Post("k0", 0)] == await store.posts(run.id)
            assert [CallState.STARTED] == [call.state for call in await store.calls(run.id)]
        await finish(store, resumed)
        assert None is await store.claim("next", LEASE)

    async def test_what_was_accepted_is_there_for_the_next_process(
        self, store: Store, stores: Stores
    ) -> None:
        """200 acknowledged messages survive, their keys too: all 200 are duplicates afterwards."""
        receipts = await asyncio.gather(
            *(take(store, said(f"m{n}", channel=f"C{n % 7}")) for n in range(200))
        )

        store = await stores.after_crash(store)

        for receipt in receipts:
            assert receipt.message == await store.message(accepted(receipt).id)
        repeats = await asyncio.gather(*(take(store, said(f"m{n}", channel=f"C{n % 7}")) for n in range(200)))
        assert {Verdict.DUPLICATE} == {repeat.verdict for repeat in repeats}

    async def test_a_closed_store_says_so(self, store: Store) -> None:
        """Reads and writes after `close` raise, and closing twice is harmless."""
        await store.close()
        await store.close()

        with pytest.raises(StoreUnavailable):
            await store.ping()
        with pytest.raises(StoreUnavailable):
            await store.message(1)

    # Threads

    async def test_a_lane_has_one_current_thread(self, store: Store) -> None:
        """Opening it twice gives the same; a reset begins another and the old one stays readable."""
        lane = Lane("fake", "T1", "C1")
        old = await store.open_thread(lane)
        same = await store.open_thread(lane)
        await store.add_items(old.id, [item("i1")])

        new = await store.reset(lane)

        assert old == same
        assert new.id != old.id
        assert new == await store.open_thread(lane)
        assert replace(old, is_current=False, items=1) == await store.thread(old.id)
        assert ["i1"] == [i.id for i in await store.items(old.id)]
        assert {(old.id, False), (new.id, True)} == {
            (thread.id, thread.is_current) for thread in await store.threads(limit=10)
        }
        assert None is await store.thread("nobody's")

    async def test_messages_accepted_before_a_reset_keep_their_thread(self, store: Store) -> None:
        """The waiting message is answered on the old thread, the later one on the new."""
        before = accepted(await take(store, said("m1")))
        thread = await store.reset(before.routed.lane)
        after = accepted(await take(store, said("m2")))

        first = await claimed(store)

        assert (before.thread_id, "m1") == (first.message.thread_id, named(first))
        assert thread.id == after.thread_id

    async def test_threads_are_listed_newest_first(self, store: Store) -> None:
        """Of 5 threads the newest 2 come first, then those before a time; another adapter's are apart."""
        made = [await store.open_thread(Lane("fake", "T1", f"C{n}")) for n in range(5)]
        other = await store.open_thread(Lane("other", "T1", "C1"))

        newest = await store.threads(limit=2, adapter="fake")
        older = await store.threads(limit=10, adapter="fake", before=made[2].created_at)

        assert [made[4].id, made[3].id] == [thread.id for thread in newest]
        assert all(thread.created_at < made[2].created_at for thread in older)
        assert [other.id] == [thread.id for thread in await store.threads(limit=10, adapter="other")]

    async def test_items_are_read_from_the_end(self, store: Store) -> None:
        """Of 10 items the newest 3, then the 3 before them, each oldest first."""
        thread = await store.open_thread(Lane("fake", "T1", "C1"))
        await store.add_items(thread.id, [item(f"i{n}", f"text {n}") for n in range(1, 11)])

        newest = await store.items(thread.id, limit=3)
        before = await store.items(thread.id, before=newest[0].seq, limit=3)

        assert [8, 9, 10] == [i.seq for i in newest]
        assert ["i5", "i6", "i7"] == [i.id for i in before]
        assert item("i8", "text 8").body == newest[0].body
        assert 10 == len(await store.items(thread.id))

    async def test_items_need_a_thread(self, store: Store) -> None:
        """Adding to a thread that isn't there is an error and adds nothing."""
        with pytest.raises(LookupError):
            await store.add_items("nobody's", [item("i1")])

        assert [] == await store.items("nobody's")

    # Files, notes, outbox

    async def test_files_and_notes_are_kept(self, store: Store) -> None:
        """Bytes come back as they were, a note as it was last saved; what isn't there is None."""
        file = FileRef("f1", "a.bin", "application/octet-stream", 3)
        twin = FileRef("f2", "b.bin", "text/plain", 3)

        await store.save_file(file, b"\x00\xff\x01")
        await store.save_file(twin, b"\x00\xff\x01")
        await store.save_note("backend", "t1", {"id": "r1"})
        await store.save_note("backend", "t1", {"id": "r2", "n": [1, 2.5, None, True]})

        assert (file, b"\x00\xff\x01") == await store.file("f1")
        assert (twin, b"\x00\xff\x01") == await store.file("f2")
        assert {"id": "r2", "n": [1, 2.5, None, True]} == await store.note("backend", "t1")
        assert (None, None, None) == (
            await store.file("f3"),
            await store.note("backend", "t2"),
            await store.note("b", "ackendt1"),
        )

    async def test_a_delivery_is_kept_once_per_source_and_comes_due(self, store: Store) -> None:
        """The same id from two sources is two deliveries; only what is pending and due is given out."""
        first = Delivery("d1", "a", "https://example.org", b"\x00{}", next_at=10.0, created_at=1.0)
        later = replace(first, id="d2", next_at=20.0, created_at=2.0)
        foreign = replace(first, source="b", created_at=3.0)

        kept = [await store.enqueue(delivery) for delivery in (first, later, foreign)]
        again = await store.enqueue(replace(first, body=b"other"))
        due = await store.due("a", 10.0, 10)
        failed = replace(first, attempts=1, next_at=15.0, error="503")
        await store.record(failed)
        waiting = await store.due("a", 14.0, 10)
        await store.record(replace(later, state=DeliveryState.DELIVERED))
        await store.record(replace(foreign, state=DeliveryState.DEAD))

        assert ([True, True, True], False) == (kept, again)
        assert ([first], []) == (due, waiting)
        assert (15.0, None) == (await store.next_due("a"), await store.next_due("b"))
        assert [failed] == await store.due("a", 100.0, 10)
        assert ["b", "a", "a"] == [delivery.source for delivery in await store.deliveries()]
        assert [failed] == await store.deliveries("a", DeliveryState.PENDING)
        counts = await store.counts()
        assert (1, 1) == (counts.deliveries_pending, counts.deliveries_dead)

    async def test_an_endpoint_fault_is_remembered_until_it_is_forgotten(self, store: Store) -> None:
        """A fault belongs to one source and one address."""
        url = "https://example.org"
        await store.set_endpoint_fault("a", url, EndpointFault(1.0))
        await store.set_endpoint_fault("a", url, EndpointFault(1.0, True, "410"))

        found = await store.endpoint_fault("a", url)
        foreign = await store.endpoint_fault("b", url)
        await store.set_endpoint_fault("a", url, None)

        assert (EndpointFault(1.0, True, "410"), None) == (found, foreign)
        assert None is await store.endpoint_fault("a", url)

    # Housekeeping

    async def test_counts_tell_what_waits(self, store: Store) -> None:
        """3 messages: 1 delivered, 1 claimed, 1 ready; and for how long the oldest has waited."""
        for n in range(3):
            await take(store, said(f"m{n}", channel=f"C{n}"))
        await finish(store, await claimed(store))
        await claimed(store)

        counts = await store.counts()

        assert (1, 1, 1) == (
            counts.messages[MessageState.DELIVERED],
            counts.messages[MessageState.CLAIMED],
            counts.messages[MessageState.READY],
        )
        assert 0 <= counts.oldest_waiting < 60

    async def test_old_keys_are_forgotten_where_their_message_is_final(self, store: Store) -> None:
        """3 keys of a finished message go, those of a waiting one stay; young keys stay too."""
        done = replace(said("m1"), keys=("e1", "e2"))
        await take(store, done)
        await finish(store, await claimed(store))
        await take(store, said("m2"))

        young = await store.sweep(keys_older_than=3600)
        swept = await store.sweep(keys_older_than=-1)
        again = await take(store, done)
        waiting = await take(store, said("m2"))

        assert (0, 3) == (young, swept)
        assert (Verdict.ACCEPTED, Verdict.DUPLICATE) == (again.verdict, waiting.verdict)
        assert again.message == await store.find_message("fake", "T1", "m1")

    async def test_writing_can_be_proved(self, store: Store) -> None:
        """A ping on a store that works returns."""
        await store.ping()


async def take(store: Store, inbound: Inbound, busy: Busy = Busy.QUEUE, *, cap: int = CAP) -> Receipt:
    """Accept a message in a lane of its conversation."""
    return await store.accept(inbound, routed(inbound, busy), cap=cap)


async def fill(store: Store, lanes: int, messages: int) -> None:
    """Give each lane its messages."""
    for n in range(messages):
        await asyncio.gather(*(take(store, said(f"{c}.{n}", channel=f"C{c}")) for c in range(lanes)))


async def claimed(store: Store, owner: str = "w", lease: float = LEASE) -> Claim:
    """A claim that there must be."""
    claim = await store.claim(owner, lease)
    assert claim is not None
    return claim


async def begin(store: Store, claim: Claim, items: tuple[Item, ...] = ()) -> Run:
    """Begin the claim's run."""
    message = claim.message
    return await store.begin(claim, Run(f"run-{message.id}", message.thread_id, "default"), items)


async def finish(store: Store, claim: Claim) -> None:
    """The claim's message is delivered."""
    await store.finish(claim, MessageState.DELIVERED)


def accepted(receipt: Receipt) -> Message:
    """The message of a receipt that must be an acceptance."""
    assert Verdict.ACCEPTED is receipt.verdict
    return accepted_or_known(receipt)


def accepted_or_known(receipt: Receipt) -> Message:
    """The message of a receipt that must have one."""
    assert receipt.message is not None
    return receipt.message


def named(claim: Claim) -> str:
    """The platform's id of the claimed message."""
    return claim.message.inbound.message_id
