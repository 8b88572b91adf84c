"""A source that sends signed messages to a gateway, in the way that a stranger's program would."""

from __future__ import annotations

import base64
import hmac
import io
import itertools
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp
from standardwebhooks import Webhook

SECRET = "whsec_" + base64.b64encode(b"a secret of the tests, 32 bytes!").decode()


@dataclass(frozen=True, slots=True)
class Answered:
    """What the gateway answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event."""

    id: int
    event: str
    data: Any


class Sender:
    """One source; *clock* gives the epoch seconds that it signs."""

    def __init__(
        self,
        url: str,
        *,
        source: str = "default",
        secret: str = SECRET,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.url = url
        self.source = source
        self._webhook = Webhook(secret)
        self._key = base64.b64decode(secret.removeprefix("whsec_"))
        self._clock = clock
        self._numbers = itertools.count(1)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        assert self._session is not None
        return self._session

    def signed(self, id: str, body: bytes = b"", *, ahead: int = 0) -> dict[str, str]:
        """The headers that prove *body*, as the reference implementation makes them."""
        now = int(self._clock()) + ahead
        try:
            signature = self._webhook.sign(id, datetime.fromtimestamp(now, UTC), body.decode())
        except UnicodeDecodeError:  # the package signs texts only
            signature = hmac_signature(self._key, id, now, body)
        return {"webhook-id": id, "webhook-timestamp": str(now), "webhook-signature": signature}

    def message(self, text: str = "Hello", **members: object) -> bytes:
        """A message's body."""
        body = {"conversation": "c1", "user": {"id": "u1", "name": "Ann"}, "text": text, **members}
        return json.dumps(body).encode()

    async def post(
        self, body: bytes, *, id: str = "", query: str = "", headers: Mapping[str, str] | None = None
    ) -> Answered:
        """Send a signed message; *headers* replace and add."""
        signed = self.signed(id or f"m{next(self._numbers)}", body)
        return await self.raw("POST", f"/webhooks/{self.source}{query}", {**signed, **(headers or {})}, body)

    async def get(self, path: str) -> Answered:
        """A signed GET below the source."""
        return await self.raw("GET", f"/webhooks/{self.source}{path}", self.signed("get"))

    async def command(self, path: str) -> Answered:
        """A signed POST without a body below the source."""
        return await self.raw("POST", f"/webhooks/{self.source}{path}", self.signed("command"))

    async def state(self, id: str) -> Answered:
        """The state of a message."""
        return await self.get(f"/messages/{quote(id, safe='')}")

    async def raw(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answered:
        """Exactly this request."""
        async with self.session.request(
            method,
            self.url + path,
            headers=headers,
            data=io.BytesIO(body) if body else None,
            allow_redirects=False,
        ) as response:
            return Answered(response.status, response.headers.copy(), await response.read())

    async def stream(self, body: bytes, *, id: str) -> AsyncIterator[Event]:
        """Send a signed message and follow its events."""
        headers = {**self.signed(id, body), "Accept": "text/event-stream"}
        async with self.session.post(
            f"{self.url}/webhooks/{self.source}", headers=headers, data=body
        ) as response:
            assert response.status == 200, await response.text()
            async for event in read_events(response):
                yield event

    async def follow(self, id: str, *, after: int | None = None) -> AsyncGenerator[Event, None]:
        """Follow the events of a message that was sent before."""
        headers = self.signed("get")
        if after is not None:
            headers["Last-Event-ID"] = str(after)
        path = f"{self.url}/webhooks/{self.source}/messages/{quote(id, safe='')}/events"
        async with self.session.get(path, headers=headers) as response:
            assert response.status == 200, await response.text()
            async for event in read_events(response):
                yield event


def hmac_signature(key: bytes, id: str, timestamp: int, body: bytes) -> str:
    """A signature made by hand, as the specification says."""
    signed = b"%s.%d.%s" % (id.encode(), timestamp, body)
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


async def read_events(response: aiohttp.ClientResponse) -> AsyncIterator[Event]:
    """The events of a stream; comments are passed over."""
    fields: dict[str, str] = {}
    async for line in response.content:
        text = line.decode().rstrip("\n")
        if text:
            name, _, value = text.partition(": ")
            fields[name] = value
        elif "event" in fields:
            yield Event(int(fields["id"]), fields["event"], json.loads(fields["data"]))
            fields = {}
        else:
            fields = {}
