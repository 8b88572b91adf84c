"""A message comes in: whole, once, in its own lane, and only while there is room."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest

from assistant_gateway.adapter import Receipt, Verdict
from assistant_gateway.store import Store
from assistant_gateway.testing.store.samples import (
    CAP,
    LEASE,
    accepted,
    accepted_or_known,
    begin,
    claimed,
    finish,
    item,
    said,
    take,
)
from assistant_gateway.values import (
    Answer,
    Attachment,
    Busy,
    CallRecord,
    CallState,
    Conversation,
    FunctionCall,
    Inbound,
    Lane,
    MessageState,
    Post,
    Routed,
    RunStatus,
    User,
)


class IntakePromises:
    """What `accept` promises."""

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

    async def test_a_topic_is_known_once_something_was_accepted_there(self, store: Store) -> None:
        """After one message in a topic it is known, under its four words exactly; an empty topic never is."""
        where = Conversation("fake", "T1", "C1", "7.1")
        await take(store, said("m1", topic="7.1"))
        await take(store, said("m2"))

        others = [
            replace(where, topic="7.2"),
            replace(where, topic=""),
            replace(where, channel="C2"),
            replace(where, tenant="T2"),
            replace(where, adapter="other"),
        ]

        assert await store.knows_topic(where)
        assert [False] * 5 == [await store.knows_topic(each) for each in others]

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

    async def test_a_refused_message_leaves_no_trace(self, store: Store) -> None:
        """Busy with a cap of 1, an interrupting message stops nothing, and its 2 keys are free afterwards."""
        await take(store, said("m1"))
        claim = await claimed(store)
        second = replace(said("m2"), keys=("e2",))

        refused = await take(store, second, Busy.INTERRUPT, cap=1)
        repeated = await take(store, said("m1"), Busy.INTERRUPT, cap=1)
        stops = await store.renew("w", LEASE)
        await finish(store, claim)
        again = await take(store, second, cap=1)

        assert (Verdict.BUSY, Verdict.DUPLICATE) == (refused.verdict, repeated.verdict)
        assert {claim.message.lane_id: ""} == stops
        assert Verdict.ACCEPTED is again.verdict
