"""The buttons below an answer: who is believed, what comes of a click, and who is told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from assistant_gateway.adapter import Content, Control
from assistant_gateway.errors import NotAllowed, StoreUnavailable
from assistant_gateway.values import Command, Conversation, Rating
from assistant_gateway_slack.buttons import FEEDBACK, REGENERATE, STOP, blocks
from assistant_gateway_slack.clicks import OVER, THANKS
from assistant_gateway_slack.dialogs import COMMENT, FIELD
from emulators.eventually import eventually
from emulators.slack import Delivery, Fault, Message
from fixtures.slack import Desk, desk, signed_headers

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(params=[False, True], ids=["socket", "http"])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    """An adapter in either mode."""
    async with desk(http=request.param) as found:
        yield found


async def answered(place: Desk, *controls: Control) -> Message:
    """A question of Ann's, and the post of its answer with buttons below it."""
    root = await place.ask()
    await place.settled()
    await place.intake.say(place.heard[-1].message_id, "Hel")
    client = AsyncWebClient(place.slack.bot_token, base_url=place.slack.api_url)
    below = blocks(Content("Hello", controls=controls, run_id="run_1"))
    told = await client.chat_postMessage(
        channel=root.channel,
        thread_ts=root.ts,
        text="Hello",
        blocks=[{"type": "markdown", "text": "Hello"}, *map(dict, below)],
    )
    return place.slack.world.channels[root.channel].messages[str(told["ts"])]


async def click(
    place: Desk, post: Message, action_id: str, *, value: str | None = None, user: str = ""
) -> Delivery:
    """Somebody presses a button; returns when Slack has its answer."""
    delivery = await place.slack.click(user or place.slack.ann, post.channel, post.ts, action_id, value=value)
    await delivery.done.wait()
    return delivery


def told(place: Desk, user: str = "") -> list[str]:
    """What was told to one person alone."""
    return [
        each.text for each in place.slack.world.ephemerals if each.ephemeral_to == (user or place.slack.ann)
    ]


async def test_stop_ends_the_answer(place: Desk) -> None:
    """The run in the thread is stopped for the person who pressed; a second click is told that it is over."""
    post = await answered(place, Control.STOP)

    first = await click(place, post, STOP)
    second = await click(place, post, STOP)
    await eventually(lambda: told(place))

    where = Conversation("slack", place.slack.team, post.channel, post.root)
    assert [True, True] == [each.acknowledged_at is not None for each in (first, second)]
    assert [(where, place.slack.ann)] * 2 == [(at, user.id) for at, user in place.intake.stopped]
    assert [OVER] == told(place)


async def test_regenerate_is_a_message_of_its_own(place: Desk) -> None:
    """Two clicks are one retry of that run, with an id of its own, answered in the thread."""
    post = await answered(place, Control.REGENERATE)

    for _ in range(2):
        await click(place, post, REGENERATE)

    (first, run_id), (second, _) = place.intake.commands
    assert (Command.RETRY, "run_1", post.root) == (first.command, run_id, first.conversation.topic)
    assert first.message_id == second.message_id
    assert first.message_id == f"{post.channel}:again:run_1"
    assert str(first.reply_to["ts"]) > post.ts
    assert 2 == len(place.heard)


async def test_a_thumb_up_is_kept_and_thanked_for(place: Desk) -> None:
    """One rating of that run, one private word."""
    post = await answered(place, Control.FEEDBACK)

    await click(place, post, FEEDBACK, value="good:run_1")
    await eventually(lambda: told(place))

    (rating,) = place.intake.ratings
    assert ("run_1", Rating.GOOD, place.slack.ann) == (rating.run_id, rating.rating, rating.user.id)
    assert [THANKS] == told(place)


async def test_a_thumb_down_opens_a_dialog_for_a_comment(place: Desk) -> None:
    """The rating stands before anybody writes; what is written is added to it."""
    post = await answered(place, Control.FEEDBACK)

    await click(place, post, FEEDBACK, value="bad:run_1")
    ((view_id, view),) = place.slack.world.views.items()
    before = [(each.rating, each.comment) for each in place.intake.ratings]
    sent = await place.slack.submit(
        place.slack.ann, view_id, {FIELD: {FIELD: {"type": "plain_text_input", "value": " Too long. "}}}
    )
    await sent.done.wait()

    assert COMMENT == view["callback_id"]
    assert [(Rating.BAD, "")] == before
    assert [("run_1", Rating.BAD, ""), ("run_1", Rating.BAD, "Too long.")] == [
        (each.run_id, each.rating, each.comment) for each in place.intake.ratings
    ]
    assert {} == sent.answer


async def test_a_dialog_that_does_not_open_costs_no_rating(place: Desk) -> None:
    """With views.open refused the click is acknowledged and the rating kept."""
    post = await answered(place, Control.FEEDBACK)
    place.slack.fault(Fault("error", "views.open", error="expired_trigger_id"))

    delivery = await click(place, post, FEEDBACK, value="bad:run_1")

    assert delivery.acknowledged_at is not None
    assert [Rating.BAD] == [each.rating for each in place.intake.ratings]


# Who is believed


@pytest.mark.parametrize("value", ["run_2", "", "good:run_2", "x" * 2000, "run_1' OR 1=1"])
async def test_a_changed_value_does_nothing(value: str) -> None:
    """Five values that the button does not have: acknowledged, and nothing is asked of the gateway."""
    async with desk(http=True) as place:
        post = await answered(place, Control.STOP, Control.REGENERATE, Control.FEEDBACK)

        for action in (STOP, REGENERATE, FEEDBACK):
            delivery = await click(place, post, action, value=value)
            assert delivery.acknowledged_at is not None

        assert ([], [], []) == (place.intake.stopped, place.intake.commands, place.intake.ratings)


async def pressed(place: Desk, **changes: Any) -> int:
    """A signed click on Stop with *changes* of the payload; the HTTP status of the answer."""
    post = await answered(place, Control.STOP)
    delivery = await click(place, post, STOP)
    place.intake.stopped.clear()
    raw = urlencode({"payload": json.dumps({**delivery.payload, **changes})}).encode()
    status, _, _ = await place.send(raw, signed_headers(place.slack.signing_secret, raw) | FORM)
    return status


FORGED: list[dict[str, Any]] = [
    {"team": {"id": "T0OTHER"}},
    {"container": {"type": "message", "message_ts": "1.000001", "channel_id": "C1"}},
    {"message": {"ts": "1.000001", "user": "U0OTHER", "bot_id": "B0OTHER", "blocks": []}},
    {"message": None},
    {"channel": {"id": "../C1"}},
    {"user": {"id": ["U1"]}},
    {"actions": "none"},
    {"actions": [{"action_id": "assistant_stop", "value": ["run_1"]}]},
]


@pytest.mark.parametrize("changes", FORGED, ids=[str(each)[:40] for each in FORGED])
async def test_a_click_that_slack_does_not_show_is_refused(changes: dict[str, Any]) -> None:
    """Another workspace, message, channel or app, and shapes that are none: 200, and nothing happens."""
    async with desk(http=True) as place:
        assert 200 == await pressed(place, **changes)

        assert [] == place.intake.stopped


async def test_a_response_url_is_never_called() -> None:
    """A click names another host for answers; the person is told by the Web API, and nobody calls there."""
    async with desk(http=True) as place:
        calls = len(place.slack.calls())

        await pressed(place, response_url="http://127.0.0.1:1/steal")
        await eventually(lambda: told(place))

        assert [(place.slack.ann,)] == [(user.id,) for _, user in place.intake.stopped]
        assert {"chat.postMessage", "chat.postEphemeral"} >= {
            call.method for call in place.slack.calls()[calls:] if call.method.startswith("chat.")
        }


async def test_who_may_not_ask_there_is_told_so_alone(place: Desk) -> None:
    """The gateway refuses Bob: one private note in the thread, and the click is acknowledged."""
    post = await answered(place, Control.REGENERATE)
    place.intake.fail_next(NotAllowed("You are not among the people who may ask here."))

    delivery = await click(place, post, REGENERATE, user=place.slack.bob)
    await eventually(lambda: told(place, place.slack.bob))

    (note,) = place.slack.world.ephemerals
    assert ("You are not among the people who may ask here.", post.root) == (note.text, note.root)
    assert delivery.acknowledged_at is not None
    assert 1 == len(place.heard)


async def test_people_outside_of_the_list_can_press_nothing() -> None:
    """With `users` set to Ann, Bob's Stop and thumb do nothing."""
    async with desk() as probe:
        ann = probe.slack.ann
    async with desk(users=(ann,)) as place:
        post = await answered(place, Control.STOP, Control.FEEDBACK)

        await click(place, post, STOP, user=place.slack.bob)
        await click(place, post, FEEDBACK, value="good:run_1", user=place.slack.bob)

        assert ([], []) == (place.intake.stopped, place.intake.ratings)


async def test_a_click_that_can_not_be_kept_is_not_acknowledged(place: Desk) -> None:
    """With the store away Slack shows the person that it failed."""
    post = await answered(place, Control.REGENERATE)
    place.intake.fail_next(StoreUnavailable("disk full"))

    delivery = await click(place, post, REGENERATE)

    assert delivery.given_up
    assert 1 == len(place.heard)
