"""Posts, edits and their failures: what Slack's answers mean, and that nothing is said twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from assistant_gateway.adapter import Content
from assistant_gateway.errors import (
    AdapterError,
    Forbidden,
    OutcomeUnknown,
    PostGone,
    RateLimited,
    TooLong,
)
from assistant_gateway.values import Answer, FileRef, ReplyTarget, RunStatus
from assistant_gateway_slack.adapter import SlackAdapter
from assistant_gateway_slack.said import EVENT_TYPE
from emulators.slack import SCOPES, Fault, Manifest, Message
from fixtures.slack import Desk, desk, settings_for

# What the platform may answer to a call that it did not do, or may have done.
CERTAIN: list[tuple[Fault, type[AdapterError]]] = [
    (Fault("error", error="channel_not_found"), Forbidden),
    (Fault("error", error="is_archived"), Forbidden),
    (Fault("error", error="not_in_channel"), Forbidden),
    (Fault("error", error="restricted_action"), Forbidden),
    (Fault("error", error="msg_too_long"), TooLong),
    (Fault("error", error="msg_blocks_too_long"), TooLong),
    (Fault("error", error="ratelimited"), RateLimited),
    (Fault("error", error="message_limit_exceeded"), RateLimited),
    (Fault("ratelimited"), RateLimited),
    (Fault("error", error="invalid_auth"), AdapterError),
    (Fault("error", error="a_new_word"), AdapterError),
]
UNCERTAIN = [
    Fault("error", error="fatal_error"),
    Fault("error", error="internal_error"),
    Fault("http", status=503),
    Fault("empty"),
    Fault("broken_json"),
    Fault("list"),
    Fault("accept_then_drop"),
    Fault("accept_then_500"),
    Fault("accept_then_html", status=200),
    Fault("accept_then_hang"),
]
NAMES = [f"{fault.kind}-{fault.error}" for fault, _ in CERTAIN]


@pytest.fixture
async def slack() -> AsyncIterator[Desk]:
    """A connected adapter, and declared metadata as in our manifest."""
    async with desk(manifest=Manifest(view="none", metadata_events=frozenset({EVENT_TYPE}))) as found:
        yield found


@pytest.fixture
async def root(slack: Desk) -> Message:
    return await slack.ask()


@pytest.fixture
def target(slack: Desk, root: Message) -> ReplyTarget:
    return slack.target(root)


@pytest.mark.parametrize(("fault", "error"), CERTAIN, ids=NAMES)
async def test_a_refused_post_is_told_by_what_can_be_done(
    slack: Desk, root: Message, target: ReplyTarget, fault: Fault, error: type[AdapterError]
) -> None:
    """Each refusal has its type, an unknown word is an error all the same, and nothing was posted."""
    slack.slack.fault(Fault(fault.kind, "chat.postMessage", error=fault.error))

    with pytest.raises(error) as caught:
        await slack.adapter.post(target, "run_1.0", Content("Hello"))

    assert error is type(caught.value)
    assert [] == slack.slack.replies(root)


@pytest.mark.parametrize("fault", UNCERTAIN, ids=lambda fault: f"{fault.kind}-{fault.error}")
async def test_a_post_without_an_answer_is_unknown_and_made_once(
    slack: Desk, root: Message, target: ReplyTarget, fault: Fault
) -> None:
    """After ten ways of not answering, the key tells whether the post is there; it is never there twice."""
    adapter = SlackAdapter(settings_for(slack.slack), timeout=1.0)
    slack.slack.fault(Fault(fault.kind, "chat.postMessage", error=fault.error, status=fault.status))

    with pytest.raises(OutcomeUnknown):
        await adapter.post(target, "run_1.0", Content("Hello"))
    found = await slack.adapter.find(target, "run_1.0")

    await adapter.close()

    assert 1 == len(slack.slack.calls("chat.postMessage"))
    assert ([found] if found else []) == [post.ts for post in slack.slack.replies(root)]
    assert found or not fault.kind.startswith("accept")


@pytest.mark.parametrize("fault", UNCERTAIN[:-1], ids=lambda fault: f"{fault.kind}-{fault.error}")
async def test_an_edit_without_an_answer_may_be_repeated(
    slack: Desk, root: Message, target: ReplyTarget, fault: Fault
) -> None:
    """An edit is never of unknown outcome: it failed, and the next one shows the text."""
    posted = await slack.adapter.post(target, "run_1.0", Content("Hel"))
    slack.slack.fault(Fault(fault.kind, "chat.update", error=fault.error, status=fault.status))

    with pytest.raises(AdapterError) as caught:
        await slack.adapter.edit(target, posted, Content("Hello"))
    await slack.adapter.edit(target, posted, Content("Hello"))

    assert AdapterError is type(caught.value)
    assert ["Hello"] == [post.visible for post in slack.slack.replies(root)]


@pytest.mark.parametrize(
    "error", ["message_not_found", "cant_update_message", "edit_window_closed", "is_inactive"]
)
async def test_a_post_that_cannot_be_edited_is_gone(slack: Desk, target: ReplyTarget, error: str) -> None:
    """Deleted, foreign, too old or archived: no further edit is tried."""
    posted = await slack.adapter.post(target, "run_1.0", Content("Hel"))
    slack.slack.fault(Fault("error", "chat.update", error=error))

    with pytest.raises(PostGone):
        await slack.adapter.edit(target, posted, Content("Hello"))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("3600", 3600.0), ("0.5", 0.5), ("0", 1.0), ("-1", 5.0), (None, 5.0), ("soon", 5.0), ("nan", 5.0)],
)
async def test_slack_says_how_long_to_wait(
    slack: Desk, target: ReplyTarget, header: str | None, seconds: float
) -> None:
    """Retry-After is taken as it is, but 0 s as the 1 s that Slack counts in; what can't be read is 5 s."""
    slack.slack.fault(Fault("ratelimited", "chat.update", retry_after=header))
    posted = await slack.adapter.post(target, "run_1.0", Content("Hel"))

    with pytest.raises(RateLimited) as caught:
        await slack.adapter.edit(target, posted, Content("Hello"))

    assert seconds == caught.value.retry_after


async def test_no_mention_and_no_preview_is_alive_at_any_edit(
    slack: Desk, root: Message, target: ReplyTarget
) -> None:
    """A text with six mentions and a link, shown letter by letter: nobody is pinged, nothing is fetched."""
    slack.slack.service.quotas.enforced = False
    text = "<!channel> <!here> <@U1> <#C1> <!subteam^S1> @everyone https://evil.example/?secret"
    posted = await slack.adapter.post(target, "run_1.0", Content(text[0]))

    for end in range(2, len(text) + 1):
        await slack.adapter.edit(target, posted, Content(text[:end]))

    (post,) = slack.slack.replies(root)
    assert len(text) == len(post.frames)
    assert [()] * len(text) == [frame.mentions for frame in post.frames]
    assert not post.pinged
    assert not post.unfurled


async def test_the_longest_post_is_taken_and_a_longer_one_is_not_sent(
    slack: Desk, target: ReplyTarget
) -> None:
    """12,000 characters go through post and edit; one more, or some that escapes make longer, do not."""
    longest = "word " * 2400
    posted = await slack.adapter.post(target, "run_1.0", Content(longest))
    await slack.adapter.edit(target, posted, Content(longest[:-1] + "x"))
    calls = len(slack.slack.calls())

    for text in (longest + "x", "<" + longest[:-1]):
        with pytest.raises(TooLong):
            await slack.adapter.post(target, "run_1.1", Content(text))

    assert calls == len(slack.slack.calls())


# Finding again


async def test_where_the_history_may_not_be_read_the_echo_tells(root: Message, slack: Desk) -> None:
    """Without the scopes channels:history … our own message event is enough; a second process can't tell."""
    scopes = SCOPES - {"channels:history", "groups:history"}
    heard = Manifest(view="none", metadata_events=frozenset({EVENT_TYPE}))
    async with desk(manifest=heard) as other:
        target = other.target(await other.ask())
        posted = await other.adapter.post(target, "run_1.0", Content("Hello"))
        await other.settled()
        other.slack.bot.scopes = scopes
        stranger = SlackAdapter(settings_for(other.slack))

        assert posted == await other.adapter.find(target, "run_1.0")
        with pytest.raises(OutcomeUnknown):
            await stranger.find(target, "run_1.0")
        await stranger.close()


async def test_a_limit_on_reading_is_told_as_one(slack: Desk, target: ReplyTarget) -> None:
    """Whoever looks too often is told how long to wait, and may look again then."""
    slack.slack.fault(Fault("ratelimited", "conversations.replies", retry_after="0.2"))

    with pytest.raises(RateLimited) as caught:
        await slack.adapter.find(target, "run_1.0")

    assert 0.2 == caught.value.retry_after
    await asyncio.sleep(caught.value.retry_after)
    assert await slack.adapter.find(target, "run_1.0") is None


async def test_a_long_thread_is_read_page_by_page(slack: Desk, root: Message, target: ReplyTarget) -> None:
    """The post is found behind 450 replies, on the third page."""
    slack.slack.service.quotas.enforced = False
    for number in range(450):
        await slack.slack.say(slack.slack.general, slack.slack.bob, f"reply {number}", thread_ts=root.ts)
    posted = await slack.adapter.post(target, "run_1.0", Content("Hello"))
    stranger = SlackAdapter(settings_for(slack.slack))

    assert posted == await stranger.find(target, "run_1.0")
    assert 3 == len(slack.slack.calls("conversations.replies"))
    await stranger.close()


async def test_in_direct_messages_a_post_is_found_by_its_key(slack: Desk) -> None:
    """Outside of threads the channel's history is read, from the question on."""
    direct = slack.slack.direct(slack.slack.ann)
    question = await slack.slack.say(direct, slack.slack.ann, "Hello")
    await slack.slack.until(lambda: slack.heard)
    target = ReplyTarget(
        slack.heard[0].conversation, slack.heard[0].message_id, slack.heard[0].user, {"ts": question.ts}
    )
    posted = await slack.adapter.post(target, "run_1.0", Content("Hello, Ann"))
    stranger = SlackAdapter(settings_for(slack.slack))

    assert posted == await stranger.find(target, "run_1.0")
    assert await stranger.find(target, "run_2.0") is None
    await stranger.close()


async def test_an_answer_to_a_deleted_question_is_taken_back(
    slack: Desk, root: Message, target: ReplyTarget
) -> None:
    """Slack puts it beside its thread and says ok: it is deleted at once, and nobody tries again."""
    await slack.slack.delete(slack.slack.general, root.ts)

    with pytest.raises(Forbidden):
        await slack.adapter.post(target, "run_1.0", Content("Hello"))

    assert [] == [each for each in slack.slack.messages(slack.slack.general) if each.installation]


# Files


def answer(*files: FileRef, text: str = "Here it is.") -> Content:
    return Content(text, final=True, files=files, answer=Answer(text, RunStatus.COMPLETED, files=files))


async def test_files_of_an_answer_lie_below_it_once(slack: Desk, root: Message, target: ReplyTarget) -> None:
    """Two files are put into the thread; the same edit again, by this process and the next, adds none."""
    slack.intake.stored.update(f1=b"one,two", f2=b"more")
    files = FileRef("f1", "a.csv", "text/csv", 7), FileRef("f2", "../b.txt", "text/plain", 4)
    posted = await slack.adapter.post(target, "run_1.0", Content("Here"))

    await slack.adapter.edit(target, posted, answer(*files))
    await slack.settled()
    await slack.adapter.edit(target, posted, answer(*files))
    stranger = SlackAdapter(settings_for(slack.slack, http=True))
    with pytest.raises(RateLimited):
        await stranger.edit(target, posted, answer(*files))
    stranger.routes(slack.intake)
    await stranger.edit(target, posted, answer(*files))
    await slack.settled()
    await stranger.close()

    shared = [file for each in slack.slack.replies(root) for file in each.files]
    assert [("a.csv", b"one,two"), ("../b.txt", b"more")] == [(file.title, file.content) for file in shared]


async def test_a_file_that_slack_does_not_take_is_told_in_the_answer(
    slack: Desk, root: Message, target: ReplyTarget
) -> None:
    """Without files:write the answer stands and says which file is missing."""
    slack.intake.stored["f1"] = b"one"
    slack.slack.bot.scopes = SCOPES - {"files:write"}

    await slack.adapter.post(target, "run_1.0", answer(FileRef("f1", "a.csv", "text/csv", 3)))

    (post,) = slack.slack.replies(root)
    assert post.visible.startswith("Here it is.")
    assert "a.csv" in post.visible
