"""Cuts, restarts and outages of Discord's gateway: what was written meanwhile is heard, once."""

from __future__ import annotations

import asyncio
import time
from functools import partial

import pytest

from assistant_gateway.adapter import Receipt
from assistant_gateway.errors import StoreUnavailable
from assistant_gateway.testing.intake import FakeIntake
from assistant_gateway.values import Inbound
from assistant_gateway_discord.adapter import DiscordAdapter
from assistant_gateway_discord.cursors import SCOPE
from emulators.discord import App, DiscordEmulator, EventFault, Fault, HandClock, Intent
from emulators.eventually import eventually
from fixtures.discord import Desk, MemoryNotes, desk, running, settings_for

SPEED = 1000.0  # of Discord's time: it lets a bot begin a session in five seconds


async def say(bot: Desk, *texts: str) -> None:
    """Ann mentions the bot in #general."""
    for text in texts:
        await bot.discord.say(bot.discord.general, bot.discord.ann, f"{bot.mention} {text}")


def texts(bot: Desk) -> list[str]:
    return [inbound.text for inbound in bot.heard]


async def test_a_cut_connection_is_resumed_and_nothing_is_lost() -> None:
    """Cut by RST, op 7 and close 4000: what is said meanwhile comes by the RESUME, without a new session."""
    async with desk() as bot:
        discord = bot.discord
        await bot.ask("0")
        discord.cut_sockets()
        await say(bot, "1")
        await eventually(lambda: "1" in texts(bot))
        discord.ask_to_reconnect()
        await say(bot, "2")
        await eventually(lambda: "2" in texts(bot))
        await discord.close_sockets(4000)
        await say(bot, "3")
        await eventually(lambda: "3" in texts(bot))
        sessions = len(discord.service.gateway.sessions)

    assert ["0", "1", "2", "3"] == texts(bot)
    assert 1 == sessions


async def test_what_came_between_two_sessions_is_read_from_the_history() -> None:
    """An invalid session loses what is said in the seconds until the next one: it is caught up, in order."""
    async with desk() as bot:
        discord = bot.discord
        await bot.ask("0")
        direct = await discord.dm(discord.bob, "private 0")
        await eventually(lambda: len(bot.heard) == 2)
        discord.forget_sessions()
        discord.cut_sockets()
        await say(bot, "1", "2")
        await discord.dm(discord.bob, "private 1")
        await eventually(lambda: len(bot.heard) == 5, timeout=30)
        await say(bot, "3")
        await eventually(lambda: len(bot.heard) == 6)

    general = [inbound.text for inbound in bot.heard if inbound.conversation.channel == discord.general]
    private = [inbound.text for inbound in bot.heard if inbound.conversation.channel == direct.channel_id]
    assert ["0", "1", "2", "3"] == general
    assert ["private 0", "private 1"] == private


async def test_what_was_said_during_a_downtime_is_heard_after_it() -> None:
    """Between two processes Ann asks twice and talks once; the next one accepts both questions, once each."""
    notes = MemoryNotes()
    async with DiscordEmulator(speed=SPEED) as discord:
        async with running(discord, notes=notes) as bot:
            await bot.ask("0")
        await say(bot, "1")
        await discord.say(discord.general, discord.ann, "Just talking.")
        await say(bot, "2")
        async with running(discord, notes=notes, intake=bot.intake) as bot:
            await eventually(lambda: len(bot.heard) == 3)
            await say(bot, "3")
            await eventually(lambda: len(bot.heard) == 4)

    assert ["0", "1", "2", "3"] == texts(bot)


async def test_only_the_newest_are_caught_up_and_none_that_is_old() -> None:
    """Of five missed messages a catch_up of 2 hears the last two; with catch_up = 0 none is read."""
    for limit, caught_up in ((2, 2), (0, 0)):
        notes = MemoryNotes()
        async with DiscordEmulator(speed=SPEED) as discord:
            async with running(discord, notes=notes) as bot:
                await bot.ask("0")
            await say(bot, "1", "2", "3", "4", "5")
            async with running(discord, notes=notes, intake=bot.intake, catch_up=limit) as again:
                await eventually(partial(_has_heard, again, 1 + caught_up))
                await again.ask("now")

        assert ["0", *["4", "5"][:caught_up], "now"] == texts(again)


def _has_heard(bot: Desk, messages: int) -> bool:
    return len(bot.heard) >= messages


async def test_what_is_older_than_wanted_is_not_answered() -> None:
    """A message that is two hours old is left alone where catch_up_hours is 1; with 3 it is answered."""
    for hours, heard in ((1.0, ["0", "now"]), (3.0, ["0", "1", "now"])):
        notes, clock = MemoryNotes(), HandClock(time.time() - 7200)
        async with DiscordEmulator(clock=clock) as discord:
            async with running(discord, notes=notes) as bot:
                await bot.ask("0")
            await say(bot, "1")
            discord.advance(7200)
            async with running(discord, notes=notes, intake=bot.intake, catch_up_hours=hours) as again:
                await eventually(partial(_has_heard, again, len(heard) - 1))
                await again.ask("now")

        assert heard == texts(again)


async def test_a_channel_without_a_word_to_the_bot_is_not_read() -> None:
    """History is read only of conversations in which something was accepted."""
    notes = MemoryNotes()
    async with DiscordEmulator(speed=SPEED) as discord:
        async with running(discord, notes=notes) as bot:
            await discord.say(discord.general, discord.ann, "Just talking.")
        await say(bot, "1")
        async with running(discord, notes=notes) as bot:
            await discord.dm(discord.ann, "now")
            await eventually(lambda: bot.heard)

    assert ["now"] == texts(bot)
    assert [] == discord.calls("GET /channels/{channel}/messages")


async def test_a_message_that_was_not_kept_is_heard_by_the_next_process() -> None:
    """The store refuses until the process ends: what is known of the channel stays, and the next one asks."""
    notes = MemoryNotes()
    async with DiscordEmulator(speed=SPEED) as discord:
        async with running(discord, notes=notes) as bot:
            await bot.ask("0")
            before = notes.kept[SCOPE, discord.general]
            for _ in range(100):
                bot.intake.fail_next(StoreUnavailable("disk full"))
            bot.intake.knocked.clear()
            await say(bot, "1")
            await bot.intake.knocked.wait()
        after = notes.kept[SCOPE, discord.general]
        async with running(discord, notes=notes) as bot:
            await eventually(lambda: bot.heard)

    assert before == after
    assert ["1"] == texts(bot)


async def test_late_and_repeated_events_are_heard_once() -> None:
    """Every message three times, and one that others overtake: each is accepted once, none is missed."""
    async with desk() as bot:
        bot.discord.fault(EventFault("late", "MESSAGE_CREATE", seconds=0.3))
        bot.discord.fault(EventFault("duplicate", "MESSAGE_CREATE", times=None, copies=2))
        await say(bot, "0", "1", "2")
        await eventually(lambda: len(bot.heard) == 3)

    assert ["0", "1", "2"] == sorted(texts(bot))


async def test_the_history_is_read_again_where_discord_stumbles() -> None:
    """Two 503 and a 429 later the history is read all the same, and what came live waited for it."""
    notes = MemoryNotes()
    async with DiscordEmulator(speed=SPEED) as discord:
        async with running(discord, notes=notes) as bot:
            await bot.ask("0")
        await say(bot, "1")
        route = "GET /channels/*/messages"
        discord.fault(Fault("http", route, times=2, status=503))
        discord.fault(Fault("ratelimited", route, retry_after=0.2))
        async with running(discord, notes=notes, intake=bot.intake) as bot:
            await say(bot, "2")
            await eventually(lambda: len(bot.heard) == 3)

    assert ["0", "1", "2"] == texts(bot)


async def test_one_missed_message_that_nobody_can_read_hides_no_other() -> None:
    """Of two missed messages the first makes the intake fail in a way nobody foresaw: the second is heard."""

    class Choking(FakeIntake):
        async def accept(self, inbound: Inbound) -> Receipt:
            if inbound.text == "1":
                raise ValueError("unforeseen")
            return await super().accept(inbound)

    notes = MemoryNotes()
    async with DiscordEmulator(speed=SPEED) as discord:
        async with running(discord, notes=notes) as bot:
            await bot.ask("0")
        await say(bot, "1", "2")
        async with running(discord, intake=Choking(), notes=notes) as bot:
            await eventually(lambda: bot.heard)

    assert ["2"] == texts(bot)


async def test_twenty_reconnects_lose_and_repeat_nothing() -> None:
    """Ten messages before each of twenty cuts, half of which also end the session: 200, each once."""
    async with DiscordEmulator(limits=False) as discord, running(discord) as bot:
        await bot.ask("first")
        for cut in range(20):
            if cut % 2:
                discord.service.gateway.invalidate(resumable=True)
            else:
                discord.cut_sockets()
            await say(bot, *(f"{cut}.{number}" for number in range(10)))
        await eventually(lambda: len(bot.heard) == 201, timeout=60)

    assert len(set(texts(bot))) == 201


# What keeps it from connecting


async def test_a_missing_intent_is_named_and_the_rest_works(capsys: pytest.CaptureFixture[str]) -> None:
    """Without the Message Content Intent mentions are answered; log and doctor say where to switch it on."""
    emulator = DiscordEmulator(privileged=0)
    async with desk(emulator=emulator) as bot:
        await bot.ask("Hello")
        findings = await bot.adapter.check()
        (session,) = emulator.service.gateway.sessions.values()

    (broken,) = [finding for finding in findings if finding.state == "broken"]
    assert "Message Content Intent" in broken.text
    assert f"https://discord.com/developers/applications/{emulator.app.id}/bot" in broken.text
    assert f"https://discord.com/developers/applications/{emulator.app.id}/bot" in capsys.readouterr().out
    assert ["Hello"] == texts(bot)
    assert not session.intents & Intent.MESSAGE_CONTENT


async def test_an_intent_that_discord_refuses_is_not_asked_for_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The switch seems on, the gateway closes with 4014: a second session without it, and the log says so."""
    async with DiscordEmulator(speed=SPEED) as discord:
        task, adapter = begin(discord)
        discord.service.payloads.application = partial(_with_content, discord)  # type: ignore[method-assign]
        discord.app.privileged = 0
        await eventually(lambda: not adapter.unready())
        await end(task, adapter)

    logged = capsys.readouterr().out
    assert 1 == logged.count("Discord refuses the intents")
    assert 1 == logged.count("under Privileged Gateway Intents")


def _with_content(discord: DiscordEmulator, app: App) -> dict[str, object]:
    """What Discord tells of an app whose intent it has approved of, though it is switched off."""
    told = type(discord.service.payloads).application(discord.service.payloads, app)
    return {**told, "flags": 1 << 19}


async def test_sessions_are_not_wasted() -> None:
    """With the last sessions of the day it waits instead of connecting: with none left the token is reset."""
    async with DiscordEmulator() as discord:
        discord.app.identifies = [discord.clock.now()] * 996
        task, adapter = begin(discord)
        await eventually(lambda: "how often" in adapter.unready())
        sessions = len(discord.service.gateway.sessions)
        await end(task, adapter)

    assert 0 == sessions


async def test_a_refused_token_makes_it_unready_and_no_storm() -> None:
    """With a wrong token the reason is told, and Discord is asked once, not again and again."""
    async with DiscordEmulator() as discord:
        task, adapter = begin(discord, bot_token="wrong")
        await eventually(lambda: "token" in adapter.unready())
        findings = await adapter.check()
        calls = len(discord.calls())
        await end(task, adapter)

    assert "refused" in adapter.unready()
    assert ["broken"] == [finding.state for finding in findings]
    assert calls <= 4


async def test_a_command_after_a_downtime_skips_nothing_that_was_missed() -> None:
    """/ask comes before the history could be read: what was said before it is heard when it can be."""
    notes = MemoryNotes()
    async with DiscordEmulator(speed=SPEED) as discord:
        async with running(discord, notes=notes) as bot:
            await bot.ask("0")
        await say(bot, "1")
        discord.fault(Fault("http", "GET /channels/*/messages", times=2))
        async with running(discord, notes=notes) as bot:
            await discord.until(lambda: discord.calls("PUT /applications/{application}/commands"))
            await discord.slash(discord.general, discord.ann, "ask", {"question": "2"})
            await eventually(lambda: len(bot.heard) == 2)

    assert ["2", "1"] == texts(bot)


async def test_who_may_ask_is_asked_again_where_discord_stumbles() -> None:
    """A missed message tells no roles, and Discord answers 503 to who its author is: it is not lost."""
    notes = MemoryNotes()
    async with DiscordEmulator(speed=SPEED) as discord:
        role = discord.add_role(discord.guild, "helpers", members=(discord.ann,))
        async with running(discord, notes=notes, roles=[role.id]) as bot:
            await bot.ask("0")
        await say(bot, "1")
        discord.fault(Fault("http", "GET /guilds/*/members/*", times=2))
        async with running(discord, notes=notes, roles=[role.id]) as bot:
            await eventually(lambda: bot.heard)

    assert ["1"] == texts(bot)


async def test_a_token_that_is_revoked_meanwhile_is_named() -> None:
    """Discord closes with 4004: what has to be done is told at once, not the number."""
    async with desk() as bot:
        await bot.discord.close_sockets(4004)
        await eventually(bot.adapter.unready)

        assert "token is refused" in bot.adapter.unready()


async def test_a_gateway_that_is_away_is_tried_again() -> None:
    """Two refused handshakes later it is connected."""
    discord = DiscordEmulator()
    discord.faults.refused_handshakes = 2
    async with discord:
        task, adapter = begin(discord)
        await eventually(lambda: not adapter.unready(), timeout=20)
        await end(task, adapter)


async def test_two_shards_hear_their_servers() -> None:
    """With shards = 2 there are two sessions; servers of either shard and direct messages are heard."""
    async with DiscordEmulator(ack_deadline=10) as discord:
        guilds = [discord.guild]
        while len({(int(guild) >> 22) % 2 for guild in guilds}) < 2:
            guilds.append(discord.add_guild("Other", owner=discord.ann, members=(discord.bot_user,)).id)
        channels = [discord.add_channel(guild, "room").id for guild in guilds]
        async with running(discord, shards=2) as bot:
            for channel in channels:
                await discord.say(channel, discord.ann, f"{bot.mention} {channel}")
            await discord.dm(discord.ann, "private")
            await eventually(lambda: len(bot.heard) == len(channels) + 1)
            shards = {each.shard for each in discord.service.gateway.sessions.values()}

    assert {*channels, "private"} == set(texts(bot))
    assert {(0, 2), (1, 2)} == shards


def begin(discord: DiscordEmulator, **more: object) -> tuple[asyncio.Task[None], DiscordAdapter]:
    """An adapter that runs, whether or not it connects."""
    adapter = DiscordAdapter(settings_for(discord, **more), MemoryNotes())
    return asyncio.create_task(adapter.run(FakeIntake())), adapter


async def end(task: asyncio.Task[None], adapter: DiscordAdapter) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await adapter.close()
