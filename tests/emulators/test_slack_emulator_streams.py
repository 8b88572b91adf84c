"""Streams, sessions and statuses live and die as on the real Slack."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from slack_sdk.web.async_client import AsyncWebClient

from emulators.slack import HandClock, Manifest, Message, SlackEmulator
from emulators.slack_client import client_of, refused


@pytest_asyncio.fixture
async def slack() -> AsyncIterator[SlackEmulator]:
    async with SlackEmulator(clock=HandClock(), quotas=False) as slack:
        yield slack


@pytest.fixture
def client(slack: SlackEmulator) -> AsyncWebClient:
    return client_of(slack)


@pytest_asyncio.fixture
async def asked(slack: SlackEmulator) -> Message:
    return await slack.say(slack.direct(slack.ann), slack.ann, "Hello")


def text(said: str) -> dict[str, str]:
    return {"type": "markdown_text", "text": said}


def task(status: str, **more: str) -> dict[str, str]:
    return {"type": "task_update", "id": "1", "title": "Search", "status": status, **more}


async def start(client: AsyncWebClient, asked: Message, **given: object) -> str:
    answer = await client.api_call(
        "chat.startStream", json={"channel": asked.channel, "thread_ts": asked.ts, **given}
    )
    return str(answer["ts"])


async def test_a_stream_grows_and_ends(slack: SlackEmulator, client: AsyncWebClient, asked: Message) -> None:
    """Four states were seen; mrkdwn text and one rich text block are stored, and the session is active."""
    ts = await start(client, asked)
    await client.chat_appendStream(channel=asked.channel, ts=ts, chunks=[text("**Hel")])
    await client.chat_appendStream(channel=asked.channel, ts=ts, chunks=[text("lo**")])
    answer = await client.chat_stopStream(channel=asked.channel, ts=ts)

    (reply,) = slack.replies(asked)
    assert ["", "**Hel", "**Hello**", "**Hello**"] == [frame.text for frame in reply.frames]
    assert ("*Hello*", "completed") == (answer["message"]["text"], answer["message"]["streaming_state"])
    assert ["rich_text"] == [block["type"] for block in reply.blocks]
    (session,) = slack.world.sessions.values()
    assert ["processing", "active"] == [status for _, status in session.history]


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({"markdown_text": "a"}, {"chunks": [{"type": "markdown_text", "text": "b"}]}),
        ({"chunks": [{"type": "markdown_text", "text": "a"}]}, {"markdown_text": "b"}),
    ],
)
async def test_the_first_payload_fixes_the_mode(
    slack: SlackEmulator,
    client: AsyncWebClient,
    asked: Message,
    first: dict[str, object],
    then: dict[str, object],
) -> None:
    """The other kind is refused, at the stop too; both at once always."""
    ts = await start(client, asked, **first)
    given = {"channel": asked.channel, "ts": ts}

    told = [
        await refused(client.api_call("chat.appendStream", json=given | then)),
        await refused(client.api_call("chat.stopStream", json=given | then)),
        await refused(client.api_call("chat.appendStream", json=given | first | then)),
    ]

    mismatch = "streaming_mode_mismatch"
    assert [mismatch, mismatch, "cannot_provide_both_markdown_text_and_chunks"] == told


async def test_in_a_channel_a_stream_has_a_recipient(slack: SlackEmulator, client: AsyncWebClient) -> None:
    """Without one it is refused; the recipient alone sees the middle of it."""
    asked = await slack.say(slack.general, slack.ann, "Hello")
    user = {"recipient_user_id": slack.ann}

    told = [
        await refused(start(client, asked)),
        await refused(start(client, asked, **user)),
        await refused(start(client, asked, **user, recipient_team_id="T404")),
    ]
    ts = await start(client, asked, **user, recipient_team_id=slack.team, chunks=[text("a")])
    await client.chat_appendStream(channel=asked.channel, ts=ts, chunks=[text("b")])
    await client.chat_stopStream(channel=asked.channel, ts=ts, chunks=[text("c")])

    assert ["missing_recipient_user_id", "missing_recipient_team_id", "team_not_found"] == told
    (reply,) = slack.replies(asked)
    seen = [(frame.text, frame.viewers) for frame in reply.frames]
    assert [("a", ()), ("ab", (slack.ann,)), ("abc", ())] == seen


@pytest.mark.parametrize("ts", ["", "yesterday", "1795348801.000009"])
async def test_a_stream_wants_a_root(
    slack: SlackEmulator, client: AsyncWebClient, asked: Message, ts: str
) -> None:
    """A thread that is not there is refused, unlike for a post."""
    given = {"channel": asked.channel, "thread_ts": ts}

    assert "invalid_thread_ts" == await refused(client.api_call("chat.startStream", json=given))


@pytest.mark.parametrize(
    ("chunk", "error"),
    [
        (task("completed"), "invalid_chunks"),
        (task("complete", output="x" * 257), "invalid_chunks"),
        ({"type": "plan_update", "title": ""}, "invalid_chunks"),
        ({"type": "song"}, "invalid_chunks"),
        (text("x" * 12_001), "msg_too_long"),
    ],
)
async def test_bad_chunks_are_refused(
    slack: SlackEmulator, client: AsyncWebClient, asked: Message, chunk: dict[str, str], error: str
) -> None:
    """What came with a bad chunk is not shown either."""
    ts = await start(client, asked)

    told = await refused(
        client.chat_appendStream(channel=asked.channel, ts=ts, chunks=[text("a"), dict(chunk)])
    )

    assert error == told
    assert "" == slack.replies(asked)[0].visible


async def test_a_stream_of_text_ends_at_11977_characters(
    slack: SlackEmulator, client: AsyncWebClient, asked: Message
) -> None:
    """One more is refused by append and by stop; what was there can still be stopped."""
    ts = await start(client, asked, chunks=[text("x" * 11_977)])

    append = await refused(client.chat_appendStream(channel=asked.channel, ts=ts, chunks=[text("y")]))
    stop = await refused(client.chat_stopStream(channel=asked.channel, ts=ts, chunks=[text("y")]))
    await client.chat_stopStream(channel=asked.channel, ts=ts)

    assert ("msg_too_long", "msg_too_long") == (append, stop)
    assert 11_977 == len(slack.replies(asked)[0].visible)


async def test_details_and_output_weigh_twice(
    slack: SlackEmulator, client: AsyncWebClient, asked: Message
) -> None:
    """10,000 bytes of body, 6 of title and twice 297 are 10,600: one more is refused."""
    ts = await start(client, asked, chunks=[task("in_progress", details="d" * 200)])
    await client.chat_appendStream(
        channel=asked.channel, ts=ts, chunks=[task("complete", output="o" * 97), text("ä" * 5_000)]
    )

    told = await refused(client.chat_appendStream(channel=asked.channel, ts=ts, chunks=[text("x")]))

    assert "msg_too_long" == told


async def test_open_tasks_turn_red(slack: SlackEmulator, client: AsyncWebClient, asked: Message) -> None:
    """Details are appended to the same card; a stop with the card open marks it and the plan."""
    ts = await start(client, asked, chunks=[{"type": "plan_update", "title": "My plan"}])
    for details in ("one ", "two"):
        await client.chat_appendStream(
            channel=asked.channel, ts=ts, chunks=[task("in_progress", details=details)]
        )
    await client.chat_stopStream(channel=asked.channel, ts=ts)

    (reply,) = slack.replies(asked)
    expected = "Something went wrong\n[error] Search\none two"
    assert expected == reply.visible
    assert "My plan\n[in_progress] Search\none two" == reply.frames[-2].text


async def test_a_stream_lives_300_seconds(
    slack: SlackEmulator, client: AsyncWebClient, asked: Message
) -> None:
    """Appends do not prolong it; afterwards only an edit helps, and the session is active."""
    ts = await start(client, asked, chunks=[text("a")])
    slack.advance(299)
    await client.chat_appendStream(channel=asked.channel, ts=ts, chunks=[text("b")])
    conflict = await refused(client.chat_update(channel=asked.channel, ts=ts, text="c"))
    slack.advance(1)

    told = [
        await refused(client.chat_appendStream(channel=asked.channel, ts=ts, chunks=[text("c")])),
        await refused(client.chat_stopStream(channel=asked.channel, ts=ts)),
    ]
    (session,) = slack.world.sessions.values()
    ended = [reply.stream.state for reply in slack.replies(asked) if reply.stream is not None]
    assert (["expired"], "active") == (ended, session.status)
    await client.chat_update(channel=asked.channel, ts=ts, text="abc")

    assert "streaming_state_conflict" == conflict
    assert ["message_not_in_streaming_state"] * 2 == told
    assert [("abc", None)] == [(reply.visible, reply.stream) for reply in slack.replies(asked)]


async def test_stop_ends_the_stream(slack: SlackEmulator, client: AsyncWebClient, asked: Message) -> None:
    """The event names the stream; append and stop are refused; the app itself leaves `processing`."""
    ts = await start(client, asked, chunks=[text("a")])

    pressed = await slack.press_stop(slack.ann, asked.channel, asked.ts)
    told = [
        await refused(client.chat_appendStream(channel=asked.channel, ts=ts, chunks=[text("b")])),
        await refused(client.chat_stopStream(channel=asked.channel, ts=ts)),
    ]

    (stopped,) = slack.deliveries("agent_session_stopped")
    (session,) = slack.world.sessions.values()
    assert pressed
    assert [ts] == stopped.event["streaming_message_ts"]
    assert ["stopped_by_user"] * 2 == told
    assert "processing" == session.status
    await client.agents_sessions_setStatus(channel_id=asked.channel, thread_ts=asked.ts, status="active")
    assert not await slack.press_stop(slack.ann, asked.channel, asked.ts)


async def test_a_stop_may_close_the_session_and_ask_for_feedback(
    slack: SlackEmulator, client: AsyncWebClient, asked: Message
) -> None:
    """Blocks come last, metadata from then on, and the click carries the side's value."""
    sides = {
        f"{side}_button": {"text": {"type": "plain_text", "text": side}, "value": side}
        for side in ("positive", "negative")
    }
    buttons = {"type": "feedback_buttons", "action_id": "feedback", **sides}
    ts = await start(client, asked, chunks=[text("a")])

    await client.api_call(
        "chat.stopStream",
        json={
            "channel": asked.channel,
            "ts": ts,
            "blocks": [{"type": "context_actions", "elements": [buttons]}],
            "metadata": {"event_type": "gateway_reply", "event_payload": {"key": "k1"}},
            "session_status": "closed",
        },
    )
    clicked = await slack.click(slack.ann, asked.channel, ts, "feedback", value="negative")

    (reply,) = slack.replies(asked)
    (session,) = slack.world.sessions.values()
    actions = clicked.payload["actions"]
    assert ["rich_text", "context_actions"] == [block["type"] for block in reply.blocks]
    assert "gateway_reply" == reply.metadata["event_type"]
    assert "closed" == session.status
    assert isinstance(actions, list)
    assert [("feedback_buttons", "negative")] == [(each["type"], each["value"]) for each in actions]


async def test_a_session_processes_for_an_hour(
    slack: SlackEmulator, client: AsyncWebClient, asked: Message
) -> None:
    """Sending it again restarts the hour; title and initiator count once; strange words are refused."""
    given = {"channel_id": asked.channel, "thread_ts": asked.ts}
    first = await client.agents_sessions_setStatus(**given, status="processing", title="One")
    slack.advance(3_599)
    again = await client.agents_sessions_setStatus(**given, status="processing", title="Two")
    slack.advance(3_599)
    (session,) = slack.world.sessions.values()
    before = session.status
    slack.advance(1)

    assert ("processing", "active") == (before, session.status)
    assert ("One", "One") == (first["title"], again["title"])
    told = [
        await refused(client.agents_sessions_setStatus(**given, status="dreaming")),
        await refused(client.agents_sessions_setStatus(channel_id=asked.channel, status="active")),
        await refused(client.agents_sessions_rename(channel_id=slack.general, title="x", thread_ts="1.2")),
    ]
    assert ["invalid_status", "thread_ts_required", "invalid_thread_ts"] == told


async def test_a_status_ends_with_the_next_message(
    slack: SlackEmulator, client: AsyncWebClient, asked: Message
) -> None:
    """Or after 2 min; in a channel there is nothing to see."""
    given = {"channel_id": asked.channel, "thread_ts": asked.ts, "status": "is thinking"}
    await client.api_call("assistant.threads.setStatus", json=given)
    (session,) = slack.world.sessions.values()
    first = session.text
    await client.chat_postMessage(channel=asked.channel, thread_ts=asked.ts, text="Hi")
    second = session.text
    await client.api_call("assistant.threads.setStatus", json=given)
    slack.advance(120)
    shared = await slack.say(slack.general, slack.ann, "Hello")
    await client.assistant_threads_setStatus(channel_id=slack.general, thread_ts=shared.ts, status="x")

    assert ("is thinking", "", "") == (first, second, session.text)
    assert 1 == len(slack.world.sessions)


async def test_prompts_belong_to_the_view(
    slack: SlackEmulator, client: AsyncWebClient, asked: Message
) -> None:
    """In the agent view a thread_ts fails silently; in the older container its absence is refused."""
    prompts = [{"title": "One", "message": "Do one"}]
    await client.assistant_threads_setSuggestedPrompts(
        channel_id=asked.channel, thread_ts=asked.ts, prompts=prompts
    )
    silent = slack.world.channels[asked.channel].prompts
    await client.assistant_threads_setSuggestedPrompts(channel_id=asked.channel, prompts=prompts)

    assert ([], prompts) == (silent, slack.world.channels[asked.channel].prompts)
    async with SlackEmulator(Manifest(view="assistant")) as older:
        root = await older.open_assistant(older.ann)
        told = await refused(
            client_of(older).assistant_threads_setSuggestedPrompts(channel_id=root.channel, prompts=prompts)
        )
    assert "not_agent_app" == told


async def test_in_the_older_container_a_message_has_a_root(slack: SlackEmulator) -> None:
    """`assistant_thread_started` comes first, and the person's message is in that thread."""
    async with SlackEmulator(Manifest(view="assistant")) as older:
        said = await older.say(older.direct(older.ann), older.ann, "Hello")
        (started,) = older.deliveries("assistant_thread_started")

        thread = started.event["assistant_thread"]
        assert isinstance(thread, dict)
        assert said.root == thread["thread_ts"]
    with pytest.raises(PermissionError):
        await slack.say(slack.direct(slack.guest), slack.guest, "Hello")
