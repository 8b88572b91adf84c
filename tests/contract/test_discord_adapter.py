"""The Discord adapter keeps the contract of adapters, against the emulator."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from assistant_gateway.adapter import Adapter, ChecksItself, HasBudgets, Receipt, ShowsTyping
from assistant_gateway.testing.adapter import AdapterContract
from assistant_gateway.testing.intake import FakeIntake
from assistant_gateway.values import Inbound
from assistant_gateway_discord.adapter import DiscordAdapter
from assistant_gateway_discord.cursors import SCOPE
from assistant_gateway_discord.shapes import older
from emulators.discord import Message
from emulators.eventually import eventually
from fixtures.discord import Desk, desk, settings_for, target_of


class WatchedIntake(FakeIntake):
    """An intake that tells how each message fared."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: list[bool] = []

    async def accept(self, inbound: Inbound) -> Receipt:
        try:
            receipt = await super().accept(inbound)
        except Exception:
            self.outcomes.append(False)
            raise
        self.outcomes.append(True)
        return receipt


class DiscordPlatform:
    """
    The emulator, a running adapter, and Ann, who has asked something in #general.

    Discord has no acknowledgement: what stands for it is how far the channel counts as heard.
    """

    def __init__(self, desk: Desk, intake: WatchedIntake) -> None:
        self.intake: FakeIntake = intake
        self.adapter: Adapter = desk.adapter
        self.target = target_of(desk.heard[0])
        self._outcomes = intake.outcomes
        self._desk = desk
        self._said: dict[str, Message] = {}

    async def another(self) -> Adapter:
        return DiscordAdapter(settings_for(self._desk.discord), self._desk.notes)

    async def deliver(self, message_id: str, text: str) -> bool:
        discord, before = self._desk.discord, len(self._outcomes)
        if message := self._said.get(message_id):
            channel = discord.world.channels[message.channel_id]
            discord.service.feed.message("MESSAGE_CREATE", channel, message)
        else:
            message = self._said[message_id] = await discord.dm(discord.ann, text)
        await eventually(lambda: len(self._outcomes) > before)
        if self._outcomes[before]:
            await eventually(lambda: self._is_heard(message))
        return self._is_heard(message)

    def shown(self, post_id: str) -> str | None:
        message = self._desk.message(post_id)
        return None if message.deleted_at is not None else message.visible

    def _is_heard(self, message: Message) -> bool:
        seen = str(self._desk.notes.kept.get((SCOPE, message.channel_id), {}).get("seen", ""))
        return not older(seen, message.id)


class TestOverTheGateway(AdapterContract):
    """The suite."""

    @pytest.fixture
    async def platform(self) -> AsyncIterator[DiscordPlatform]:
        intake = WatchedIntake()
        async with desk(intake=intake) as discord:
            await discord.ask()
            yield DiscordPlatform(discord, intake)


async def test_discord_has_budgets_shows_typing_and_checks_itself() -> None:
    """The three optional abilities of the adapter are found by isinstance."""
    async with desk() as discord:
        assert isinstance(discord.adapter, HasBudgets)
        assert isinstance(discord.adapter, ShowsTyping)
        assert isinstance(discord.adapter, ChecksItself)
