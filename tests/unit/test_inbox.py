"""The door: accepted once, cleaned, and followed to the end by anybody at any time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from assistant_gateway.adapter import JournalEntry, Limits, Verdict
from assistant_gateway.backend import Step
from assistant_gateway.config import RouteSettings
from assistant_gateway.errors import NotAllowed, StoreUnavailable
from assistant_gateway.inbox import LONGEST_TEXT, cleaned
from assistant_gateway.testing.adapter import FakeAdapter
from assistant_gateway.testing.backend import Act, Gate, ScriptedBackend, begins, says
from assistant_gateway.values import (
    Attachment,
    Busy,
    Conversation,
    FileRef,
    Inbound,
    Message,
    MessageState,
    User,
)
from fixtures.house import House, asked, reaches

ANN = User("U1", "Ann")
CHANNEL = Conversation("fake", "T1", "C1")
FIRST = Inbound(CHANNEL, "m1", ANN, "Hi")


def echo(step: Step) -> list[Act]:
    return says(f"You said {asked(step)[-1]}.")


def events_of(entries: Sequence[JournalEntry]) -> list[str]:
    return [entry.event for entry in entries if entry.event != "text.delta"]


def text_of(entries: Sequence[JournalEntry]) -> str:
    return "".join(str(entry.data["delta"]) for entry in entries if entry.event == "text.delta")


# In


async def test_a_message_is_accepted_once(tmp_path: Path) -> None:
    """Of five deliveries of one message at once, one is accepted and four are told which one it was."""
    async with House(tmp_path, ScriptedBackend(echo)) as house:
        receipts = await asyncio.gather(*(house.say("Hi", id="m1") for _ in range(5)))
        await house.settled(receipts[0].message)

    verdicts = [receipt.verdict for receipt in receipts]
    assert (verdicts.count(Verdict.ACCEPTED), verdicts.count(Verdict.DUPLICATE)) == (1, 4)
    assert len({receipt.message.id for receipt in receipts if receipt.message}) == 1
    assert house.adapter.shown == ["You said Hi."]


async def test_another_message_under_the_same_id_is_a_conflict(tmp_path: Path) -> None:
    """The first content stands; the second is neither stored nor answered."""
    async with House(tmp_path, ScriptedBackend(echo)) as house:
        await house.say("Hi", id="m1", fingerprint="a")
        second = await house.say("Ho", id="m1", fingerprint="b")
        message = await house.settled(second.message)

    assert second.verdict is Verdict.CONFLICT
    assert message.inbound.text == "Hi"


async def test_who_may_not_ask_is_refused_in_words(tmp_path: Path) -> None:
    """With one route, for another person, a message is refused with a reason and leaves no trace."""
    async with House(tmp_path, ScriptedBackend(echo), routes=[RouteSettings(users=("U9",))]) as house:
        receipt = await house.say("Hi", id="m1")
        found = await house.inbox.message("fake", "T1", "m1")

    assert (receipt.verdict, receipt.message, found) == (Verdict.REFUSED, None, None)
    assert receipt.reason


async def test_who_may_not_ask_may_not_stop_reset_or_read_either(tmp_path: Path) -> None:
    """Bob, whom the route is not for, leaves Ann's answer running and her thread as it is."""
    gate, bob = Gate(), User("U2", "Bob")
    backend = ScriptedBackend([[*begins("Hel"), gate]])
    async with House(tmp_path, backend, routes=[RouteSettings(users=("U1",))]) as house:
        receipt = await house.say("Hi")
        await reaches(gate.reached)

        with pytest.raises(NotAllowed):
            await house.inbox.stop(CHANNEL, bob)
        with pytest.raises(NotAllowed):
            await house.inbox.reset(CHANNEL, bob)
        with pytest.raises(NotAllowed):
            await house.inbox.items(CHANNEL, bob)

        assert receipt.message is not None
        assert receipt.message.thread_id == (await house.store.open_thread(receipt.message.routed.lane)).id
        assert await house.inbox.stop(CHANNEL, ANN)


async def test_a_draining_gateway_accepts_nothing(tmp_path: Path) -> None:
    """Whoever comes while the gateway drains is told to try again, and nothing is written."""
    async with House(tmp_path, ScriptedBackend(echo)) as house:
        house.inbox.drain()
        with pytest.raises(StoreUnavailable):
            await house.say("Hi", id="m1")
        found = await house.inbox.message("fake", "T1", "m1")

    assert house.inbox.draining
    assert found is None


async def test_hostile_text_is_stored_and_answered(tmp_path: Path) -> None:
    """NULs and half surrogate pairs in text, name and metadata make a message like any other."""
    hostile = Inbound(
        CHANNEL,
        "m1",
        User("U1", "A\x00nn\ud800"),
        "a\x00b\ud83dc\u202e",
        instructions="x\udfff",
        metadata={"k\x00": "v\ud800"},
    )

    async with House(tmp_path, ScriptedBackend(echo)) as house:
        receipt = await house.inbox.accept(hostile)
        message = await house.settled(receipt.message)

    assert message.inbound.text == "a\ufffdb\ufffdc\u202e"
    assert message.inbound.user.name == "A\ufffdnn\ufffd"
    assert message.inbound.metadata == {"k\ufffd": "v\ufffd"}
    assert house.adapter.shown == ["You said a\ufffdb\ufffdc\u202e."]


def test_a_message_that_is_too_long_is_cut_visibly() -> None:
    """Of 40,500 characters 40,000 are kept, and the model reads that 500 were left out."""
    text = cleaned(replace(FIRST, text="x" * (LONGEST_TEXT + 500))).text

    assert text.startswith("x" * LONGEST_TEXT + "\n[500 characters were left out")
    assert cleaned(replace(FIRST, text="x" * LONGEST_TEXT)).text == "x" * LONGEST_TEXT


async def test_files_come_back_by_their_reference(tmp_path: Path) -> None:
    """A file that came with a message is read by its id; an unknown id is a `LookupError`."""
    async with House(tmp_path, ScriptedBackend(echo)) as house:
        receipt = await house.say("Look", attachments=(Attachment("a.txt", "text/plain", b"abc"),))
        message = await house.settled(receipt.message)
        data = await house.inbox.file(message.files[0])
        with pytest.raises(LookupError):
            await house.inbox.file(FileRef("file_nope", "a.txt", "text/plain", 3))

    assert data == b"abc"


# Waiting for the answer


async def test_who_waits_gets_the_answer(tmp_path: Path) -> None:
    """A waiter that was there first and one that comes later get the same answer."""
    gate = Gate()

    async with House(tmp_path, ScriptedBackend(lambda step: [gate, *says("Yes.")])) as house:
        receipt = await house.say("Hi")
        assert receipt.message is not None
        waiting = asyncio.ensure_future(house.inbox.answered(receipt.message, timeout=20))
        await reaches(gate.reached)
        gate.opened.set()
        early = await waiting
        late = await house.inbox.answered(receipt.message, timeout=20)

    assert early.answer is not None
    assert (early.answer.text, early.answer) == ("Yes.", late.answer)


async def test_who_waits_too_short_gets_the_message_as_it_is(tmp_path: Path) -> None:
    """After its time a waiter has a message without an answer; the run goes on and is answered."""
    gate = Gate()

    async with House(tmp_path, ScriptedBackend(lambda step: [gate, *says("Yes.")])) as house:
        receipt = await house.say("Hi")
        assert receipt.message is not None
        await reaches(gate.reached)
        unanswered = await house.inbox.answered(receipt.message, timeout=0.01)
        gate.opened.set()
        message = await house.settled(receipt.message)

    assert (unanswered.state, unanswered.answer) == (MessageState.ANSWERING, None)
    assert message.state is MessageState.DELIVERED


# Following


async def test_a_run_is_followed_live_and_read_afterwards(tmp_path: Path) -> None:
    """A reader beside the run and one after it, with a restart in between, have the same events and text."""
    gate = Gate()
    backend = ScriptedBackend([[*begins("Once upon"), gate, *says(" a time", item_id="msg_1")]])

    async with House(tmp_path, backend) as house:
        receipt = await house.say("Tell!")
        assert receipt.message is not None
        following = asyncio.ensure_future(house.entries(receipt.message))
        await reaches(gate.reached)
        gate.opened.set()
        live = await following
        message = await house.settled(receipt.message)
    async with House(tmp_path, ScriptedBackend([])) as house:
        kept = await house.entries(message)
        resumed = await house.entries(message, after=6)

    assert events_of(live) == ["message.accepted", "run.created", "run.completed", "message.answered"]
    assert events_of(kept) == events_of(live)
    assert text_of(kept) == text_of(live) == "Once upon\n\n a time"
    assert text_of(resumed) == text_of(kept)[4:]
    assert kept[-1] == live[-1]


async def test_an_id_that_was_never_given_out_is_refused(tmp_path: Path) -> None:
    """Resuming a finished message behind an id it never had is a `LookupError`; behind its last, the end."""
    async with House(tmp_path, ScriptedBackend(echo)) as house:
        message = await house.ask("Hi")
        last = (await house.entries(message))[-1].id

        assert await house.entries(message, after=last) == []
        with pytest.raises(LookupError):
            await house.entries(message, after=last + 1)


async def merging(house: House, gate: Gate) -> tuple[Message, Message]:
    """Two messages that wait behind a third which is being answered; they will be merged."""
    await house.say("one")
    await reaches(gate.reached)
    receipts = [await house.say("two"), await house.say("three")]
    older, newest = (receipt.message for receipt in receipts)
    assert older is not None
    assert newest is not None
    return older, newest


def first_waits(gate: Gate, *then: Act) -> ScriptedBackend:
    """The first message waits at the gate; all others are answered with 'Both.'."""

    def script(step: Step) -> list[Act]:
        return [gate, *says("First.")] if len(asked(step)) == 1 else [*then, *says("Both.")]

    return ScriptedBackend(script)


async def test_a_merged_message_is_followed_through_the_other(tmp_path: Path) -> None:
    """Its reader, there before the merge, sees its own acceptance, and the other's run, answer and end."""
    gate, busy = Gate(), [RouteSettings(busy=Busy.MERGE)]

    async with House(tmp_path, first_waits(gate), routes=busy) as house:
        older, newest = await merging(house, gate)
        following = asyncio.ensure_future(house.entries(older))
        waiting = asyncio.ensure_future(house.inbox.answered(older, timeout=20))
        gate.opened.set()
        live = await following
        waited = await waiting
        await house.settled(newest)
        kept = await house.entries(older)
        merged = await house.inbox.merged(newest)
    async with House(tmp_path, ScriptedBackend([])) as house:
        restarted = await house.entries(older)

    assert events_of(live) == ["message.accepted", "run.created", "run.completed", "message.answered"]
    assert live[0].data["id"] == older.inbound.message_id
    assert kept == restarted
    assert (events_of(kept), text_of(kept)) == (events_of(live), "Both.")
    assert (waited.state, waited.merged_into) == (MessageState.MERGED, newest.id)
    assert [message.id for message in merged] == [older.id]


async def test_a_merged_message_is_resumed_in_the_middle(tmp_path: Path) -> None:
    """Live and kept, a reader of the merged message goes on behind the fourth character of the text."""
    first, second, busy = Gate(), Gate(), [RouteSettings(busy=Busy.MERGE)]

    async with House(tmp_path, first_waits(first, *begins("Well"), second), routes=busy) as house:
        older, newest = await merging(house, first)
        first.opened.set()
        await reaches(second.reached)
        live = asyncio.ensure_future(house.entries(older, after=6))
        await asyncio.sleep(0)
        second.opened.set()
        resumed = await live
        await house.settled(newest)
        kept = await house.entries(older, after=6)

    assert text_of(resumed) == text_of(kept) == "Both."
    assert events_of(resumed) == ["run.completed", "message.answered"]


async def test_many_readers_of_an_answered_message_all_reach_its_end(tmp_path: Path) -> None:
    """Twenty readers and twenty waiters that come at once to an answered message end, all of them."""
    async with House(tmp_path, ScriptedBackend(echo)) as house:
        message = await house.ask("Hi")
        stale = replace(message, state=MessageState.READY, answer=None)

        async with asyncio.timeout(20):
            read = await asyncio.gather(*(house.entries(stale) for _ in range(20)))
            waited = await asyncio.gather(*(house.inbox.answered(stale, timeout=20) for _ in range(20)))

    assert {entries[-1].event for entries in read} == {"message.answered"}
    assert {answered.state for answered in waited} == {MessageState.DELIVERED}


async def test_a_reader_that_leaves_too_early_harms_no_other(tmp_path: Path) -> None:
    """Readers cut off at each of their first turns leave nothing behind that the next one would wait for."""
    async with House(tmp_path, ScriptedBackend(echo)) as house:
        message = await house.ask("Hi")
        stale = replace(message, state=MessageState.READY, answer=None)
        for turns in range(6):
            leaving = asyncio.ensure_future(house.entries(stale))
            for _ in range(turns):
                await asyncio.sleep(0)
            leaving.cancel()
            await asyncio.wait([leaving])

        entries = await house.entries(stale)

    assert entries[-1].event == "message.answered"


async def test_readers_that_come_at_any_moment_reach_the_end(tmp_path: Path) -> None:
    """A reader is started at each of 200 turns of the event loop around a run's end: all see that end."""
    gate = Gate()

    async with House(tmp_path, ScriptedBackend([[*begins("Hi"), gate]])) as house:
        receipt = await house.say("Hi")
        assert receipt.message is not None
        await reaches(gate.reached)
        gate.opened.set()
        reading = []
        for _ in range(200):
            reading.append(asyncio.ensure_future(house.entries(receipt.message)))
            await asyncio.sleep(0)
        read = await asyncio.gather(*reading)
        await house.settled(receipt.message)

    assert {entries[-1].event for entries in read} == {"message.answered"}
    assert {text_of(entries) for entries in read} == {"Hi"}


async def test_a_message_that_was_given_up_unsaid_has_an_end(tmp_path: Path) -> None:
    """A dead letter without an answer is followed to 'message.failed', not for ever."""
    house = House(tmp_path, ScriptedBackend(echo))
    await house.store.open()
    receipt = await house.say("Hi")
    claim = await house.store.claim("somebody", 30)
    assert claim is not None
    assert receipt.message is not None
    await house.store.finish(claim, MessageState.DEAD_LETTER)
    entries = await house.entries(receipt.message)
    await house.store.close()

    assert events_of(entries) == ["message.accepted", "message.failed"]


# Stop, reset, items


async def test_a_stop_where_nothing_is_answered_is_none(tmp_path: Path) -> None:
    """Before any message, after an answer, and in another channel there is nothing to stop."""
    gate = Gate()

    def script(step: Step) -> list[Act]:
        return [gate] if asked(step) == ["hang"] else echo(step)

    async with House(tmp_path, ScriptedBackend(script)) as house:
        before = await house.inbox.stop(CHANNEL, ANN)
        await house.ask("Hi")
        after = await house.inbox.stop(CHANNEL, ANN)
        hung = await house.say("hang", channel="C2")
        await reaches(gate.reached)
        elsewhere = await house.inbox.stop(CHANNEL, ANN)
        there = await house.inbox.stop(replace(CHANNEL, channel="C2"), ANN)
        message = await house.settled(hung.message)

    assert [before, after, elsewhere, there] == [False, False, False, True]
    assert message.state is MessageState.CANCELLED


class Slow(FakeAdapter):
    """A platform whose posts wait for a gate."""

    def __init__(self) -> None:
        super().__init__(limits=Limits(text_length=2000, edits=False))
        self.gate = Gate()

    async def post(self, *args: object, **kwargs: object) -> str:
        self.gate.reached.set()
        await self.gate.opened.wait()
        return await super().post(*args, **kwargs)  # type: ignore[arg-type]


async def test_an_interruption_during_the_delivery_is_accepted(tmp_path: Path) -> None:
    """While a complete answer is being delivered neither a message nor a stop ends it: both are answered."""
    adapter, busy = Slow(), [RouteSettings(busy=Busy.INTERRUPT)]

    async with House(tmp_path, ScriptedBackend(echo), adapter=adapter, routes=busy) as house:
        first = await house.say("one")
        await reaches(adapter.gate.reached)
        second = await house.say("two")
        stopped = await house.inbox.stop(CHANNEL, ANN)
        adapter.gate.opened.set()
        messages = [await house.settled(receipt.message) for receipt in (first, second)]

    assert second.verdict is Verdict.ACCEPTED
    assert not stopped
    assert [message.state for message in messages] == [MessageState.DELIVERED] * 2
    assert adapter.shown == ["You said one.", "You said two."]


async def test_a_reset_begins_a_new_thread(tmp_path: Path) -> None:
    """After a reset the model sees none of what was said before; the items are those of the new thread."""
    backend = ScriptedBackend(echo)

    async with House(tmp_path, backend) as house:
        old = await house.ask("one")
        thread = await house.inbox.reset(CHANNEL, ANN)
        empty = await house.inbox.items(CHANNEL, ANN)
        new = await house.ask("two")
        found = await house.inbox.items(CHANNEL, ANN)
        kept = await house.bodies(old)

    assert [asked(step) for step in backend.steps] == [["one"], ["two"]]
    assert (new.thread_id, old.thread_id != thread) == (thread, True)
    assert (len(empty), len(found), len(kept)) == (0, 2, 2)


async def test_items_are_read_page_by_page(tmp_path: Path) -> None:
    """Three messages are six items: the newest four, and what stands before them."""
    async with House(tmp_path, ScriptedBackend(echo)) as house:
        for text in ("one", "two", "three"):
            await house.ask(text)
        newest = await house.inbox.items(CHANNEL, ANN, limit=4)
        older = await house.inbox.items(CHANNEL, ANN, before=newest[0].seq, limit=4)

    assert [item.seq for item in older + newest] == [1, 2, 3, 4, 5, 6]


async def test_a_person_has_a_memory_of_their_own_where_the_route_says_so(tmp_path: Path) -> None:
    """With one thread per user, two people in one channel see nothing of each other."""
    backend = ScriptedBackend(echo)

    async with House(tmp_path, backend, routes=[RouteSettings(thread="user")]) as house:
        for user in (ANN, User("U2", "Bob"), ANN):
            receipt = await house.say(f"from {user.name}", user=user)
            await house.settled(receipt.message)
        bobs = await house.inbox.items(CHANNEL, User("U2", "Bob"))

    assert [asked(step) for step in backend.steps] == [["from Ann"], ["from Bob"], ["from Ann", "from Ann"]]
    assert len(bobs) == 2
