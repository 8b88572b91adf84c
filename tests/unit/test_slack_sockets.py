"""Socket Mode: always connected again, nothing lost, nothing acknowledged that is not kept."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from assistant_gateway.errors import StoreUnavailable
from assistant_gateway.testing.intake import FakeIntake
from assistant_gateway_slack.adapter import SlackAdapter
from emulators.eventually import eventually
from emulators.slack import Fault, Manifest, SlackEmulator
from fixtures.slack import desk, settings_for


async def test_two_connections_are_kept() -> None:
    """As many WebSockets as configured are open, and each has its own address."""
    async with desk(connections=2) as slack:
        await eventually(lambda: 2 == len(slack.slack.service.sockets.connections))

        assert 2 == len(slack.slack.calls("apps.connections.open"))


async def test_a_cut_connection_comes_back_with_a_new_address() -> None:
    """Both are cut without a word: the adapter says so, and is ready again with two new addresses."""
    async with desk() as slack:
        sockets = slack.slack.service.sockets
        await eventually(lambda: 2 == len(sockets.connections))

        slack.slack.cut_sockets()
        await eventually(lambda: slack.adapter.unready())
        await eventually(lambda: not slack.adapter.unready() and 2 == len(sockets.connections))
        await slack.ask()

        assert 4 == len(slack.slack.calls("apps.connections.open"))


async def test_a_refused_handshake_is_tried_with_another_address() -> None:
    """
    Three handshakes are refused; each try asks for an address of its own, and the fourth connects.

    The addresses, which are good for whoever has them, are told neither to the log nor to `/readyz`.
    """
    async with desk(connections=1) as slack:
        slack.slack.faults.refused_handshakes = 3

        with capture_logs() as logs:
            slack.slack.cut_sockets()
            await eventually(lambda: "503" in slack.adapter.unready())
            told = slack.adapter.unready()
            await eventually(lambda: not slack.adapter.unready(), timeout=30)

        assert "ticket" not in f"{told} {logs}"
        assert 1 + 4 == len(slack.slack.calls("apps.connections.open"))


async def test_before_slack_ends_a_connection_the_next_one_is_open() -> None:
    """With one connection that is warned, 20 messages all arrive at the first try; the bot is never away."""
    async with desk(connections=1) as slack:
        emulator = slack.slack
        sockets = emulator.service.sockets
        direct = emulator.direct(emulator.ann)

        await sockets.warn()
        await eventually(lambda: 2 == sockets.opened)
        await eventually(lambda: not slack.adapter.unready())
        for number in range(20):
            await emulator.say(direct, emulator.ann, f"{number}")
        await emulator.settled()

        deliveries = emulator.deliveries("message")
        assert {str(number) for number in range(20)} == {each.text for each in slack.heard}
        assert [[""]] * 20 == [[reason for _, reason in each.attempts] for each in deliveries]


async def test_socket_mode_that_was_turned_off_is_named() -> None:
    """After `link_disabled`, with no new address given, the adapter says why it is not connected."""
    async with desk(connections=1) as slack:
        slack.slack.fault(Fault("error", "apps.connections.open", times=None, error="socket_mode_disabled"))

        await slack.slack.service.sockets.warn("link_disabled")
        await eventually(lambda: "link_disabled" in slack.adapter.unready())
        await eventually(lambda: "socket_mode_disabled" in slack.adapter.unready())


async def test_messages_of_one_conversation_keep_their_order() -> None:
    """50 messages at once over one connection, the first with a slow name, are accepted as they came."""
    async with desk(connections=1) as slack:
        emulator = slack.slack
        emulator.fault(Fault("slow", "users.info", seconds=0.3))
        direct = emulator.direct(emulator.ann)

        for number in range(50):
            await emulator.say(direct, emulator.ann, f"{number}")
        await emulator.settled()

        assert [str(number) for number in range(50)] == [each.text for each in slack.heard]


async def test_a_message_that_cannot_be_kept_is_not_acknowledged_and_comes_again() -> None:
    """Slack repeats at once what was not acknowledged; then it is kept, once."""
    async with desk(ack_deadline=0.3) as slack:
        slack.intake.fail_next(StoreUnavailable("disk full"))
        direct = slack.slack.direct(slack.slack.ann)

        await slack.slack.say(direct, slack.slack.ann, "Hello")
        await slack.settled()

        (delivery,) = slack.slack.deliveries("message")
        assert ["timeout", ""] == [reason for _, reason in delivery.attempts]
        assert ["Hello"] == [each.text for each in slack.heard]


async def test_hidden_edits_and_our_own_posts_are_acknowledged() -> None:
    """Everything that a question, an answer and two edits make Slack send is acknowledged at once."""
    from assistant_gateway.adapter import Content

    async with desk() as slack:
        target = slack.target(await slack.ask())
        posted = await slack.adapter.post(target, "run_1.0", Content("Hel"))
        await slack.adapter.edit(target, posted, Content("Hello"))
        await slack.settled()

        deliveries = slack.slack.deliveries()
        assert len(deliveries) >= 5
        assert {("",)} == {tuple(reason for _, reason in each.attempts) for each in deliveries}
        assert 1 == len(slack.heard)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault("error", "auth.test", times=None, error="invalid_auth"), "auth.test: invalid_auth"),
        (Fault("http", "auth.test", times=None), "auth.test: no answer"),
        (
            Fault("error", "apps.connections.open", times=None, error="invalid_auth"),
            "no connection: invalid_auth",
        ),
    ],
    ids=["token", "outage", "app token"],
)
async def test_a_refusal_at_the_start_is_said_and_tried_again(fault: Fault, reason: str) -> None:
    """While Slack refuses, the adapter names the reason; when it serves again, the adapter is ready."""
    async with SlackEmulator(Manifest(view="none")) as slack:
        slack.fault(fault)
        adapter = SlackAdapter(settings_for(slack))
        before = adapter.unready()
        running = asyncio.create_task(adapter.run(FakeIntake()))

        await eventually(lambda: adapter.unready().startswith(reason))
        slack.faults.clear()
        await eventually(lambda: not adapter.unready())

        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await adapter.close()
        assert "connecting…" == before


async def test_a_stopped_adapter_leaves_nothing_behind() -> None:
    """After the end of `run` and `close` no task and no connection of it is left."""
    async with desk() as slack:
        await slack.ask()
        sockets = slack.slack.service.sockets
    await eventually(lambda: not sockets.connections)

    names = {task.get_name() for task in asyncio.all_tasks()}

    assert not [name for name in names if name.startswith("slack:")]
