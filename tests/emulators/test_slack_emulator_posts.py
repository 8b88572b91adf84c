"""Posting, editing, deleting and reading are as strict as on the real Slack."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from slack_sdk.web.async_client import AsyncWebClient

from emulators.slack import HandClock, Manifest, SlackEmulator
from emulators.slack_client import client_of, refused

UNHEARD = Manifest(events=frozenset())


@pytest_asyncio.fixture
async def slack() -> AsyncIterator[SlackEmulator]:
    async with SlackEmulator(UNHEARD, clock=HandClock(), quotas=False) as slack:
        yield slack


@pytest.fixture
def client(slack: SlackEmulator) -> AsyncWebClient:
    return client_of(slack)


def markdown(text: str) -> dict[str, object]:
    return {"type": "markdown", "text": text}


async def test_a_post_is_seen_as_it_was_sent(slack: SlackEmulator, client: AsyncWebClient) -> None:
    """A reply lands in the thread, and the answer names the thread."""
    asked = await slack.say(slack.general, slack.ann, "Hello")

    answer = await client.chat_postMessage(channel=slack.general, text="*Hi* & <b>", thread_ts=asked.ts)

    (reply,) = slack.replies(asked)
    assert reply.ts == answer["ts"]
    assert asked.ts == answer["message"]["thread_ts"]
    assert "*Hi* & <b>" == reply.visible
    assert "*Hi* &amp; &lt;b&gt;" == answer["message"]["text"]
    assert slack.app.id == answer["message"]["app_id"]


@pytest.mark.parametrize("root", ["deleted", "unknown", "a reply"])
async def test_a_reply_without_a_root_lands_in_the_channel(
    slack: SlackEmulator, client: AsyncWebClient, root: str
) -> None:
    """It is `ok: true`, and the answer has no thread_ts."""
    asked = await slack.say(slack.general, slack.ann, "Hello")
    reply = await slack.say(slack.general, slack.bob, "Hi", thread_ts=asked.ts)
    ts = {"deleted": asked.ts, "unknown": "1795348801.000001", "a reply": reply.ts}[root]
    if root == "deleted":
        await slack.delete(slack.general, asked.ts)

    answer = await client.chat_postMessage(channel=slack.general, text="Late", thread_ts=ts)

    assert "thread_ts" not in answer["message"]
    assert "" == slack.world.channels[slack.general].messages[str(answer["ts"])].root


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({}, "no_text"),
        ({"text": ""}, "no_text"),
        ({"text": "a", "channel": "C404"}, "channel_not_found"),
        ({"text": "a", "thread_ts": "yesterday"}, "invalid_thread_ts"),
        ({"text": "a", "markdown_text": "b"}, "markdown_text_conflict"),
        ({"markdown_text": "b", "blocks": [markdown("c")]}, "markdown_text_conflict"),
        ({"markdown_text": "ä" * 12_001}, "msg_too_long"),
        ({"text": "a", "blocks": [markdown("ä" * 6_001), markdown("b" * 6_000)]}, "msg_too_long"),
        ({"text": "a", "blocks": [markdown("b")] * 51}, "invalid_blocks"),
        ({"text": "a", "blocks": [{"type": "section", "text": "b"}]}, "invalid_blocks"),
        ({"text": "a", "blocks": [{"type": "poem"}]}, "invalid_blocks"),
        (
            {"text": "a", "blocks": [{"type": "header", "text": {"type": "plain_text", "text": "b" * 151}}]},
            "invalid_blocks",
        ),
        (
            {
                "text": "a",
                "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "b" * 2_900}}] * 5,
            },
            "msg_blocks_too_long",
        ),
        (
            {"text": "a", "metadata": {"event_type": "t", "event_payload": {"k": "v" * 16_000}}},
            "metadata_too_large",
        ),
        ({"text": "a", "metadata": {"event_type": "t"}}, "invalid_metadata_format"),
        ({"text": "a", "username": "Somebody"}, "missing_scope"),
        ({"text": "a", "attachments": [{"text": "b"}] * 101}, "too_many_attachments"),
    ],
)
async def test_a_bad_post_is_refused(
    slack: SlackEmulator, client: AsyncWebClient, given: dict[str, object], error: str
) -> None:
    """What was refused is not there."""
    told = await refused(client.api_call("chat.postMessage", json={"channel": slack.general, **given}))

    assert error == told
    assert [] == slack.messages(slack.general)


async def test_a_block_is_refused_with_a_pointer(slack: SlackEmulator, client: AsyncWebClient) -> None:
    """The answer tells which field of which block is wrong."""
    button = {"type": "button", "text": {"type": "plain_text", "text": "x" * 76}, "action_id": "a"}
    blocks = [{"type": "actions", "elements": [button]}]

    error = await refused(client.chat_postMessage(channel=slack.general, text="a", blocks=blocks))

    assert "invalid_blocks" == error
    told = slack.calls("chat.postMessage")[-1].answer
    expected = ["must be between 1 and 75 characters [json-pointer:/blocks/0/elements/0/text/text]"]
    assert expected == told["errors"]


async def test_where_a_bot_may_not_post(slack: SlackEmulator, client: AsyncWebClient) -> None:
    """A strange public channel, a private one, an archived one and others' direct messages: four answers."""
    public = slack.add_channel(slack.team, "away").id
    private = slack.add_channel(slack.team, "secret", kind="private").id
    old = slack.add_channel(slack.team, "old", members=[slack.bot_user]).id
    direct = slack.add_channel(slack.team, "", kind="im", members=[slack.ann, slack.bob]).id
    slack.archive(old)

    told = [
        await refused(client.chat_postMessage(channel=c, text="a")) for c in (public, private, old, direct)
    ]

    assert ["not_in_channel", "channel_not_found", "is_archived", "channel_not_found"] == told


async def test_tokens_are_checked() -> None:
    """No token, a wrong one, the app's, an uninstalled one, and a bot without the scope."""
    manifest = Manifest(scopes=frozenset({"chat:write"}), events=frozenset())
    async with SlackEmulator(manifest) as slack:
        bot = client_of(slack)
        calls = [
            AsyncWebClient(base_url=slack.api_url, retry_handlers=[]).auth_test(),
            client_of(slack, "xoxb-wrong").auth_test(),
            client_of(slack, slack.app_token).auth_test(),
            bot.users_info(user=slack.ann),
            bot.api_call("chat.sing"),
        ]
        told = [await refused(call) for call in calls]
        await slack.uninstall()
        told.append(await refused(bot.auth_test()))

    expected = ["not_authed", "invalid_auth", "not_allowed_token_type", "missing_scope", "unknown_method"]
    assert [*expected, "account_inactive"] == told


async def test_a_long_post_becomes_several_messages(slack: SlackEmulator, client: AsyncWebClient) -> None:
    """9,000 characters are three messages and one ts; over 40,000 the rest is cut with a warning."""
    answer = await client.chat_postMessage(channel=slack.general, text="x" * 9_000)
    lengths = [len(message.text) for message in slack.messages(slack.general)]
    cut = await client.chat_postMessage(channel=slack.general, text="y" * 40_001)

    assert [4_000, 4_000, 1_000] == lengths
    assert slack.messages(slack.general)[0].ts == answer["ts"]
    assert "message_truncated" == cut["warning"]
    assert 40_000 == sum(message.text.count("y") for message in slack.messages(slack.general))


async def test_an_edit_takes_4000_characters(slack: SlackEmulator, client: AsyncWebClient) -> None:
    """4,001 are refused and the old text stands; a markdown block takes 12,000."""
    ts = str((await client.chat_postMessage(channel=slack.general, text="a"))["ts"])

    await client.chat_update(channel=slack.general, ts=ts, text="b" * 4_000)
    error = await refused(client.chat_update(channel=slack.general, ts=ts, text="c" * 4_001))
    blocks = [markdown("d" * 12_000)]
    await client.chat_update(channel=slack.general, ts=ts, text="short", blocks=blocks)

    (message,) = slack.messages(slack.general)
    assert "msg_too_long" == error
    assert ["a", "b" * 4_000, "d" * 12_000] == [frame.text for frame in message.frames]
    assert "rich_text" == message.blocks[0]["type"]


async def test_an_edit_without_blocks_removes_them(slack: SlackEmulator, client: AsyncWebClient) -> None:
    """Blocks go, attachments and metadata stay."""
    metadata = {"event_type": "t", "event_payload": {"key": "1"}}
    ts = str(
        (
            await client.chat_postMessage(
                channel=slack.general,
                text="a",
                blocks=[markdown("b")],
                attachments=[{"text": "c"}],
                metadata=metadata,
            )
        )["ts"]
    )

    await client.chat_update(channel=slack.general, ts=ts, text="d")

    (message,) = slack.messages(slack.general)
    assert [] == message.blocks
    assert [{"text": "c"}] == message.attachments
    assert metadata == message.metadata
    assert message.edited_at


async def test_what_cannot_be_edited(slack: SlackEmulator, client: AsyncWebClient) -> None:
    """A person's message, an unknown one, one out of the window, one in an archive: four answers."""
    asked = await slack.say(slack.general, slack.ann, "Hello")
    ts = str((await client.chat_postMessage(channel=slack.general, text="a"))["ts"])
    slack.world.workspaces[slack.team].edit_window = 60.0

    told = [
        await refused(client.chat_update(channel=slack.general, ts=asked.ts, text="b")),
        await refused(client.chat_update(channel=slack.general, ts="1.2", text="b")),
        await refused(client.chat_delete(channel=slack.general, ts=asked.ts)),
    ]
    slack.advance(61)
    told.append(await refused(client.chat_update(channel=slack.general, ts=ts, text="b")))
    slack.archive(slack.general)
    told.append(await refused(client.chat_update(channel=slack.general, ts=ts, text="b")))

    expected = ["cant_update_message", "message_not_found", "cant_delete_message"]
    assert [*expected, "edit_window_closed", "is_inactive"] == told


async def test_who_is_pinged_and_what_is_fetched_is_known(
    slack: SlackEmulator, client: AsyncWebClient
) -> None:
    """Escaped tokens ping nobody; both unfurl flags keep the previewer away."""
    loud = "<!channel> <@U404> https://evil.example/?q=1"
    await client.chat_postMessage(channel=slack.general, text=loud)
    await client.chat_postMessage(channel=slack.general, text="a", blocks=[markdown(f"<@{slack.ann}>")])
    await client.chat_postMessage(
        channel=slack.general,
        text="&lt;!channel&gt; https://evil.example/",
        parse="none",
        unfurl_links=False,
        unfurl_media=False,
    )

    heard, one, quiet = slack.messages(slack.general)
    assert {slack.ann, slack.bob, slack.guest} == heard.pinged
    assert ("!channel", "@U404") == heard.frames[-1].mentions
    assert {"https://evil.example/?q=1"} == heard.unfurled
    assert {slack.ann} == one.pinged
    assert (set(), set(), ()) == (quiet.pinged, quiet.unfurled, quiet.frames[-1].mentions)


async def test_an_edit_parses_as_a_client_unless_told(slack: SlackEmulator, client: AsyncWebClient) -> None:
    """A bare @channel counts in an edit without `parse=none`."""
    ts = str((await client.chat_postMessage(channel=slack.general, text="@channel"))["ts"])
    await client.chat_update(channel=slack.general, ts=ts, text="@channel!", parse="none")
    await client.chat_update(channel=slack.general, ts=ts, text="@channel?")

    (message,) = slack.messages(slack.general)
    assert [(), (), ("!channel",)] == [frame.mentions for frame in message.frames]


async def test_a_thread_is_read_root_first(slack: SlackEmulator, client: AsyncWebClient) -> None:
    """Pages of two, metadata on demand only, a deleted reply is gone."""
    asked = await slack.say(slack.general, slack.ann, "Hello")
    metadata = {"event_type": "gateway_reply", "event_payload": {"key": "k1"}}
    for number in range(3):
        await client.chat_postMessage(
            channel=slack.general, thread_ts=asked.ts, text=str(number), metadata=metadata
        )
    await client.chat_delete(channel=slack.general, ts=slack.replies(asked)[1].ts)

    first = await client.conversations_replies(channel=slack.general, ts=asked.ts, limit=2)
    cursor = first["response_metadata"]["next_cursor"]
    second = await client.conversations_replies(channel=slack.general, ts=asked.ts, limit=2, cursor=cursor)
    whole = await client.conversations_replies(
        channel=slack.general, ts=asked.ts, oldest=asked.ts, include_all_metadata=True
    )

    assert (["Hello", "0"], ["2"]) == tuple([m["text"] for m in page["messages"]] for page in (first, second))
    assert {"event_type": "gateway_reply"} == second["messages"][0]["metadata"]
    assert metadata == whole["messages"][-1]["metadata"]
    assert 2 == whole["messages"][0]["reply_count"]
    told = await refused(client.conversations_replies(channel=slack.general, ts="1795348801.000009"))
    assert "thread_not_found" == told


async def test_history_has_the_channel_itself(slack: SlackEmulator, client: AsyncWebClient) -> None:
    """Newest first, no replies, and a tombstone for a deleted root."""
    old = await slack.say(slack.general, slack.ann, "old")
    await slack.say(slack.general, slack.bob, "reply", thread_ts=old.ts)
    await slack.say(slack.general, slack.ann, "new")
    await slack.delete(slack.general, old.ts)

    told = await client.conversations_history(channel=slack.general)

    assert ["new", "This message was deleted."] == [message["text"] for message in told["messages"]]
    assert "tombstone" == told["messages"][1]["subtype"]


async def test_metadata_with_a_bad_type_is_lost(slack: SlackEmulator, client: AsyncWebClient) -> None:
    """A dot in `event_type` loses all of it, and the post is there."""
    metadata = {"event_type": "gateway.reply", "event_payload": {"key": "k1"}}

    await client.chat_postMessage(channel=slack.general, text="a", metadata=metadata)

    (message,) = slack.messages(slack.general)
    assert {} == message.metadata


async def test_an_ephemeral_message_is_not_kept(slack: SlackEmulator, client: AsyncWebClient) -> None:
    """Only one person saw it, and history does not know it."""
    await client.chat_postEphemeral(channel=slack.general, user=slack.ann, text="psst")

    told = await client.conversations_history(channel=slack.general)
    (message,) = slack.world.ephemerals
    assert [] == told["messages"]
    assert (slack.ann,) == message.frames[0].viewers
    error = await refused(client.chat_postEphemeral(channel=slack.general, user="U404", text="psst"))
    assert "user_not_in_channel" == error


async def test_who_is_who(slack: SlackEmulator, client: AsyncWebClient) -> None:
    """The bot, a guest, the workspace and a new direct channel."""
    me = await client.auth_test()
    guest = await client.users_info(user=slack.guest)
    team = await client.team_info()
    bot = await client.bots_info(bot=str(me["bot_id"]))
    opened = await client.conversations_open(users=[slack.ann])
    again = await client.conversations_open(users=[slack.ann])

    assert (slack.bot_user, slack.team) == (me["user_id"], me["team_id"])
    assert guest["user"]["is_restricted"]
    assert "Acme" == team["team"]["name"]
    assert slack.app.id == bot["bot"]["app_id"]
    assert opened["channel"]["id"] == again["channel"]["id"] == slack.direct(slack.ann)
    assert again["already_open"]


async def test_reactions(slack: SlackEmulator, client: AsyncWebClient) -> None:
    """Twice the same is `already_reacted`, none is `no_reaction`."""
    asked = await slack.say(slack.general, slack.ann, "Hello")
    given = {"channel": slack.general, "timestamp": asked.ts, "name": "eyes"}

    await client.reactions_add(**given)
    twice = await refused(client.reactions_add(**given))
    await client.reactions_remove(**given)
    none = await refused(client.reactions_remove(**given))

    assert ("already_reacted", "no_reaction", {}) == (twice, none, asked.reactions)
