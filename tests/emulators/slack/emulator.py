"""
A Slack that runs here.

    async with SlackEmulator() as slack:
        client = AsyncWebClient(slack.bot_token, base_url=slack.api_url)
        asked = await slack.say(slack.general, slack.ann, f"<@{slack.bot_user}> hello")
        await slack.until(lambda: slack.replies(asked))

It begins with one workspace that has the app, Ann and Bob, a guest, and the channel #general.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from aiohttp import web

from emulators.clock import Clock, RunningClock
from emulators.shapes import Json
from emulators.slack.control import SlackControl
from emulators.slack.deliveries import Delivery
from emulators.slack.faults import EventFault, Fault, Faults
from emulators.slack.gestures import Gestures
from emulators.slack.manifest import Manifest
from emulators.slack.methods import agents, streams
from emulators.slack.page import Page
from emulators.slack.places import Places
from emulators.slack.quotas import Quotas
from emulators.slack.service import Call, Service
from emulators.slack.truth import truth
from emulators.slack.web_api import WebApi
from emulators.slack.world import Message


class SlackEmulator(Gestures):
    """
    The server and the people; use it as an async context.

    Beside what is set up (`Setting`) and done (`Gestures`) it tells what happened.
    """

    def __init__(
        self,
        manifest: Manifest | None = None,
        *,
        clock: Clock | None = None,
        speed: float = 1.0,
        quotas: bool = True,
        limits: Mapping[str, int] | None = None,
        ack_deadline: float = 3.0,
        splits_long_text: bool = True,
        share_seconds: float = 0.5,
        refresh_grace: float = 0.0,
        seed: int = 0,
    ) -> None:
        """
        Args:
            manifest: Of the app; without it, agent view and Socket Mode with every scope and event.
            clock: Slack's time; without it, time runs *speed* times as fast as the machine's.
            quotas: Whether rate limits are enforced; *limits* are other numbers a minute, by method.
            ack_deadline: Seconds of the machine in which an event must be acknowledged.
            splits_long_text: Whether a post over 4,000 characters becomes several messages.
            share_seconds: Slack's seconds until an uploaded file appears in its channel; `math.inf` for
                never, which was reported, too (centaur#311).
            refresh_grace: Slack's seconds in which a used refresh token is taken again; "a short grace
                period" (docs.slack.dev, "Using token rotation", 2026-09-14), of unknown length.
            seed: Of the faults that strike by chance.
        """
        service = Service(
            clock if clock is not None else RunningClock(speed),
            Quotas(enforced=quotas, limits=limits),
            Faults(seed),
            ack_deadline=ack_deadline,
            splits_long_text=splits_long_text,
            share_seconds=share_seconds,
        )
        service.refresh_grace = refresh_grace
        super().__init__(service, manifest or Manifest())
        self._api = WebApi(self.service)

    # Where it is

    @property
    def url(self) -> str:
        """The address of the page, such as ``http://127.0.0.1:8090``."""
        return self.service.base_url

    @property
    def api_url(self) -> str:
        """For `AsyncWebClient(base_url=…)`."""
        return f"{self.url}/api/"

    @property
    def bot_token(self) -> str:
        """The app's token in the first workspace."""
        return self.bot.bot_token

    @property
    def app_token(self) -> str:
        """For Socket Mode."""
        return self.app.app_token

    @property
    def signing_secret(self) -> str:
        """What HTTP requests to the app are signed with."""
        return self.app.signing_secret

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> Self:
        """Listen; port 0 takes a free one."""
        places, page, control = Places(self.service), Page(self), SlackControl(self)
        application = web.Application(client_max_size=1 << 28)
        application.add_routes(
            [
                web.route("*", "/api/{method}", self._api.take),
                web.get("/link/", self.service.sockets.take),
                web.post("/upload/v1/{file}", places.upload),
                web.get("/files-pri/{team}-{file}/download/{name}", places.download),
                web.get("/files-pri/{team}-{file}/{name}", places.download),
                web.get("/signin", places.sign_in),
                web.post("/actions/{secret}", places.respond),
                web.get("/oauth/v2/authorize", places.authorize),
                web.get("/", page.take),
                web.get("/control/{what}", control.tell),
                web.post("/control/{act}", control.do),
            ]
        )
        host, port = await self._server.start(application, host, port)
        self.service.base_url = f"http://{host}:{port}"
        return self

    # What happened

    async def verify_request_url(self) -> bool:
        """Whether the app answers the challenge: docs.slack.dev, "url_verification event", 2026-09-14."""
        challenge = self.world.mint("challenge-")
        payload: Json = {"token": "emulator-verification-token", "challenge": challenge}
        delivery = self.service.feed.raw(self.app, payload | {"type": "url_verification"})
        await delivery.done.wait()
        return challenge in (delivery.answer.get("challenge"), delivery.answer.get("text"))

    def messages(self, channel: str, *, thread_ts: str | None = None) -> list[Message]:
        """The messages that are there, oldest first; of one thread, or of the channel with all threads."""
        return [
            message
            for message in self.world.channels[channel].messages.values()
            if message.deleted_at is None and (thread_ts is None or message.root == thread_ts)
        ]

    def replies(self, message: Message) -> list[Message]:
        """The bot's messages in the thread of *message*, oldest first."""
        root = message.root or message.ts
        return [m for m in self.messages(message.channel, thread_ts=root) if m.installation is not None]

    def calls(self, method: str = "") -> list[Call]:
        """What apps asked, oldest first."""
        return [call for call in self.service.calls if not method or call.method == method]

    def deliveries(self, kind: str = "") -> list[Delivery]:
        """What apps were sent, oldest first; *kind* is an event's type."""
        return [each for each in self.service.deliveries.all if not kind or each.event.get("type") == kind]

    def truth(self) -> Json:
        """Everything as JSON."""
        self.settle()
        return truth(self.service)

    # What goes wrong

    def fault(self, fault: Fault | EventFault) -> None:
        """Switch a fault on."""
        self.faults.add(fault)

    def cut_sockets(self) -> int:
        """Cut the TCP connection of every WebSocket; tells how many there were."""
        return self.service.sockets.cut()

    async def refresh_sockets(self) -> None:
        """Warn every WebSocket, and close it 10 s later."""
        await self.service.sockets.refresh()

    def settle(self) -> None:
        """End the streams and statuses whose time is over."""
        streams.expire(self.service)
        agents.expire(self.service)
