"""The Slack adapter keeps the contract of adapters, against the emulator, in both modes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from assistant_gateway.adapter import Adapter, AddsRoutes, ChecksItself
from assistant_gateway.testing.adapter import AdapterContract
from assistant_gateway.testing.intake import FakeIntake
from assistant_gateway_slack.adapter import SlackAdapter
from emulators.slack import Message
from fixtures.slack import Desk, desk, settings_for


class SlackPlatform:
    """The emulator, a running adapter, and Ann, who has asked something in #general."""

    def __init__(self, desk: Desk, root: Message) -> None:
        self.intake: FakeIntake = desk.intake
        self.adapter: Adapter = desk.adapter
        self.target = desk.target(root)
        self._slack = desk.slack
        self._said: dict[str, Message] = {}

    async def another(self) -> Adapter:
        return SlackAdapter(settings_for(self._slack))

    async def deliver(self, message_id: str, text: str) -> bool:
        slack = self._slack
        if message_id in self._said:
            ts = self._said[message_id].ts
            first = next(each for each in slack.deliveries("message") if each.event["ts"] == ts)
            delivery = slack.service.feed.raw(slack.app, first.payload)
        else:
            before = len(slack.deliveries())
            self._said[message_id] = await slack.say(slack.direct(slack.ann), slack.ann, text)
            delivery = slack.deliveries()[before]
        await slack.until(lambda: delivery.attempts)
        return not delivery.attempts[0][1]

    def shown(self, post_id: str) -> str | None:
        message = self._slack.world.channels[self._slack.general].messages[post_id]
        return None if message.deleted_at is not None else message.visible


class TestOverSocketMode(AdapterContract):
    """The suite, over WebSockets."""

    @pytest.fixture
    async def platform(self) -> AsyncIterator[SlackPlatform]:
        async with desk() as slack:
            yield SlackPlatform(slack, await slack.ask())


class TestOverHttp(AdapterContract):
    """The suite, over signed requests."""

    @pytest.fixture
    async def platform(self) -> AsyncIterator[SlackPlatform]:
        async with desk(http=True) as slack:
            yield SlackPlatform(slack, await slack.ask())


async def test_slack_adds_routes_and_checks_itself() -> None:
    """The two optional abilities of the adapter are found by isinstance."""
    async with desk() as slack:
        assert isinstance(slack.adapter, AddsRoutes)
        assert isinstance(slack.adapter, ChecksItself)
