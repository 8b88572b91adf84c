"""
A Discord that runs here.

    async with DiscordEmulator() as discord:
        # run a bot with discord.bot_token against discord.api_url and discord.gateway_url
        asked = await discord.say(discord.general, discord.ann, f"<@{discord.bot_user}> hello")
        await discord.until(lambda: discord.replies(asked))

It begins with one server that has the bot, Ann and Bob, and the channel #general.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Self

from aiohttp import web

from emulators.clock import Clock, RunningClock
from emulators.discord.address import Addresses, local
from emulators.discord.buckets import Rule
from emulators.discord.channels import archive_idle
from emulators.discord.clicks import Clicks
from emulators.discord.control import DiscordControl
from emulators.discord.faults import EventFault, Fault, Faults
from emulators.discord.intents import PRIVILEGED
from emulators.discord.page import Page
from emulators.discord.rest import Rest
from emulators.discord.service import Call, Service
from emulators.discord.truth import truth
from emulators.discord.world import Message
from emulators.shapes import Json


class DiscordEmulator(Clicks):
    """
    The server and the people; use it as an async context.

    Beside what is set up (`Setting`) and done (`Gestures`, `Clicks`) it tells what happened.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        speed: float = 1.0,
        limits: bool = True,
        rules: Mapping[str, Rule] | None = None,
        privileged: int = int(PRIVILEGED),
        ack_deadline: float = 3.0,
        heartbeat_interval: float = 41.25,
        unfurls: bool = True,
        addresses: Addresses | None = None,
        tls: ssl.SSLContext | None = None,
        seed: int = 0,
    ) -> None:
        """
        Args:
            clock: Discord's time; without it, time runs *speed* times as fast as the machine's.
            limits: Whether rate limits are enforced; *rules* are other figures, by the names in `buckets`.
            privileged: The privileged intents that are switched on for the first app.
            ack_deadline: Seconds of the machine in which an interaction must be acknowledged.
            heartbeat_interval: Seconds of the machine between two heartbeats of the gateway.
            unfurls: Whether links get a preview, by a MESSAGE_UPDATE of its own.
            addresses: What the emulator calls itself in what it tells; without it, its place on this machine.
            tls: Serve with it, as a bot needs that knows only Discord's own names.
            seed: Of the faults that strike by chance.
        """
        service = Service(
            clock if clock is not None else RunningClock(speed),
            enforced=limits,
            rules=rules,
            faults=Faults(seed),
            ack_deadline=ack_deadline,
            heartbeat_interval=heartbeat_interval,
            unfurls=unfurls,
        )
        super().__init__(service, privileged)
        self._rest = Rest(self.service)
        self._page = Page(self)
        self._addresses = addresses
        self._tls = tls
        self._place: tuple[str, int] = ("", 0)

    # Where it is

    @property
    def url(self) -> str:
        """The address of the page, such as ``http://127.0.0.1:8091``."""
        host, port = self._place
        return f"http{'s' if self._tls else ''}://{host}:{port}"

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._place[1]

    @property
    def addresses(self) -> Addresses:
        """What it calls its parts."""
        return self.service.cdn.addresses

    @property
    def api_url(self) -> str:
        """Of the REST API, for what is `Route.BASE` in discord.py."""
        return self.addresses.api

    @property
    def gateway_url(self) -> str:
        """Of the gateway, for what is `DiscordWebSocket.DEFAULT_GATEWAY` in discord.py."""
        return self.addresses.gateway

    @property
    def cdn_url(self) -> str:
        """Of the CDN, for what is `Asset.BASE` in discord.py."""
        return self.addresses.cdn

    @property
    def bot_token(self) -> str:
        """The first app's token."""
        return self.app.token

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> Self:
        """Listen; port 0 takes a free one."""
        cdn, gateway, control = self.service.cdn, self.service.gateway, DiscordControl(self)
        application = web.Application(client_max_size=1 << 28)
        application.add_routes(
            [
                web.route("*", "/api/v{version:\\d+}/{path:.*}", self._rest.take),
                web.route("*", "/api/{path:.*}", self._rest.take),
                web.get("/gateway", gateway.take),
                web.get("/gateway/resume", gateway.take),
                web.get("/{kind:attachments|ephemeral-attachments}/{channel}/{id}/{name}", cdn.take),
                web.get("/{kind:avatars|icons|embed|emojis}/{path:.*}", cdn.picture),
                web.get("/", self._front),
                web.get("/control/{what}", control.tell),
                web.post("/control/{act}", control.do),
            ]
        )
        self._place = await self._server.start(application, host, port, self._tls)
        cdn.addresses = self._addresses or local(*self._place, secure=self._tls is not None)
        return self

    async def _front(self, request: web.Request) -> web.StreamResponse:
        """The page; for a WebSocket the gateway, which has its own host in the real Discord."""
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self.service.gateway.take(request)
        return await self._page.take(request)

    # What happened

    def messages(self, channel: str) -> list[Message]:
        """The messages that are there, oldest first."""
        return [each for each in self.world.channels[channel].messages.values() if each.deleted_at is None]

    def message(self, message_id: str) -> Message:
        """
        A message by its id, an ephemeral or deleted one too.

        Raises:
            LookupError: There is none.
        """
        for channel in self.world.channels.values():
            if message_id in channel.messages:
                return channel.messages[message_id]
        for message in self.world.ephemerals:
            if message.id == message_id:
                return message
        raise LookupError(f"no message {message_id}")

    def replies(self, message: Message) -> list[Message]:
        """The bot's messages after *message* in its channel, oldest first."""
        there = self.messages(message.channel_id)
        return [each for each in there if each.author_id == self.bot_user and int(each.id) > int(message.id)]

    def calls(self, route: str = "") -> list[Call]:
        """What bots asked, oldest first; *route* such as ``POST /users/@me/channels``."""
        return [each for each in self.service.calls if not route or each.route == route]

    def truth(self) -> Json:
        """Everything as JSON."""
        self.settle()
        return truth(self.service)

    async def connected(self, sessions: int = 1, timeout: float = 10.0) -> None:
        """
        Return when so many sessions of the first app are connected.

        Raises:
            TimeoutError: There are fewer.
        """
        live = self.service.gateway.live_sessions
        await self.service.until(
            lambda: sum(each.connection is not None for each in live(self.app)) >= sessions, timeout
        )

    # What goes wrong

    def fault(self, fault: Fault | EventFault) -> None:
        """Switch a fault on."""
        self.faults.add(fault)

    def cut_sockets(self) -> int:
        """Cut the TCP connection of every WebSocket; tells how many there were."""
        return self.service.gateway.cut()

    async def close_sockets(self, code: int = 4000) -> None:
        """Close every WebSocket with *code*."""
        await self.service.gateway.close_all(code)

    def ask_to_reconnect(self) -> None:
        """Ask every client to connect anew, op 7."""
        self.service.gateway.ask_to_reconnect()

    def invalidate_sessions(self, *, resumable: bool = False) -> None:
        """Tell every client that its session is invalid, op 9."""
        self.service.gateway.invalidate(resumable=resumable)

    def forget_sessions(self) -> None:
        """Forget every session: a RESUME finds none."""
        self.service.gateway.forget()

    def ignore_heartbeats(self) -> None:
        """Acknowledge no heartbeat on the connections there are: they look dead to the bot."""
        for connection in self.service.gateway.connections:
            connection.acknowledges = False

    def mute_sockets(self) -> None:
        """Send nothing more on the connections there are; events wait for a RESUME."""
        for connection in self.service.gateway.connections:
            connection.muted = True

    def send_garbage(self) -> None:
        """Send every client what is neither JSON nor rightly compressed."""
        for connection in self.service.gateway.connections:
            connection.send_garbage()

    def settle(self) -> None:
        """Archive the threads whose time is over."""
        archive_idle(self.service)
