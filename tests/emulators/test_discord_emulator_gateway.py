"""The gateway is joined, left and resumed as documented, by the real discord.py and by hand."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Callable

import aiohttp
import discord
import pytest
import pytest_asyncio

from emulators.discord import DiscordEmulator, EventFault, HandClock, Intent, Permission
from emulators.discord.snowflakes import shard_of
from emulators.discord_client import Bot, connector_to, emulator_for_clients, everything, running
from emulators.discord_raw import Rest, Socket, socket_to
from emulators.eventually import eventually
from emulators.shapes import record, records

PLAIN = int(Intent.GUILDS | Intent.GUILD_MESSAGES | Intent.DIRECT_MESSAGES)


@pytest_asyncio.fixture
async def emulator() -> AsyncIterator[DiscordEmulator]:
    async with DiscordEmulator(clock=HandClock()) as emulator:
        yield emulator


async def test_a_session_begins_with_hello_ready_and_the_servers(emulator: DiscordEmulator) -> None:
    """READY names one server as unavailable and another address for RESUME; GUILD_CREATE follows."""
    async with socket_to(emulator) as socket:
        ready = await socket.ready()
        guild = await socket.event("GUILD_CREATE")

    assert [{"id": emulator.guild, "unavailable": True}] == ready["guilds"]
    assert emulator.bot_user == record(ready["user"])["id"]
    assert ready["resume_gateway_url"] not in ("", emulator.gateway_url)
    assert (emulator.guild, 3) == (guild["id"], guild["member_count"])
    assert [emulator.general] == [each["id"] for each in records(guild["channels"])]


async def test_frames_are_one_zlib_stream(emulator: DiscordEmulator) -> None:
    """With `compress=zlib-stream` every frame is binary and ends with 00 00 ff ff."""
    async with socket_to(emulator, query="v=10&encoding=json&compress=zlib-stream") as socket:
        await socket.ready()
        await emulator.say(emulator.general, emulator.ann, "hello")

        assert "hello" == (await socket.event("MESSAGE_CREATE"))["content"]


async def test_heartbeats_are_acknowledged(emulator: DiscordEmulator) -> None:
    """Op 1 is answered by op 11, before IDENTIFY too; never, once heartbeats are ignored."""
    async with socket_to(emulator) as socket:
        await socket.send(1, None)
        before = await socket.receive()
        await socket.ready()
        await socket.event("GUILD_CREATE")
        emulator.ignore_heartbeats()
        await socket.send(1, socket.sequence)
        await emulator.say(emulator.general, emulator.ann, "hello")
        next_one = await socket.receive()

    assert (11, "MESSAGE_CREATE") == (before["op"], next_one["t"])


@pytest.mark.parametrize(
    ("intents", "code"),
    [(1 << 17, 4013), (-1, 4013), (int(Intent.MESSAGE_CONTENT), 4014), (int(Intent.GUILD_PRESENCES), 4014)],
)
async def test_intents_are_checked(intents: int, code: int) -> None:
    """Unknown bits close with 4013, privileged ones that are not switched on with 4014."""
    async with DiscordEmulator(privileged=0) as emulator, socket_to(emulator) as socket:
        await socket.identify(intents)

        assert code == await socket.close_code()


async def identified_twice(socket: Socket) -> None:
    await socket.ready()
    await socket.identify()


@pytest.mark.parametrize(
    ("mistake", "code"),
    [
        (lambda socket: socket.send(99, {}), 4001),
        (lambda socket: socket.send_text("{"), 4002),
        (lambda socket: socket.send_text('{"op": 1, "d": "' + "a" * 4096 + '"}'), 4002),
        (lambda socket: socket.send(3, {}), 4003),
        (lambda socket: socket.identify(token="wrong"), 4004),
        (identified_twice, 4005),
        (lambda socket: socket.identify(shard=(2, 2)), 4010),
    ],
)
async def test_mistakes_end_the_connection(emulator: DiscordEmulator, mistake: object, code: int) -> None:
    """Each has a close code of its own."""
    async with socket_to(emulator) as socket:
        await mistake(socket)  # type: ignore[operator]  # one of the functions above

        assert code == await socket.close_code()


async def test_a_sequence_that_never_was_is_refused(emulator: DiscordEmulator) -> None:
    """A RESUME with number 99 after 2 events closes with 4007."""
    async with socket_to(emulator) as socket, socket_to(emulator) as other:
        ready = await socket.ready()
        await other.resume(ready["session_id"], 99)

        assert 4007 == await other.close_code()


async def test_an_unknown_version_is_refused(emulator: DiscordEmulator) -> None:
    """Version 5 closes with 4012 before any greeting."""
    async with socket_to(emulator, query="v=5&encoding=json") as socket:
        assert 4012 == await socket.close_code()


async def test_120_messages_pass_in_a_minute(emulator: DiscordEmulator) -> None:
    """The 121st closes with 4008."""
    async with socket_to(emulator) as socket:
        for _ in range(121):
            await socket.send(1, None)

        assert 4008 == await socket.close_code()


async def test_a_silent_client_is_dropped() -> None:
    """Without a heartbeat in 2 intervals of 50 ms the connection closes with 4009."""
    async with DiscordEmulator(heartbeat_interval=0.05) as emulator, socket_to(emulator) as socket:
        assert 4009 == await socket.close_code()


async def test_a_session_is_resumed_where_it_was(emulator: DiscordEmulator) -> None:
    """What was said after the cut is replayed in order, then RESUMED; a RESUME costs no session start."""
    async with socket_to(emulator) as socket:
        ready = await socket.ready()
        await socket.event("GUILD_CREATE")
        emulator.cut_sockets()
        await emulator.until(lambda: not emulator.service.gateway.connections)
    for text in ("one", "two"):
        await emulator.say(emulator.general, emulator.ann, text)
    async with socket_to(emulator, url=str(ready["resume_gateway_url"])) as again:
        await again.resume(ready["session_id"], socket.sequence)
        told = [await again.receive() for _ in range(3)]
    async with Rest(emulator) as rest:
        limit = record((await rest.call("GET", "/gateway/bot"))["session_start_limit"])

    assert ["MESSAGE_CREATE", "MESSAGE_CREATE", "RESUMED"] == [each["t"] for each in told]
    assert ["one", "two"] == [record(each["d"])["content"] for each in told[:2]]
    assert (1000, 999) == (limit["total"], limit["remaining"])


@pytest.mark.parametrize(("code", "resumable"), [(1000, False), (1001, False), (4000, True)])
async def test_how_a_client_leaves_decides(emulator: DiscordEmulator, code: int, resumable: bool) -> None:
    """After 1000 or 1001 a RESUME is answered with op 9 false, after 4000 with RESUMED."""
    async with socket_to(emulator) as socket:
        ready = await socket.ready()
        await socket.event("GUILD_CREATE")
        await socket.close(code)
        await emulator.until(lambda: not emulator.service.gateway.connections)
    async with socket_to(emulator) as again:
        await again.resume(ready["session_id"], socket.sequence)
        told = await again.receive()

    assert (0, "RESUMED") == (told["op"], told["t"]) if resumable else (9, False) == (told["op"], told["d"])


async def test_a_session_is_forgotten_after_a_while(emulator: DiscordEmulator) -> None:
    """181 s after the cut nothing can be resumed."""
    async with socket_to(emulator) as socket:
        ready = await socket.ready()
        emulator.cut_sockets()
        await emulator.until(lambda: not emulator.service.gateway.connections)
    emulator.advance(181)
    async with socket_to(emulator) as again:
        await again.resume(ready["session_id"], 1)
        told = await again.receive()

    assert (9, False) == (told["op"], told["d"])


async def test_replays_can_repeat_what_was_seen(emulator: DiscordEmulator) -> None:
    """With 1 repeat the last message that was seen comes again, under its own number."""
    async with socket_to(emulator) as socket:
        ready = await socket.ready()
        said = await emulator.say(emulator.general, emulator.ann, "once")
        await socket.event("MESSAGE_CREATE")
        seen = socket.sequence
        emulator.faults.repeats = 1
        emulator.cut_sockets()
        await emulator.until(lambda: not emulator.service.gateway.connections)
    async with socket_to(emulator) as again:
        await again.resume(ready["session_id"], seen)
        told = await again.receive()

    assert (said.id, seen) == (record(told["d"])["id"], told["s"])


async def test_one_shard_identifies_in_5_seconds(emulator: DiscordEmulator) -> None:
    """The second one within 5 s gets op 9 false, then READY; a shard of another bucket does not wait."""
    async with socket_to(emulator) as first, socket_to(emulator) as second:
        await first.ready(shard=(0, 2))
        await second.identify(shard=(1, 2))
        refused = await second.receive()
        emulator.advance(5)
        ready = await second.ready(shard=(1, 2))
        emulator.app.max_concurrency = 2
        async with socket_to(emulator) as third:
            await third.ready(shard=(1, 2))

    assert (9, False) == (refused["op"], refused["d"])
    assert [1, 2] == ready["shard"]


async def test_the_1001st_session_resets_the_token(emulator: DiscordEmulator) -> None:
    """It closes every session with 4004, and the old token is good for nothing."""
    old = emulator.bot_token
    async with socket_to(emulator) as living:
        await living.ready()
        emulator.app.identifies = [emulator.clock.now()] * 1000
        emulator.advance(5)
        async with socket_to(emulator) as one_more:
            await one_more.identify()
            codes = [await one_more.close_code(), await living.close_code()]
    async with Rest(emulator, old) as rest:
        answer = await rest.call("GET", "/users/@me")

    assert ([4004, 4004], 401) == (codes, answer.status)


async def test_servers_are_spread_over_shards(emulator: DiscordEmulator) -> None:
    """Of 2 servers each shard hears of its own; direct messages come to shard 0 only."""
    emulator.app.max_concurrency = 2
    other = emulator.add_guild("Other", owner=emulator.ann, members=[emulator.bot_user])
    while shard_of(other.id, 2) == shard_of(emulator.guild, 2):
        other = emulator.add_guild("Other", owner=emulator.ann, members=[emulator.bot_user])
    there = emulator.add_channel(other.id, "there").id
    async with socket_to(emulator) as zero, socket_to(emulator) as one:
        await zero.ready(shard=(0, 2))
        await one.ready(shard=(1, 2))
        for channel in (emulator.general, there, emulator.direct(emulator.ann)):
            await emulator.say(channel, emulator.ann, channel)
        heard = {(await each.event("MESSAGE_CREATE"))["content"]: each for each in (zero, one)}
        direct = await zero.event("MESSAGE_CREATE")

    assert {emulator.general, there} == set(heard)
    assert zero is heard[emulator.general if shard_of(emulator.guild, 2) == 0 else there]
    assert "guild_id" not in direct


async def test_content_is_for_sessions_that_asked_for_it(emulator: DiscordEmulator) -> None:
    """Without MESSAGE_CONTENT only a mention and a direct message have their text."""
    async with socket_to(emulator) as socket:
        await socket.ready(PLAIN)
        mention = f"<@{emulator.bot_user}> you"
        for text in ("secret", mention):
            await emulator.say(emulator.general, emulator.ann, text)
        await emulator.dm(emulator.ann, "psst")
        told = [(await socket.event("MESSAGE_CREATE"))["content"] for _ in range(3)]

    assert ["", mention, "psst"] == told


async def test_what_the_bot_cannot_see_it_does_not_hear(emulator: DiscordEmulator) -> None:
    """Without VIEW_CHANNEL nothing of that channel comes."""
    hidden = emulator.add_channel(emulator.guild, "hidden").id
    emulator.forbid(hidden, emulator.bot_user, Permission.VIEW_CHANNEL)
    async with socket_to(emulator) as socket:
        await socket.ready()
        await emulator.say(hidden, emulator.ann, "secret")
        await emulator.say(emulator.general, emulator.ann, "open")

        assert "open" == (await socket.event("MESSAGE_CREATE"))["content"]


async def test_a_preview_is_no_edit(emulator: DiscordEmulator) -> None:
    """A link brings a MESSAGE_UPDATE with an embed and without `edited_timestamp`; an edit has one."""
    async with socket_to(emulator) as socket:
        await socket.ready()
        said = await emulator.say(emulator.general, emulator.ann, "https://example.com")
        preview = await socket.event("MESSAGE_UPDATE")
        await emulator.edit(said, "changed")
        edit = await socket.event("MESSAGE_UPDATE")

    assert (None, 1) == (preview["edited_timestamp"], len(records(preview["embeds"])))
    assert edit["edited_timestamp"] is not None


async def test_events_are_lost_late_and_twice(emulator: DiscordEmulator) -> None:
    """A lost one leaves a gap in the sequence, a late one is overtaken, a duplicate has another number."""
    async with socket_to(emulator) as socket:
        await socket.ready()
        await socket.event("GUILD_CREATE")
        start = socket.sequence or 0
        emulator.fault(EventFault("lost", "MESSAGE_CREATE"))
        emulator.fault(EventFault("late", "MESSAGE_CREATE", seconds=1))
        emulator.fault(EventFault("duplicate", "MESSAGE_CREATE"))
        for text in ("lost", "late", "twice"):
            await emulator.say(emulator.general, emulator.ann, text)
        told = [await socket.receive() for _ in range(2)]
        emulator.advance(1)
        told.append(await socket.receive())

    assert ["twice", "twice", "late"] == [record(each["d"])["content"] for each in told]
    assert [start + 2, start + 3, start + 4] == [each["s"] for each in told]


async def test_a_handshake_can_be_refused(emulator: DiscordEmulator) -> None:
    """The first is answered with 503, the second is taken."""
    emulator.faults.refused_handshakes = 1
    with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
        async with socket_to(emulator):
            pass
    async with socket_to(emulator) as socket:
        await socket.ready()


async def test_discord_py_resumes_after_a_cut_and_loses_nothing() -> None:
    """Cut off, closed with 4000, or asked by op 7 or op 9: it resumes each time; 4 messages arrive once."""
    async with emulator_for_clients() as emulator:
        bot = Bot(emulator)
        breaks: list[Callable[[], object]] = [
            emulator.cut_sockets,
            lambda: emulator.service.spawn(emulator.close_sockets(4000), "close"),
            emulator.ask_to_reconnect,
            lambda: emulator.invalidate_sessions(resumable=True),
        ]
        async with running(emulator, bot):
            for number, cut in enumerate(breaks):
                cut()
                await emulator.say(emulator.general, emulator.ann, str(number))
                await eventually(lambda: len(bot.heard) > number, timeout=20)  # noqa: B023
                await emulator.connected()

            assert ["0", "1", "2", "3"] == [each.content for each in bot.heard]
            assert 1 == len(emulator.app.identifies)
            session = emulator.service.gateway.live_sessions(emulator.app)[0]
            assert 4 == session.resumes


async def test_discord_py_identifies_again_when_its_session_is_gone() -> None:
    """Told by op 9 false, what was said in between is lost for good."""
    async with emulator_for_clients(speed=20) as emulator:
        bot = Bot(emulator)
        async with running(emulator, bot):
            emulator.invalidate_sessions()
            await emulator.say(emulator.general, emulator.ann, "lost")
            await emulator.until(lambda: len(emulator.app.identifies) == 2)
            await eventually(lambda: bot.events.count("READY") == 2)
            await emulator.say(emulator.general, emulator.ann, "heard")
            await eventually(lambda: bot.heard)

            assert ["heard"] == [each.content for each in bot.heard]


async def test_discord_py_leaves_a_connection_that_went_silent() -> None:
    """Nothing received for 0.5 s, it resumes, and what was held back arrives."""
    async with emulator_for_clients() as emulator:
        bot = Bot(emulator, heartbeat_timeout=0.5)
        async with running(emulator, bot):
            emulator.mute_sockets()
            await emulator.say(emulator.general, emulator.ann, "late")
            await eventually(lambda: bot.heard)

            assert ["late"] == [each.content for each in bot.heard]
            assert 1 == len(emulator.app.identifies)


async def test_discord_py_ends_with_what_it_cannot_read() -> None:
    """Bytes that are no zlib stream come out of `start` as zlib.error: it has to be started again."""
    async with emulator_for_clients() as emulator:
        bot = Bot(emulator)
        async with running(emulator, bot) as started:
            emulator.send_garbage()

            with pytest.raises(zlib.error):
                await started


async def test_discord_py_runs_sharded() -> None:
    """AutoShardedClient asks for 2 shards and hears both servers."""
    async with emulator_for_clients() as emulator:
        emulator.app.shards = emulator.app.max_concurrency = 2
        other = emulator.add_guild("Other", owner=emulator.ann, members=[emulator.bot_user])
        while shard_of(other.id, 2) == shard_of(emulator.guild, 2):
            other = emulator.add_guild("Other", owner=emulator.ann, members=[emulator.bot_user])
        there = emulator.add_channel(other.id, "there").id
        client = Sharded(emulator)
        async with running(emulator, client):
            await emulator.connected(2)
            for channel in (emulator.general, there):
                await emulator.say(channel, emulator.ann, channel)
            await eventually(lambda: len(client.heard) == 2)

            assert {emulator.general, there} == {each.content for each in client.heard}
            assert {(0, 2), (1, 2)} == {
                each.shard for each in emulator.service.gateway.live_sessions(emulator.app)
            }


async def test_discord_py_stops_when_an_intent_is_not_switched_on() -> None:
    """Close code 4014 becomes PrivilegedIntentsRequired out of `start`."""
    async with emulator_for_clients(privileged=0) as emulator:
        bot = Bot(emulator)
        with pytest.raises(discord.PrivilegedIntentsRequired):
            async with running(emulator, bot):
                pass

    assert [4014] == emulator.service.gateway.closed


class Sharded(discord.AutoShardedClient):
    """A sharded client that keeps what it heard."""

    def __init__(self, emulator: DiscordEmulator) -> None:
        super().__init__(
            intents=everything(),
            connector=connector_to(emulator),
            guild_ready_timeout=0.05,
            chunk_guilds_at_startup=False,
        )
        self.heard: list[discord.Message] = []

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Without the 5 s that discord.py waits: the app may start two shards at once."""

    async def on_message(self, message: discord.Message) -> None:
        self.heard.append(message)
