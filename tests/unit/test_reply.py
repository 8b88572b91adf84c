"""
The reply: what people see while an answer grows, and what a platform is asked to do for it.

All of it happens on a virtual clock: every pause is asserted to the digit, on a machine of any speed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest

from assistant_gateway.adapter import Limits
from assistant_gateway.errors import (
    AdapterError,
    Forbidden,
    GatewayError,
    LeaseLost,
    OutcomeUnknown,
    PostGone,
    RateLimited,
    TooLong,
)
from assistant_gateway.events import RunRestarted, TextDelta, ToolCallCreated, ToolCallDone
from assistant_gateway.replies import Undeliverable
from assistant_gateway.replies.reply import TRIES
from assistant_gateway.testing.adapter import After, FakeAdapter
from assistant_gateway.values import Answer, FileRef, Post, Run, RunStatus
from fixtures.replies import Script, done, now, on_virtual_clock, platform


@on_virtual_clock
async def test_the_first_words_are_shown_at_once() -> None:
    """The first delta, at second 0, is on the platform at second 0."""
    script = Script(platform())

    await script.tell(["Hello", " world"], every=0.5)

    at, call = script.adapter.log[0]
    assert (at, call.method, call.text) == (0.0, "post", "Hello")


@on_virtual_clock
async def test_edits_are_spaced_and_the_last_one_is_complete() -> None:
    """400 deltas in 4 s on a platform that allows one edit a second cost 5 calls."""
    script = Script(platform())

    await script.tell(["word "] * 400, every=0.01)

    times = [at for at, _ in script.adapter.log]
    assert script.calls == ["post", "edit", "edit", "edit", "edit"]
    assert all(later - earlier > 0.999 for earlier, later in pairwise(times))
    assert script.adapter.shown == [script.text]
    assert script.watch.told == ["posted", "edited", "edited", "edited", "edited"]


@on_virtual_clock
async def test_an_edit_shows_what_is_newest_when_it_is_made() -> None:
    """The edit at second 1 holds all of the 100 deltas of that second, not the ones of its beginning."""
    script = Script(platform())

    await script.tell(["x"] * 250, every=0.01)

    lengths = [(round(at, 2), len(call.text)) for at, call in script.adapter.log]
    assert lengths[0] == (0.0, 1)
    assert lengths[1][0] == 1.0
    assert 100 <= lengths[1][1] <= 101


@on_virtual_clock
async def test_one_call_at_a_time_however_slow_the_platform() -> None:
    """With 3 s for each call, 10 s of deltas cost 5 calls, each begun after the one before it had ended."""
    script = Script(platform(latency=3.0))

    await script.tell(["x"] * 1000, every=0.01)

    times = [at for at, _ in script.adapter.log]
    assert times == pytest.approx([0, 3, 6, 9, 12], abs=0.001)
    assert script.adapter.shown == [script.text]


@on_virtual_clock
async def test_nothing_new_is_no_call() -> None:
    """An answer that was shown completely while it grew is not sent again at its end."""
    script = Script(platform())

    await script.tell(["Hello"], every=5.0)

    assert script.calls == ["post"]


@on_virtual_clock
async def test_events_without_text_are_no_call() -> None:
    """A tool call that is over within a second, and an empty delta, show nothing."""
    script = Script(platform())
    growing = asyncio.ensure_future(script.reply.grow())

    await script.reply.on_event(ToolCallCreated("c1", "add"))
    await script.reply.on_event(TextDelta("msg_1", ""))
    await asyncio.sleep(0.9)
    await script.reply.on_event(ToolCallDone("c1", "add"))
    await asyncio.sleep(10)
    script.reply.close()
    await growing

    assert script.calls == []


@on_virtual_clock
async def test_blanks_wait_for_a_word() -> None:
    """A line break that a model begins with is no post; a post of blanks is refused by most platforms."""
    script = Script(platform())

    await script.tell(["\n\n", "Hello"], every=2.0)

    assert [call.text for _, call in script.adapter.log] == ["\n\nHello"]


@on_virtual_clock
async def test_a_platform_that_says_wait_is_waited_for_exactly() -> None:
    """An edit refused for 7.5 s is made 7.5 s later, with all that was said in between."""
    script = Script(platform())
    script.adapter.script(None, RateLimited(7.5))

    await script.tell(["x"] * 1000, every=0.01)

    log = [(round(at, 3), call.method, len(call.text)) for at, call in script.adapter.log]
    assert [at for at, _, _ in log] == [0, 1, 8.5, 9.5, 10.5]
    assert 850 <= log[2][2] <= 851
    assert script.adapter.shown == [script.text]
    assert script.watch.told.count("rate_limited") == 1


@on_virtual_clock
async def test_a_first_post_that_was_refused_is_repeated_without_looking() -> None:
    """'Wait 20 s' means that nothing was sent: one more post after 20 s, and no search before it."""
    script = Script(platform())
    script.adapter.script(RateLimited(20.0), on="post")

    await script.tell(["Hello"], every=1.0)

    assert [(at, call.method) for at, call in script.adapter.log] == [(0.0, "post"), (20.0, "post")]
    assert script.adapter.shown == ["Hello"]


@on_virtual_clock
async def test_the_end_waits_for_a_platform_too() -> None:
    """Three 429s of 30 s each at the end delay the final text to second 90, and lose nothing."""
    script = Script(platform())
    script.adapter.script(RateLimited(30), RateLimited(30), RateLimited(30))

    await script.reply.finish(done("Hello"))

    assert [round(at) for at, _ in script.adapter.log] == [0, 30, 60, 90]
    assert script.adapter.shown == ["Hello"]


@on_virtual_clock
async def test_a_post_that_may_have_been_sent_is_found() -> None:
    """The connection broke after the post was made: it is found by its key and stays the only one."""
    script = Script(platform())
    script.adapter.script(After(OutcomeUnknown("connection lost")), on="post")

    await script.tell(["Hello ", "world"], every=3.0)

    assert script.calls == ["post", "find", "edit", "edit"]
    assert script.adapter.shown == ["Hello world"]
    assert script.journal == [Post("run_1.0", 0), Post("run_1.0", 0, "p1")]


@on_virtual_clock
async def test_a_post_that_was_not_sent_is_sent_once() -> None:
    """A connection that broke before the post was made: looked for, not found, posted again under its key."""
    script = Script(platform())
    script.adapter.script(OutcomeUnknown("connection lost"), on="post")

    await script.tell(["Hello ", "world"], every=3.0)

    assert script.calls[:3] == ["post", "find", "post"]
    assert script.adapter.shown == ["Hello world"]


@on_virtual_clock
async def test_a_post_is_never_repeated_blindly() -> None:
    """While the platform can't tell whether it has the post, it is asked again; nothing is posted."""
    script = Script(platform())
    script.adapter.script(After(OutcomeUnknown("lost")), on="post")
    script.adapter.script(*[OutcomeUnknown("no idea")] * 3, on="find")

    await script.tell(["Hello"], every=30.0)

    assert script.calls.count("post") == 1
    assert script.calls.count("find") == 4
    assert script.adapter.shown == ["Hello"]


@on_virtual_clock
async def test_an_edit_may_be_repeated() -> None:
    """An edit with an unknown outcome is simply made again."""
    script = Script(platform())
    script.adapter.script(After(OutcomeUnknown("connection lost")), on="edit")

    await script.tell(["Hello ", "world"], every=2.0)

    assert script.calls.count("post") == 1
    assert script.adapter.shown == ["Hello world"]


@on_virtual_clock
async def test_the_intent_is_journaled_before_and_the_id_after() -> None:
    """When the platform is called for the first time, its key is on disk already; afterwards its id is."""
    script = Script(platform(latency=1.0))
    growing = asyncio.ensure_future(script.reply.grow())

    await script.say(["Hello"], every=0.5)
    before = list(script.journal)
    script.reply.close()
    await growing

    assert before == [Post("run_1.0", 0)]
    assert script.journal == [Post("run_1.0", 0), Post("run_1.0", 0, "p1", "Hello")]


@on_virtual_clock
async def test_a_worker_that_lost_its_lane_posts_nothing() -> None:
    """When the journal refuses the intent, the platform is not called."""
    adapter = platform()

    script = Script(adapter)
    script.refuses = True
    await script.reply.on_event(TextDelta("msg_1", "Hello"))

    with pytest.raises(LeaseLost):
        await script.reply.grow()
    assert adapter.log == []


async def crashed(adapter: FakeAdapter, words: Sequence[str]) -> list[Post]:
    """What an attempt that died in the middle of its answer has journaled."""
    script = Script(adapter)
    growing = asyncio.ensure_future(script.reply.grow())
    await script.say(words, every=2.0)
    growing.cancel()
    await asyncio.wait([growing])
    return list({post.part: post for post in script.journal}.values())


@on_virtual_clock
async def test_another_process_takes_the_post_over() -> None:
    """With the post's id journaled: the same post is edited and completed, nothing is posted."""
    adapter = platform()
    posts = await crashed(adapter, ["Hel"])

    script = Script(adapter, posts)
    await script.reply.on_event(RunRestarted(Run("run_1", "t", "default", attempt=2)))
    await script.tell(["Hello ", "again"], every=2.0)

    assert script.calls.count("post") == 1
    assert adapter.shown == ["Hello again"]


@on_virtual_clock
async def test_another_process_finds_a_post_whose_id_was_never_kept() -> None:
    """Killed between the platform's answer and the journal: the post is found by its key and completed."""
    adapter = platform()
    await crashed(adapter, ["Hel"])

    script = Script(adapter, [Post("run_1.0", 0)])
    await script.tell(["Hello again"], every=2.0)

    assert script.calls == ["post", "find", "edit"]
    assert adapter.shown == ["Hello again"]
    assert script.journal[-1].id == "p1"


@on_virtual_clock
async def test_another_process_posts_what_was_only_intended() -> None:
    """Killed before the platform was called: nothing is found, one post is made."""
    adapter = platform()

    script = Script(adapter, [Post("run_1.0", 0)])
    await script.tell(["Hello"], every=2.0)

    assert script.calls == ["find", "post"]
    assert adapter.shown == ["Hello"]


@on_virtual_clock
async def test_a_post_is_edited_in_any_case_after_a_restart() -> None:
    """What the post shows is not known: even an equal text is sent once."""
    adapter = platform()
    posts = await crashed(adapter, ["Hello"])

    script = Script(adapter, posts)
    await script.reply.finish(done("Hello"))

    assert script.calls == ["post", "edit"]


@on_virtual_clock
async def test_what_an_earlier_attempt_said_too_much_is_removed() -> None:
    """An attempt that had filled 3 posts is followed by an answer of one: two posts are deleted."""
    adapter = platform(Limits(text_length=100, edit_interval=1.0))
    posts = await crashed(adapter, ["x" * 250])

    script = Script(adapter, posts)
    await script.reply.finish(done("Short."))

    assert len(posts) == 3
    assert adapter.shown == ["Short."]
    assert adapter.deleted == {"p2", "p3"}


@on_virtual_clock
async def test_a_leftover_post_that_was_only_intended_is_looked_for() -> None:
    """A second post that was perhaps sent is deleted if it is there, and no error if it isn't."""
    adapter = platform(Limits(text_length=100, edit_interval=1.0))
    await crashed(adapter, ["x" * 150])

    script = Script(adapter, [Post("run_1.0", 0, "p1"), Post("run_1.1", 1), Post("run_1.2", 2)])
    await script.reply.finish(done("Short."))

    assert adapter.shown == ["Short."]
    assert adapter.deleted == {"p2"}


@on_virtual_clock
async def test_a_long_answer_is_split_over_posts() -> None:
    """250 characters on a platform with 100 a post: three posts that are together the text."""
    script = Script(platform(Limits(text_length=100, edit_interval=1.0)))

    await script.tell(["12345 6789"] * 25, every=0.1)

    assert " ".join(script.adapter.shown) == script.text
    assert [len(text) for text in script.adapter.shown] == [95, 99, 54]
    assert len({call.key for _, call in script.adapter.log if call.method == "post"}) == 3


@on_virtual_clock
async def test_a_finished_post_is_not_edited_again() -> None:
    """Once the second post has begun, the first one is complete, said so, and left alone."""
    script = Script(platform(Limits(text_length=100, edit_interval=1.0)))

    await script.tell(["12345 6789"] * 25, every=0.1)

    first = [call.content for _, call in script.adapter.log if call.post_id == "p1" or call.key == "run_1.0"]
    assert [content.final for content in first if content] == [False, True]


@on_virtual_clock
async def test_a_text_that_the_platform_finds_too_long_is_split_smaller() -> None:
    """An adapter that needs room for its markup says 'too long': the text comes in more posts."""
    script = Script(platform(Limits(text_length=200, edit_interval=0.0)))
    script.adapter.script(TooLong("msg_too_long"))

    await script.reply.finish(done("x" * 200))

    assert [len(text) for text in script.adapter.shown] == [150, 50]


@on_virtual_clock
async def test_a_platform_that_finds_everything_too_long_is_given_up() -> None:
    """A platform that takes no text at all is asked a bounded number of times."""
    script = Script(platform(Limits(text_length=2000, edit_interval=0.0)))
    script.adapter.script(*[TooLong("msg_too_long")] * 1000)

    with pytest.raises(TooLong):
        await script.reply.finish(done("Hello"))
    assert len(script.calls) <= 20


@on_virtual_clock
async def test_files_come_with_the_end() -> None:
    """An answer whose text was shown completely is still edited once for its file."""
    script = Script(platform())
    growing = asyncio.ensure_future(script.reply.grow())
    await script.say(["Here it is."], every=2.0)
    script.reply.close()
    await growing
    file = FileRef("file_1", "a.txt", "text/plain", 3)

    await script.reply.finish(done("Here it is.", files=(file,)))

    content = script.adapter.log[-1][1].content
    assert script.calls == ["post", "edit"]
    assert content is not None
    assert (content.files, content.final) == ((file,), True)


@on_virtual_clock
async def test_the_whole_answer_comes_with_the_last_post() -> None:
    """Of three posts of an answer, the last one alone carries it."""
    script = Script(platform(Limits(text_length=100, edit_interval=0.0)))
    answer = done("x" * 250)

    await script.reply.finish(answer)

    assert [call.content.answer for _, call in script.adapter.log if call.content] == [None, None, answer]


@on_virtual_clock
async def test_a_platform_without_edits_gets_the_end_alone() -> None:
    """Where posts can't grow, 4 s of deltas are one post, after them, without a note below it."""
    script = Script(platform(Limits(text_length=2000, edits=False)))

    await script.tell(["x"] * 400, every=0.01)

    assert [(round(at, 2), call.text) for at, call in script.adapter.log] == [(4.0, "x" * 400)]


@on_virtual_clock
async def test_a_platform_without_edits_gets_an_empty_answer_too() -> None:
    """An answer without a word is one call, for whoever waits there for its end."""
    script = Script(platform(Limits(text_length=2000, edits=False)))

    await script.reply.finish(done(""))

    assert [call.content.answer for _, call in script.adapter.log if call.content] == [done("")]


@on_virtual_clock
async def test_a_platform_without_edits_is_not_told_twice() -> None:
    """Killed after the post, before the message was final: the next process leaves the post as it is."""
    adapter = platform(Limits(text_length=2000, edits=False))
    first = Script(adapter)
    await first.reply.finish(done("Hello"))

    await Script(adapter, first.journal[-1:]).reply.finish(done("Hello"))

    assert [call.method for _, call in adapter.log] == ["post"]


@on_virtual_clock
async def test_a_platform_that_takes_keys_needs_no_journal() -> None:
    """Where a key is taken only once, nothing is journaled and nothing looked for: the post is repeated."""
    script = Script(platform(Limits(text_length=2000, edit_interval=1.0, keyed=True)))
    script.adapter.script(OutcomeUnknown("connection lost"), on="post")

    await script.tell(["Hello ", "world"], every=3.0)

    assert script.journal == []
    assert script.calls == ["post", "post", "edit"]
    assert {call.key for _, call in script.adapter.log if call.method == "post"} == {"run_1.0"}


@on_virtual_clock
async def test_a_post_that_people_removed_stays_removed() -> None:
    """A deleted post ends the reply quietly: one edit learns of it, nothing is posted, finishing succeeds."""
    script = Script(platform())
    growing = asyncio.ensure_future(script.reply.grow())
    await script.say(["Hello"], every=1.5)
    script.adapter.deleted.add("p1")

    await script.say([" world"] * 5, every=1.5)
    script.reply.close()
    await growing
    await script.reply.finish(done(script.text))

    assert script.calls == ["post", "edit"]
    assert script.adapter.shown == []


@on_virtual_clock
async def test_a_post_gone_during_the_end_is_no_failure() -> None:
    """A post that was removed before a restart is learned of by one edit."""
    adapter = platform()
    adapter.script(PostGone("unknown_post"))

    await Script(adapter, [Post("run_1.0", 0, "p9")]).reply.finish(done("Hello"))

    assert [call.method for _, call in adapter.log] == ["edit"]


@on_virtual_clock
async def test_a_bot_that_may_not_speak_gives_up() -> None:
    """'Forbidden' is final: undeliverable after one call."""
    script = Script(platform())
    script.adapter.script(Forbidden("not_in_channel"))

    with pytest.raises(Undeliverable):
        await script.reply.finish(done("Hello"))
    assert script.calls == ["post"]


@on_virtual_clock
async def test_a_fault_that_stays_is_raised_after_its_tries() -> None:
    """A platform that refuses 6 times within about 12 s is left for later; the answer is not lost."""
    script = Script(platform(Limits(text_length=2000, edit_interval=0.0)))
    script.adapter.script(*[AdapterError("internal_error")] * 100)

    with pytest.raises(AdapterError):
        await script.reply.finish(done("Hello"))

    assert script.calls == ["post"] * TRIES
    assert 10 < now() < 15


@pytest.mark.parametrize("fault", [AdapterError("internal_error"), OutcomeUnknown("timeout")])
@on_virtual_clock
async def test_a_fault_that_passes_is_overcome(fault: GatewayError) -> None:
    """Five faults in a row at the end cost pauses, and no second post."""
    script = Script(platform(Limits(text_length=2000, edit_interval=0.0)))
    script.adapter.script(*[fault] * 5)

    await script.reply.finish(done("Hello"))

    assert script.adapter.shown == ["Hello"]


@on_virtual_clock
async def test_a_fault_while_growing_waits_for_the_end() -> None:
    """A platform that refuses an edit is left alone until the answer is complete: the end mends it."""
    script = Script(platform())
    script.adapter.script(None, AdapterError("internal_error"))

    await script.tell(["x"] * 1000, every=0.01)

    assert [round(at) for at, _ in script.adapter.log] == [0, 1, 10]
    assert script.adapter.shown == [script.text]


@on_virtual_clock
async def test_closing_lets_the_call_under_way_end() -> None:
    """A post that takes 5 s is not cut off by a close after 1 s: its id is known and journaled."""
    script = Script(platform(latency=5.0))
    growing = asyncio.ensure_future(script.reply.grow())
    await script.say(["Hello"], every=1.0)

    script.reply.close()
    await growing

    assert now() == 5.0
    assert script.journal[-1].id == "p1"


@on_virtual_clock
async def test_closing_does_not_wait_for_the_pace() -> None:
    """Between two edits, 60 s apart, a close ends the growing at once."""
    script = Script(platform(Limits(text_length=2000, edit_interval=60.0)))
    growing = asyncio.ensure_future(script.reply.grow())
    await script.say(["Hello", " world"], every=1.0)

    script.reply.close()
    await growing

    assert now() == 2.0


@on_virtual_clock
async def test_an_answer_that_ends_badly_says_so() -> None:
    """Below the words of a run that was stopped stands that it was."""
    script = Script(platform())

    await script.reply.finish(Answer("Once upon", RunStatus.CANCELLED))

    assert script.adapter.shown == ["Once upon\n\n_Stopped._"]
