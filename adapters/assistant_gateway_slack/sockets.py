"""
Socket Mode: events over WebSockets that we open, each opened again when it ends.

Several are open at once, since Slack gives a message to any one of them: what one misses the other
gets. Before Slack ends a connection it warns; the next one is then opened first, and the old one
answers what it has still to answer. slack_sdk's own client (3.47) closes the old connection first and
tries a refused address again and again, though an address is good only once and soon; so only its
requests and responses are used.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable

import aiohttp
import structlog
from pydantic import SecretStr
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from assistant_gateway.errors import AdapterError, RateLimited, StoreUnavailable
from assistant_gateway.platforms.shapes import Json, table, text
from assistant_gateway_slack.api import Api
from assistant_gateway_slack.bolt import Acknowledgement

HELLO = 10.0  # seconds until a new connection is greeted
HEARTBEAT = 10.0  # seconds between pings; half of that without a pong is the end
CLOSING = 1.0  # seconds that Slack gets to close its side
LINGER = 10.0  # seconds that a connection lives after its warning: docs.slack.dev, 2026-09-14
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 30.0  # seconds between two tries
MESSAGE_SIZE = 8 * 1024 * 1024  # bytes


class Socket:
    """
    One connection to Slack, kept up.

    Args:
        take: Takes a payload in; raises `StoreUnavailable` where Slack must send it again.
    """

    def __init__(
        self, api: Api, app_token: SecretStr, take: Callable[[Json], Awaitable[Acknowledgement]]
    ) -> None:
        self._api = api
        self._app_token = app_token
        self._take = take
        self._log = structlog.get_logger()
        self.connected = False
        self.fault = ""
        """Why it is not connected, as Slack said it."""

    async def run(self) -> None:
        """Be connected until cancelled."""
        pause = FIRST_PAUSE
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    reason = await self._connect(group)
                    pause = FIRST_PAUSE
                    if reason and reason != "link_disabled":
                        continue  # the next one is opened while this one still answers
                    self.fault = reason or "the connection was cut"
                    wait = 0.0
                except RateLimited as error:
                    wait = error.retry_after
                    self.fault = "Slack limits how often connections are opened"
                except (AdapterError, aiohttp.ClientError, OSError) as error:
                    wait = 0.0
                    self.fault = _reason(error)
                self._log.warning("slack.socket_down", reason=self.fault)
                # Never all at the same moment, so that they do not end together again.
                await asyncio.sleep(max(wait, pause) * (1 + random.random() / 2))  # noqa: S311
                pause = min(pause * 2, LONGEST_PAUSE)

    async def _connect(self, group: asyncio.TaskGroup) -> str:
        """One connection from its beginning; why Slack warned that it ends, empty when it was cut."""
        url = await self._api.open_socket(self._app_token)
        socket = await self._api.session.ws_connect(
            url,
            heartbeat=HEARTBEAT,
            max_msg_size=MESSAGE_SIZE,
            timeout=aiohttp.ClientWSTimeout(ws_close=CLOSING),
        )
        line = _Line(socket, self._take)
        reason = ""
        try:
            await line.greeted()
            self.connected, self.fault = True, ""
            self._log.info("slack.socket_up")
            reason = await line.listen()
        finally:
            self.connected = False
            if not reason:
                await line.close()
        if reason:
            group.create_task(line.linger(), name="slack:leaving-socket")
        return reason


class _Line:
    """An open WebSocket and the deliveries of it that are being taken in."""

    def __init__(
        self, socket: aiohttp.ClientWebSocketResponse, take: Callable[[Json], Awaitable[Acknowledgement]]
    ) -> None:
        self._socket = socket
        self._take = take
        self._taking: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger()

    async def greeted(self) -> None:
        """
        Wait for Slack's hello.

        Raises:
            AdapterError: Something else came, or nothing.
        """
        try:
            async with asyncio.timeout(HELLO):
                first = _read(await self._socket.receive())
        except TimeoutError as error:
            raise AdapterError("Slack did not say hello") from error
        if first.get("type") != "hello":
            raise AdapterError(f"Slack turned the connection away: {text(first.get('reason')) or 'no hello'}")

    async def listen(self) -> str:
        """Take in what comes until Slack warns that the connection ends (why), or it is cut (empty)."""
        async for received in self._socket:
            message = _read(received)
            if message.get("type") == "disconnect":
                reason = text(message.get("reason"))[:100] or "unknown reason"
                self._log.info("slack.socket_leaving", reason=reason)
                return reason
            if request := _request(message):
                task = asyncio.create_task(self._answer(request), name="slack:delivery")
                self._taking.add(task)
                task.add_done_callback(self._taking.discard)
        return ""

    async def linger(self) -> None:
        """After the warning: answer what has come and still comes, then close."""
        try:
            async with asyncio.timeout(LINGER):
                await self.listen()
        except TimeoutError:
            self._log.debug("slack.socket_left")
        finally:
            await self.close()

    async def close(self) -> None:
        """Let go of the connection; what was not acknowledged comes again over another one."""
        for task in self._taking:
            task.cancel()
        await self._socket.close()

    async def _answer(self, request: SocketModeRequest) -> None:
        try:
            taken = await self._take(table(request.payload))
        except StoreUnavailable as error:
            self._log.warning("slack.not_acknowledged", reason=str(error))
            return
        except Exception:  # one delivery must not end the connection; it is not acknowledged and comes again
            self._log.exception("slack.delivery_failed")
            return
        payload = _payload(taken) if request.accepts_response_payload else None
        response = SocketModeResponse(envelope_id=request.envelope_id, payload=payload)
        try:
            await self._socket.send_str(json.dumps(response.to_dict()))
        except (aiohttp.ClientError, OSError) as error:
            self._log.info("slack.acknowledgement_lost", error=type(error).__name__)


def _reason(error: Exception) -> str:
    """What went wrong, without the address: whoever has that may connect in our place."""
    if isinstance(error, aiohttp.WSServerHandshakeError):
        return f"the handshake was refused with HTTP {error.status}"
    return str(error) if isinstance(error, AdapterError) else type(error).__name__


def _read(received: aiohttp.WSMessage) -> Json:
    """A message of Slack's; empty for anything else."""
    if received.type is not aiohttp.WSMsgType.TEXT:
        return {}
    try:
        return table(json.loads(received.data))
    except (ValueError, RecursionError):
        return {}


def _request(message: Json) -> SocketModeRequest | None:
    """The delivery in a message; None for what is no delivery."""
    if not isinstance(message.get("payload"), dict) or not text(message.get("envelope_id")):
        return None
    return SocketModeRequest.from_dict(dict(message))


def _payload(taken: Acknowledgement) -> dict[str, object] | None:
    if not taken.body:
        return None
    return json.loads(taken.body) if taken.content_type == "application/json" else {"text": taken.body}
