"""Servers, channels, threads, direct messages and commands: who may do what, and who hears of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import discord
import pytest
import pytest_asyncio

from emulators.discord import (
    ChannelType,
    DiscordEmulator,
    HandClock,
    Intent,
    MessageType,
    Permission,
)
from emulators.discord_client import Bot, emulator_for_clients, refused, running
from emulators.discord_raw import Rest, socket_to
from emulators.eventually import eventually
from emulators.shapes import record, records, string


@pytest_asyncio.fixture
async def emulator() -> AsyncIterator[DiscordEmulator]:
    async with DiscordEmulator(clock=HandClock(), limits=False) as emulator:
        yield emulator


@pytest_asyncio.fixture
async def rest(emulator: DiscordEmulator) -> AsyncIterator[Rest]:
    async with Rest(emulator) as rest:
        yield rest


async def test_channels_that_are_not_there_or_not_to_be_seen(emulator: DiscordEmulator, rest: Rest) -> None:
    """Unknown is 10003, deleted too, hidden 50001, another server's 50001, and no number at all 50035."""
    gone, hidden = (emulator.add_channel(emulator.guild, name).id for name in ("gone", "hidden"))
    emulator.delete_channel(gone)
    emulator.forbid(hidden, emulator.bot_user, Permission.VIEW_CHANNEL)
    foreign = emulator.add_channel(emulator.add_guild("Other", owner=emulator.bob).id, "foreign").id
    told = [await rest.say(each, "a") for each in ("1", gone, hidden, foreign, "general")]

    assert [(404, 10003), (404, 10003), (403, 50001), (403, 50001), (400, 50035)] == [
        each.reason for each in told
    ]


async def test_permissions_are_looked_at(emulator: DiscordEmulator, rest: Rest) -> None:
    """Without SEND_MESSAGES a post and "typing" are 50013; without EMBED_LINKS an embed is."""
    path = f"/channels/{emulator.general}"
    emulator.forbid(emulator.general, emulator.bot_user, Permission.EMBED_LINKS)
    embed = await rest.call("POST", f"{path}/messages", {"embeds": [{"title": "a"}]})
    plain = await rest.say(emulator.general, "a")
    emulator.forbid(emulator.general, emulator.bot_user, Permission.SEND_MESSAGES)
    post = await rest.say(emulator.general, "a")
    typing = await rest.call("POST", f"{path}/typing")

    assert ((403, 50013), 200, (403, 50013), (403, 50013)) == (
        embed.reason,
        plain.status,
        post.reason,
        typing.reason,
    )


async def test_a_timed_out_bot_only_reads(emulator: DiscordEmulator, rest: Rest) -> None:
    """For 60 s a post is 50013 and history is there; then it may write again."""
    emulator.time_out(emulator.guild, emulator.bot_user, 60)
    post = await rest.say(emulator.general, "a")
    read = await rest.call("GET", f"/channels/{emulator.general}/messages")
    emulator.advance(60)
    later = await rest.say(emulator.general, "a")

    assert ((403, 50013), 200, 200) == (post.reason, read.status, later.status)


async def test_the_text_of_a_voice_channel_needs_connect(emulator: DiscordEmulator, rest: Rest) -> None:
    """With CONNECT a post passes, without it the channel is not to be seen."""
    voice = emulator.add_channel(emulator.guild, "talk", kind=ChannelType.VOICE).id
    before = await rest.say(voice, "a")
    emulator.forbid(voice, emulator.bot_user, Permission.CONNECT)
    after = await rest.say(voice, "a")

    assert (200, (403, 50001)) == (before.status, after.reason)


async def test_roles_and_overwrites_add_up(emulator: DiscordEmulator) -> None:
    """Denied to everybody, allowed to a role: only its members write there."""
    role = emulator.add_role(emulator.guild, "staff", members=[emulator.bob])
    channel = emulator.add_channel(emulator.guild, "staff").id
    emulator.forbid(channel, emulator.guild, Permission.SEND_MESSAGES)
    emulator.forbid(channel, role.id, 0, allow=Permission.SEND_MESSAGES)
    other = emulator.add_user("eve").id
    emulator.join(emulator.guild, other)

    await emulator.say(channel, emulator.bob, "a")
    with pytest.raises(PermissionError):
        await emulator.say(channel, other, "a")


async def test_direct_messages_are_one_channel(emulator: DiscordEmulator, rest: Rest) -> None:
    """Opened twice it is the same; closed 50007, without a common server 50278, unknown 50033."""

    async def opened(user: str) -> str:
        return string((await rest.call("POST", "/users/@me/channels", {"recipient_id": user}))["id"])

    ann = await opened(emulator.ann)
    shy = emulator.add_user("shy", takes_dms=False).id
    emulator.join(emulator.guild, shy)
    stranger = emulator.add_user("stranger").id
    told = [await rest.say(await opened(each), "a") for each in (emulator.ann, shy, stranger)]
    nobody = await rest.call("POST", "/users/@me/channels", {"recipient_id": "1"})

    assert ann == emulator.direct(emulator.ann)
    assert [(200, None), (403, 50007), (403, 50278)] == [each.reason for each in told]
    assert (400, 50033) == nobody.reason


async def test_a_thread_from_a_message_has_its_id() -> None:
    """discord.py makes one, a second is 160004; its history is headed by type 21 with the first message."""
    async with emulator_for_clients() as emulator:
        bot = Bot(emulator)
        async with running(emulator, bot):
            said = await emulator.say(emulator.general, emulator.ann, "hello")
            await eventually(lambda: bot.heard)
            thread = await bot.heard[0].create_thread(name="About hello")
            error = await refused(bot.heard[0].create_thread(name="Again"))
            await thread.send("inside")
            history = [message async for message in thread.history(oldest_first=True)]

            assert int(said.id) == thread.id
            assert (400, 160004) == error
            assert [MessageType.THREAD_STARTER_MESSAGE, 0] == [each.type.value for each in history]
            starter = history[0].reference
            assert starter is not None
            assert isinstance(starter.resolved, discord.Message)
            assert "hello" == starter.resolved.content


async def test_threads_need_a_permission_of_their_own(emulator: DiscordEmulator, rest: Rest) -> None:
    """SEND_MESSAGES has no effect in threads, SEND_MESSAGES_IN_THREADS does."""
    thread = await emulator.open_thread(emulator.general, emulator.ann, "one")
    emulator.forbid(emulator.general, emulator.bot_user, Permission.SEND_MESSAGES)
    first = await rest.say(thread.id, "a")
    emulator.forbid(emulator.general, emulator.bot_user, Permission.SEND_MESSAGES_IN_THREADS)
    second = await rest.say(thread.id, "a")

    assert (200, (403, 50013)) == (first.status, second.reason)


async def test_archived_threads_take_new_messages_only(emulator: DiscordEmulator, rest: Rest) -> None:
    """An edit and a reaction are 50083, a post opens it again; a locked one is 160005."""
    thread = await emulator.open_thread(emulator.general, emulator.ann, "one")
    posted = await rest.say(thread.id, "a")
    path = f"/channels/{thread.id}/messages/{posted['id']}"
    emulator.archive(thread.id)
    edit = await rest.call("PATCH", path, {"content": "b"})
    reaction = await rest.call("PUT", f"{path}/reactions/%F0%9F%91%8D/@me")
    post = await rest.say(thread.id, "b")
    opened = not thread.archived
    emulator.archive(thread.id, locked=True)
    locked = await rest.say(thread.id, "c")

    assert [(400, 50083), (400, 50083)] == [edit.reason, reaction.reason]
    assert (200, True, (400, 160005)) == (post.status, opened, locked.reason)


async def test_threads_are_changed_by_who_may(emulator: DiscordEmulator, rest: Rest) -> None:
    """Of its own thread the bot changes the name, which is a message of type 4, but not the lock: 50013."""
    own = await emulator.open_thread(emulator.general, emulator.bot_user, "one")
    other = await emulator.open_thread(emulator.general, emulator.ann, "two")
    renamed = await rest.call("PATCH", f"/channels/{own.id}", {"name": "three"})
    locked = await rest.call("PATCH", f"/channels/{own.id}", {"locked": True})
    foreign = await rest.call("PATCH", f"/channels/{other.id}", {"name": "four"})
    emulator.archive(other.id)
    stranger = await rest.call("PATCH", f"/channels/{other.id}", {"archived": False})
    await rest.say(other.id, "a")
    emulator.archive(other.id)
    follower = await rest.call("PATCH", f"/channels/{other.id}", {"archived": False})

    assert (200, [(4, "three")]) == (renamed.status, [(m.type, m.content) for m in emulator.messages(own.id)])
    assert [(403, 50013)] * 3 == [locked.reason, foreign.reason, stranger.reason]
    assert (200, False) == (follower.status, other.archived)


async def test_in_a_locked_thread_nothing_is_edited(emulator: DiscordEmulator, rest: Rest) -> None:
    """Locked while the bot edits: 160005, until it may manage threads."""
    thread = await emulator.open_thread(emulator.general, emulator.ann, "one")
    posted = await rest.say(thread.id, "a")
    path = f"/channels/{thread.id}/messages/{posted['id']}"
    emulator.archive(thread.id, on=False, locked=True)
    before = await rest.call("PATCH", path, {"content": "b"})
    managing = int(Permission.MANAGE_THREADS)
    emulator.add_role(emulator.guild, "mod", permissions=managing, members=[emulator.bot_user])
    after = await rest.call("PATCH", path, {"content": "c"})

    assert ((400, 160005), 200) == (before.reason, after.status)


async def test_idle_threads_are_archived(emulator: DiscordEmulator, rest: Rest) -> None:
    """After 60 minutes without a message it leaves the active ones for the archive."""
    body = {"name": "one", "type": 11, "auto_archive_duration": 60}
    made = await rest.call("POST", f"/channels/{emulator.general}/threads", body)
    active = await rest.call("GET", f"/guilds/{emulator.guild}/threads/active")
    emulator.advance(3_601)
    later = await rest.call("GET", f"/guilds/{emulator.guild}/threads/active")
    archived = await rest.call("GET", f"/channels/{emulator.general}/threads/archived/public")

    assert ([made["id"]], []) == ([each["id"] for each in records(active["threads"])], later["threads"])
    assert ([made["id"]], False) == (
        [each["id"] for each in records(archived["threads"])],
        archived["has_more"],
    )


async def test_private_threads_are_for_their_members(emulator: DiscordEmulator, rest: Rest) -> None:
    """The bot gets 50001 until it is a member; without `type` a thread is private."""
    thread = await emulator.open_thread(emulator.general, emulator.ann, "one", private=True)
    before = await rest.say(thread.id, "a")
    thread.thread_members.add(emulator.bot_user)
    after = await rest.say(thread.id, "a")
    own = await rest.call("POST", f"/channels/{emulator.general}/threads", {"name": "two"})

    assert ((403, 50001), 200, 12) == (before.reason, after.status, own["type"])


async def test_a_forum_post_is_a_thread(emulator: DiscordEmulator, rest: Rest) -> None:
    """Both posts have the ids of their first messages; a message in the forum itself is 50008."""
    forum = emulator.add_channel(emulator.guild, "help", kind=ChannelType.FORUM).id
    async with socket_to(emulator) as socket:
        await socket.ready()
        posted = await emulator.post(forum, emulator.ann, "Why?", "Tell me")
        thread = await socket.event("THREAD_CREATE")
        message = await socket.event("MESSAGE_CREATE")
    body = {"name": "Because", "message": {"content": "So it is"}}
    own = await rest.call("POST", f"/channels/{forum}/threads", body)
    inside = await rest.say(forum, "a")

    assert posted.id == thread["id"] == message["id"] == message["channel_id"]
    assert (own["id"], "So it is") == (record(own["message"])["id"], record(own["message"])["content"])
    assert (400, 50008) == inside.reason


async def test_reactions_come_and_go(emulator: DiscordEmulator, rest: Rest) -> None:
    """Both reactions are counted; what is no emoji is 10014; without ADD_REACTIONS a new one is 50013."""
    said = await emulator.say(emulator.general, emulator.ann, "hello")
    path = f"/channels/{emulator.general}/messages/{said.id}/reactions"
    await emulator.react(said, emulator.bob, "👍")
    own = await rest.call("PUT", f"{path}/%F0%9F%91%8D/@me")
    who = await rest.call("GET", f"{path}/%F0%9F%91%8D")
    wrong = await rest.call("PUT", f"{path}/thumbsup/@me")
    emulator.forbid(emulator.general, emulator.bot_user, Permission.ADD_REACTIONS)
    new = await rest.call("PUT", f"{path}/%E2%9D%A4/@me")
    await rest.call("DELETE", f"{path}/%F0%9F%91%8D/@me")

    assert (204, [emulator.bob, emulator.bot_user]) == (
        own.status,
        [each["id"] for each in records(who.body)],
    )
    assert ((400, 10014), (403, 50013)) == (wrong.reason, new.reason)
    assert {"👍": [emulator.bob]} == said.reactions


async def test_typing_lasts_10_seconds_or_until_the_message(emulator: DiscordEmulator, rest: Rest) -> None:
    """It is seen for 10 s, and goes as soon as the bot has written."""
    path = f"/channels/{emulator.general}/typing"

    def seen() -> object:
        channels = records(emulator.truth()["channels"])
        return next(each["typing"] for each in channels if each["id"] == emulator.general)

    async with socket_to(emulator) as socket:
        await socket.ready(int(Intent.GUILD_MESSAGE_TYPING))
        await rest.call("POST", path)
        event = await socket.event("TYPING_START")
    first = seen()
    emulator.advance(10)
    second = seen()
    await rest.call("POST", path)
    await rest.say(emulator.general, "a")

    assert emulator.bot_user == event["user_id"]
    assert ([emulator.bot_user], [], []) == (first, second, seen())
    assert 2 == len(emulator.service.typed)


async def test_commands_keep_their_ids(emulator: DiscordEmulator, rest: Rest) -> None:
    """Registered again unchanged, id and version stay; changed, only the version is another; others go."""
    path = f"/applications/{emulator.app.id}/commands"
    ask, old = ({"name": name, "description": "a"} for name in ("ask", "old"))
    first = records((await rest.call("PUT", path, [ask, old])).body)
    second = records((await rest.call("PUT", path, [ask])).body)
    third = records((await rest.call("PUT", path, [ask | {"description": "b"}])).body)

    def told(commands: list[dict[str, object]]) -> tuple[object, object]:
        return commands[0]["id"], commands[0]["version"]

    assert 1 == len(records((await rest.call("GET", path)).body))
    assert told(first) == told(second)
    assert (first[0]["id"], True) == (third[0]["id"], first[0]["version"] != third[0]["version"])


@pytest.mark.parametrize(
    "command",
    [
        {"description": "a"},
        {"name": "Ask", "description": "a"},
        {"name": "a b", "description": "a"},
        {"name": "a" * 33, "description": "a"},
        {"name": "ask", "description": ""},
        {"name": "ask", "description": "a" * 101},
        {"name": "ask", "description": "a", "options": [{"type": 3, "name": "q"}]},
        {"name": "Look", "type": 3, "description": "a"},
        {"name": "ask", "description": "a", "type": 9},
    ],
)
async def test_commands_are_checked(
    emulator: DiscordEmulator, rest: Rest, command: dict[str, object]
) -> None:
    """50035, and of a bulk nothing changes."""
    path = f"/applications/{emulator.app.id}/commands"
    good = {"name": "good", "description": "a"}
    await rest.call("PUT", path, [good])
    told = await rest.call("PUT", path, [{"name": "other", "description": "a"}, command])

    assert (400, 50035) == told.reason
    assert ["good"] == [each["name"] for each in records((await rest.call("GET", path)).body)]


async def test_commands_have_limits(emulator: DiscordEmulator, rest: Rest) -> None:
    """101 are 30032; the 201st new one of a day is 30034, and passes a day later; another app's are 20012."""
    path = f"/applications/{emulator.app.id}/commands"

    def numbered(first: int, count: int) -> list[dict[str, object]]:
        return [{"name": f"c{number}", "description": "a"} for number in range(first, first + count)]

    many = await rest.call("PUT", path, numbered(0, 101))
    for first in (0, 100):
        assert 200 == (await rest.call("PUT", path, numbered(first, 100))).status
    spent = await rest.call("PUT", path, numbered(200, 1))
    emulator.advance(86_401)
    later = await rest.call("PUT", path, numbered(200, 1))
    foreign = await rest.call("GET", "/applications/1/commands")

    assert [(400, 30032), (400, 30034), (403, 20012)] == [many.reason, spent.reason, foreign.reason]
    assert 200 == later.status


async def test_commands_of_a_server_are_its_own(emulator: DiscordEmulator, rest: Rest) -> None:
    """It hides the global one of its name there, and is not there in direct messages."""
    path = f"/applications/{emulator.app.id}"
    command = {"name": "ask", "description": "a"}
    everywhere = await rest.call("POST", f"{path}/commands", command)
    here = await rest.call("POST", f"{path}/guilds/{emulator.guild}/commands", command)
    in_guild = await emulator.slash(emulator.general, emulator.ann, "ask")
    in_private = await emulator.slash(emulator.direct(emulator.ann), emulator.ann, "ask")

    assert (here["id"], everywhere["id"]) == (in_guild.data["id"], in_private.data["id"])
    assert emulator.guild == in_guild.data["guild_id"]


async def test_a_kicked_bot_loses_everything(emulator: DiscordEmulator, rest: Rest) -> None:
    """It hears GUILD_DELETE, its channels are 50001, and its messages stay."""
    await rest.say(emulator.general, "a")
    async with socket_to(emulator) as socket:
        await socket.ready()
        emulator.kick(emulator.guild, emulator.bot_user)
        told = await socket.event("GUILD_DELETE")
    post = await rest.say(emulator.general, "b")

    assert (emulator.guild, (403, 50001)) == (told["id"], post.reason)
    assert 1 == len(emulator.messages(emulator.general))


async def test_members_need_the_intent() -> None:
    """With it discord.py fetches all 3 members, without it the list is 50001, and one by id is there."""
    async with DiscordEmulator(privileged=0, limits=False) as emulator, Rest(emulator) as rest:
        path = f"/guilds/{emulator.guild}/members"
        listed = await rest.call("GET", f"{path}?limit=10")
        one = await rest.call("GET", f"{path}/{emulator.ann}")
    async with emulator_for_clients() as emulator:
        bot = Bot(emulator)
        async with running(emulator, bot):
            guild = bot.get_guild(int(emulator.guild))
            assert guild is not None
            fetched = [member.name async for member in guild.fetch_members()]
            queried = await guild.query_members(query="an")

    assert ((403, 50001), 200) == (listed.reason, one.status)
    assert ["ann", "bob", "gateway"] == sorted(fetched)
    assert ["ann"] == [member.name for member in queried]
