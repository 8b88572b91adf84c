"""What bots post is what people see, with Discord's rules; the real discord.py and plain HTTP agree."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator

import aiohttp
import discord
import pytest
import pytest_asyncio

from emulators.discord import (
    DiscordEmulator,
    HandClock,
    Intent,
    MessageFlag,
    MessageType,
    Permission,
)
from emulators.discord_client import Bot, emulator_for_clients, running
from emulators.discord_raw import Rest, Told
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


def pointed(told: Told, *path: str) -> str:
    """The inner code of a 50035 at *path*."""
    assert (400, 50035) == told.reason
    errors = record(told["errors"])
    for part in path:
        errors = record(errors[part])
    return string(records(errors["_errors"])[0]["code"])


def row(*buttons: object) -> dict[str, object]:
    return {"type": 1, "components": list(buttons)}


def button(custom_id: str, label: str = "Go") -> dict[str, object]:
    return {"type": 2, "style": 1, "label": label, "custom_id": custom_id}


async def test_discord_py_posts_edits_and_deletes() -> None:
    """One post, one edit and one deletion are three frames; unmodified discord.py reads them back."""
    async with emulator_for_clients() as emulator:
        bot = Bot(emulator)
        async with running(emulator, bot):
            asked = await emulator.say(emulator.general, emulator.ann, f"<@{emulator.bot_user}> hello")
            await eventually(lambda: bot.heard)
            posted = await bot.heard[0].reply("hi")
            edited = await posted.edit(content="hi there")
            read = await posted.channel.fetch_message(posted.id)
            seen = emulator.replies(asked)[0]
            await posted.delete()

            assert ("hi there", "hi there") == (edited.content, read.content)
            assert MessageType.REPLY == seen.type
            assert ["hi", "hi there", ""] == [frame.text for frame in seen.frames]
            assert {emulator.ann} == seen.pinged
            assert [] == emulator.replies(asked)


async def test_a_nonce_makes_a_repeat_safe(emulator: DiscordEmulator, rest: Rest) -> None:
    """Within 5 minutes the first message comes back; after that, or without `enforce_nonce`, another one."""
    first = await rest.say(emulator.general, "a", nonce="key", enforce_nonce=True)
    again = await rest.say(emulator.general, "b", nonce="key", enforce_nonce=True)
    loose = await rest.say(emulator.general, "c", nonce="key")
    emulator.advance(301)
    later = await rest.say(emulator.general, "d", nonce="key", enforce_nonce=True)

    assert first["id"] == again["id"]
    assert 3 == len({first["id"], loose["id"], later["id"]})
    assert ["a", "c", "d"] == [each.content for each in emulator.messages(emulator.general)]


@pytest.mark.parametrize(
    ("body", "path", "code"),
    [
        ({"content": "a" * 2001}, ("content",), "BASE_TYPE_MAX_LENGTH"),
        ({"content": "a", "nonce": "n" * 26}, ("nonce",), "BASE_TYPE_MAX_LENGTH"),
        ({"embeds": [{"description": "a" * 4097}]}, ("embeds", "0", "description"), "BASE_TYPE_MAX_LENGTH"),
        ({"embeds": [{"description": "a" * 3001}] * 2}, ("embeds",), "MAX_EMBED_SIZE_EXCEEDED"),
        ({"embeds": [{"title": "a"}] * 11}, ("embeds",), "BASE_TYPE_MAX_LENGTH"),
        ({"components": [row(button(str(n))) for n in range(6)]}, ("components",), "BASE_TYPE_BAD_LENGTH"),
        (
            {"components": [row(*(button(str(n)) for n in range(6)))]},
            ("components", "0", "components"),
            "BASE_TYPE_BAD_LENGTH",
        ),
        ({"components": [row(button("x"), button("x"))]}, ("components",), "COMPONENT_CUSTOM_ID_DUPLICATED"),
        ({"components": [row(button("x" * 101))]}, ("components",), "BASE_TYPE_BAD_LENGTH"),
        (
            {"components": [row(button("x", "l" * 81))]},
            ("components", "0", "components", "0", "label"),
            "BASE_TYPE_MAX_LENGTH",
        ),
        (
            {"content": "a", "flags": 1 << 15},
            ("content",),
            "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
        ),
        (
            {"content": "a", "allowed_mentions": {"parse": ["users"], "users": ["1"]}},
            ("allowed_mentions",),
            "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
        ),
        (
            {"content": "a", "message_reference": {"message_id": "1"}},
            ("message_reference",),
            "REPLIES_UNKNOWN_MESSAGE",
        ),
    ],
)
async def test_what_is_wrong_is_pointed_at(
    emulator: DiscordEmulator, rest: Rest, body: dict[str, object], path: tuple[str, ...], code: str
) -> None:
    """Code 50035 tells the place, and nothing was posted."""
    told = await rest.call("POST", f"/channels/{emulator.general}/messages", body)

    assert code == pointed(told, *path)
    assert [] == emulator.messages(emulator.general)


async def test_length_is_counted_exactly(emulator: DiscordEmulator, rest: Rest) -> None:
    """2,000 characters pass, on create and on edit; 2,001 do not; white space alone is empty: 50006."""
    posted = await rest.say(emulator.general, "ä" * 2000)
    path = f"/channels/{emulator.general}/messages/{posted['id']}"
    longer = await rest.call("PATCH", path, {"content": "b" * 2001})
    empty = await rest.call("PATCH", path, {"content": " \n"})
    trimmed = await rest.say(emulator.general, "\n a b \n")

    assert 200 == posted.status
    assert ((400, 50035), (400, 50006)) == (longer.reason, empty.reason)
    assert "a b" == trimmed["content"]


async def test_history_is_newest_first(emulator: DiscordEmulator, rest: Rest) -> None:
    """`after` gives the oldest after it, `before` the newest before it, `around` both; 101 are refused."""
    said = [await emulator.say(emulator.general, emulator.ann, str(n)) for n in range(10)]

    async def read(query: str) -> str:
        told = await rest.call("GET", f"/channels/{emulator.general}/messages?{query}")
        return "".join(string(each["content"]) for each in records(told.body))

    assert "987" == await read("limit=3")
    assert "543" == await read(f"limit=3&after={said[2].id}")
    assert "765" == await read(f"limit=3&before={said[8].id}")
    assert "654" == await read(f"limit=3&around={said[5].id}")
    many = await rest.call("GET", f"/channels/{emulator.general}/messages?limit=101")
    both = await rest.call("GET", f"/channels/{emulator.general}/messages?after=1&before=2")
    assert [(400, 50035)] * 2 == [many.reason, both.reason]


async def test_without_the_permission_history_is_empty(emulator: DiscordEmulator, rest: Rest) -> None:
    """An empty list, no error; and a reply is refused with 160002."""
    asked = await emulator.say(emulator.general, emulator.ann, "hello")
    emulator.forbid(emulator.general, emulator.bot_user, Permission.READ_MESSAGE_HISTORY)

    history = await rest.call("GET", f"/channels/{emulator.general}/messages")
    reply = await rest.say(emulator.general, "hi", message_reference={"message_id": asked.id})

    assert (200, []) == (history.status, history.body)
    assert (400, 160002) == reply.reason


async def test_content_is_withheld_without_the_privileged_intent() -> None:
    """Of 4 messages only the mention, the direct message and the bot's own have their text, over HTTP too."""
    privileged = int(Intent.GUILD_MEMBERS)
    async with DiscordEmulator(privileged=privileged, limits=False) as emulator, Rest(emulator) as rest:
        secret = await emulator.say(emulator.general, emulator.ann, "secret")
        mention = await emulator.say(emulator.general, emulator.ann, f"<@{emulator.bot_user}> hi")
        direct = await emulator.dm(emulator.ann, "psst")
        own = await rest.say(emulator.general, "mine")

        async def content(channel: str, message: object) -> object:
            return (await rest.call("GET", f"/channels/{channel}/messages/{message}"))["content"]

        assert "" == await content(emulator.general, secret.id)
        assert mention.content == await content(emulator.general, mention.id)
        assert "psst" == await content(direct.channel_id, direct.id)
        assert "mine" == await content(emulator.general, own["id"])


@pytest.mark.parametrize(
    ("allowed", "pinged"),
    [
        (None, {"ann", "bob"}),
        ({"parse": []}, set()),
        ({"parse": ["users"]}, {"bob"}),
        ({"parse": ["everyone"]}, {"ann", "bob"}),
        ({"users": []}, set()),
        ({"parse": ["roles"]}, {"ann"}),
    ],
)
async def test_who_is_pinged(
    emulator: DiscordEmulator, rest: Rest, allowed: dict[str, object] | None, pinged: set[str]
) -> None:
    """Absent, everything in the text pings; with an empty `parse`, nothing does."""
    role = emulator.add_role(
        emulator.guild,
        "staff",
        permissions=int(Permission.MENTION_EVERYONE),
        members=[emulator.ann, emulator.bot_user],
    )
    text = f"@everyone <@{emulator.bob}> <@&{role.id}> `<@{emulator.ann}>`"
    more = {"allowed_mentions": allowed} if allowed is not None else {}
    told = await rest.say(emulator.general, text, **more)

    seen = emulator.message(string(told["id"]))
    names = {emulator.world.users[each].name for each in seen.pinged}
    assert pinged == names


async def test_an_edit_without_allowed_mentions_wakes_them_up(emulator: DiscordEmulator, rest: Rest) -> None:
    """Posted with an empty `parse` nobody is pinged; edited without the field, Bob is."""
    told = await rest.say(emulator.general, f"<@{emulator.bob}>", allowed_mentions={"parse": []})
    seen = emulator.message(string(told["id"]))
    before = set(seen.pinged)
    path = f"/channels/{emulator.general}/messages/{seen.id}"
    await rest.call("PATCH", path, {"content": f"<@{emulator.bob}>!"})

    assert (set(), {emulator.bob}) == (before, seen.pinged)


async def test_a_reply_to_what_is_gone(emulator: DiscordEmulator, rest: Rest) -> None:
    """With `fail_if_not_exists` false the post is a plain message."""
    asked = await emulator.say(emulator.general, emulator.ann, "hello")
    await emulator.delete(asked)

    reference = {"message_id": asked.id, "fail_if_not_exists": False}
    told = await rest.say(emulator.general, "hi", message_reference=reference)

    assert (0, None) == (told["type"], record(told.body).get("message_reference"))


async def test_a_forward_has_snapshots_and_no_author() -> None:
    """discord.py sees type 1, no content, and one snapshot with the text."""
    async with emulator_for_clients() as emulator:
        bot = Bot(emulator)
        async with running(emulator, bot):
            said = await emulator.say(emulator.general, emulator.ann, "hello")
            await emulator.forward(emulator.general, emulator.bob, said)
            await eventually(lambda: len(bot.heard) == 2)

            forward = bot.heard[1]
            assert "" == forward.content
            assert ["hello"] == [each.content for each in forward.message_snapshots]
            assert forward.reference is not None
            assert discord.MessageReferenceType.forward == forward.reference.type


async def test_files_come_and_go() -> None:
    """discord.py reads Ann's 3 bytes, uploads 2 files of its own, and an edit keeps one and adds one."""
    async with emulator_for_clients() as emulator:
        bot = Bot(emulator)
        async with running(emulator, bot):
            file = emulator.file("a.txt", b"abc", content_type="text/plain")
            await emulator.say(emulator.general, emulator.ann, "look", files=[file])
            await eventually(lambda: bot.heard)
            received = bot.heard[0].attachments[0]
            read = await received.read()
            files = [discord.File(io.BytesIO(name.encode()), f"{name}.bin") for name in ("one", "two")]
            posted = await bot.heard[0].channel.send("here", files=files)
            third = discord.File(io.BytesIO(b"three"), "three.bin")
            await posted.edit(attachments=[posted.attachments[1], third])

            seen = emulator.message(str(posted.id))
            assert (b"abc", "text/plain", 3) == (read, received.content_type, received.size)
            assert [("two.bin", b"two"), ("three.bin", b"three")] == [
                (each.filename, each.content) for each in seen.attachments
            ]


async def test_addresses_of_files_expire(emulator: DiscordEmulator, rest: Rest) -> None:
    """After 24 h the old address answers 404 and the one of a fresh fetch 200; a forged one never works."""
    file = emulator.file("a.txt", b"abc")
    said = await emulator.say(emulator.general, emulator.ann, "", files=[file])
    path = f"/channels/{emulator.general}/messages/{said.id}"

    async def address() -> str:
        return string(records((await rest.call("GET", path))["attachments"])[0]["url"])

    old = await address()
    emulator.advance(24 * 3600)
    fresh = await address()
    async with aiohttp.ClientSession() as session:
        statuses = []
        for url in (old, fresh, fresh.replace("hm=", "hm=0"), fresh.partition("?")[0]):
            async with session.get(url) as answer:
                statuses.append(answer.status)

    assert [404, 200, 404, 404] == statuses
    assert [file.id] == emulator.service.cdn.fetches


async def test_uploads_have_limits(emulator: DiscordEmulator, rest: Rest) -> None:
    """10 MiB pass, one byte more is 413 with 40005, and 11 files are 30015."""

    def form(*files: bytes) -> aiohttp.FormData:
        data = aiohttp.FormData(quote_fields=False)
        data.add_field("payload_json", json.dumps({"content": "a"}))
        for number, content in enumerate(files):
            data.add_field(f"files[{number}]", io.BytesIO(content), filename=f"{number}.bin")
        return data

    path = f"/channels/{emulator.general}/messages"
    largest = await rest.call("POST", path, data=form(b"a" * 10_485_760))
    larger = await rest.call("POST", path, data=form(b"a" * 10_485_761))
    many = await rest.call("POST", path, data=form(*[b"a"] * 11))

    assert (200, (413, 40005), (400, 30015)) == (largest.status, larger.reason, many.reason)


async def test_links_get_a_preview_later_unless_suppressed(emulator: DiscordEmulator, rest: Rest) -> None:
    """A link is fetched; in angle brackets, in code, or with SUPPRESS_EMBEDS it is not."""
    plain = await rest.say(
        emulator.general, "https://example.com/a <https://example.com/b> `https://c.example`"
    )
    hidden = await rest.say(emulator.general, "https://example.com/a", flags=4)
    path = f"/channels/{emulator.general}/messages/{hidden['id']}"
    before = set(emulator.message(string(hidden["id"])).unfurled)
    await rest.call("PATCH", path, {"content": "https://example.com/a", "flags": 0})

    assert {"https://example.com/a"} == emulator.message(string(plain["id"])).unfurled
    assert (set(), {"https://example.com/a"}) == (before, emulator.message(string(hidden["id"])).unfurled)


async def test_only_the_author_edits(emulator: DiscordEmulator, rest: Rest) -> None:
    """Somebody else's message is 50005; with MANAGE_MESSAGES its previews can be hidden, and it deleted."""
    said = await emulator.say(emulator.general, emulator.ann, "hello")
    path = f"/channels/{emulator.general}/messages/{said.id}"
    text = await rest.call("PATCH", path, {"content": "mine"})
    flags = await rest.call("PATCH", path, {"flags": 4})
    gone = await rest.call("DELETE", path)
    managing = int(Permission.MANAGE_MESSAGES)
    emulator.add_role(emulator.guild, "mod", permissions=managing, members=[emulator.bot_user])
    hidden = await rest.call("PATCH", path, {"flags": 4})
    removed = await rest.call("DELETE", path)

    assert [(403, 50005), (403, 50005), (403, 50013)] == [text.reason, flags.reason, gone.reason]
    assert (200, 204) == (hidden.status, removed.status)
    assert MessageFlag.SUPPRESS_EMBEDS & said.flags


async def test_bodies_that_are_none(emulator: DiscordEmulator, rest: Rest) -> None:
    """Broken JSON is 50109, another content type 50035, an unknown path 404, a wrong method 405."""
    path = f"/channels/{emulator.general}/messages"
    broken = await rest.call("POST", path, data=b"{", headers={"Content-Type": "application/json"})
    form = await rest.call("POST", path, data=b"a=b", headers={"Content-Type": "text/plain"})
    unknown = await rest.call("GET", "/nowhere")
    version = await rest.call("GET", "/../v5/gateway")
    method = await rest.call("PUT", path, {})

    assert [(400, 50109), (400, 50035)] == [broken.reason, form.reason]
    assert [(404, 0), (405, 0), (400, 50041)] == [unknown.reason, method.reason, version.reason]
