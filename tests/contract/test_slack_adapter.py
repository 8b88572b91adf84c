"""The Slack adapter keeps the contract of adapters, against the emulator, in both modes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from assistant_gateway.adapter import Adapter
from assistant_gateway.config.settings import ServerSettings
from assistant_gateway.http.server import HttpServer
from assistant_gateway.testing.adapter import AdapterContract
from assistant_gateway.testing.intake import FakeIntake
from assistant_gateway.values import Conversation, ReplyTarget, User
from assistant_gateway_slack.adapter import SlackAdapter
from assistant_gateway_slack.settings import SlackSettings
from emulators.eventually import eventually
from emulators.slack import Message, SlackEmulator


def settings(slack: SlackEmulator, *, http: bool = False, **more: object) -> SlackSettings:
    """The settings for the emulator's app."""
    table: dict[str, object] = {"bot_token": SecretStr(slack.bot_token), "base_url": slack.api_url}
    if http:
        table["signing_secret"] = SecretStr(slack.signing_secret)
    else:
        table["app_token"] = SecretStr(slack.app_token)
    return SlackSettings.model_validate(table | more)


class SlackPlatform:
    """The emulator, a running adapter, and Ann, who has asked something in #general."""

    def __init__(
        self, slack: SlackEmulator, adapter: SlackAdapter, intake: FakeIntake, root: Message
    ) -> None:
        self.intake = intake
        self.adapter: Adapter = adapter
        where = Conversation("slack", slack.team, slack.general, root.ts)
        self.target = ReplyTarget(where, f"{slack.general}:{root.ts}", User(slack.ann), {"ts": root.ts})
        self.slack = slack
        self._said: dict[str, Message] = {}

    async def another(self) -> Adapter:
        return SlackAdapter(settings(self.slack))

    async def deliver(self, message_id: str, text: str) -> bool:
        slack = self.slack
        if message_id not in self._said:
            before = len(slack.deliveries())
            self._said[message_id] = await slack.say(slack.direct(slack.ann), slack.ann, text)
            await slack.until(lambda: len(slack.deliveries()) > before)
            delivery = slack.deliveries()[before]
        else:
            first = next(
                each for each in slack.deliveries("message") if each.event["ts"] == self._said[message_id].ts
            )
            delivery = slack.service.feed.raw(slack.app, first.payload)
        await slack.until(lambda: delivery.attempts)
        return not delivery.attempts[0][1]

    def shown(self, post_id: str) -> str | None:
        message = self.slack.world.channels[self.slack.general].messages[post_id]
        return None if message.deleted_at is not None else message.visible


@asynccontextmanager
async def running(*, http: bool, **more: object) -> AsyncIterator[SlackPlatform]:
    """A platform whose adapter is connected."""
    async with SlackEmulator(ack_deadline=1.0) as slack:
        intake, adapter = FakeIntake(), SlackAdapter(settings(slack, http=http, **more))
        server = HttpServer(
            ServerSettings(listen="127.0.0.1:0"),
            version="0",
            routes=adapter.routes(intake),
            ready=_ready,
            metrics=_metrics,
        )
        await server.start()
        if http:
            slack.use_request_url(f"{server.url}/slack/events")
        task = asyncio.create_task(adapter.run(intake))
        try:
            await eventually(lambda: not adapter.unready())
            root = await slack.say(slack.general, slack.ann, f"<@{slack.bot_user}> Hello")
            await eventually(lambda: intake.messages)
            await slack.settled()
            yield SlackPlatform(slack, adapter, intake, root)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await adapter.close()
            await server.stop()


async def _ready() -> list[str]:
    return []


async def _metrics() -> bytes:
    return b""


class TestOverSocketMode(AdapterContract):
    """The suite, over WebSockets."""

    @pytest.fixture
    async def platform(self) -> AsyncIterator[SlackPlatform]:
        async with running(http=False) as platform:
            yield platform


class TestOverHttp(AdapterContract):
    """The suite, over signed requests."""

    @pytest.fixture
    async def platform(self) -> AsyncIterator[SlackPlatform]:
        async with running(http=True) as platform:
            yield platform
