"""Events reach the app over HTTP as Slack sends them, again and again until it says 200."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.errors import SlackApiError

from emulators.eventually import eventually
from emulators.shapes import Json, record
from emulators.slack import Delivery, EventFault, HandClock, Manifest, SlackEmulator
from emulators.slack_client import bolt_of, client_of, listening, serving


class Receiver:
    """Keeps the requests, and answers as it is told."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.until: asyncio.Event | None = None

    async def take(self, request: web.Request) -> web.Response:
        self.requests.append((dict(request.headers), await request.read()))
        if self.until is not None:
            await self.until.wait()
        return web.Response(status=self.status, headers=self.headers)

    def retries(self) -> list[tuple[str, str]]:
        told = [headers for headers, _ in self.requests]
        return [(h.get("X-Slack-Retry-Num", ""), h.get("X-Slack-Retry-Reason", "")) for h in told]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest_asyncio.fixture
async def slack(clock: HandClock) -> AsyncIterator[SlackEmulator]:
    async with SlackEmulator(clock=clock, quotas=False, ack_deadline=0.3) as slack:
        yield slack


@pytest_asyncio.fixture
async def receiver(slack: SlackEmulator) -> AsyncIterator[Receiver]:
    receiver = Receiver()
    async with serving(receiver.take) as url:
        slack.use_request_url(url)
        yield receiver


def kinds(deliveries: list[Delivery]) -> list[tuple[object, object]]:
    return [(each.event["type"], each.event.get("subtype")) for each in deliveries]


async def given_up(slack: SlackEmulator, clock: HandClock, delivery: Delivery) -> list[float]:
    """Advance from sleep to sleep until the delivery ends; tells the pauses."""
    pauses: list[float] = []
    while not delivery.done.is_set():
        await slack.until(lambda: clock.waiting or delivery.done.is_set())
        if clock.waiting:
            pauses.append(clock.waiting[0])
            slack.advance(clock.waiting[0])
            await slack.until(lambda: len(delivery.attempts) == 2 + len(pauses))
    return pauses


async def test_a_mention_has_a_twin() -> None:
    """Bolt hears one `app_mention` and one `message` of one ts, with two event ids, signed."""
    async with SlackEmulator(quotas=False) as slack:
        app = bolt_of(slack)
        heard: list[Json] = []

        @app.event("app_mention")
        async def mentioned(body: Json) -> None:
            heard.append(body)

        @app.event("message")
        async def said(body: Json) -> None:
            heard.append(body)

        async with listening(slack, app):
            asked = await slack.say(slack.general, slack.ann, f"<@{slack.bot_user}> hello")
            await slack.settled()
            await eventually(lambda: len(heard) == 2)

        events = [record(body["event"]) for body in heard]
        assert {"app_mention", "message"} == {event["type"] for event in events}
        assert [asked.ts, asked.ts] == [event["ts"] for event in events]
        assert 2 == len({body["event_id"] for body in heard})
        assert all(delivery.acknowledged_at for delivery in slack.deliveries())


async def test_a_wrong_secret_is_not_acknowledged() -> None:
    """Bolt answers 401, which is an `http_error`."""
    async with SlackEmulator(clock=HandClock()) as slack:
        app = AsyncApp(client=client_of(slack), signing_secret="wrong")
        async with listening(slack, app):
            await slack.say(slack.general, slack.ann, "Hello")
            (delivery,) = slack.deliveries()
            await slack.until(lambda: len(delivery.attempts) == 2)

        assert ["http_error", "http_error"] == [reason for _, reason in delivery.attempts]
        assert delivery.acknowledged_at is None


async def test_an_event_comes_four_times(slack: SlackEmulator, clock: HandClock, receiver: Receiver) -> None:
    """At once, at once again, after a minute, after five more; then it is given up."""
    receiver.status = 500
    began = clock.now()
    await slack.say(slack.general, slack.ann, "Hello")
    (delivery,) = slack.deliveries()

    pauses = await given_up(slack, clock, delivery)

    assert [60.0, 300.0] == pauses
    assert [0.0, 0.0, 60.0, 360.0] == [at - began for at, _ in delivery.attempts]
    error = "http_error"
    assert [("", ""), ("1", error), ("2", error), ("3", error)] == receiver.retries()
    assert 1 == len({body for _, body in receiver.requests})
    assert delivery.given_up


async def test_no_retry_is_honoured(slack: SlackEmulator, receiver: Receiver) -> None:
    """`X-Slack-No-Retry: 1` with a 500 ends it."""
    receiver.status, receiver.headers = 500, {"X-Slack-No-Retry": "1"}

    await slack.say(slack.general, slack.ann, "Hello")
    await slack.settled()

    assert 1 == len(receiver.requests)


async def test_silence_is_a_timeout(slack: SlackEmulator, receiver: Receiver) -> None:
    """An answer after the deadline does not count."""
    receiver.until = asyncio.Event()
    await slack.say(slack.general, slack.ann, "Hello")
    (delivery,) = slack.deliveries()

    await slack.until(lambda: len(delivery.attempts) == 1)
    receiver.until.set()
    await slack.settled()

    assert ["http_timeout", ""] == [reason for _, reason in delivery.attempts]
    assert [("", ""), ("1", "http_timeout")] == receiver.retries()


async def test_nobody_there_is_a_failed_connection(slack: SlackEmulator) -> None:
    """A closed port, then the repeats."""
    slack.use_request_url("http://127.0.0.1:9/slack/events")
    await slack.say(slack.general, slack.ann, "Hello")
    (delivery,) = slack.deliveries()

    await slack.until(lambda: len(delivery.attempts) == 2)

    assert ["connection_failed"] * 2 == [reason for _, reason in delivery.attempts]


async def test_a_reply_changes_its_root(slack: SlackEmulator, receiver: Receiver) -> None:
    """Our reply comes back as our own, and the root as a hidden edit with the same text."""
    asked = await slack.say(slack.general, slack.ann, "Hello")
    await client_of(slack).chat_postMessage(channel=slack.general, thread_ts=asked.ts, text="Hi")
    await slack.settled()

    told = slack.deliveries()
    assert [("message", None), ("message", None), ("message", "message_changed")] == kinds(told)
    own, hidden = told[1].event, told[2].event
    assert (slack.bot.bot_id, slack.app.id, slack.bot_user) == (own["bot_id"], own["app_id"], own["user"])
    after, before = record(hidden["message"]), record(hidden["previous_message"])
    assert hidden["hidden"]
    assert after["text"] == before["text"] == "Hello"
    assert (1, None) == (after["reply_count"], before.get("reply_count"))
    assert hidden["ts"] != asked.ts


@pytest.mark.parametrize("declared", [True, False])
async def test_metadata_is_stripped_unless_declared(declared: bool) -> None:
    """The type always comes through; the payload only if the manifest names the type."""
    names = frozenset({"gateway_reply"} if declared else ())
    metadata = {"event_type": "gateway_reply", "event_payload": {"key": "k1"}}
    async with SlackEmulator(Manifest(metadata_events=names), clock=HandClock()) as slack:
        await client_of(slack).chat_postMessage(channel=slack.general, text="a", metadata=metadata)
        (delivery,) = slack.deliveries("message")

        expected = metadata if declared else {"event_type": "gateway_reply"}
        assert expected == delivery.event["metadata"]


async def test_what_people_do_is_told(slack: SlackEmulator, receiver: Receiver) -> None:
    """A broadcast, a file, an edit, a deletion, a reaction and a join: six subtypes and events."""
    root = await slack.say(slack.general, slack.ann, "Hello")
    await slack.say(slack.general, slack.bob, "All", thread_ts=root.ts, broadcast=True)
    file = slack.upload(slack.ann, "a.txt", b"abc")
    shared = await slack.say(slack.general, slack.ann, "Look", files=[file])
    await slack.edit(slack.general, shared.ts, "Look!")
    await slack.react(slack.general, slack.ann, shared.ts, "eyes")
    await slack.delete(slack.general, shared.ts)
    newcomer = slack.add_user(slack.team, "cy")
    await slack.join(slack.general, newcomer.id)
    await slack.settled()

    expected = [
        ("message", None),
        ("message", "thread_broadcast"),
        ("message", "message_changed"),
        ("message", "file_share"),
        ("message", "message_changed"),
        ("reaction_added", None),
        ("message", "message_deleted"),
        ("member_joined_channel", None),
        ("message", "channel_join"),
    ]
    assert expected == kinds(slack.deliveries())
    assert len(expected) == len(receiver.requests)


async def test_a_deleted_root_leaves_a_tombstone(slack: SlackEmulator, receiver: Receiver) -> None:
    """It is an edit whose message is a tombstone, not a deletion."""
    root = await slack.say(slack.general, slack.ann, "Hello")
    await slack.say(slack.general, slack.bob, "Hi", thread_ts=root.ts)
    await slack.delete(slack.general, root.ts)

    last = slack.deliveries()[-1].event
    assert ("message_changed", "tombstone") == (last["subtype"], record(last["message"])["subtype"])


async def test_who_is_not_there_hears_nothing(slack: SlackEmulator, receiver: Receiver) -> None:
    """A channel without the bot, and direct messages of others; the bot's own have no `app_mention`."""
    away = slack.add_channel(slack.team, "away", members=[slack.ann]).id
    private = slack.add_channel(slack.team, "", kind="im", members=[slack.ann, slack.bob]).id

    for channel in (away, private, slack.direct(slack.ann)):
        await slack.say(channel, slack.ann, f"<@{slack.bot_user}> hello")

    (delivery,) = slack.deliveries()
    assert ("message", "im") == (delivery.event["type"], delivery.event["channel_type"])


async def test_a_shared_channel_tells_whose_the_author_is(slack: SlackEmulator, receiver: Receiver) -> None:
    """The event comes for the authorised workspace; the author's is another."""
    other = slack.add_workspace("Other")
    eve = slack.add_user(other.id, "eve")
    members = (slack.ann, eve.id, slack.bot_user)
    shared = slack.add_channel(slack.team, "shared", members=members, connected=[other.id])

    await slack.say(shared.id, eve.id, "Hello")

    (delivery,) = slack.deliveries()
    assert slack.team == delivery.payload["team_id"]
    assert delivery.payload["is_ext_shared_channel"]
    assert (other.id, other.id) == (delivery.event["user_team"], delivery.event["team"])
    told = await client_of(slack).users_info(user=eve.id)
    assert told["user"]["is_stranger"]


async def test_two_workspaces_keep_apart(slack: SlackEmulator, receiver: Receiver) -> None:
    """Each installation has its token, and sees only its own channels."""
    other = slack.add_workspace("Other")
    there = slack.install(slack.app, other.id)
    eve = slack.add_user(other.id, "eve").id
    channel = slack.add_channel(other.id, "general", members=[eve, there.bot_user_id]).id

    await slack.say(channel, eve, "Hello")
    asked = client_of(slack, there.bot_token)
    await asked.chat_postMessage(channel=channel, text="Hi")

    assert {other.id} == {delivery.payload["team_id"] for delivery in slack.deliveries()}
    with pytest.raises(Exception, match="channel_not_found"):
        await asked.chat_postMessage(channel=slack.general, text="Hi")


async def test_the_app_goes(slack: SlackEmulator, receiver: Receiver) -> None:
    """Uninstalled: two events, then silence."""
    await slack.uninstall()
    await slack.say(slack.general, slack.ann, "Hello")

    assert [("app_uninstalled", None), ("tokens_revoked", None)] == kinds(slack.deliveries())


async def test_events_go_astray(slack: SlackEmulator, clock: HandClock, receiver: Receiver) -> None:
    """One is lost, one comes twice unmarked, one late, one again though acknowledged."""
    slack.fault(EventFault("lost"))
    slack.fault(EventFault("duplicate", copies=1))
    slack.fault(EventFault("late", seconds=5))
    slack.fault(EventFault("repeat_acknowledged", seconds=9))
    for word in ("one", "two", "three", "four", "five"):
        await slack.say(slack.general, slack.ann, word)
    await slack.until(lambda: len(receiver.requests) == 4 and len(clock.waiting) == 2)
    slack.advance(5)
    await slack.until(lambda: len(receiver.requests) == 5)
    slack.advance(4)
    await slack.settled()

    said = ("one", "two", "three", "four", "five")
    words = [word for _, body in receiver.requests for word in said if word.encode() in body]
    assert {"two": 2, "three": 1, "four": 2, "five": 1} == {word: words.count(word) for word in set(words)}
    assert ["three", "four"] == words[-2:]
    assert {("", "")} == set(receiver.retries())


async def test_the_request_url_is_verified() -> None:
    """Bolt answers the signed challenge."""
    async with SlackEmulator() as slack, listening(slack, bolt_of(slack)):
        assert await slack.verify_request_url()


async def test_after_30000_events_in_an_hour_the_app_is_told(slack: SlackEmulator) -> None:
    """One `app_rate_limited`, then nothing until the hour is over."""
    slack.faults.events.append(EventFault("lost", times=None))
    channel = slack.world.channels[slack.general]
    for _ in range(30_002):
        slack.service.feed.event(slack.bot, {"type": "app_mention"}, channel)

    assert 30_001 == len(slack.deliveries("app_mention")) + 1
    assert ["app_rate_limited"] == [each.payload["type"] for each in slack.service.deliveries.all[30_000:]]


async def test_actions_commands_and_views() -> None:
    """A click opens a dialog once within 3 s; a command is answered; nothing is repeated."""
    async with SlackEmulator(quotas=False) as slack:
        app = bolt_of(slack)
        triggers: list[str] = []

        @app.action("go")
        async def clicked(ack: object, body: Json) -> None:
            await ack()  # type: ignore[operator]  # Bolt's arguments are untyped
            triggers.append(str(body["trigger_id"]))

        @app.command("/ask")
        async def asked(ack: object) -> None:
            await ack("At once")  # type: ignore[operator]

        client = client_of(slack)
        button = {
            "type": "button",
            "text": {"type": "plain_text", "text": "Go"},
            "action_id": "go",
            "value": "1",
        }
        blocks = [{"type": "actions", "block_id": "b1", "elements": [button]}]
        view = {"type": "modal", "title": {"type": "plain_text", "text": "T"}, "blocks": []}
        async with listening(slack, app):
            posted = await client.chat_postMessage(channel=slack.general, text="a", blocks=blocks)
            delivery = await slack.click(slack.ann, slack.general, str(posted["ts"]), "go", value="forged")
            await slack.command(slack.ann, slack.general, "/ask", "x")
            unheard = await slack.shortcut(slack.ann, slack.general, str(posted["ts"]), "nobody")
            await eventually(lambda: triggers and unheard.done.is_set() and slack.world.ephemerals)
            opened = await client.views_open(trigger_id=triggers[0], view=view)
            with pytest.raises(Exception, match="exchanged_trigger_id"):
                await client.views_open(trigger_id=triggers[0], view=view)

        actions = delivery.payload["actions"]
        assert isinstance(actions, list)
        assert ("b1", "forged") == (actions[0]["block_id"], actions[0]["value"])
        assert 1 == len(unheard.attempts)
        assert "At once" == slack.world.ephemerals[0].visible
        assert str(opened["view"]["id"]) in slack.world.views


async def test_a_trigger_lives_3_seconds(slack: SlackEmulator, receiver: Receiver) -> None:
    """After 4 s the dialog is refused."""
    delivery = await slack.command(slack.ann, slack.general, "/ask")
    await slack.until(delivery.done.is_set)
    view: Json = {"type": "modal", "title": {"type": "plain_text", "text": "T"}, "blocks": []}
    slack.advance(4)

    with pytest.raises(Exception, match="expired_trigger_id"):
        await client_of(slack).views_open(trigger_id=str(delivery.payload["trigger_id"]), view=view)


async def test_the_agent_view_is_told_what_people_look_at(slack: SlackEmulator, receiver: Receiver) -> None:
    """Opening the app, looking at a channel, renaming a session: three events, each once."""
    channel = slack.direct(slack.ann)
    await slack.open_home(slack.ann)
    await slack.look_at(slack.ann, slack.general)
    asked = await slack.say(channel, slack.ann, "Hello")
    await client_of(slack).agents_sessions_setStatus(
        channel_id=channel, thread_ts=asked.ts, status="processing"
    )
    await slack.rename_session(slack.ann, channel, asked.ts, "Greeting")
    await slack.settled()

    expected = [
        ("app_home_opened", None),
        ("app_context_changed", None),
        ("message", None),
        ("message", "message_changed"),
        ("agent_session_title_changed", None),
    ]
    assert expected == kinds(slack.deliveries())
    home = slack.deliveries()[0].event
    assert (channel, "messages") == (home["channel"], home["tab"])


async def test_another_apps_bot_is_another(slack: SlackEmulator, receiver: Receiver) -> None:
    """Its message carries its own app_id, even with our metadata."""
    other = slack.install(slack.add_app("Other", Manifest(events=frozenset())), slack.team)
    slack.world.channels[slack.general].members.add(other.bot_user_id)
    metadata = {"event_type": "gateway_reply", "event_payload": {"key": "k1"}}

    await client_of(slack, other.bot_token).chat_postMessage(
        channel=slack.general, text="Hi", metadata=metadata
    )

    (delivery,) = slack.deliveries()
    assert (other.app.id, other.bot_id) == (delivery.event["app_id"], delivery.event["bot_id"])


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"private_metadata": "x" * 3_001}, "/view/private_metadata"),
        ({"callback_id": "x" * 256}, "/view/callback_id"),
        ({"submit": {"type": "plain_text", "text": "x" * 25}}, "/view/submit/text"),
        ({"submit": None}, "/view"),
        ({"blocks": [{"type": "input"}]}, "/view/blocks/0/label/type"),
        (
            {"blocks": [{"type": "input", "label": {"type": "plain_text", "text": "?"}}]},
            "/view/blocks/0/element",
        ),
    ],
)
async def test_a_dialog_that_slack_would_refuse(changes: dict[str, object], pointer: str) -> None:
    """Six dialogs, each with one thing too long or missing: `invalid_arguments` with its place."""
    field = {"type": "plain_text_input", "action_id": "a", "max_length": 3_000}
    label = {"type": "plain_text", "text": "Why?"}
    view = {
        "type": "modal",
        "title": label,
        "submit": label,
        "blocks": [{"type": "input", "block_id": "b", "label": label, "element": field}],
    }
    changed = {name: value for name, value in {**view, **changes}.items() if value is not None}
    async with SlackEmulator() as slack:
        delivery = await slack.command(slack.ann, slack.general, "/ask")

        with pytest.raises(SlackApiError) as refused:
            await client_of(slack).views_open(trigger_id=str(delivery.payload["trigger_id"]), view=changed)

        assert "invalid_arguments" == refused.value.response["error"]
        assert f"[json-pointer:{pointer}]" in refused.value.response["errors"][0]
