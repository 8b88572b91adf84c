"""The journal of a message: ids that only grow, and no character lost or doubled at any resume."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant_gateway.adapter import JournalEntry
from assistant_gateway.events import (
    FileDone,
    RunCreated,
    RunDone,
    RunEvent,
    RunRequiresAction,
    RunRestarted,
    TextDelta,
    ToolCallCreated,
    ToolCallDone,
    ToolCallProgress,
)
from assistant_gateway.journal import ATTEMPT, Journal, Journals
from assistant_gateway.testing.clock import run_virtual
from assistant_gateway.values import (
    Answer,
    Conversation,
    FileRef,
    FunctionCall,
    Inbound,
    Lane,
    Message,
    MessageState,
    Routed,
    Run,
    RunFailure,
    RunStatus,
    Usage,
    User,
)

RUN = Run("run_1", "thread_1", "default", RunStatus.IN_PROGRESS)
DONE = replace(RUN, status=RunStatus.COMPLETED, usage=Usage(7, 5))
TERMINAL = {"message.answered", "message.failed", "message.cancelled"}


def a_message(id: int = 1, *, run: Run | None = None) -> Message:
    inbound = Inbound(Conversation("webhook", "default", "c1"), f"m{id}", User("u1"), "Hello")
    routed = Routed(Lane("webhook", "default", "c1"), "default")
    return Message(id, 1, id, MessageState.CLAIMED, inbound, routed, "thread_1", run=run)


async def read(journal: Journal, after: int = 0) -> list[JournalEntry]:
    return [entry async for entry in journal.follow(after)]


def text_of(entries: Sequence[JournalEntry]) -> str:
    """What a reader has in the end: everything before `run.restarted` is void."""
    text = ""
    for entry in entries:
        if entry.event == "run.restarted":
            text = ""
        elif entry.event == "text.delta":
            text += str(entry.data["delta"])
    return text


async def written(journal: Journal, *events: RunEvent) -> Journal:
    for event in events:
        await journal.on_event(event)
    return journal


async def test_a_run_is_written_down_in_order() -> None:
    """A message with one call and two words of text has 9 entries, the last of them `message.answered`."""
    journal = await written(
        Journal(a_message()),
        RunCreated(RUN),
        ToolCallCreated("c1", "add"),
        RunRequiresAction(RUN, (FunctionCall("c1", "add", "{}"),)),
        ToolCallProgress("c1", "half way"),
        ToolCallDone("c1", "add", arguments="{}", output="3"),
        FileDone(FileRef("file_1", "a.txt", "text/plain", 3)),
        TextDelta("msg_1", "It is "),
        TextDelta("msg_1", "3."),
        RunDone(DONE, "It is 3."),
    )
    journal.close(DONE, Answer("It is 3.", RunStatus.COMPLETED))

    entries = await read(journal)

    assert [
        "message.accepted",
        "run.created",
        "tool_call.created",
        "run.requires_action",
        "tool_call.progress",
        "tool_call.done",
        "file",
        "text.delta",
        "run.completed",
        "message.answered",
    ] == [entry.event for entry in entries]
    assert {"text": "It is 3."} == entries[-1].data


async def test_each_character_counts_one() -> None:
    """After `message.accepted` (1) and `run.created` (2), 'Grüße' has the ids 3 to 7."""
    journal = await written(Journal(a_message()), RunCreated(RUN), TextDelta("msg_1", "Grüße"))
    journal.close(DONE, Answer("Grüße", RunStatus.COMPLETED))

    resumed = await read(journal, after=5)

    assert (7, "ße") == (resumed[0].id, resumed[0].data["delta"])
    assert [7, 8, 9] == [entry.id for entry in resumed]


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (RunStatus.COMPLETED, None, ["run.completed", "message.answered"]),
        (RunStatus.INCOMPLETE, RunFailure("max_steps", "…", "e-1"), ["run.incomplete", "message.answered"]),
        (RunStatus.CANCELLED, RunFailure("stopped", "…", "e-1"), ["run.cancelled", "message.cancelled"]),
        (RunStatus.FAILED, RunFailure("stream_cut", "…", "e-1"), ["run.failed", "message.failed"]),
        (RunStatus.EXPIRED, RunFailure("expired", "…", "e-1"), ["run.failed", "message.failed"]),
    ],
)
async def test_the_end_of_a_run_has_one_terminal_entry(
    status: RunStatus, error: RunFailure | None, expected: list[str]
) -> None:
    """Whichever of 5 ways a run ends, one of three words closes the journal, and closing twice adds none."""
    journal = Journal(a_message())
    run, answer = replace(RUN, status=status, error=error), Answer("Hm", status, error=error)

    journal.close(run, answer)
    journal.close(run, answer)
    entries = await read(journal)

    assert expected == [entry.event for entry in entries[1:]]
    assert 1 == len([entry for entry in entries if entry.event in TERMINAL])


async def test_a_reader_that_waits_gets_what_comes() -> None:
    """A reader that is there before the first word sees both deltas apart, and its loop ends by itself."""
    journal = Journal(a_message())
    entries: list[JournalEntry] = []
    seen: asyncio.Queue[str] = asyncio.Queue()

    async def follow() -> None:
        async for entry in journal.follow():
            entries.append(entry)
            seen.put_nowait(entry.event)

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(follow())
        for word in ("Hello ", "world"):
            await seen.get()
            await journal.on_event(TextDelta("msg_1", word))
        await seen.get()
        journal.close(DONE, Answer("Hello world", RunStatus.COMPLETED))

    assert ["Hello ", "world"] == [entry.data["delta"] for entry in entries if entry.event == "text.delta"]
    assert "message.answered" == entries[-1].event


async def test_a_slow_reader_gets_what_it_missed_in_one_piece() -> None:
    """1,000 deltas that nobody waited for are one entry of 5,000 characters."""
    journal = Journal(a_message())

    for _ in range(1000):
        await journal.on_event(TextDelta("msg_1", "12345"))
    journal.close(DONE, Answer("12345" * 1000, RunStatus.COMPLETED))
    deltas = [entry for entry in await read(journal) if entry.event == "text.delta"]

    assert ["12345" * 1000] == [entry.data["delta"] for entry in deltas]


async def test_parts_are_joined_by_a_blank_line() -> None:
    """Two parts of text arrive as 'One' and a blank line and 'Two'."""
    journal = await written(Journal(a_message()), TextDelta("msg_1", "One"), TextDelta("msg_2", "Two"))
    journal.close(DONE, Answer("One\n\nTwo", RunStatus.COMPLETED))

    assert "One\n\nTwo" == text_of(await read(journal))


@pytest.mark.parametrize("garbage", [-1, 3, 99, ATTEMPT + 5])
async def test_an_id_that_was_never_written_is_refused(garbage: int) -> None:
    """A journal of 2 entries knows the ids 0 to 2, and no others."""
    journal = await written(Journal(a_message()), RunCreated(RUN))

    with pytest.raises(LookupError):
        await anext(aiter(journal.follow(garbage)))


async def test_the_last_id_is_an_end_and_not_an_error() -> None:
    """Whoever has seen the last entry gets nothing more, at once."""
    journal = Journal(a_message())
    journal.close(DONE, Answer("", RunStatus.COMPLETED))

    assert [] == await read(journal, after=3)


async def test_ids_of_an_attempt_that_a_crash_cut_off_are_still_known() -> None:
    """A reader that saw id 500 before the restart goes on with `run.restarted`, whose id is 10^9 + 2."""
    journal = Journal(a_message(run=RUN))
    reader = aiter(journal.follow(500))

    async with asyncio.timeout(10):
        first = asyncio.ensure_future(anext(reader))
        await asyncio.sleep(0)
        journal.begin(2)
        await journal.on_event(RunRestarted(replace(RUN, attempt=2)))
        entry = await first

    assert (ATTEMPT + 2, "run.restarted") == (entry.id, entry.event)


async def test_a_run_that_a_crash_cut_off_still_has_its_beginning() -> None:
    """In a new process the journal of attempt 2 begins with 1 and 2, as in the old one; then 10^9 + 2."""
    journal = Journal(a_message(run=RUN))
    journal.begin(2)
    await journal.on_event(RunRestarted(replace(RUN, attempt=2)))
    journal.close(DONE, Answer("", RunStatus.COMPLETED))

    entries = await read(journal)

    assert [(1, "message.accepted"), (2, "run.created"), (ATTEMPT + 2, "run.restarted")] == [
        (entry.id, entry.event) for entry in entries[:3]
    ]
    assert {"id": "run_1", "attempt": 1}.items() <= entries[1].data["run"].items()  # type: ignore[union-attr]


@pytest.mark.parametrize("kept", ["", "Let me look."])
async def test_a_run_that_ends_before_its_next_attempt_begins_tells_what_stands(kept: str) -> None:
    """Stopped after a crash: of the words that were streamed, readers are left with what is kept."""
    reader = aiter(
        (await written(Journal(a_message()), RunCreated(RUN), TextDelta("t", "Well. 42"))).follow()
    )
    before = [await anext(reader) for _ in range(3)]
    run = replace(RUN, attempt=2)
    journal, answer = Journal(a_message(run=RUN)), Answer(kept, RunStatus.CANCELLED)
    journal.begin(2)

    on_disk = journal.ended(run, answer)
    journal.close(run, answer)

    resumed = await read(journal, after=before[-1].id)
    assert ["run.created", "run.restarted"] == [entry.event for entry in await read(journal)][1:3]
    assert await read(journal) == await read(Journal.load(a_message(), on_disk))
    assert kept == text_of([*before, *resumed]) == text_of(await read(journal)) == resumed[-1].data["text"]


async def test_a_kept_journal_is_the_written_one() -> None:
    """What `ended` keeps and `load` reads back is, entry by entry, what live readers saw."""
    journal = await written(
        Journal(a_message()),
        RunCreated(RUN),
        TextDelta("msg_1", "Grüße,\u2028 "),
        TextDelta("msg_1", '"👩‍👩‍👧"'),
        ToolCallCreated("c1", "add"),
        TextDelta("msg_2", "End"),
    )
    answer = Answer("…", RunStatus.COMPLETED)

    kept = journal.ended(DONE, answer)
    journal.close(DONE, answer)

    assert await read(journal) == await read(Journal.load(a_message(), kept))
    assert await read(journal, 5) == await read(Journal.load(a_message(), kept), 5)


async def test_readers_see_no_end_before_it_is_on_disk() -> None:
    """Between `ended` and `close` a reader that has all 2 entries waits."""
    journal = await written(Journal(a_message()), RunCreated(RUN))
    answer = Answer("", RunStatus.COMPLETED)

    journal.ended(DONE, answer)
    waiting = asyncio.ensure_future(read(journal, after=2))
    await asyncio.sleep(0)
    early = waiting.done()
    journal.close(DONE, answer)

    assert not early
    assert ["run.completed", "message.answered"] == [entry.event for entry in await waiting]


async def test_nothing_is_written_behind_the_end() -> None:
    """A call that outlives its run by a moment reports into nothing: kept and seen stay the same."""
    journal = await written(Journal(a_message()), RunCreated(RUN))
    answer = Answer("", RunStatus.COMPLETED)

    kept = journal.ended(DONE, answer)
    await journal.on_event(ToolCallProgress("c1", "still here"))
    journal.close(DONE, answer)
    await journal.on_event(ToolCallProgress("c1", "and here"))

    assert await read(journal) == await read(Journal.load(a_message(), kept))
    assert "message.answered" == (await read(journal))[-1].event


async def test_a_second_attempt_may_write_after_a_failed_end() -> None:
    """When the end could not be kept, the next attempt goes on in the same journal, from 10^9 + 2."""
    journal = await written(Journal(a_message()), RunCreated(RUN))
    journal.ended(DONE, Answer("", RunStatus.COMPLETED))

    journal.begin(2)
    await journal.on_event(RunRestarted(replace(RUN, attempt=2)))
    journal.close(DONE, Answer("", RunStatus.COMPLETED))

    assert [1, 2, ATTEMPT + 2, ATTEMPT + 3, ATTEMPT + 4] == [entry.id for entry in await read(journal)]


async def test_a_merged_message_shows_what_happens_to_the_other() -> None:
    """Readers, early and late, see its own acceptance and then the run and the end of the other."""
    merged, other = Journal(a_message(1)), Journal(a_message(2))
    early = asyncio.ensure_future(read(merged))
    await asyncio.sleep(0)

    merged.forward(other)
    await written(other, RunCreated(RUN), TextDelta("msg_1", "Both"))
    closed = asyncio.ensure_future(merged.wait_closed())
    other.close(DONE, Answer("Both", RunStatus.COMPLETED))

    expected = ["message.accepted", "run.created", "text.delta", "run.completed", "message.answered"]
    assert expected == [entry.event for entry in await early]
    assert expected == [entry.event for entry in await read(merged)]
    assert "m1" == (await read(merged))[0].data["id"]
    async with asyncio.timeout(10):
        await closed


async def test_a_reader_of_a_merged_message_resumes_in_the_middle() -> None:
    """Id 4, seen through the merged message, is known when its reader comes back; id 40 is not."""
    merged, other = Journal(a_message(1)), Journal(a_message(2))
    merged.forward(other)
    await written(other, RunCreated(RUN), TextDelta("msg_1", "Both"))
    other.close(DONE, Answer("Both", RunStatus.COMPLETED))

    resumed = await read(merged, after=4)

    assert "th" == text_of(resumed)
    with pytest.raises(LookupError):
        await read(merged, after=40)


async def test_journals_are_opened_once_and_let_go() -> None:
    """A message has one open journal until it is dropped; readers keep theirs."""
    journals = Journals()

    first = journals.open(a_message(1))

    assert first is journals.open(a_message(1))
    assert first is journals.get(1)
    journals.drop(1)
    assert journals.get(1) is None


# The laws, over any events, any readers and any restarts.


@dataclass
class Reader:
    """Somebody who follows a journal, is cut off at times, and comes back with the last id."""

    journal: Journal
    entries: list[JournalEntry] = field(default_factory=list)

    async def follow(self) -> None:
        async for entry in self.journal.follow(self.entries[-1].id if self.entries else 0):
            self.entries.append(entry)


deltas = st.builds(TextDelta, st.sampled_from(["msg_1", "msg_2"]), st.text(max_size=6))
others = st.sampled_from([ToolCallCreated("c1", "add"), ToolCallProgress("c1", "…"), RunCreated(RUN)])
acts = st.lists(deltas | others | st.sampled_from(["look", "cut off", "restart"]), max_size=30)


@given(acts)
def test_any_reader_has_the_whole_text(acts: list[TextDelta | ToolCallCreated | str]) -> None:
    """However often a reader looks, is cut off and resumes: ids grow, no character is lost or doubled."""

    async def play() -> tuple[Journal, list[JournalEntry], str]:
        journal = Journal(a_message())
        reader = Reader(journal)
        following = asyncio.ensure_future(reader.follow())
        attempt = 1
        for act in acts:
            if act == "restart":
                attempt += 1
                journal.begin(attempt)
                await journal.on_event(RunRestarted(replace(RUN, attempt=attempt)))
            elif act == "look":
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            elif act == "cut off":
                following.cancel()
                await asyncio.wait([following])
                following = asyncio.ensure_future(reader.follow())
            elif not isinstance(act, str):
                await journal.on_event(act)
        kept = journal.ended(DONE, Answer("", RunStatus.COMPLETED))
        journal.close(DONE, Answer("", RunStatus.COMPLETED))
        await following
        return journal, reader.entries, kept

    journal, entries, kept = run_virtual(play())
    whole = run_virtual(read(journal))

    ids = [entry.id for entry in entries]
    assert ids == sorted(set(ids))
    assert text_of(whole) == text_of(entries)
    assert 1 == len([entry for entry in entries if entry.event in TERMINAL])
    assert whole == run_virtual(read(Journal.load(a_message(), kept)))


@given(st.lists(deltas | others, max_size=20), st.data())
def test_any_resume_point_has_the_rest(events: list[RunEvent], data: st.DataObject) -> None:
    """What was read up to any id, and what a resume after it gives, are together the whole."""

    async def play() -> tuple[list[JournalEntry], list[JournalEntry], int]:
        journal = await written(Journal(a_message()), *events)
        journal.close(DONE, Answer("", RunStatus.COMPLETED))
        whole = await read(journal)
        after = data.draw(st.integers(0, whole[-1].id))
        return whole, await read(journal, after), after

    whole, rest, after = run_virtual(play())

    assert all(entry.id > after for entry in rest)
    assert [entry.event for entry in whole if entry.id > after] == [entry.event for entry in rest]
    assert read_before(whole, after) + text_of(rest) == text_of(whole)


def read_before(entries: Sequence[JournalEntry], id: int) -> str:
    """The characters of the text whose ids are at most *id*."""
    text = ""
    for entry in entries:
        if entry.event == "text.delta":
            delta = str(entry.data["delta"])
            behind = max(0, entry.id - id)
            text += delta[: max(0, len(delta) - behind)]
    return text
