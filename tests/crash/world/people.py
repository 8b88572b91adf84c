"""
People who talk, and the two ways their messages take to the gateway.

Each conversation says one thing after another: the next message is brought to the gateway when
the one before was acknowledged (or given up), so that the order of acceptance is known. A tenth
of the messages is delivered again afterwards.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp
from aiohttp import web
from standardwebhooks import Webhook

from crash.record import Platform, Record, Said
from crash.world.waiting import Waiting

AGAIN = 0.1  # of the messages are delivered twice
AT_ONCE = 6  # unanswered messages of one conversation
DEADLINE = 3.0  # seconds until the acknowledgement of an event
# Slack repeats an event at once, after a minute and after five; here a minute is a second.
EVENT_PAUSES = (0.0, 1.0, 5.0)  # seconds
# A sender of webhooks tries on: a lost message is no test of the gateway.
WEBHOOK_PAUSES = (0.2,) * 100  # seconds


@dataclass(frozen=True, slots=True)
class Traffic:
    """
    Who talks how much to whom.

    Attributes:
        gateway: The gateway's address.
        every: Seconds between two messages of one conversation, on average.
    """

    gateway: str
    chats: int
    webhooks: int
    every: float
    seed: int


@dataclass(slots=True)
class People:
    """Everybody who talks."""

    record: Record
    waiting: Waiting
    secret: str
    callback_url: str
    _senders: list[asyncio.Task[None]] = field(default_factory=list)
    _repeats: set[asyncio.Task[None]] = field(default_factory=set)
    _quiet: asyncio.Event = field(default_factory=asyncio.Event)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return (
            web.post("/talk", self._talk),
            web.post("/quiet", self._fall_quiet),
            web.get("/waiting", self._count),
        )

    async def close(self) -> None:
        """Stop all of them at once."""
        tasks = [*self._senders, *self._repeats]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _talk(self, request: web.Request) -> web.Response:
        traffic = Traffic(**await request.json())
        self._quiet.clear()
        for platform, many in (("chat", traffic.chats), ("webhook", traffic.webhooks)):
            for number in range(many):
                sender = self._converse(traffic, platform, f"{platform}-{number}")  # type: ignore[arg-type]
                self._senders.append(asyncio.create_task(sender, name=f"{platform}-{number}"))
        return web.json_response({})

    async def _fall_quiet(self, request: web.Request) -> web.Response:
        """Say nothing new; answered when the last message has been brought or given up."""
        self._quiet.set()
        await asyncio.gather(*self._senders)
        await asyncio.gather(*self._repeats)
        self._senders.clear()
        return web.json_response({})

    async def _count(self, request: web.Request) -> web.Response:
        return web.json_response({"said": len(self.record.said), "waiting": self.waiting.count})

    async def _converse(self, traffic: Traffic, platform: Platform, conversation: str) -> None:
        chance = random.Random(f"{traffic.seed}:{conversation}")
        timeout = aiohttp.ClientTimeout(total=DEADLINE)
        async with aiohttp.ClientSession(traffic.gateway, timeout=timeout) as session:
            await _wait(self._quiet, chance.uniform(0, traffic.every))
            while not self._quiet.is_set():
                number = len(self.record.said) + 1
                said = Said(number, platform, conversation, f"m{number}")
                self.record.said.append(said)
                self.waiting.begin(conversation, said.id)
                if not await self._bring(session, said):
                    self.waiting.end(said.id)
                elif chance.random() < AGAIN:
                    self._repeat(traffic, said, chance.uniform(0, 0.5))
                await _wait(self._quiet, chance.expovariate(1 / traffic.every))
                await _first(self._quiet.wait(), self.waiting.fewer(conversation, AT_ONCE))

    async def _bring(self, session: aiohttp.ClientSession, said: Said) -> bool:
        """Bring a message until it is acknowledged; False when it was given up."""
        for pause in EVENT_PAUSES if said.platform == "chat" else WEBHOOK_PAUSES:
            if await self._deliver(session, said):
                return True
            await asyncio.sleep(pause)
        return await self._deliver(session, said)

    async def _deliver(self, session: aiohttp.ClientSession, said: Said) -> bool:
        said.deliveries += 1
        try:
            acknowledged = await (self._event if said.platform == "chat" else self._webhook)(session, said)
        except (aiohttp.ClientError, TimeoutError):
            return False
        if acknowledged and said.acked is None:
            said.acked = self.record.tick()
        return acknowledged

    def _repeat(self, traffic: Traffic, said: Said, pause: float) -> None:
        """Deliver it again, whatever becomes of it."""

        async def later() -> None:
            await asyncio.sleep(pause)
            timeout = aiohttp.ClientTimeout(total=DEADLINE)
            async with aiohttp.ClientSession(traffic.gateway, timeout=timeout) as session:
                await self._deliver(session, said)

        task = asyncio.create_task(later(), name=f"again:{said.number}")
        self._repeats.add(task)
        task.add_done_callback(self._repeats.discard)

    async def _event(self, session: aiohttp.ClientSession, said: Said) -> bool:
        event = {
            "event_id": f"Ev{said.number}",
            "conversation": said.conversation,
            "id": said.id,
            "text": _text(said),
        }
        async with session.post("/chat/events", json=event) as response:
            return response.status == 200

    async def _webhook(self, session: aiohttp.ClientSession, said: Said) -> bool:
        body = json.dumps(
            {
                "conversation": said.conversation,
                "user": {"id": "u1"},
                "text": _text(said),
                "callback_url": self.callback_url,
            }
        )
        now = datetime.now(UTC)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": said.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(self.secret).sign(said.id, now, body),
        }
        async with session.post("/webhooks/default", data=body.encode(), headers=headers) as response:
            return response.status in (200, 202)


def _text(said: Said) -> str:
    return f"Please answer #{said.number}."


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return


async def _first(*waits: object) -> None:
    """Return when one of *waits* has."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]  # type: ignore[call-overload]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
