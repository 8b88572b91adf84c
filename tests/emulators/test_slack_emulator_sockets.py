"""Socket Mode behaves as Slack's: any connection, acknowledged by envelope, cut and refreshed at will."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial

import aiohttp
import pytest
import pytest_asyncio
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from emulators.eventually import eventually
from emulators.shapes import Json
from emulators.slack import Fault, HandClock, SlackEmulator
from emulators.slack_client import bolt_of, client_of, connected


@pytest_asyncio.fixture
async def slack() -> AsyncIterator[SlackEmulator]:
    async with SlackEmulator(quotas=False, speed=60) as slack:
        yield slack


def answering(slack: SlackEmulator) -> tuple[AsyncApp, list[str]]:
    """An app that replies to every message of a person, once for each ts; and what it heard."""
    app, heard = bolt_of(slack), list[str]()

    @app.event("message")
    async def said(event: Json, client: AsyncWebClient) -> None:
        if "bot_id" in event or event.get("subtype"):
            return
        ts = str(event["ts"])
        heard.append(ts)
        if heard.count(ts) == 1:
            await client.chat_postMessage(channel=str(event["channel"]), thread_ts=ts, text="Hi")

    @app.event("app_mention")
    async def mentioned() -> None:
        """Its twin is answered."""

    return app, heard


def reopened(slack: SlackEmulator, opened: int) -> bool:
    return slack.service.sockets.opened > opened and len(slack.service.sockets.connections) == 1


async def open_url(slack: SlackEmulator) -> str:
    client = client_of(slack)
    return str((await client.apps_connections_open(app_token=slack.app_token))["url"])


async def test_an_app_answers(slack: SlackEmulator) -> None:
    """A message goes out over the socket, is acknowledged, and the reply is in its thread."""
    app, _ = answering(slack)
    async with connected(slack, app):
        asked = await slack.say(slack.general, slack.ann, f"<@{slack.bot_user}> hello")
        (reply,) = await slack.until(lambda: slack.replies(asked))
        await slack.settled()

    assert ("Hi", slack.bot_user) == (reply.visible, reply.user)
    assert all([""] == [reason for _, reason in each.attempts] for each in slack.deliveries())


async def test_a_payload_goes_to_any_connection(slack: SlackEmulator) -> None:
    """Of 20 messages to two connections each takes some, and each message is heard once."""
    first, second = answering(slack), answering(slack)
    async with connected(slack, first[0]), connected(slack, second[0]):
        for _ in range(20):
            await slack.say(slack.general, slack.ann, "Hello")
        await eventually(lambda: len(first[1]) + len(second[1]) == 20)
        await slack.settled()

    assert first[1]
    assert second[1]
    assert not set(first[1]) & set(second[1])


async def test_what_is_said_in_a_gap_comes_a_minute_later(slack: SlackEmulator) -> None:
    """Without a connection the first two attempts fail; the third, after 60 s, finds the app."""
    asked = await slack.say(slack.general, slack.ann, "Hello")
    (delivery,) = slack.deliveries()
    await slack.until(lambda: len(delivery.attempts) == 2)
    app, heard = answering(slack)
    async with connected(slack, app):
        await slack.until(lambda: slack.replies(asked))

    assert ["connection_failed", "connection_failed", ""] == [reason for _, reason in delivery.attempts]
    assert [asked.ts] == heard
    assert delivery.attempts[2][0] - delivery.attempts[1][0] >= 60


async def test_a_cut_loses_nothing(slack: SlackEmulator) -> None:
    """Four cuts with a message after each: every one is answered once, by the repeats if need be."""
    app, _ = answering(slack)
    async with connected(slack, app, ping_interval=0.5):
        asked = []
        for number in range(4):
            opened = slack.service.sockets.opened
            slack.cut_sockets()
            asked.append(await slack.say(slack.general, slack.ann, str(number)))
            await slack.until(partial(reopened, slack, opened))
        await slack.until(lambda: all(slack.replies(each) for each in asked), timeout=30)

    assert [1] * 4 == [len(slack.replies(each)) for each in asked]


async def test_a_warning_moves_the_client(slack: SlackEmulator) -> None:
    """After `refresh_requested` the client comes back on a new socket, and hears."""
    app, heard = answering(slack)
    async with connected(slack, app):
        await slack.refresh_sockets()
        await slack.until(lambda: slack.service.sockets.opened == 2)
        await slack.until(lambda: len(slack.service.sockets.connections) == 1)
        await slack.say(slack.general, slack.ann, "Hello")
        await slack.settled()

    assert 1 == len(heard)


async def test_without_an_acknowledgement_it_comes_again() -> None:
    """An app without a listener is told four times: at once, at once again, +60 s, +300 s."""
    clock = HandClock()
    async with SlackEmulator(clock=clock, ack_deadline=0.05) as slack:
        url = await open_url(slack)
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
            hello = await socket.receive_json()
            await slack.say(slack.general, slack.ann, "Hello")
            told = [await socket.receive_json() for _ in range(2)]
            for pause in (60.0, 300.0):
                await slack.until(lambda: clock.waiting)
                slack.advance(pause)
                told.append(await socket.receive_json())
            await slack.settled()

    assert ("hello", 1) == (hello["type"], hello["num_connections"])
    assert [0, 1, 2, 3] == [each["retry_attempt"] for each in told]
    assert ["", "timeout", "timeout", "timeout"] == [each["retry_reason"] for each in told]
    assert 1 == len({(each["envelope_id"], each["payload"]["event_id"]) for each in told})


async def test_an_address_is_for_one_connection() -> None:
    """A second use is refused, and so is one after 31 s."""
    async with SlackEmulator(clock=HandClock()) as slack:
        url, late = await open_url(slack), await open_url(slack)
        async with aiohttp.ClientSession() as session, session.ws_connect(url):
            slack.advance(31)
            for used in (url, late):
                with pytest.raises(aiohttp.WSServerHandshakeError):
                    await session.ws_connect(used)


async def test_ten_connections_are_the_most(slack: SlackEmulator) -> None:
    """The eleventh is told `too_many_websockets` and closed."""
    async with aiohttp.ClientSession() as session, AsyncExitStack() as stack:
        for _ in range(10):
            socket = await stack.enter_async_context(session.ws_connect(await open_url(slack)))
            await socket.receive_json()
        async with session.ws_connect(await open_url(slack)) as eleventh:
            told = await eleventh.receive_json()
            end = await eleventh.receive()

    assert ("disconnect", "too_many_websockets") == (told["type"], told["reason"])
    assert aiohttp.WSMsgType.CLOSE == end.type


async def test_a_refused_handshake_and_a_failing_open(slack: SlackEmulator) -> None:
    """The client gets through after a refused handshake, a cut and a failure of `apps.connections.open`."""
    slack.faults.refused_handshakes = 1
    slack.fault(Fault("http", "apps.connections.open", times=1, after=1))
    app, heard = answering(slack)
    async with connected(slack, app, ping_interval=0.5):
        slack.cut_sockets()
        await slack.until(lambda: slack.service.sockets.opened == 2)
        await slack.say(slack.general, slack.ann, "Hello")
        await eventually(lambda: heard)

    assert [503] == [call.status for call in slack.calls("apps.connections.open") if call.fault]
    assert 0 == slack.faults.refused_handshakes


async def test_many_messages_are_each_heard(slack: SlackEmulator) -> None:
    """200 at once, all acknowledged at the first attempt."""
    app, heard = answering(slack)
    async with connected(slack, app):
        asked = [await slack.say(slack.general, slack.ann, str(number)) for number in range(200)]
        await slack.until(lambda: all(slack.replies(each) for each in asked), timeout=60)
        await asyncio.sleep(0)

    assert {each.ts for each in asked} == set(heard)
