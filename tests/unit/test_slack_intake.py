"""What Slack delivers: what is answered, what is not, and that nobody else is believed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest
from structlog.testing import capture_logs

from assistant_gateway.adapter import Verdict
from assistant_gateway.errors import StoreUnavailable
from assistant_gateway_slack.bolt import NO_COMMANDS
from assistant_gateway_slack.said import EVENT_TYPE
from emulators.eventually import eventually
from emulators.slack import Fault, Message
from fixtures.slack import Desk, desk, signed_headers


@pytest.fixture
async def http() -> AsyncIterator[Desk]:
    """An adapter in HTTP mode."""
    async with desk(http=True) as found:
        yield found


# Who is believed

TIMESTAMPS = ("abc", "", "1.7e9", "9" * 5000, "-1", "١٧٠٠٠٠٠٠٠٠", "+1795358379", " ")
SIGNATURES = ("v0=é", "v0=", "", "v0=" + "a" * 64, "v1=" + "a" * 64, "v0=" + "g" * 60_000, "none")


@pytest.mark.parametrize("header", ["X-Slack-Request-Timestamp", "X-Slack-Signature"])
async def test_malformed_headers_are_401(http: Desk, header: str) -> None:
    """15 spellings of timestamps and signatures, and a missing header, prove nothing; nothing is accepted."""
    body = json.dumps(http.payload(http.message())).encode()
    good = signed_headers(http.slack.signing_secret, body)
    values = TIMESTAMPS if header.endswith("Timestamp") else SIGNATURES

    answers = [await http.send(body, {**good, header: value}) for value in values if len(value) < 8000]
    missing = await http.send(body, {name: value for name, value in good.items() if name != header})

    assert {401} == {status for status, _, _ in [*answers, missing]}
    assert [] == http.heard


async def test_a_changed_body_or_another_secret_is_401(http: Desk) -> None:
    """One flipped bit, an added newline, an upper-case signature and a foreign secret are refused."""
    body = json.dumps(http.payload(http.message())).encode()
    good = signed_headers(http.slack.signing_secret, body)
    upper = {**good, "X-Slack-Signature": good["X-Slack-Signature"].upper().replace("V0", "v0")}

    answers = [
        await http.send(bytes([body[0] ^ 1]) + body[1:], good),
        await http.send(body + b"\n", good),
        await http.send(body, upper),
        await http.send(body, signed_headers("another-secret", body)),
        await http.send(b"{oops", {}),
    ]

    assert [401] * 5 == [status for status, _, _ in answers]
    assert [] == http.heard


@pytest.mark.parametrize(("age", "status"), [(-301, 401), (-299, 200), (299, 200), (302, 401)])
async def test_a_signature_lives_for_300_seconds(http: Desk, age: int, status: int) -> None:
    """299 s away from now is taken, more than 300 s is not, in both directions."""
    body = json.dumps(http.payload(http.message())).encode()

    answer = await http.send(body, signed_headers(http.slack.signing_secret, body, at=time.time() + age))

    assert status == answer[0]


async def test_ssl_check_and_challenge_are_answered_only_when_signed(http: Desk) -> None:
    """A signed challenge comes back as plain text; one of 201 characters or unsigned does not."""
    script = {"type": "url_verification", "challenge": "<script>alert(1)</script>"}
    check = urlencode({"ssl_check": "1", "token": "t"}).encode()
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    signed = await http.send(script)
    unsigned = await http.send(script, {})
    long = await http.send({"type": "url_verification", "challenge": "x" * 201})
    checked = await http.send(check, signed_headers(http.slack.signing_secret, check) | form)
    unchecked = await http.send(check, form)

    assert (200, "<script>alert(1)</script>", "text/plain") == signed
    assert (401, 400) == (unsigned[0], long[0])
    assert (200, "") == checked[:2]
    assert 401 == unchecked[0]


@pytest.mark.parametrize(
    "body",
    [
        b"[1]",
        b"null",
        b'"x"',
        b"{oops",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"a":NaN}',
    ],
    ids=["list", "null", "text", "broken", "no UTF-8", "deep list", "deep object", "NaN"],
)
async def test_a_signed_body_that_is_no_payload_is_400(http: Desk, body: bytes) -> None:
    """Eight bodies that are no JSON object are told so, and the next message is taken."""
    refused = await http.send(body)
    taken = await http.send(http.payload(http.message()))

    assert (400, 200) == (refused[0], taken[0])
    assert 1 == len(http.heard)


ODD: list[dict[str, Any]] = [
    {"team_id": None},
    {"team_id": ["T1"]},
    {"team_id": "T" * 1024},
    {"team_id": ""},
    {"event": "str"},
    {"event": None},
    {"event": {"type": None}},
    {"event": {"type": "message"}},
    {"authorizations": [{"team_id": "T999"}]},
]


@pytest.mark.parametrize("outer", ODD, ids=[str(each)[:40] for each in ODD])
async def test_an_odd_event_is_acknowledged_and_logged_once(http: Desk, outer: dict[str, Any]) -> None:
    """Without a workspace, of a foreign installation, or without shape: 200, one line, no message."""
    with capture_logs() as lines:
        answer = await http.send({**http.payload(http.message()), **outer})

    assert 200 == answer[0]
    assert [] == http.heard
    assert 1 == len([line for line in lines if line["event"] == "slack.ignored"])


async def test_odd_members_of_a_message_do_no_harm(http: Desk) -> None:
    """Blocks of null, files that are no list, texts that are none: taken for what can be read of it."""
    odd = http.message(blocks=None, files={}, client_msg_id=7, user_team=["T"], metadata="x")

    answer = await http.send(http.payload(odd, event_id=None))

    assert 200 == answer[0]
    assert ["Hello"] == [inbound.text for inbound in http.heard]


@pytest.mark.parametrize("number", ["1", "999", "x"])
async def test_a_retry_that_was_never_seen_is_a_message(http: Desk, number: str) -> None:
    """The retry number decides nothing."""
    body = json.dumps(http.payload(http.message())).encode()
    headers = signed_headers(http.slack.signing_secret, body) | {"X-Slack-Retry-Num": number}

    assert 200 == (await http.send(body, headers))[0]
    assert 1 == len(http.heard)


async def test_with_the_store_away_slack_is_told_to_come_again(http: Desk) -> None:
    """503 instead of 200 while nothing can be kept; the same event is taken afterwards."""
    payload = http.payload(http.message())
    http.intake.fail_next(StoreUnavailable("disk full"))

    first, second = await http.send(payload), await http.send(payload)

    assert (503, 200) == (first[0], second[0])
    assert 1 == len(http.heard)


# What is one message


async def test_a_mention_that_comes_twice_is_one_message(http: Desk) -> None:
    """`message` and `app_mention` of one ts, each delivered twice, are one message in the ts's thread."""
    said = http.message()
    twin = {**said, "type": "app_mention"}
    payloads = [http.payload(said), http.payload(twin)]

    answers = [await http.send(each) for each in payloads * 2]

    assert [200] * 4 == [status for status, _, _ in answers]
    (heard,) = http.heard
    assert (http.slack.team, http.slack.general, said["ts"]) == (
        heard.conversation.tenant,
        heard.conversation.channel,
        heard.conversation.topic,
    )
    assert "Hello" == heard.text


async def test_one_client_message_is_one_message_whatever_its_ts(http: Desk) -> None:
    """A second ts with the same client_msg_id is a repetition."""
    for _ in range(2):
        await http.send(http.payload(http.message(client_msg_id="c-1")))

    assert 1 == len(http.heard)


async def test_the_same_ts_in_two_channels_is_two_messages(http: Desk) -> None:
    """A ts tells messages apart only within its channel."""
    said = http.message()

    await http.send(http.payload(said))
    await http.send(http.payload({**said, "channel": "C0OTHER"}))

    assert 2 == len(http.heard)


# Who is answered


def bot_message(http: Desk, **more: Any) -> dict[str, object]:
    return http.message(user="U0OTHERBOT", bot_id="B0OTHER", app_id="A0OTHER", **more)


async def test_bots_are_not_answered(http: Desk) -> None:
    """Neither we ourselves nor another app, not even with our own metadata; nor Slackbot."""
    key = {"event_type": EVENT_TYPE, "event_payload": {"reply_key": "run_1.0"}}
    own = http.message(user=http.slack.bot_user, bot_id=http.slack.bot.bot_id)
    events = [
        own,
        http.message(user=http.slack.bot_user),
        bot_message(http),
        bot_message(http, metadata=key),
        http.message(subtype="bot_message", user=None, bot_id="B0OTHER"),
        http.message(user="USLACKBOT"),
    ]

    for event in events:
        assert 200 == (await http.send(http.payload(event)))[0]

    assert [] == http.heard


async def test_a_key_of_another_app_is_no_echo(http: Desk) -> None:
    """Another app copies our metadata: what it posted is not found as ours; our own echo is."""
    root = await http.ask()
    key = {"event_type": EVENT_TYPE, "event_payload": {"reply_key": "run_1.0"}}
    theirs = bot_message(http, metadata=key, thread_ts=root.ts)
    ours = http.message(
        user=http.slack.bot_user, bot_id=http.slack.bot.bot_id, metadata=key, thread_ts=root.ts
    )

    await http.send(http.payload(theirs))
    before = await http.adapter.find(http.target(root), "run_1.0")
    await http.send(http.payload(ours))
    after = await http.adapter.find(http.target(root), "run_1.0")

    assert (None, ours["ts"]) == (before, after)


async def test_two_bots_stop_talking_to_each_other() -> None:
    """Where bots are answered, the third of their messages in a row is the last, until a person speaks."""
    async with desk(http=True, ignore_bots=False, max_bot_turns=3) as http:
        root = await http.ask()
        for _ in range(5):
            await http.send(http.payload(bot_message(http, thread_ts=root.ts)))
        bots = len(http.heard) - 1
        await http.ask(thread_ts=root.ts)
        await http.send(http.payload(bot_message(http, thread_ts=root.ts)))

    assert 3 == bots
    assert 1 + 3 + 1 + 1 == len(http.heard)
    assert http.heard[1].user.is_bot


@pytest.mark.parametrize(
    "subtype",
    ["message_changed", "message_deleted", "message_replied", "tombstone", "channel_join", "channel_topic"],
)
async def test_what_is_no_new_message_is_not_answered(http: Desk, subtype: str) -> None:
    """Edits, deletions, tombstones, joins: acknowledged, and no second run."""
    said = http.message(subtype=subtype, hidden=True)

    await http.send(http.payload(said))
    await http.send(http.payload({**http.message(), "subtype": subtype}))

    assert [] == http.heard


@pytest.mark.parametrize("subtype", ["file_share", "thread_broadcast", "me_message"])
async def test_some_subtypes_are_messages(http: Desk, subtype: str) -> None:
    """A shared file, a reply that is shown in the channel and /me are what people say."""
    await http.send(http.payload(http.message(subtype=subtype)))

    assert 1 == len(http.heard)


async def test_direct_messages_are_answered_where_they_were_said(http: Desk) -> None:
    """A direct message needs no mention and is answered beside it; one in a thread, in its thread."""
    slack = http.slack
    direct = slack.direct(slack.ann)

    first = await slack.say(direct, slack.ann, "Hello")
    await eventually(lambda: http.heard)
    await slack.say(direct, slack.ann, "And here?", thread_ts=first.ts)
    await eventually(lambda: len(http.heard) == 2)

    assert [(direct, ""), (direct, first.ts)] == [
        (each.conversation.channel, each.conversation.topic) for each in http.heard
    ]


async def test_a_group_of_people_is_direct(http: Desk) -> None:
    """In a group message nobody needs to mention the bot."""
    said = http.message("Hello all", channel="G0GROUP", channel_type="mpim")

    await http.send(http.payload(said))

    assert ["Hello all"] == [each.text for each in http.heard]


async def follow(http: Desk, root: Message, text: str) -> None:
    await http.slack.say(http.slack.general, http.slack.bob, text, thread_ts=root.ts)
    await http.settled()


@pytest.mark.parametrize(
    ("answer", "heard"),
    [("mention", ["one"]), ("joined", ["one", "two"]), ("always", ["zero", "nothing", "one", "two"])],
)
async def test_what_is_answered_in_a_channel_can_be_chosen(answer: str, heard: list[str]) -> None:
    """Mentions alone; with follow-ups in threads that the bot takes part in; or everything."""
    async with desk(answer=answer) as socket:
        slack = socket.slack
        quiet = await slack.say(slack.general, slack.ann, "zero")
        await follow(socket, quiet, "nothing")
        root = await socket.ask("one")
        await follow(socket, root, "two")

        assert heard == [each.text for each in socket.heard]


async def test_one_channel_may_be_all_answered() -> None:
    """In a channel of `always_in` a message without a mention begins a thread."""
    async with desk(http=True, always_in=("C0HELP",)) as http:
        said = http.message("my screen is black", channel="C0HELP")
        await http.send(http.payload(said))
        await http.send(http.payload(http.message("nothing for you")))

        assert [("C0HELP", said["ts"])] == [
            (each.conversation.channel, each.conversation.topic) for each in http.heard
        ]


async def test_lists_of_ids_close_channels_and_people_out() -> None:
    """Only Ann and only #general and direct messages: of six messages two are taken."""
    async with desk(http=True) as probe:
        ann, general = probe.slack.ann, probe.slack.general
    async with desk(http=True, users=(ann,), channels=(general,)) as http:
        for user in (http.slack.ann, http.slack.bob):
            for channel in (http.slack.general, "C0OTHER", "D0DIRECT"):
                await http.send(http.payload(http.message(user=user, channel=channel)))

        assert [(ann, general), (ann, "D0DIRECT")] == [
            (each.user.id, each.conversation.channel) for each in http.heard
        ]


async def test_people_have_names_and_guests_are_marked(http: Desk) -> None:
    """Ann has her name; a guest and a member of another workspace are external, in our tenant."""
    slack = http.slack
    await http.ask(f"tell <@{slack.bob}>")
    await http.ask(user=slack.guest)
    stranger = http.message(user_team="T0OTHER", source_team="T0OTHER", team="T0OTHER")
    await http.send(http.payload(stranger, team_id="T0OTHER", is_ext_shared_channel=True))

    ann, guest, foreign = http.heard
    assert ("ann", False) == (ann.user.name, ann.user.is_external)
    assert "tell @bob" == ann.text
    assert guest.user.is_external
    assert foreign.user.is_external
    assert {slack.team} == {each.conversation.tenant for each in http.heard}


async def test_a_message_does_not_wait_for_names(http: Desk) -> None:
    """With users.info refused or hanging, the message is taken with the ids alone."""
    http.slack.fault(Fault("error", "users.info", times=None, error="missing_scope"))

    await http.ask(f"tell <@{http.slack.bob}>")

    assert f"tell @{http.slack.bob}" == http.heard[0].text
    assert "" == http.heard[0].user.name


async def test_a_refusal_is_shown_once_to_the_person_alone(http: Desk) -> None:
    """Busy, for a mention that came twice: one ephemeral note in its thread, and Slack has its 200."""
    http.intake.verdict = Verdict.BUSY
    slack = http.slack

    root = await slack.say(slack.general, slack.ann, f"<@{slack.bot_user}> Hello")
    await eventually(lambda: slack.world.ephemerals)
    await http.settled()

    (note,) = slack.world.ephemerals
    assert (slack.ann, root.ts) == (note.ephemeral_to, note.root)
    assert "Busy, not accepted" in note.text
    assert all(each.acknowledged_at for each in slack.deliveries())


# What else Slack delivers


async def test_clicks_forms_and_commands_are_acknowledged(http: Desk) -> None:
    """A command is told that it is none, a click is taken, suggestions are empty; none becomes a message."""
    slack = http.slack
    common = {"team": {"id": slack.team, "domain": "acme"}, "user": {"id": slack.ann}}
    interactions: list[dict[str, object]] = [
        {"type": "block_actions", "actions": [{"action_id": "a", "type": "button"}]},
        {"type": "view_submission", "view": {"callback_id": "v", "type": "modal"}},
        {"type": "shortcut", "callback_id": "s"},
        {"type": "block_suggestion", "action_id": "a", "value": "x"},
    ]
    command = {"command": "/ask", "team_id": slack.team, "user_id": slack.ann, "text": "hi"}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answers = []

    for fields in (
        *({"payload": json.dumps({**common, **each})} for each in interactions),
        command,
    ):
        raw = urlencode(fields).encode()
        answers.append(await http.send(raw, signed_headers(slack.signing_secret, raw) | form))

    assert [200] * 5 == [status for status, _, _ in answers]
    assert ["", "", ""] == [text for _, text, _ in answers[:3]]
    assert {"options": []} == json.loads(answers[3][1])
    assert NO_COMMANDS == json.loads(answers[4][1])["text"]
    assert [] == http.heard


async def test_events_that_nobody_asked_for_are_acknowledged(http: Desk) -> None:
    """A reaction, a join, the end of the installation and a rate limit get 200, never 404."""
    for event in ({"type": kind} for kind in ("reaction_added", "team_join", "app_uninstalled", "new_thing")):
        assert 200 == (await http.send(http.payload(event)))[0]
    assert 200 == (await http.send({"type": "app_rate_limited", "team_id": http.slack.team}))[0]


@pytest.mark.parametrize("authorised", ["T1", [[]], ["T1"], {"team_id": "T1"}])
async def test_odd_authorisations_are_no_error(http: Desk, authorised: object) -> None:
    """Bolt stumbles over what is no list of objects; Slack is answered 200 all the same."""
    status, _, _ = await http.send(http.payload(http.message(), authorizations=authorised))

    assert 200 == status


async def test_a_mention_in_group_messages_overtakes_its_twin(http: Desk) -> None:
    """A mention has no channel type: it waits for the message, and they are one, of the whole group."""
    message = http.message(channel="C0GROUP", channel_type="mpim")
    mention = {key: value for key, value in message.items() if key != "channel_type"}

    first = asyncio.create_task(http.send(http.payload({**mention, "type": "app_mention"})))
    await asyncio.sleep(0.05)
    await http.send(http.payload(message))
    await first

    (heard,) = http.heard
    assert ("C0GROUP", "") == (heard.conversation.channel, heard.conversation.topic)


async def test_a_mention_without_a_twin_is_one_in_a_channel(http: Desk) -> None:
    """An app without message events hears mentions alone: each is answered in its thread, none is lost."""
    message = http.message(channel="C0LONELY", type="app_mention")
    del message["channel_type"]

    await http.send(http.payload(message))

    (heard,) = http.heard
    assert message["ts"] == heard.conversation.topic
