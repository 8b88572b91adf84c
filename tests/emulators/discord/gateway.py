"""
The gateway: developers/events/gateway.mdx and gateway-events.mdx, close codes in
developers/topics/opcodes-and-status-codes.mdx, 2026-08-06.

A client is greeted, says who it is (IDENTIFY) or goes on where it was (RESUME), and sends heartbeats. What it
does wrong ends its connection with a code of 4000 and more.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable

from aiohttp import WSMsgType, web

from emulators.clock import Clock
from emulators.discord.address import Addresses
from emulators.discord.compression import compressor
from emulators.discord.connection import LENGTH, Connection
from emulators.discord.faults import Faults
from emulators.discord.intents import Intent
from emulators.discord.members import chunks
from emulators.discord.payloads import Payloads
from emulators.discord.sessions import RESUMABLE, Session
from emulators.discord.starts import ENDING, Closed, Starts, intents_in, shard_in
from emulators.discord.world import App, World
from emulators.shapes import Json, record, string

GUILDS_OF_A_SHARD = 2_500


class Gateway:
    """
    The connections and sessions of all apps.

    Attributes:
        starts: How often sessions may be started.
        heartbeat_interval: Seconds of the machine between two heartbeats.
        opened: How many connections there ever were.
        closed: The codes with which the emulator closed connections, oldest first.
    """

    def __init__(
        self,
        world: World,
        clock: Clock,
        payloads: Payloads,
        faults: Faults,
        addresses: Callable[[], Addresses],
        changed: Callable[[], None],
        heartbeat_interval: float,
    ) -> None:
        self.starts = Starts(clock)
        self.sessions: dict[str, Session] = {}
        self.connections: list[Connection] = []
        self.heartbeat_interval = heartbeat_interval
        self.opened = 0
        self.closed: list[int] = []
        self._world = world
        self._clock = clock
        self._payloads = payloads
        self._faults = faults
        self._addresses = addresses
        self._changed = changed

    def live_sessions(self, app: App | None = None) -> list[Session]:
        """The sessions that get events: connected, or gone so short a time that they may resume."""
        least = self._clock.now() - RESUMABLE
        for session in list(self.sessions.values()):
            if session.connection is None and session.left_at < least:
                del self.sessions[session.id]
        return [each for each in self.sessions.values() if app is None or each.app is app]

    async def take(self, request: web.Request) -> web.StreamResponse:
        """The WebSocket endpoint."""
        if self._faults.refused_handshakes:
            self._faults.refused_handshakes -= 1
            return web.Response(status=503, text="upstream connect error")
        socket = web.WebSocketResponse(max_msg_size=1 << 22, timeout=1.0)
        await socket.prepare(request)
        connection = Connection(socket, request, compressor(request.query.get("compress", "")))
        self.connections.append(connection)
        self.opened += 1
        writer = asyncio.create_task(connection.write(), name="gateway writer")
        try:
            self._check_query(request)
            interval = int(self.heartbeat_interval * 1_000)
            connection.send({"op": 10, "t": None, "s": None, "d": {"heartbeat_interval": interval}})
            self._changed()
            await self._listen(connection)
        except Closed as closed:
            self.closed.append(closed.code)
            await connection.close(closed.code, closed.reason)
        finally:
            writer.cancel()
            self.connections.remove(connection)
            self._left(connection)
            self._changed()
        return socket

    def _check_query(self, request: web.Request) -> None:
        if request.query.get("v", "10") not in ("9", "10"):
            raise Closed(4012, "Invalid API version.")
        if request.query.get("encoding", "json") != "json":
            raise Closed(4002, "The emulator speaks JSON only.")

    def _left(self, connection: Connection) -> None:
        session = connection.session
        if session is None or session.connection is not connection:
            return
        session.connection = None
        session.left_at = self._clock.now()
        # "Disconnecting": 1000 and 1001 end the session, and so do our codes that cannot be resumed.
        theirs = connection.socket.close_code if connection.close_code is None else None
        if theirs in (1000, 1001) or connection.close_code in ENDING:
            self.sessions.pop(session.id, None)

    async def _listen(self, connection: Connection) -> None:
        # A client that misses two heartbeats is dropped: assumed, the page only says that it is.
        patience = 2 * self.heartbeat_interval
        alive_at = time.monotonic()
        while True:
            try:
                left = max(0.001, alive_at + patience - time.monotonic())
                message = await connection.socket.receive(timeout=left)
            except TimeoutError:
                raise Closed(4009, "Session timed out.") from None
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            told = self._decoded(connection, message.data)
            if told.get("op") == 1:
                alive_at = time.monotonic()
            await self._obey(connection, told)
            self._changed()

    def _decoded(self, connection: Connection, data: str | bytes) -> Json:
        raw = data.encode() if isinstance(data, str) else data
        if len(raw) > LENGTH:
            raise Closed(4002, "Payload exceeds maximum size.")
        if connection.too_many():
            raise Closed(4008, "You are being rate limited.")
        try:
            told = json.loads(raw)
        except (ValueError, RecursionError):
            raise Closed(4002, "Error while decoding payload.") from None
        if not isinstance(told, dict) or not isinstance(told.get("op"), int):
            raise Closed(4002, "Error while decoding payload.")
        return told

    async def _obey(self, connection: Connection, told: Json) -> None:
        data = record(told.get("d"))
        match told["op"]:
            case 1:
                connection.heartbeats.append(time.monotonic())
                if connection.acknowledges:
                    connection.send({"op": 11})
            case 2:
                await self._identify(connection, data)
            case 6:
                await self._resume(connection, data)
            case 3 | 4 | 8 | 31 if connection.session is None:
                raise Closed(4003, "Not authenticated.")
            case 3:
                connection.presences.append(data)
            case 8:
                assert connection.session is not None
                for chunk in chunks(self._world, self._payloads, connection.session, data):
                    connection.session.dispatch("GUILD_MEMBERS_CHUNK", chunk)
            case 4 | 31:
                pass  # voice and soundboards are not emulated; asking for them is no error
            case _:
                raise Closed(4001, "Unknown opcode.")

    async def _identify(self, connection: Connection, data: Json) -> None:
        if connection.session is not None:
            raise Closed(4005, "Already authenticated.")
        if "token" not in data or "properties" not in data:
            raise Closed(4002, "Error while decoding payload.")
        app = self._world.app_of_token(string(data["token"]).removeprefix("Bot "))
        if app is None:
            raise Closed(4004, "Authentication failed.")
        shard = shard_in(data.get("shard", [0, 1]))
        if len(self._payloads.guilds_of(app)) > GUILDS_OF_A_SHARD * shard[1]:
            raise Closed(4011, "Sharding required.")
        intents = intents_in(data.get("intents"), app)
        if not self.starts.admits(app, shard[0]):
            connection.send({"op": 9, "d": False})
            return
        if not self.starts.count(app):
            await self._end_all(app)
            raise Closed(4004, "Authentication failed.")
        session = Session(secrets.token_hex(16), app, shard, intents, connection=connection)
        self.sessions[session.id] = session
        connection.session = session
        self._welcome(session)

    async def _end_all(self, app: App) -> None:
        for session in self.live_sessions(app):
            del self.sessions[session.id]
            if session.connection is not None:
                await session.connection.close(4004, "Authentication failed.")

    def _welcome(self, session: Session) -> None:
        app = session.app
        guilds = [each for each in self._payloads.guilds_of(app) if session.serves(each.id)]
        application = self._payloads.application(app)
        session.dispatch(
            "READY",
            {
                "v": 10,
                "user": self._payloads.own_user(app),
                "guilds": [{"id": each.id, "unavailable": True} for each in guilds],
                "session_id": session.id,
                "session_type": "normal",
                "resume_gateway_url": self._addresses().resume,
                "shard": list(session.shard),
                "application": {"id": app.id, "flags": application["flags"]},
                "private_channels": [],
                "relationships": [],
                "presences": [],
                "user_settings": {},
                "_trace": ["emulator"],
            },
        )
        if session.intents & Intent.GUILDS:
            for guild in guilds:
                if not guild.unavailable:
                    told = self._payloads.guild_create(guild, app, self._clock.now())
                    session.dispatch("GUILD_CREATE", told)

    async def _resume(self, connection: Connection, data: Json) -> None:
        if connection.session is not None:
            raise Closed(4005, "Already authenticated.")
        app = self._world.app_of_token(string(data.get("token")).removeprefix("Bot "))
        if app is None:
            raise Closed(4004, "Authentication failed.")
        since = data.get("seq")
        sessions = {each.id: each for each in self.live_sessions(app)}
        session = sessions.get(string(data.get("session_id")))
        if self._faults.refused_resumes:
            self._faults.refused_resumes -= 1
            session = None
        if session is None:
            connection.send({"op": 9, "d": False})
            return
        if not isinstance(since, int) or since > session.sequence:
            raise Closed(4007, "Invalid `seq`.")
        missed = session.missed(since, self._faults.repeats)
        if missed is None:
            connection.send({"op": 9, "d": False})
            return
        if session.connection is not None:
            session.connection.session = None
            await session.connection.close(4000, "Resumed elsewhere.")
        session.connection = connection
        connection.session = session
        session.resumes += 1
        for event in missed:
            connection.send(event)
        session.dispatch("RESUMED", {"_trace": ["emulator"]})

    def ask_to_reconnect(self) -> None:
        """Ask every client to connect anew and resume, op 7."""
        for connection in list(self.connections):
            connection.send({"op": 7, "d": None})

    def invalidate(self, *, resumable: bool) -> None:
        """Tell every client that its session is invalid, op 9."""
        for connection in list(self.connections):
            connection.send({"op": 9, "d": resumable})
            session = connection.session
            if session is not None and not resumable:
                self.sessions.pop(session.id, None)
                connection.session = None

    async def close_all(self, code: int) -> None:
        """Close every connection with *code*."""
        for connection in list(self.connections):
            self.closed.append(code)
            await connection.close(code)

    def cut(self) -> int:
        """Cut every TCP connection; tells how many there were."""
        cut = list(self.connections)
        for connection in cut:
            connection.cut()
        return len(cut)

    def forget(self) -> None:
        """Forget every session: nothing can be resumed."""
        for session in self.sessions.values():
            if session.connection is not None:
                session.connection.session = None
        self.sessions.clear()
