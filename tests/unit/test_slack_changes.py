"""What is said of a message afterwards and before it: edits, deletions, the queue, the thread so far."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from assistant_gateway.errors import StoreUnavailable
from assistant_gateway_slack.earlier import HEADING
from assistant_gateway_slack.said import EVENT_TYPE
from emulators.eventually import eventually
from emulators.slack import SCOPES, Fault, Manifest, Message
from fixtures.slack import Desk, Waiting, desk


@pytest.fixture(params=[False, True], ids=["socket", "http"])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    """An adapter in either mode."""
    async with desk(http=request.param) as found:
        yield found


@pytest.fixture
async def http() -> AsyncIterator[Desk]:
    """An adapter in HTTP mode."""
    async with desk(http=True) as found:
        yield found


# Edits and deletions


async def test_an_edit_is_told_with_its_new_text(place: Desk) -> None:
    """What the model would read: without the mention, names for ids, under the message's own id."""
    root = await place.ask("Hello")

    await place.slack.edit(
        root.channel, root.ts, f"<@{place.slack.bot_user}> Good day <@{place.slack.bob}> & you"
    )
    await place.settled()

    assert {f"{root.channel}:{root.ts}": "Good day @bob & you"} == place.intake.edits
    assert 1 == len(place.heard)


async def test_what_slack_changes_itself_is_no_edit(place: Desk) -> None:
    """Two replies, a reaction and a session change the root's envelope four times: nobody has edited."""
    root = await place.ask("Hello")

    await place.slack.say(root.channel, place.slack.bob, "Hm", thread_ts=root.ts)
    await place.slack.say(root.channel, place.slack.bob, "Well", thread_ts=root.ts)
    await place.settled()

    hidden = [each for each in place.slack.deliveries("message") if each.event.get("hidden")]
    assert len(hidden) >= 2
    assert {} == place.intake.edits


async def test_an_edit_of_a_message_that_was_never_asked_is_none(place: Desk) -> None:
    """A message without a mention that gets one by an edit is not answered, and nothing is told."""
    quiet = await place.slack.say(place.slack.general, place.slack.ann, "Hello all")

    await place.slack.edit(quiet.channel, quiet.ts, f"<@{place.slack.bot_user}> Hello")
    await place.settled()

    assert ({}, []) == (place.intake.edits, place.heard)


async def test_a_deleted_message_is_told(place: Desk) -> None:
    """One without replies goes; a root with replies leaves a tombstone; both are told."""
    alone = await place.ask("One")
    root = await place.ask("Two")
    await place.slack.say(root.channel, place.slack.bob, "Hm", thread_ts=root.ts)

    for message in (alone, root):
        await place.slack.delete(message.channel, message.ts)
    await place.settled()

    assert [f"{each.channel}:{each.ts}" for each in (alone, root)] == sorted(place.intake.deletions)
    assert {} == place.intake.edits


def changed(http: Desk, now: dict[str, Any], before: dict[str, Any] | None) -> dict[str, object]:
    event = {"type": "message", "subtype": "message_changed", "hidden": True, "channel": http.slack.general}
    return http.payload({**event, "ts": "9.000009", "message": now, "previous_message": before})


async def test_changes_of_bots_and_of_nobody_are_ignored(http: Desk) -> None:
    """Our own edits, another app's, and seven shapes that are none: 200, nothing is told."""
    root = await http.ask("Hello")
    mine = {"type": "message", "user": http.slack.ann, "ts": root.ts, "text": "Other"}
    old = {**mine, "text": "Hello"}
    payloads = [
        changed(http, {**mine, "user": http.slack.bot_user, "bot_id": http.slack.bot.bot_id}, old),
        changed(http, {**mine, "bot_id": "B0OTHER"}, old),
        changed(http, {**mine, "subtype": "channel_join"}, old),
        changed(http, {**mine, "ts": "yesterday"}, old),
        changed(http, {**mine, "user": ["U1"]}, old),
        changed(http, old, old),
        changed(http, {}, None),
        http.payload({"type": "message", "subtype": "message_deleted", "channel": http.slack.general}),
        {**changed(http, mine, old), "authorizations": [{"team_id": "T0OTHER"}]},
    ]

    answers = [await http.send(each) for each in payloads]

    assert [200] * 9 == [status for status, _, _ in answers]
    assert ({}, []) == (http.intake.edits, http.intake.deletions)


async def test_a_change_that_can_not_be_kept_comes_again(http: Desk) -> None:
    """With the store away Slack is not told "received"; the second delivery is kept."""
    root = await http.ask("Hello")
    await http.settled()  # the mention's twin must not meet the failure
    mine = {"type": "message", "user": http.slack.ann, "ts": root.ts, "text": "Other"}
    payload = changed(http, mine, {**mine, "text": "Hello"})
    http.intake.fail_next(StoreUnavailable("disk full"))

    first, second = await http.send(payload), await http.send(payload)

    assert (503, 200) == (first[0], second[0])
    assert ["Other"] == list(http.intake.edits.values())


async def test_a_direct_message_that_has_replies_is_still_itself(place: Desk) -> None:
    """Its edit names it as its own thread; it stays a part of the direct messages' conversation."""
    direct = place.slack.direct(place.slack.ann)
    root = await place.slack.say(direct, place.slack.ann, "Hello")
    await eventually(lambda: place.heard)
    told: list[str] = []
    place.intake.edited = noted(told)  # type: ignore[method-assign]
    await place.slack.say(direct, place.slack.ann, "Reply", thread_ts=root.ts)
    await place.slack.edit(direct, root.ts, "Good day")
    await place.settled()

    assert [""] == told


def noted(told: list[str]) -> Any:
    async def edited(conversation: Any, message_id: str, text: str) -> None:
        told.append(conversation.topic)

    return edited


# The queue


@pytest.mark.parametrize(
    ("ahead", "note"),
    [
        (1, "1 ahead of you: your message is answered after it."),
        (3, "3 ahead of you: your message is answered after them."),
    ],
)
async def test_the_position_in_the_queue_is_told_once(ahead: int, note: str) -> None:
    """A mention comes twice and is one message: one note, to its author alone, in its thread."""
    async with desk(intake=Waiting(ahead)) as place:
        root = await place.ask("Hello")
        await eventually(lambda: place.slack.world.ephemerals)
        await place.settled()

        (shown,) = place.slack.world.ephemerals
        assert (note, place.slack.ann, root.ts) == (shown.text, shown.ephemeral_to, shown.root)


# Guests


async def test_a_person_of_whom_slack_says_nothing_is_no_member(place: Desk) -> None:
    """users.info fails although the scope is there: external, since a guest must not pass for a member."""
    place.slack.fault(Fault("error", "users.info", times=None, error="internal_error"))

    await place.ask("Hello")

    assert place.heard[0].user.is_external


async def test_without_the_scope_nobody_passes_for_a_member() -> None:
    """An app that may not read people can't tell a guest from a member: all are external, and answered."""
    scopes = SCOPES - {"users:read"}
    async with desk(manifest=Manifest(view="none", scopes=scopes)) as place:
        await place.ask("Hello")

        assert place.heard[0].user.is_external


# The thread so far


async def talk(place: Desk, *texts: str) -> Message:
    """Bob begins a thread without the bot, and he and Ann talk in it."""
    slack = place.slack
    root = await slack.say(slack.general, slack.bob, texts[0])
    for number, text in enumerate(texts[1:]):
        user = slack.ann if number % 2 == 0 else slack.bob
        await slack.say(slack.general, user, text, thread_ts=root.ts)
    await place.settled()
    return root


async def test_a_first_mention_in_a_thread_brings_the_thread(place: Desk) -> None:
    """What Bob and Ann said before is quoted with their names before the question; later it is not."""
    root = await talk(place, "The build is red.\nSince noon.", "Ignore it & <relax>", "No!")

    await place.ask("What shall we do?", thread_ts=root.ts)
    await place.ask("Really?", thread_ts=root.ts)

    first, second = (each.text for each in place.heard)
    assert first == (
        f"{HEADING}\n> bob: The build is red.\n> Since noon.\n>\n> ann: Ignore it & <relax>\n>\n> bob: No!"
        "\n\nWhat shall we do?"
    )
    assert "Really?" == second


async def test_so_much_of_a_thread_is_read(http: Desk) -> None:
    """With `history` 3 of a thread of 7 the root and the newest two are quoted, each to 2,000 characters."""
    async with desk(history=3) as place:
        root = await talk(place, *(f"{number} " + "x" * 3000 for number in range(7)))
        await place.ask("Well?", thread_ts=root.ts)

        said = place.heard[0].text
        assert ["0 ", "5 ", "6 "] == [line.split(": ")[1][:2] for line in said.splitlines() if ": " in line]
        assert 3 == said.count("[…]")
        assert 6000 < len(said) < 6200


async def test_history_can_be_off_and_is_nothing_for_roots(http: Desk) -> None:
    """With 0 nothing is read; neither is it for a mention outside of threads, nor for a command."""
    async with desk(history=0) as place:
        root = await talk(place, "The build is red.")
        await place.ask("Well?", thread_ts=root.ts)
        assert ["Well?"] == [each.text for each in place.heard]
        assert [] == place.slack.calls("conversations.replies")
    root = await talk(http, "The build is red.")
    await http.ask("Well?")
    await http.ask("/reset", thread_ts=root.ts)

    assert ["Well?", "/reset"] == [each.text for each in http.heard]
    assert [] == http.slack.calls("conversations.replies")


@pytest.mark.parametrize("fault", ["missing_scope", "ratelimited", "hang"])
async def test_a_question_does_not_wait_for_the_thread(fault: str) -> None:
    """The thread refused, limited, or never answered: the question goes on alone, within 3 seconds."""
    async with desk(ack_deadline=3.0) as place:
        root = await talk(place, "The build is red.")
        kind: Any = fault if fault == "hang" else "error"
        place.slack.fault(Fault(kind, "conversations.replies", times=None, error=fault))
        started = asyncio.get_running_loop().time()

        await place.ask("Well?", thread_ts=root.ts)
        await place.settled()

        assert ["Well?"] == [each.text for each in place.heard]
        assert asyncio.get_running_loop().time() - started < 3
        assert all(len(each.attempts) == 1 for each in place.slack.deliveries())


async def test_those_who_may_not_ask_are_not_quoted() -> None:
    """With `users` set to Ann, Bob is left out, and so are our own posts; what an app said is quoted."""
    async with desk() as probe:
        ann = probe.slack.ann
    async with desk(users=(ann,), http=True) as place:
        root = await talk(place, "Bob's words", "Ann's words")
        world, channel = place.slack.world, place.slack.world.channels[place.slack.general]
        other = place.slack.add_app("Alarm", Manifest(view="none"))
        installed = place.slack.install(other, place.slack.team)
        channel.members.add(installed.bot_user_id)
        for bot, words in ((installed, "It burns"), (place.slack.bot, "I said")):
            message = Message(world.mint_ts(0), channel.id, bot.bot_user_id, words, "test", bot, root.ts)
            message.metadata = {"event_type": EVENT_TYPE, "event_payload": {"reply_key": "k"}}
            channel.messages[message.ts] = message
            channel.replies.setdefault(root.ts, []).append(message)

        await place.ask("Well?", thread_ts=root.ts)

        said = place.heard[0].text
        assert "Ann's words" in said
        assert "It burns" in said
        assert "Bob's words" not in said
        assert "I said" not in said


async def test_a_repeated_mention_reads_the_thread_once(place: Desk) -> None:
    """`message` and `app_mention` of one ts: one message, and one look at the thread."""
    root = await talk(place, "The build is red.")

    await place.ask("Well?", thread_ts=root.ts)
    await place.settled()

    assert 1 == len(place.heard)
    assert 1 == len(place.slack.calls("conversations.replies"))
