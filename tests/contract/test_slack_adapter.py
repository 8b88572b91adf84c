"""The Slack adapter keeps the contract of adapters, against the emulator, in both modes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Self

import pytest

from assistant_gateway.adapter import (
    Adapter,
    AddsRoutes,
    CallKind,
    ChecksItself,
    Content,
    HasBudgets,
    Piece,
    StreamsNatively,
)
from assistant_gateway.errors import RateLimited
from assistant_gateway.testing.adapter import AdapterContract, StreamContract
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

    @classmethod
    async def of(cls, desk: Desk) -> Self:
        """Ann's question, settled: its twin takes no failure that is meant for a later message."""
        root = await desk.ask()
        await desk.settled()
        return cls(desk, root)

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
            yield await SlackPlatform.of(slack)


class TestOverHttp(AdapterContract):
    """The suite, over signed requests."""

    @pytest.fixture
    async def platform(self) -> AsyncIterator[SlackPlatform]:
        async with desk(http=True) as slack:
            yield await SlackPlatform.of(slack)


class TestStreaming(AdapterContract, StreamContract):
    """The suite, and that of streams, where answers in channels are streamed, too."""

    @pytest.fixture
    async def platform(self) -> AsyncIterator[SlackPlatform]:
        async with desk(streaming="always") as slack:
            yield await SlackPlatform.of(slack)


async def test_slack_has_budgets_adds_routes_and_checks_itself() -> None:
    """The four optional abilities of the adapter are found by isinstance."""
    async with desk() as slack:
        assert isinstance(slack.adapter, StreamsNatively)
        assert isinstance(slack.adapter, HasBudgets)
        assert isinstance(slack.adapter, AddsRoutes)
        assert isinstance(slack.adapter, ChecksItself)


async def test_the_budgets_are_no_larger_than_what_slack_allows() -> None:
    """As many calls as a budget gives are taken at once; edits are 50 a minute for the whole workspace."""
    async with desk() as slack:
        first, second = slack.target(await slack.ask()), slack.target(await slack.ask())
        posted = await slack.adapter.post(first, "run_1.0", Content("1"))
        (edits,) = slack.adapter.budgets(first, "edit")

        for number in range(edits.calls):
            await slack.adapter.edit(first, posted, Content(f"{number}"))
        with pytest.raises(RateLimited):
            await slack.adapter.edit(first, posted, Content("one more"))

        assert (50, 60.0) == (edits.calls, edits.seconds)
        assert [edits] == list(slack.adapter.budgets(second, "edit"))


async def test_streams_have_budgets_of_their_own() -> None:
    """20 begin, 20 end and 100 go on in a minute, for the whole workspace; the 21st start is refused."""
    async with desk(streaming="always") as slack:
        first, second = slack.target(await slack.ask()), slack.target(await slack.ask())
        calls: tuple[CallKind, ...] = ("start", "append", "stop")
        told = {call: slack.adapter.budgets(first, call) for call in calls}

        for number in range(20):
            await slack.adapter.start(first, f"run_{number}.0", Piece("Hello"))
        with pytest.raises(RateLimited):
            await slack.adapter.start(second, "run_20.0", Piece("Hello"))

        assert [20, 100, 20] == [budget.calls for call in calls for budget in told[call]]
        assert 3 == len({budget.scope for call in calls for budget in told[call]})
        assert told == {call: slack.adapter.budgets(second, call) for call in calls}


async def test_five_posts_go_into_a_channel_at_once() -> None:
    """Then one a second: the budget lets as many pass as Slack does, and the workspace's is beside it."""
    async with desk() as slack:
        target = slack.target(await slack.ask())
        narrow, wide = slack.adapter.budgets(target, "post")

        for number in range(narrow.calls):
            await slack.adapter.post(target, f"run_{number}.0", Content("Hello"))
        with pytest.raises(RateLimited):
            await slack.adapter.post(target, "run_9.0", Content("Hello"))

        assert (5, 5.0) == (narrow.calls, narrow.seconds)
        assert (200, 60.0) == (wide.calls, wide.seconds)
