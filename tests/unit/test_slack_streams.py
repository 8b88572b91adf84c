"""Answers that Slack streams: what is sent, what its refusals mean, and that nothing stays half open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest

from assistant_gateway.adapter import Content, Control, Piece, StreamLimits, Task, TaskStatus
from assistant_gateway.errors import (
    AdapterError,
    Forbidden,
    OutcomeUnknown,
    PostGone,
    RateLimited,
    StreamEnded,
    StreamOpen,
    StreamRefused,
    StreamStopped,
    TooLong,
    Unmendable,
)
from assistant_gateway.events import TextDelta, ToolCallCreated
from assistant_gateway.replies import Reply
from assistant_gateway.replies.pacing import Pacer
from assistant_gateway.values import Answer, Conversation, FileRef, Post, ReplyTarget, RunStatus, User
from assistant_gateway_slack.adapter import SlackAdapter
from assistant_gateway_slack.said import EVENT_TYPE
from assistant_gateway_slack.streams import LIMITS
from emulators.eventually import eventually
from emulators.shapes import Json
from emulators.slack import Fault, Manifest, Message, SlackEmulator
from fixtures.replies import Watch
from fixtures.slack import Desk, desk, settings_for

HEARD = frozenset({EVENT_TYPE})
END = Content("Hello world", final=True, answer=Answer("Hello world", RunStatus.COMPLETED))
ALL = tuple(Control)


@pytest.fixture
async def slack() -> AsyncIterator[Desk]:
    """A connected adapter in the agent view."""
    async with desk(manifest=Manifest(view="agent", metadata_events=HEARD), view="agent") as found:
        yield found


@pytest.fixture
async def root(slack: Desk) -> Message:
    """Ann asks something in her direct messages."""
    return await asked(slack)


@pytest.fixture
def target(slack: Desk, root: Message) -> ReplyTarget:
    return slack.target(root)


async def asked(slack: Desk, text: str = "Hello") -> Message:
    return await slack.slack.say(slack.slack.direct(slack.slack.ann), slack.slack.ann, text)


def bodies(slack: Desk, method: str) -> list[Json]:
    """What was sent to a method."""
    return [call.arguments for call in slack.slack.calls(method)]


async def test_a_stream_grows_and_ends_with_its_key_and_buttons(
    slack: Desk, root: Message, target: ReplyTarget
) -> None:
    """Three states were seen; from the stop on it is found by its key, and two rows of buttons are below."""
    ts = await slack.adapter.start(target, "run_1.0", Piece("Hel"))
    await slack.adapter.append(target, ts, Piece("lo "))
    end = Content(END.text, final=True, answer=END.answer, controls=ALL[1:], run_id="run_1")
    await slack.adapter.stop(target, "run_1.0", ts, Piece("world"), end)

    (reply,) = slack.slack.replies(root)
    other = SlackAdapter(settings_for(slack.slack))
    found = await other.find(target, "run_1.0")
    await other.close()
    assert ["Hel", "Hello ", "Hello world"] == [frame.text for frame in reply.frames]
    assert ts == found
    assert ["rich_text", "actions", "context_actions"] == [block["type"] for block in reply.blocks]
    assert reply.stream is not None
    assert ("chunks", "completed") == (reply.stream.mode, reply.stream.state)


async def test_where_answers_are_streamed_is_a_setting(slack: Desk, target: ReplyTarget) -> None:
    """By default in threads of direct messages; `always` in channels, too, for people; `never` nowhere."""
    channel = slack.target(await slack.ask())
    rootless = ReplyTarget(Conversation("slack", slack.slack.team, "D1"), "D1:1.2", User("U1"))
    bot = ReplyTarget(channel.conversation, "m", User("U2", is_bot=True))

    told = {}
    for setting in ("direct", "always", "never"):
        adapter = SlackAdapter(settings_for(slack.slack, streaming=setting))
        told[setting] = [adapter.streams(each) is not None for each in (target, channel, rootless, bot)]
        await adapter.close()

    assert {
        "direct": [True, False, False, False],
        "always": [True, True, False, False],
        "never": [False, False, False, False],
    } == told
    assert StreamLimits(9_000, 240.0, 30.0, 50) == slack.adapter.streams(target)


async def test_in_a_channel_the_person_who_asked_is_the_recipient(slack: Desk) -> None:
    """With their own workspace, which in a shared channel is another one; they alone see it grow."""
    emulator = slack.slack
    partner = emulator.add_workspace("Partner")
    eve = emulator.add_user(partner.id, "eve")
    shared = emulator.add_channel(
        emulator.team,
        "shared",
        members=[emulator.ann, eve.id, emulator.bot_user],
        connected=[partner.id],
    )
    adapter = SlackAdapter(settings_for(emulator, streaming="always"))
    question = await emulator.say(shared.id, eve.id, f"<@{emulator.bot_user}> Hello")
    target = slack.target(question)

    ts = await adapter.start(target, "run_1.0", Piece("Hello"))
    await adapter.append(target, ts, Piece(" world"))
    await adapter.stop(target, "run_1.0", ts, Piece(), END)
    await adapter.close()

    (body,) = bodies(slack, "chat.startStream")
    assert (eve.id, partner.id) == (body["recipient_user_id"], body["recipient_team_id"])
    (reply,) = emulator.replies(question)
    assert [(), (eve.id,), ()] == [frame.viewers for frame in reply.frames]


async def test_no_token_is_alive_at_any_cut(slack: Desk, root: Message, target: ReplyTarget) -> None:
    """Six mentions and a link, letter by letter: nobody is pinged, nothing fetched, the text is whole."""
    slack.slack.service.quotas.enforced = False
    text = "<!channel> <!here> <@U1> <#C1> a &lt;@U1&gt; &amp; b\n> q <!subteam^S1> https://evil.example/?a&b"
    ts = await slack.adapter.start(target, "run_1.0", Piece(text[0]))

    for letter in text[1:]:
        await slack.adapter.append(target, ts, Piece(letter))
    await slack.adapter.stop(target, "run_1.0", ts, Piece(), Content(text, final=True))

    (reply,) = slack.slack.replies(root)
    shown = reply.frames[-1].text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert text == shown
    assert [()] * len(reply.frames) == [frame.mentions for frame in reply.frames]
    assert not reply.pinged
    assert not reply.unfurled


async def test_tools_are_cards_whose_titles_are_plain(
    slack: Desk, root: Message, target: ReplyTarget
) -> None:
    """One card changes from pending to complete; its title is one line of at most 256 characters."""
    title = "<!channel>\n" + "x" * 300
    ts = await slack.adapter.start(
        target, "run_1.0", Piece("Let me look.", (Task("c1", title, TaskStatus.PENDING),))
    )
    await slack.adapter.append(target, ts, Piece("", (Task("c1", "search", TaskStatus.COMPLETE),)))
    await slack.adapter.stop(target, "run_1.0", ts, Piece(" Found it."), END)

    (reply,) = slack.slack.replies(root)
    first, last = reply.frames[0].text, reply.frames[-1].text
    assert f"[pending] ‹!channel› {'x' * 245}\nLet me look." == first
    assert "[complete] search\nLet me look. Found it." == last


async def test_a_stream_takes_as_much_as_it_is_said_to(
    slack: Desk, root: Message, target: ReplyTarget
) -> None:
    """9,000 bytes with the titles of 50 cards among them are taken, and the stop after them."""
    tasks = tuple(Task(f"c{number}", "x" * 40, TaskStatus.COMPLETE) for number in range(LIMITS.tasks))
    ts = await slack.adapter.start(target, "run_1.0", Piece("", tasks))

    await slack.adapter.append(target, ts, Piece("ä" * 3_500))
    await slack.adapter.stop(target, "run_1.0", ts, Piece(), END)

    assert 9_000 == 3_500 * 2 + 50 * 40
    assert slack.slack.replies(root)[0].visible.endswith("ä" * 3_500)


REFUSALS = [
    ("startStream", "channel_type_not_supported", StreamRefused),
    ("startStream", "invalid_thread_ts", StreamRefused),
    ("startStream", "missing_recipient_user_id", StreamRefused),
    ("startStream", "ratelimited", RateLimited),
    ("startStream", "internal_error", OutcomeUnknown),
    ("appendStream", "message_not_in_streaming_state", StreamEnded),
    ("appendStream", "stopped_by_user", StreamStopped),
    ("appendStream", "msg_too_long", TooLong),
    ("appendStream", "message_not_found", PostGone),
    ("appendStream", "streaming_mode_mismatch", AdapterError),
    ("appendStream", "internal_error", OutcomeUnknown),
    ("stopStream", "message_not_in_streaming_state", StreamEnded),
    ("stopStream", "msg_too_long", TooLong),
    ("stopStream", "internal_error", OutcomeUnknown),
    ("update", "block_mismatch", Unmendable),
    ("update", "streaming_state_conflict", StreamOpen),
]


@pytest.mark.parametrize(
    ("method", "code", "error"), REFUSALS, ids=lambda each: getattr(each, "__name__", each)
)
async def test_a_refusal_is_told_by_what_can_be_done(
    slack: Desk, target: ReplyTarget, method: str, code: str, error: type[AdapterError]
) -> None:
    """Each of Slack's words has its type."""
    adapter, ts = slack.adapter, ""
    if method != "startStream":
        ts = await adapter.start(target, "run_1.0", Piece("Hello"))
    slack.slack.fault(Fault("error", f"chat.{method}", error=code))

    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "startStream": lambda: adapter.start(target, "run_1.0", Piece("Hello")),
        "appendStream": lambda: adapter.append(target, ts, Piece(" world")),
        "stopStream": lambda: adapter.stop(target, "run_1.0", ts, Piece(" world"), END),
        "update": lambda: adapter.mend(target, "run_1.0", ts, END),
    }
    with pytest.raises(error) as caught:
        await calls[method]()

    assert error is type(caught.value)


@pytest.mark.parametrize(("code", "again"), [("channel_type_not_supported", False), ("internal", True)])
async def test_where_slack_does_not_stream_no_stream_is_tried_again(
    slack: Desk, target: ReplyTarget, code: str, again: bool
) -> None:
    """For an hour that channel is posted to; a refusal that may pass is forgotten."""
    slack.slack.fault(Fault("error", "chat.startStream", error=code))

    with pytest.raises(StreamRefused):
        await slack.adapter.start(target, "run_1.0", Piece("Hello"))

    assert again == (slack.adapter.streams(target) is not None)


async def test_a_stream_is_stopped_before_it_is_edited(
    slack: Desk, root: Message, target: ReplyTarget
) -> None:
    """An edit of an open stream is refused as such; after the stop it is mended, and keeps its key."""
    ts = await slack.adapter.start(target, "run_1.0", Piece("Hel"))

    for call in (slack.adapter.edit(target, ts, END), slack.adapter.mend(target, "run_1.0", ts, END)):
        with pytest.raises(StreamOpen):
            await call
    await slack.adapter.stop(target, "run_1.0", ts, Piece(), Content("Hel"))
    await slack.adapter.mend(target, "run_1.0", ts, END)

    assert ["Hello world"] == [reply.visible for reply in slack.slack.replies(root)]
    assert ts == await slack.adapter.find(target, "run_1.0")


async def test_a_session_works_until_the_answer_is_complete(slack: Desk, target: ReplyTarget) -> None:
    """A stop in the midst of an answer leaves Slack's own Stop button there; the last one takes it away."""
    first = await slack.adapter.start(target, "run_1.0", Piece("One"))
    await slack.adapter.stop(target, "run_1.0", first, Piece(), Content("One", final=True))
    (session,) = slack.slack.world.sessions.values()
    between = session.status
    second = await slack.adapter.start(target, "run_1.1", Piece("Two"))
    await slack.adapter.stop(target, "run_1.1", second, Piece(), END)

    assert ("processing", "active") == (between, session.status)


# Found again


async def test_an_open_stream_of_a_dead_process_is_found(slack: Desk, target: ReplyTarget) -> None:
    """It has no key yet: it is the only one of ours in the thread without one; a person's is none."""
    before = await slack.adapter.post(target, "run_0.0", Content("Earlier"))
    ts = await slack.adapter.start(target, "run_1.0", Piece("Hel"))
    await slack.slack.say(
        target.conversation.channel, slack.slack.ann, "And?", thread_ts=target.conversation.topic
    )
    other = SlackAdapter(settings_for(slack.slack))

    found = await other.find(target, "run_1.0")
    await other.close()

    assert ts == found
    assert before != found


@pytest.mark.parametrize("ending", ["platform", "person"])
async def test_an_ended_stream_of_a_dead_process_is_found(
    slack: Desk, target: ReplyTarget, ending: str
) -> None:
    """Slack or a person has ended it before the restart: it has no key, and is found all the same."""
    ts = await slack.adapter.start(target, "run_1.0", Piece("Hel"))
    message = slack.slack.world.channels[target.conversation.channel].messages[ts]
    assert message.stream is not None
    message.stream.state = "expired" if ending == "platform" else "stopped_by_user"
    other = SlackAdapter(settings_for(slack.slack))

    found = await other.find(target, "run_1.0")
    await other.close()

    assert ts == found


async def test_of_several_streams_without_a_key_none_is_taken(slack: Desk, target: ReplyTarget) -> None:
    """Whose is whose can't be told; those that this process has begun are not looked at."""
    await slack.adapter.start(target, "run_1.0", Piece("One"))
    await slack.adapter.start(target, "run_2.0", Piece("Two"))
    other = SlackAdapter(settings_for(slack.slack))

    assert await slack.adapter.find(target, "run_3.0") is None
    with pytest.raises(OutcomeUnknown):
        await other.find(target, "run_1.0")
    await other.close()


async def test_the_second_of_two_posts_under_a_key_stays(slack: Desk) -> None:
    """The first one's echo comes after the answer was posted anew: it is removed, and only it."""
    question = await slack.ask()
    target = slack.target(question)
    lost = SlackAdapter(settings_for(slack.slack))
    first = await lost.post(target, "run_1.0", Content("Hello"))
    await lost.close()
    await slack.settled()
    echo = next(each for each in slack.slack.deliveries("message") if each.event.get("ts") == first)
    fresh = SlackAdapter(settings_for(slack.slack))
    task = asyncio.create_task(fresh.run(slack.intake))
    await eventually(lambda: not fresh.unready())

    second = await fresh.post(target, "run_1.0", Content("_(resumed)_\n\nHello"))
    await fresh.take({**echo.payload, "event_id": "Ev99"})
    await eventually(lambda: [second] == [each.ts for each in slack.slack.replies(question)])

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await fresh.close()


# Whole replies


class Telling:
    """A reply by an adapter, with a journal in memory."""

    def __init__(
        self,
        adapter: SlackAdapter,
        target: ReplyTarget,
        known: Sequence[Post] = (),
        *,
        pacer: Pacer | None = None,
        run_id: str = "run_1",
    ) -> None:
        self._adapter, self._target = adapter, target
        self.journal = {post.part: post for post in known}
        self.reply = Reply(
            adapter,
            target,
            run_id,
            save=self._save,
            posts=list(known),
            watch=Watch(),
            pacer=pacer or Pacer(),
            keep_file=self._keep_file,
            controls=ALL,
        )

    async def _save(self, post: Post) -> None:
        self.journal[post.part] = post

    async def _keep_file(self, name: str, content_type: str, data: bytes) -> FileRef:
        raise AssertionError("no answer here is that long")

    async def grow(self, words: Sequence[str], *, every: float) -> None:
        """Say *words*, and stop growing."""
        growing = asyncio.ensure_future(self.reply.grow())
        for word in words:
            await self.reply.on_event(TextDelta("msg_1", word))
            await asyncio.sleep(every)
        self.reply.close()
        await growing

    async def tell(self, words: Sequence[str], *, every: float = 0.01) -> None:
        """A whole answer, as the worker brings it."""
        await self._adapter.working(self._target)
        await self.grow(words, every=every)
        await self.reply.finish(Answer("".join(words), RunStatus.COMPLETED))
        self.reply.leave()
        await self._adapter.rested(self._target)


def closed(slack: SlackEmulator) -> bool:
    """Whether no stream is open, and no session is shown as working."""
    streams = [message.stream for message in slack.world.streaming.values() if message.stream is not None]
    sessions = slack.world.sessions.values()
    return all(stream.state != "in_progress" for stream in streams) and all(
        session.status == "active" for session in sessions
    )


async def test_a_long_answer_is_streamed_over_several_messages(
    slack: Desk, root: Message, target: ReplyTarget
) -> None:
    """25,000 characters of code: three streams, each a block of its own; the last one has the buttons."""
    lines = [f"print({number})  # {'ä' * 20}\n" for number in range(500)]

    await Telling(slack.adapter, target).tell(["```python\n", *lines, "```\n"], every=0.002)

    replies = slack.slack.replies(root)
    said = [reply.visible for reply in replies]
    assert 3 <= len(replies) <= 4
    assert all(text.startswith("```python\n") and text.rstrip().endswith("\n```") for text in said)
    told = [line for text in said for line in text.splitlines() if line.startswith("print")]
    assert [line.rstrip() for line in lines] == told
    assert [False] * (len(replies) - 1) + [True] == [
        "assistant_regenerate" in str(each.blocks) for each in replies
    ]
    await slack.slack.until(lambda: closed(slack.slack))


async def test_a_stream_that_slack_has_ended_is_mended(
    slack: Desk, root: Message, target: ReplyTarget
) -> None:
    """In the midst of the answer Slack ends the stream: the same message is complete in the end."""
    slack.slack.fault(Fault("error", "chat.appendStream", after=1, error="message_not_in_streaming_state"))
    telling = Telling(slack.adapter, target)
    words = [f"word{number} " for number in range(60)]

    growing = asyncio.ensure_future(telling.grow(words, every=0.03))
    reply = await slack.slack.until(lambda: next(iter(slack.slack.replies(root)), None))
    assert reply is not None
    await slack.slack.until(lambda: len(slack.slack.calls("chat.appendStream")) == 2)
    assert reply.stream is not None
    reply.stream.state = "expired"
    await growing
    await telling.reply.finish(Answer("".join(words), RunStatus.COMPLETED))

    assert [reply] == slack.slack.replies(root)
    assert "".join(words).split() == reply.visible.split()
    assert "assistant_stop" not in str(reply.blocks)


async def test_what_slack_does_not_let_be_mended_is_made_anew(
    slack: Desk, root: Message, target: ReplyTarget
) -> None:
    """`block_mismatch`: the message is deleted, and the whole answer posted."""
    slack.slack.fault(Fault("accept_then_drop", "chat.appendStream"))
    slack.slack.fault(Fault("error", "chat.update", error="block_mismatch"))

    await Telling(slack.adapter, target).tell(["Hello ", "wide ", "world"], every=0.5)

    assert ["Hello wide world"] == [reply.visible for reply in slack.slack.replies(root)]
    assert 1 == len(slack.slack.calls("chat.delete"))


async def test_slacks_own_stop_is_an_end(slack: Desk, root: Message, target: ReplyTarget) -> None:
    """After it nothing is appended; the same message says how it ended."""
    telling = Telling(slack.adapter, target)
    growing = asyncio.ensure_future(telling.grow(["word "] * 40, every=0.05))
    await slack.slack.until(lambda: slack.slack.calls("chat.appendStream"))

    assert await slack.slack.press_stop(slack.slack.ann, root.channel, root.ts)
    await growing
    appended = len(slack.slack.calls("chat.appendStream"))
    await telling.reply.finish(Answer("word word", RunStatus.CANCELLED))

    (reply,) = slack.slack.replies(root)
    assert "word word\n\n_Stopped._" == reply.visible
    assert appended == len(slack.slack.calls("chat.appendStream"))


@pytest.mark.parametrize("is_known", [True, False])
async def test_another_process_completes_a_half_open_stream(
    slack: Desk, root: Message, target: ReplyTarget, is_known: bool
) -> None:
    """Killed in the midst of a stream with a tool at work, its ts on disk or not: one complete message."""
    first = SlackAdapter(settings_for(slack.slack))
    dying = Telling(first, target)
    growing = asyncio.ensure_future(dying.grow(["Let me ", "look."], every=5.0))
    await slack.slack.until(lambda: slack.slack.replies(root))
    await dying.reply.on_event(ToolCallCreated("c1", "search"))
    await slack.slack.until(lambda: "search" in slack.slack.replies(root)[0].visible)
    growing.cancel()
    await asyncio.wait([growing])
    await first.close()

    known = list(dying.journal.values()) if is_known else [Post("run_1.0", 0)]
    await Telling(slack.adapter, target, known).tell(["Let me ", "look. ", "Here."], every=0.1)

    assert ["Let me look. Here."] == [reply.visible for reply in slack.slack.replies(root)]
    await slack.slack.until(lambda: closed(slack.slack))
    assert 1 == len(slack.slack.calls("chat.startStream"))


async def test_twenty_one_answers_at_once_cost_no_refusal(slack: Desk) -> None:
    """Slack lets 20 streams begin in a minute: the others are posted and edited, all complete, no 429."""
    roots, pacer = [await asked(slack, f"Question {number}") for number in range(21)], Pacer()

    async def tell(number: int, root: Message) -> None:
        telling = Telling(slack.adapter, slack.target(root), pacer=pacer, run_id=f"run_{number}")
        await telling.tell([f"{number} "] * 30, every=0.02)

    await asyncio.gather(*(tell(number, root) for number, root in enumerate(roots)))

    said = [reply.visible.split() for root in roots for reply in slack.slack.replies(root)]
    assert [[f"{number}"] * 30 for number in range(21)] == said
    assert [] == [call for call in slack.slack.calls() if call.status == 429]
    assert 20 >= len(slack.slack.calls("chat.startStream"))


async def test_where_nobody_may_speak_a_stream_says_so_by_its_post(slack: Desk, target: ReplyTarget) -> None:
    """The start is refused, and the post tells why."""
    slack.slack.archive(target.conversation.channel)

    with pytest.raises(StreamRefused):
        await slack.adapter.start(target, "run_1.0", Piece("Hello"))
    with pytest.raises(Forbidden):
        await slack.adapter.post(target, "run_1.0", Content("Hello"))


async def test_stop_goes_when_the_answer_is_complete(slack: Desk) -> None:
    """In a channel the post that grows carries Stop; the last edit takes it away, also of an equal text."""
    question = await slack.ask()
    telling = Telling(slack.adapter, slack.target(question))
    await telling.grow(["Hello"], every=1.0)
    (reply,) = slack.slack.replies(question)
    growing = str(reply.blocks)

    await telling.reply.finish(Answer("Hello", RunStatus.COMPLETED))

    assert ("assistant_stop" in growing, "assistant_regenerate" in growing) == (True, False)
    assert ["Hello"] * 2 == [frame.text for frame in reply.frames]
    assert "assistant_stop" not in str(reply.blocks)
    assert "assistant_feedback" in str(reply.blocks)
