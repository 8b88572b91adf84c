"""The events of a message: in order, resumable, ended once, and never a burden."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from assistant_gateway.http.connection import DoorLimits
from assistant_gateway.values import RunFailure
from emulators.eventually import eventually
from emulators.sender import Event, Sender
from emulators.webhook_host import Host, hosted


@dataclass(slots=True)
class Scene:
    host: Host
    sender: Sender


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with hosted() as host, Sender(host.url, clock=host.clock) as sender:
        yield Scene(host, sender)


async def told(events: AsyncIterator[Event]) -> list[Event]:
    async with asyncio.timeout(10):
        return [event async for event in events]


async def test_a_stream_tells_everything_and_ends_once(scene: Scene) -> None:
    """From accepted over two deltas to answered: six events with growing ids, then the stream is over."""
    following = asyncio.create_task(told(scene.sender.stream(scene.sender.message(), id="m1")))
    await asyncio.wait_for(scene.host.intake.knocked.wait(), 5)
    await asyncio.sleep(0)
    for delta in ("Good ", "day\n\u2028é"):
        await scene.host.intake.say("m1", delta)
    await scene.host.intake.answer("m1", "Good day\n\u2028é")

    events = await following

    assert [
        "message.accepted",
        "run.created",
        "text.delta",
        "text.delta",
        "run.completed",
        "message.answered",
    ] == [event.event for event in events]
    assert [1, 2, 3, 4, 5, 6] == [event.id for event in events]
    assert ["Good ", "day\n\u2028é"] == [event.data["delta"] for event in events[2:4]]
    assert {"text": "Good day\n\u2028é"} == events[-1].data


async def test_failing_and_cancelling_end_a_stream_too(scene: Scene) -> None:
    """A failed run ends with message.failed, a stopped one with message.cancelled."""
    for id in ("m1", "m2"):
        await scene.sender.post(scene.sender.message(), id=id, query="?wait=0")
    await scene.host.intake.fail("m1", RunFailure("expired", "It took too long.", "e1"))
    await scene.host.intake.cancel("m2")

    ends = [(await told(scene.sender.follow(id)))[-1].event for id in ("m1", "m2")]

    assert ["message.failed", "message.cancelled"] == ends


async def test_a_media_type_has_no_case(scene: Scene) -> None:
    """`Accept: Text/Event-Stream` asks for a stream, too."""
    await scene.sender.post(scene.sender.message(), id="m1", query="?wait=0")
    await scene.host.intake.answer("m1", "Hi")

    answer = await scene.sender.post(scene.sender.message(), id="m1", headers={"Accept": "Text/Event-Stream"})

    assert "text/event-stream" == answer.headers["Content-Type"]


async def test_a_reader_goes_on_where_it_was(scene: Scene) -> None:
    """With Last-Event-ID 3 only what comes after it is told, by GET and by repeating the POST."""
    body = scene.sender.message()
    await scene.sender.post(body, id="m1", query="?wait=0")
    await scene.host.intake.say("m1", "Hi")
    await scene.host.intake.answer("m1", "Hi")

    rest = await told(scene.sender.follow("m1", after=3))
    again = await scene.sender.post(
        body, id="m1", headers={"Accept": "text/event-stream", "Last-Event-ID": "4"}
    )

    assert [4, 5] == [event.id for event in rest]
    assert again.body.startswith(b"id: 5\nevent: message.answered\n")
    assert 1 == len(scene.host.intake.messages)


@pytest.mark.parametrize(
    ("id", "status"),
    [
        ("999999999999999999999", 404),
        ("99", 404),
        ("-1", 400),
        ("abc", 400),
        ("1.5", 400),
        ("١", 400),
        ("9" * 7000, 404),
    ],
)
async def test_an_id_that_never_was_is_refused(scene: Scene, id: str, status: int) -> None:
    """H32: an unknown Last-Event-ID gives 404, one that is no number 400; no stream is opened."""
    await scene.sender.post(scene.sender.message(), id="m1", query="?wait=0")

    answer = await scene.sender.raw(
        "GET",
        "/webhooks/default/messages/m1/events",
        {**scene.sender.signed("get"), "Last-Event-ID": id},
    )

    assert status == answer.status
    assert answer.headers["Content-Type"].startswith("application/problem+json")


async def test_a_message_has_room_for_sixteen_streams(scene: Scene) -> None:
    """H32: the seventeenth stream of one message gives 429 with Retry-After."""
    await scene.sender.post(scene.sender.message(), id="m1", query="?wait=0")

    async with aclosing_all([scene.sender.follow("m1") for _ in range(16)]) as streams:
        for stream in streams:
            await anext(stream)
        answer = await scene.sender.get("/messages/m1/events")

    assert 429 == answer.status
    assert "1" == answer.headers["Retry-After"]


async def test_a_message_without_room_for_its_stream_is_accepted_all_the_same(scene: Scene) -> None:
    """With 16 streams open, a POST that asks for one more gives 202 and its place: 429 would be a lie."""
    body = scene.sender.message()
    await scene.sender.post(body, id="m1", query="?wait=0")

    async with aclosing_all([scene.sender.follow("m1") for _ in range(16)]) as streams:
        for stream in streams:
            await anext(stream)
        answer = await scene.sender.post(body, id="m1", headers={"Accept": "text/event-stream"})

    assert 202 == answer.status
    assert "/webhooks/default/messages/m1" == answer.headers["Location"]


async def test_a_reader_that_never_reads_is_cut() -> None:
    """H32: a client that takes nothing of 64 MB of events is disconnected after the write time."""
    async with (
        hosted(limits=DoorLimits(write_seconds=0.3)) as host,
        Sender(host.url, clock=host.clock) as sender,
    ):
        await sender.post(sender.message(), id="m1", query="?wait=0")
        for _ in range(64):
            await host.intake.say("m1", "x" * 1_000_000)
        address = urlsplit(host.url)
        deaf = socket.create_connection((address.hostname, address.port))
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        head = "".join(f"{name}: {value}\r\n" for name, value in sender.signed("get").items())
        deaf.sendall(f"GET /webhooks/default/messages/m1/events HTTP/1.1\r\nHost: h\r\n{head}\r\n".encode())

        await eventually(lambda: host.server.connections == 2)
        await eventually(lambda: host.server.connections == 1)  # the sender's own connection stays

        deaf.close()


class aclosing_all:
    """Close many streams at the end."""

    def __init__(self, streams: list[AsyncGenerator[Event, None]]) -> None:
        self._streams = streams

    async def __aenter__(self) -> list[AsyncGenerator[Event, None]]:
        return self._streams

    async def __aexit__(self, *_: object) -> None:
        for stream in self._streams:
            async with aclosing(stream):
                pass
