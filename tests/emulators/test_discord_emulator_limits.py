"""Limits hold exactly and tell of themselves, and calls fail as they fail in the wild."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import aiohttp
import discord
import pytest
import pytest_asyncio

from emulators.discord import DiscordEmulator, Fault, HandClock, Rule
from emulators.discord.faults import CallFault
from emulators.discord_client import Bot, emulator_for_clients, running
from emulators.discord_raw import Rest, Told
from emulators.eventually import eventually
from emulators.shapes import records, string


@pytest_asyncio.fixture
async def emulator() -> AsyncIterator[DiscordEmulator]:
    async with DiscordEmulator(clock=HandClock()) as emulator:
        yield emulator


@pytest_asyncio.fixture
async def rest(emulator: DiscordEmulator) -> AsyncIterator[Rest]:
    async with Rest(emulator) as rest:
        yield rest


async def passed(rest: Rest, method: str, path: str, body: object = None) -> tuple[int, Told]:
    """How many calls passed, and the 429 after them."""
    for count in range(1_000):
        told = await rest.call(method, path, body)
        if told.status == 429:
            return count, told
    raise AssertionError("never")


async def test_posts_and_edits_have_buckets_of_their_own(emulator: DiscordEmulator, rest: Rest) -> None:
    """5 posts and 5 edits in 5 s, whichever message is edited; another channel has its own."""
    said = [await rest.say(emulator.general, "a") for _ in range(5)]
    path = f"/channels/{emulator.general}/messages"
    posts = await passed(rest, "POST", path, {"content": "b"})
    edits = 0
    for number in range(9):
        told = await rest.call("PATCH", f"{path}/{said[number % 5]['id']}", {"content": str(number)})
        edits += told.status == 200
    other = emulator.add_channel(emulator.guild, "other").id
    beside = await rest.say(other, "a")
    emulator.advance(5)
    later = await passed(rest, "POST", path, {"content": "c"})

    assert (0, 5, 200, 5) == (posts[0], edits, beside.status, later[0])


async def test_headers_tell_the_bucket(emulator: DiscordEmulator, rest: Rest) -> None:
    """4, 3 … are left; the reset is 5 s away, then 3; both channels name the same bucket."""
    first = await rest.say(emulator.general, "a")
    emulator.advance(2)
    second = await rest.say(emulator.general, "a")
    other = await rest.say(emulator.add_channel(emulator.guild, "other").id, "a")

    def told(answer: Told) -> tuple[str, str, str]:
        names = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset-After")
        limit, left, after = (answer.headers[name] for name in names)
        return limit, left, after

    assert [("5", "4", "5.000"), ("5", "3", "3.000")] == [told(first), told(second)]
    assert first.headers["X-RateLimit-Bucket"] == other.headers["X-RateLimit-Bucket"]
    assert "application/json" == first.headers["Content-Type"]


async def test_a_429_tells_how_long(emulator: DiscordEmulator, rest: Rest) -> None:
    """`retry_after` has decimals, `Retry-After` is rounded up, the scope is `user`, `Via` is there."""
    path = f"/channels/{emulator.general}/messages"
    for _ in range(5):
        await rest.say(emulator.general, "a")
    emulator.advance(1.5)
    told = (await passed(rest, "POST", path, {"content": "a"}))[1]

    assert (3.5, False, None) == (told["retry_after"], told["global"], told.code)
    assert ("4", "user", "0") == (
        told.headers["Retry-After"],
        told.headers["X-RateLimit-Scope"],
        told.headers["X-RateLimit-Remaining"],
    )
    assert "Via" in told.headers


async def test_50_calls_pass_in_a_second(emulator: DiscordEmulator, rest: Rest) -> None:
    """The 51st is refused with `global`, whatever its route; calls without a bot's token are not counted."""
    channels = [emulator.add_channel(emulator.guild, str(n)).id for n in range(51)]
    for channel in channels[:50]:
        assert 200 == (await rest.call("GET", f"/channels/{channel}")).status
    told = await rest.call("GET", f"/channels/{channels[50]}")
    beside = await rest.call("GET", "/gateway")

    assert (429, True, "global") == (told.status, told["global"], told.headers["X-RateLimit-Scope"])
    assert "true" == told.headers["X-RateLimit-Global"]
    assert 200 == beside.status


async def test_old_messages_are_edited_rarely(emulator: DiscordEmulator, rest: Rest) -> None:
    """An hour after the post 3 edits pass in 20 s; then 429 with code 30046, though edits are left."""
    posted = await rest.say(emulator.general, "a")
    emulator.advance(3_601)
    path = f"/channels/{emulator.general}/messages/{posted['id']}"
    count, told = await passed(rest, "PATCH", path, {"content": "b"})

    assert (3, 30046) == (count, told.code)
    assert "1" == told.headers["X-RateLimit-Remaining"]


async def test_a_channel_is_renamed_twice_in_10_minutes(emulator: DiscordEmulator, rest: Rest) -> None:
    """The third is a 429 although the bucket of 10 in 15 s has calls left."""
    thread = await emulator.open_thread(emulator.general, emulator.bot_user, "one")
    count, told = await passed(rest, "PATCH", f"/channels/{thread.id}", {"name": "two"})

    assert (2, "7") == (count, told.headers["X-RateLimit-Remaining"])
    assert 600.0 == told["retry_after"]


async def test_figures_can_be_others() -> None:
    """With 2 posts in 60 s the third is refused; an unknown bucket is a ValueError."""
    async with DiscordEmulator(rules={"POST message": Rule(2, 60)}) as emulator, Rest(emulator) as rest:
        path = f"/channels/{emulator.general}/messages"
        count, _ = await passed(rest, "POST", path, {"content": "a"})

    assert 2 == count
    with pytest.raises(ValueError, match="nothing"):
        DiscordEmulator(rules={"nothing": Rule(1, 1)})


async def test_10000_invalid_calls_are_a_ban(emulator: DiscordEmulator) -> None:
    """The answer is Cloudflare's then: 429 without `Via` and JSON, even for a good token."""
    for _ in range(9_999):
        emulator.limits.count_invalid("127.0.0.1")
    async with Rest(emulator, "wrong") as wrong, Rest(emulator) as rest:
        before = await rest.call("GET", "/users/@me")
        last = await wrong.call("GET", "/users/@me")
        banned = await rest.call("GET", "/users/@me")
        emulator.advance(3_601)
        after = await rest.call("GET", "/users/@me")

    assert [200, 401, 429, 200] == [each.status for each in (before, last, banned, after)]
    assert (None, False) == (banned.body, "Via" in banned.headers)


async def test_refusals_count_as_invalid(emulator: DiscordEmulator) -> None:
    """A 401 and a 403 count, a 404 and a 200 do not."""
    async with Rest(emulator, "wrong") as wrong, Rest(emulator) as rest:
        await wrong.call("GET", "/users/@me")
        emulator.kick(emulator.guild, emulator.bot_user)
        await rest.call("GET", f"/channels/{emulator.general}")
        await rest.call("GET", "/channels/1")
        await rest.call("GET", "/users/@me")

    assert 2 == emulator.limits.invalid("127.0.0.1")


async def test_speed_shortens_the_wait() -> None:
    """At speed 50, 5 s are told as 0.1 s."""
    async with DiscordEmulator(speed=50) as emulator, Rest(emulator) as rest:
        told = await rest.say(emulator.general, "a")

    assert 0.05 < float(told.headers["X-RateLimit-Reset-After"]) <= 0.1


async def test_discord_py_waits_until_the_bucket_resets() -> None:
    """11 edits at full speed draw no 429, and take 2 windows of 0.25 s."""
    async with emulator_for_clients(speed=20) as emulator:
        bot = Bot(emulator)
        async with running(emulator, bot):
            channel = bot.get_partial_messageable(int(emulator.general))
            message = await channel.send("0")
            began = time.monotonic()
            for number in range(11):
                await message.edit(content=str(number))
            took = time.monotonic() - began

        assert [200] * 11 == [
            each.status for each in emulator.calls("PATCH /channels/{channel}/messages/{message}")
        ]
        assert took > 0.45


@pytest.mark.parametrize("kind", ["accept_then_drop", "accept_then_html", "empty", "broken_json"])
async def test_a_post_may_be_there_although_it_failed(
    emulator: DiscordEmulator, rest: Rest, kind: CallFault
) -> None:
    """The call fails in some way and the message is there; with its nonce again, it is there once."""
    emulator.fault(Fault(kind, "POST /channels/*/messages"))

    try:
        first = await rest.say(emulator.general, "a", nonce="key", enforce_nonce=True)
        assert first.body is None
    except (aiohttp.ClientError, ValueError):
        pass
    again = await rest.say(emulator.general, "a", nonce="key", enforce_nonce=True)

    assert [again["id"]] == [each.id for each in emulator.messages(emulator.general)]


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Fault("error", status=403, code=50013), 403, 50013),
        (Fault("ratelimited", retry_after=0.25, scope="shared"), 429, None),
        (Fault("cloudflare"), 429, None),
        (Fault("http", status=502), 502, None),
    ],
)
async def test_a_refused_post_is_not_there(
    emulator: DiscordEmulator, rest: Rest, fault: Fault, status: int, code: int | None
) -> None:
    """The second call passes, and makes the only message."""
    emulator.fault(fault)
    first = await rest.say(emulator.general, "a")
    second = await rest.say(emulator.general, "b")

    assert (status, code, 200) == (first.status, first.code, second.status)
    assert ["b"] == [each.content for each in emulator.messages(emulator.general)]


async def test_faults_can_wait_and_strike_by_route(emulator: DiscordEmulator, rest: Rest) -> None:
    """After 1 post the next 2 fail, reading never does, and the record names the fault."""
    emulator.fault(Fault("error", "POST /channels/*/messages", times=2, after=1, status=500))
    posts = [(await rest.say(emulator.general, "a")).status for _ in range(4)]
    read = await rest.call("GET", f"/channels/{emulator.general}/messages")

    assert ([200, 500, 500, 200], 200) == (posts, read.status)
    assert ["", "error", "error", "", ""] == [each.fault for each in emulator.calls()]


async def test_files_fail_too(emulator: DiscordEmulator, rest: Rest) -> None:
    """The first fetch is a 503, the second has the 3 bytes."""
    said = await emulator.say(emulator.general, emulator.ann, "", files=[emulator.file("a.txt", b"abc")])
    told = await rest.call("GET", f"/channels/{emulator.general}/messages/{said.id}")
    url = string(records(told["attachments"])[0]["url"])
    emulator.fault(Fault("http", "GET /attachments/*", status=503))
    answers = []
    async with aiohttp.ClientSession() as session:
        for _ in range(2):
            async with session.get(url) as answer:
                answers.append((answer.status, await answer.read()))

    assert 503 == answers[0][0]
    assert (200, b"abc") == answers[1]


async def test_a_slow_call_is_done_late(emulator: DiscordEmulator, rest: Rest) -> None:
    """For 3 s of Discord's nothing is there, then the message is."""
    emulator.fault(Fault("slow", "POST *", seconds=3))
    post = asyncio.create_task(rest.say(emulator.general, "a"))
    clock = emulator.clock
    assert isinstance(clock, HandClock)
    await eventually(lambda: clock.waiting)
    before = emulator.messages(emulator.general)
    emulator.advance(3)

    assert 200 == (await post).status
    assert (0, 1) == (len(before), len(emulator.messages(emulator.general)))


async def test_discord_py_repeats_a_502_with_its_nonce() -> None:
    """The post was accepted, the answer was a 502: discord.py asks again, and there is one message."""
    async with emulator_for_clients() as emulator:
        bot = Bot(emulator)
        async with running(emulator, bot):
            emulator.fault(Fault("accept_then_500", "POST /channels/*/messages", status=502))
            await bot.get_partial_messageable(int(emulator.general)).send("once")

            assert ["once"] == [each.content for each in emulator.messages(emulator.general)]
            assert 2 == len(emulator.calls("POST /channels/{channel}/messages"))


async def test_discord_py_sleeps_as_a_429_tells() -> None:
    """Told 0.2 s it asks again after them; without `Via` it raises at once."""
    async with emulator_for_clients() as emulator:
        bot = Bot(emulator)
        async with running(emulator, bot):
            channel = bot.get_partial_messageable(int(emulator.general))
            emulator.fault(Fault("ratelimited", "POST *", retry_after=0.2))
            await channel.send("late")
            first, second = emulator.calls("POST /channels/{channel}/messages")
            emulator.fault(Fault("cloudflare", "POST *"))
            with pytest.raises(discord.HTTPException):
                await channel.send("never")

            assert second.at - first.at >= 0.2
            assert ["late"] == [each.content for each in emulator.messages(emulator.general)]
