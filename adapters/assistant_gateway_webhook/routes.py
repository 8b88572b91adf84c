"""
The webhook's HTTP routes: a message in, its state and events, and its conversation.

The order is the same everywhere: is there such a source, is the request too large, does it prove
who sent it, and only then is it looked into.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import urlsplit

from aiohttp import web

from assistant_gateway.adapter import Egress, Intake, Receipt, Verdict
from assistant_gateway.values import Conversation, Item, JsonObject, JsonValue, Message, User
from assistant_gateway_webhook.answers import as_json, brief, full, has_ended, location, state_of
from assistant_gateway_webhook.body import (
    ADAPTER,
    ANONYMOUS,
    Malformed,
    MessageBody,
    TooMuch,
    inbound,
    read_body,
    storable,
)
from assistant_gateway_webhook.settings import Source
from assistant_gateway_webhook.signature import Unverified, verify
from assistant_gateway_webhook.stream import Streams, last_event_id, stream

WAIT = 60.0  # seconds for the answer, where the request names none
LONGEST_WAIT = 600.0
ID_LENGTH = 255  # characters of a sender's id
PAGE = 100  # items, where the request names no number
LARGEST_PAGE = 1000


@dataclass(frozen=True, slots=True)
class _Proved:
    """A request that comes from its source: ``id`` is the sender's, empty where it gave none."""

    source: Source
    id: str
    raw: bytes


class Routes:
    """The handlers; *clock* gives epoch seconds."""

    def __init__(
        self,
        sources: Iterable[Source],
        intake: Intake,
        egress: Egress,
        own_hosts: frozenset[str],
        clock: Callable[[], float],
    ) -> None:
        self._sources = {source.name: source for source in sources}
        self._intake = intake
        self._egress = egress
        self._own_hosts = own_hosts
        self._clock = clock
        self._streams = Streams()

    def table(self) -> list[web.AbstractRouteDef]:
        message = "/webhooks/{source}/messages/{id:[^/]+}"
        conversation = "/webhooks/{source}/conversations/{conversation:[^/]+}"
        return [
            web.post("/webhooks/{source}", self.post),
            web.get(message, self.show),
            web.get(message + "/events", self.events),
            web.post(conversation + "/reset", self.reset),
            web.post(conversation + "/stop", self.stop),
            web.get(conversation + "/items", self.items),
        ]

    async def post(self, request: web.Request) -> web.StreamResponse:
        """One message in; its answer, its stream of events, or where both are found."""
        proved = await self._prove(request)
        id = _checked_id(proved.id or f"msg_{secrets.token_hex(16)}")
        body = self._read(proved.raw)
        wait = _wait(request)
        resumed = last_event_id(request)  # refused before anything is accepted
        message = await self._accept(body, proved, id)
        if body.callback_url:
            return _later(message)
        if "text/event-stream" in request.headers.get("Accept", "").lower():
            with ExitStack() as place:
                try:
                    place.enter_context(self._streams.place(message))
                except web.HTTPTooManyRequests:
                    return _later(message)  # a 429 would say that the message was not accepted
                return await stream(request, self._intake, message, after=resumed)
        if wait > 0 and not has_ended(message):
            message = await self._intake.answered(message, timeout=wait)
        if not has_ended(message):
            return _later(message)
        return _json(await full(message, self._intake))

    async def show(self, request: web.Request) -> web.Response:
        """Where a message stands, and its answer as far as there is one."""
        message = await self._message(request)
        return _json({"state": state_of(message), **await full(message, self._intake)})

    async def events(self, request: web.Request) -> web.StreamResponse:
        """What happens to a message, live or afterwards."""
        message = await self._message(request)
        with self._streams.place(message):
            return await stream(request, self._intake, message, after=last_event_id(request))

    async def reset(self, request: web.Request) -> web.Response:
        """Begin a new thread in a conversation."""
        conversation, user = await self._conversation(request)
        thread = await self._intake.reset(conversation, user)
        return _json({"conversation": conversation.channel, "thread": thread})

    async def stop(self, request: web.Request) -> web.Response:
        """Cancel what is being answered in a conversation."""
        conversation, user = await self._conversation(request)
        stopped = await self._intake.stop(conversation, user)
        return _json({"conversation": conversation.channel, "stopped": stopped})

    async def items(self, request: web.Request) -> web.Response:
        """The newest items of a conversation's thread, oldest first."""
        conversation, user = await self._conversation(request)
        limit = _whole(request, "limit", PAGE)
        before = _whole(request, "before", 0)
        items = await self._intake.items(
            conversation, user, before=before or None, limit=min(max(1, limit), LARGEST_PAGE)
        )
        return _json({"conversation": conversation.channel, "items": [_item(item) for item in items]})

    async def _prove(self, request: web.Request) -> _Proved:
        source = self._sources.get(request.match_info["source"])
        if source is None:
            raise web.HTTPNotFound(text="There is no such source.")
        raw = await request.read()
        if len(raw) > source.body_limit:
            raise web.HTTPRequestEntityTooLarge(
                source.body_limit, len(raw), text=f"The body is larger than {source.body_limit} bytes."
            )
        try:
            return _Proved(source, verify(source, request.headers, raw, self._clock()), raw)
        except Unverified as error:
            raise web.HTTPUnauthorized(text=str(error)) from None

    def _read(self, raw: bytes) -> MessageBody:
        try:
            body = read_body(raw)
        except Malformed as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        except TooMuch as error:
            raise web.HTTPRequestEntityTooLarge(0, 0, text=str(error)) from None
        if body.callback_url:
            self._check_callback(body.callback_url)
        return body

    def _check_callback(self, url: str) -> None:
        if reason := self._egress.judge(url):
            raise web.HTTPBadRequest(text=f"callback_url: {reason}")
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme.lower() == "https" else 80)
        if {f"{parts.hostname}:{port}", f"[{parts.hostname}]:{port}"} & self._own_hosts:
            raise web.HTTPBadRequest(text="callback_url: points at this gateway itself")

    async def _accept(self, body: MessageBody, proved: _Proved, id: str) -> Message:
        if self._intake.draining:
            raise web.HTTPServiceUnavailable(
                text="The gateway is shutting down.", headers={"Retry-After": "5"}
            )
        try:
            message = inbound(body, proved.source.name, id, proved.raw)
        except Malformed as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        receipt = await self._intake.accept(message)
        if receipt.message is None or receipt.verdict not in (Verdict.ACCEPTED, Verdict.DUPLICATE):
            _refuse(receipt)
        return receipt.message

    async def _message(self, request: web.Request) -> Message:
        proved = await self._prove(request)
        message = await self._intake.message(ADAPTER, proved.source.name, request.match_info["id"])
        if message is None:
            raise web.HTTPNotFound(text="There is no such message.")
        return message

    async def _conversation(self, request: web.Request) -> tuple[Conversation, User]:
        proved = await self._prove(request)
        channel = storable(request.match_info["conversation"])
        if len(channel) > 200:
            raise web.HTTPBadRequest(text="conversation: has more than 200 characters")
        user = User(storable(request.query.get("user", ANONYMOUS))[:200])
        return Conversation(ADAPTER, proved.source.name, channel), user


def _refuse(receipt: Receipt) -> NoReturn:
    match receipt.verdict:
        case Verdict.CONFLICT:
            raise web.HTTPConflict(text="Another message was accepted under this id before.")
        case Verdict.BUSY:
            raise web.HTTPTooManyRequests(
                text=receipt.reason or "Too many messages wait in this conversation.",
                headers={"Retry-After": f"{math.ceil(receipt.retry_after) or 5}"},
            )
        case _:
            raise web.HTTPForbidden(text=receipt.reason or "Nobody answers there.")


def _checked_id(id: str) -> str:
    """A sender's id that can be kept and looked up."""
    if len(id) > ID_LENGTH or id != storable(id):
        raise web.HTTPBadRequest(text=f"The message's id should be UTF-8 of at most {ID_LENGTH} characters.")
    return id


def _wait(request: web.Request) -> float:
    text = request.query.get("wait", "")
    try:
        seconds = float(text) if text else WAIT
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds) or seconds < 0:
        raise web.HTTPBadRequest(text="wait: should be a number of seconds")
    return min(seconds, LONGEST_WAIT)


def _whole(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise web.HTTPBadRequest(text=f"{name}: should be a whole number")
    return int(text)


def _item(item: Item) -> JsonValue:
    return {**item.body, "id": item.id, "seq": item.seq, "run_id": item.run_id, "created_at": item.created_at}


def _later(message: Message) -> web.Response:
    return _json(brief(message), status=202, headers={"Location": location(message)})


def _json(body: JsonObject, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=as_json(body), content_type="application/json", headers=headers)
