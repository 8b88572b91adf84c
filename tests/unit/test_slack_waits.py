"""When Slack asks to be left alone, it is: a whole method in a whole workspace, whoever would call."""

from __future__ import annotations

import asyncio
import time

import pytest

from assistant_gateway.adapter import Content
from assistant_gateway.errors import RateLimited
from assistant_gateway_slack.budgets import budgets
from assistant_gateway_slack.waits import Waits
from emulators.slack import Fault
from fixtures.slack import desk


async def test_a_wait_is_for_all_channels_of_a_workspace() -> None:
    """A 429 of 0.5 s in #general keeps posts into #other back, without a request, and no edit."""
    async with desk() as at:
        slack = at.slack
        other = slack.add_channel(slack.team, "other", members=[slack.ann, slack.bot_user]).id
        here = at.target(await slack.say(slack.general, slack.ann, "one"))
        there = at.target(await slack.say(other, slack.ann, "two"))
        post = await at.adapter.post(here, "k0", Content("Hello"))
        slack.fault(Fault("ratelimited", "chat.postMessage", retry_after="0.5"))

        with pytest.raises(RateLimited) as told:
            await at.adapter.post(here, "k1", Content("Hello"))
        with pytest.raises(RateLimited) as kept:
            await at.adapter.post(there, "k2", Content("Hello"))
        await at.adapter.edit(here, post, Content("Hello, Ann"))
        await asyncio.sleep(kept.value.retry_after)
        await at.adapter.post(there, "k2", Content("Hello"))

    first, refused, last = slack.calls("chat.postMessage")
    assert 0.5 == told.value.retry_after
    assert 0 < kept.value.retry_after <= 0.5
    assert first.ok
    assert last.ok
    assert last.at - refused.at >= 0.5
    assert {f"slack:{slack.team}:chat.postMessage"} == {told.value.scope, kept.value.scope}
    assert told.value.scope in {each.scope for each in budgets(there.conversation, "post")}


async def test_a_wait_is_for_all_who_ask_for_names() -> None:
    """Three people write within the 30 s that Slack does not want to be asked for names: it is asked once."""
    async with desk() as at:
        slack = at.slack
        slack.fault(Fault("ratelimited", "users.info", retry_after="30"))
        for user in (slack.ann, slack.bob, slack.ann):
            await at.ask(user=user)

    assert 1 == len(slack.calls("users.info"))
    assert 3 == len(at.heard)


async def test_a_wait_ends_exactly_when_it_was_said_to() -> None:
    """29.9 s of 30 are not over and 30.1 are; a shorter wait does not cut a longer one."""
    now = 0.0
    waits = Waits(clock=lambda: now)
    waits.begin("chat.update", 30.0)
    waits.begin("chat.update", 1.0)
    waits.check("chat.postMessage")

    now = 29.9
    with pytest.raises(RateLimited) as left:
        waits.check("chat.update")
    now = 30.1
    waits.check("chat.update")

    assert 0.1 == pytest.approx(left.value.retry_after)


async def test_connections_wait_for_each_other() -> None:
    """Told to wait 1 s before it opens a WebSocket, no other one is opened within that second."""
    began = time.time()
    async with desk(connections=3) as at:
        at.slack.fault(Fault("ratelimited", "apps.connections.open", retry_after="1"))
        before = len(at.slack.calls("apps.connections.open"))
        at.slack.cut_sockets()
        await at.slack.until(lambda: len(at.slack.calls("apps.connections.open")) >= before + 2)

    refused, following = at.slack.calls("apps.connections.open")[before : before + 2]
    assert refused.at > began
    assert following.at - refused.at >= 1.0


async def test_a_name_that_comes_late_is_kept() -> None:
    """
    Slack takes 1.5 s to tell who Ann is: her first message has no name, and the second one has, which
    waits behind it. She is asked about once, and of the four events none has to come again.
    """
    async with desk(ack_deadline=3.0) as at:
        slack = at.slack
        slack.fault(Fault("slow", "users.info", seconds=1.5))
        root = await slack.say(slack.general, slack.ann, f"<@{slack.bot_user}> one")
        await slack.say(slack.general, slack.ann, f"<@{slack.bot_user}> two", thread_ts=root.ts)
        await at.settled()

    assert ["", "ann"] == [each.user.name for each in at.heard]
    assert 1 == len(slack.calls("users.info"))
    assert {1} == {len(each.attempts) for each in slack.deliveries()}
