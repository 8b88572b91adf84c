"""
The journal of one message as server-sent events, to be resumed after any id that was seen.

The stream ends after exactly one of `message.answered`, `message.failed`, `message.cancelled`.
https://html.spec.whatwg.org/multipage/server-sent-events.html, read 2026-11.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator

from aiohttp import web

from assistant_gateway.adapter import Intake, JournalEntry
from assistant_gateway.values import Message
from assistant_gateway_webhook.answers import as_json

ENDS = ("message.answered", "message.failed", "message.cancelled")
HEARTBEAT = 15.0  # seconds of silence before a comment keeps proxies from closing the connection
OPENING = 2.0  # seconds to find out that an id to resume after does not exist
AT_ONCE = 16  # streams of one message
IN_ALL = 1024
PER_SECOND = 20  # beginnings of streams of one message
_ID = re.compile(r"[0-9]+", re.ASCII)


class Streams:
    """The streams that are open: so many of one message, so many in all, begun so often."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[int, int] = {}
        self._second = 0
        self._begun: dict[int, int] = {}

    @contextlib.contextmanager
    def place(self, message: Message) -> Iterator[None]:
        """
        A place for one more stream.

        Raises:
            HTTPTooManyRequests: There is none.
        """
        id = message.id
        second = int(self._clock())
        if second != self._second:
            self._second, self._begun = second, {}
        self._begun[id] = self._begun.get(id, 0) + 1
        if (
            self._begun[id] > PER_SECOND
            or self._open.get(id, 0) >= AT_ONCE
            or sum(self._open.values()) >= IN_ALL
        ):
            raise web.HTTPTooManyRequests(
                text="Too many streams are open or begun.", headers={"Retry-After": "1"}
            )
        self._open[id] = self._open.get(id, 0) + 1
        try:
            yield
        finally:
            self._open[id] -= 1
            if not self._open[id]:
                del self._open[id]


def last_event_id(request: web.Request) -> int:
    """
    The id that the reader has seen last; 0 when it has seen none.

    Raises:
        HTTPBadRequest: It is no number.
        HTTPNotFound: It is larger than any id.
    """
    text = request.headers.get("Last-Event-ID", "")
    if not text:
        return 0
    if not _ID.fullmatch(text):
        raise web.HTTPBadRequest(text="Last-Event-ID is no id of this stream.")
    if len(text) > 18:
        raise web.HTTPNotFound(text="There is no such event in this stream.")
    return int(text)


async def stream(request: web.Request, intake: Intake, message: Message, *, after: int) -> web.StreamResponse:
    """
    Answer *request* with what happens to *message* after the id *after*, to the end.

    Raises:
        HTTPNotFound: The reader has seen an id that does not exist.
    """
    entries = intake.events(message, after=after)
    coming = _coming(entries)
    try:
        await asyncio.wait({coming}, timeout=OPENING)
        if coming.done() and isinstance(coming.exception(), LookupError):
            raise web.HTTPNotFound(text="There is no such event in this stream.")
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        )
        response.force_close()
        await response.prepare(request)
        while (entry := await _next(coming, response)) is not None:
            await response.write(_formatted(entry))
            if entry.event in ENDS:
                break
            coming = _coming(entries)
        await response.write_eof()
        return response
    finally:
        coming.cancel()
        with contextlib.suppress(asyncio.CancelledError, LookupError):
            await coming
        if isinstance(entries, AsyncGenerator):
            await entries.aclose()


async def _next(
    coming: asyncio.Task[JournalEntry | None], response: web.StreamResponse
) -> JournalEntry | None:
    """The next entry, with heartbeats until it comes; None after the last one."""
    while not coming.done():
        await asyncio.wait({coming}, timeout=HEARTBEAT)
        if not coming.done():
            await response.write(b": still here\n\n")
    return coming.result()


def _coming(entries: AsyncIterator[JournalEntry]) -> asyncio.Task[JournalEntry | None]:
    async def step() -> JournalEntry | None:
        return await anext(entries, None)

    return asyncio.create_task(step(), name="webhook-stream")


def _formatted(entry: JournalEntry) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (entry.id, entry.event.encode(), as_json(entry.data))
