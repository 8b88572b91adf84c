"""Discord's settings, its plugin, its invitation, and what the calls over HTTP are guarded by."""

from __future__ import annotations

import logging
import math
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr, ValidationError

from assistant_gateway.adapter import Content
from assistant_gateway.cli import main
from assistant_gateway.errors import AdapterError, RateLimited
from assistant_gateway_discord import plugin, routes
from assistant_gateway_discord.adapter import DiscordAdapter
from assistant_gateway_discord.buckets import INVALID_MOST, INVALID_WINDOW, Buckets, Extent, Guard, Turns
from assistant_gateway_discord.buttons import Press, custom_id, read
from assistant_gateway_discord.downloads import HOSTS
from assistant_gateway_discord.echoes import nonce
from assistant_gateway_discord.faults import Unauthorised
from assistant_gateway_discord.invite import application_of
from assistant_gateway_discord.settings import DiscordSettings
from assistant_gateway_discord.web import Web
from emulators.discord import DiscordEmulator, Fault
from fixtures.discord import desk, settings_for

TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4.Gabcde." + "x" * 38
NEEDED = 1 << 10 | 1 << 11 | 1 << 15 | 1 << 16 | 1 << 35 | 1 << 38


class HandTime:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


# Settings


def test_the_environment_alone_enables_discord() -> None:
    """DISCORD_BOT_TOKEN is enough; without it there is nothing."""
    assert {"bot_token": "x"} == plugin.from_environment({"DISCORD_BOT_TOKEN": "x"})
    assert plugin.from_environment({}) is None
    assert "https://discord.com/api/v10" == DiscordSettings.model_validate({"bot_token": "x"}).base_url


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({}, "there is no bot_token (DISCORD_BOT_TOKEN)"),
        ({"bot_token": "Bot x"}, 'without "Bot " before it'),
        ({"bot_token": "x", "base_url": "discord.com"}, "should be an address"),
        ({"bot_token": "x", "answer": "sometimes"}, "'mention', 'joined' or 'always'"),
        ({"bot_token": "x", "shards": 0}, "greater than or equal to 1"),
    ],
)
def test_what_is_wrong_is_said(table: dict[str, object], told: str) -> None:
    """No token, a token with its prefix, an address that is none, and values out of their range."""
    with pytest.raises(ValidationError) as error:
        DiscordSettings.model_validate(table)

    assert told in str(error.value)
    assert "Bot x" not in str(error.value)


# The invitation


def test_the_invitation_asks_for_what_is_needed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The id is the token's; six permissions and two scopes; without a token it is a wrong usage."""
    monkeypatch.setenv("DISCORD_BOT_TOKEN", TOKEN)
    code = main(["discord", "invite"])
    link = urlsplit(capsys.readouterr().out.strip())
    monkeypatch.delenv("DISCORD_BOT_TOKEN")
    missing = main(["discord", "invite"])
    given = main(["discord", "invite", "--application", "42"])

    query = parse_qs(link.query)
    assert (0, 2, 0) == (code, missing, given)
    assert ["123456789012345678"] == query["client_id"]
    assert [str(NEEDED)] == query["permissions"]
    assert ["bot applications.commands"] == query["scope"]
    assert "client_id=42" in capsys.readouterr().out


@pytest.mark.parametrize("token", ["", "x", "💥.a.b", "eA==.a.b", "." * 10])
def test_a_token_without_an_id_tells_none(token: str) -> None:
    """Whatever it is, it is no id and no failure."""
    assert "" == application_of(token)


# The doctor


async def test_the_doctor_finds_what_is_wrong() -> None:
    """A bot in no server gets the link; commands that go elsewhere, and sessions that run out, are broken."""
    async with DiscordEmulator() as discord:
        discord.kick(discord.guild, discord.bot_user)
        adapter = DiscordAdapter(settings_for(discord, message_content=False), None)
        findings = await adapter.check()
        discord.app.identifies = [discord.clock.now()] * 990
        tired = await adapter.check()
        await adapter.close()

    told = {finding.about: finding for finding in findings}
    assert "note" == told["discord servers"].state
    assert f"client_id={discord.app.id}" in told["discord servers"].text
    assert "message_content is off" in told["discord intents"].text
    assert "broken" == next(each.state for each in tired if each.about == "discord gateway")


# Secrets and words


async def test_neither_token_nor_text_is_logged(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A question, an answer, a cut and a failure leave no word and no token in the log, at any level."""
    caplog.set_level(logging.DEBUG)
    async with desk() as bot:
        question = await bot.ask("canary question")
        bot.discord.cut_sockets()
        bot.discord.fault(Fault("http", "POST /channels/*/messages", status=500))
        with pytest.raises(AdapterError):
            await bot.adapter.post(bot.target(question), "run_1.0", Content("canary answer"))
        await bot.ask("canary again")

    logged = capsys.readouterr().out + caplog.text
    assert "canary" not in logged
    assert bot.discord.bot_token not in logged


# Limits


def headers(limit: int, remaining: int, after: float, bucket: str = "b") -> dict[str, str]:
    return {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(remaining),
        "X-RateLimit-Reset-After": str(after),
        "X-RateLimit-Bucket": bucket,
    }


def test_an_empty_bucket_is_waited_for_in_its_channel_alone() -> None:
    """No call is left in channel 1 for 2.5 s: only edits there wait, whatever message they are of."""
    clock = HandTime()
    buckets = Buckets(clock)
    buckets.learn(routes.edit("1", "10"), headers(5, 0, 2.5))
    early = [
        buckets.wait(route) for route in (routes.edit("1", "11"), routes.edit("2", "10"), routes.post("1"))
    ]
    clock.now += 2.5

    assert [2.5, 0.0, 0.0] == early
    assert 0.0 == buckets.wait(routes.edit("1", "10"))


def test_calls_that_share_a_bucket_are_known_by_its_name() -> None:
    """Two kinds of call with one bucket name are counted as one."""
    buckets = Buckets(HandTime())
    buckets.learn(routes.post("1"), headers(5, 4, 5.0, "shared"))
    buckets.learn(routes.typing("1"), headers(5, 0, 3.0, "shared"))

    assert 3.0 == buckets.wait(routes.post("1"))


def test_the_size_is_learnt_from_the_first_call_of_a_window() -> None:
    """10 calls in 4 s, told by the first of them; what comes later, or makes no sense, changes nothing."""
    buckets = Buckets(HandTime())
    unknown = buckets.size(routes.post("1"))
    buckets.learn(routes.post("1"), headers(10, 9, 4.0))
    buckets.learn(routes.post("1"), headers(10, 8, 1.0))
    buckets.learn(routes.post("2"), headers(0, -1, 1.0))
    buckets.learn(routes.post("2"), {"X-RateLimit-Limit": "x"})

    assert unknown is None
    assert (10, 4.0) == buckets.size(routes.post("2"))


def test_an_answer_that_comes_late_does_not_open_what_a_429_has_shut() -> None:
    """A call that was under way tells of 3 left: after a 429 for 7 s nothing is sent for 7 s all the same."""
    clock = HandTime()
    buckets = Buckets(clock)
    buckets.refused(routes.post("1"), 7.0, Extent.BUCKET)
    buckets.learn(routes.post("1"), headers(5, 3, 4.0))
    shut = buckets.wait(routes.post("1"))
    clock.now += 7.0

    assert (7.0, 0.0) == (shut, buckets.wait(routes.post("1")))


def test_who_stands_before_discord_shuts_out_the_address() -> None:
    """What Discord limits for the bot leaves commands alone; what shuts out the address does not."""
    buckets = Buckets(HandTime())
    command = routes.edit_original("1", "secret")
    buckets.refused(routes.post("1"), 7.0, Extent.BOT)
    of_the_bot = buckets.wait(routes.post("2")), buckets.wait(command)
    buckets.refused(routes.post("1"), 9.0, Extent.ADDRESS)

    assert (7.0, 0.0) == of_the_bot
    assert (9.0, 9.0) == (buckets.wait(routes.post("2")), buckets.wait(command))


def test_turns_are_so_many_a_second() -> None:
    """Of 5 calls with 2 turns a second the third waits 1 s; one that waits for less takes no turn."""
    clock = HandTime()
    turns = Turns(clock, 2)
    waits = [turns.take(math.inf) for _ in range(3)]
    with pytest.raises(RateLimited):
        turns.take(0.5)
    clock.now += 0.25

    assert [0.0, 0.0, 1.0] == waits
    assert [0.75, 1.75] == [turns.take(math.inf) for _ in range(2)]


def test_before_the_address_is_shut_out_nothing_is_sent() -> None:
    """After 5,000 calls that were turned away in ten minutes it waits until the first is forgotten."""
    clock = HandTime()
    guard = Guard(clock)
    for _ in range(INVALID_MOST):
        guard.note(403, "user")
        guard.note(429, "shared")
        guard.note(404, "")
    full = guard.wait
    clock.now += INVALID_WINDOW

    assert INVALID_WINDOW == full
    assert 0.0 == guard.wait


async def test_what_is_shut_is_not_asked_for() -> None:
    """A bucket that is told to be empty refuses here, with the rest of the wait and its name."""
    clock = HandTime()
    web = Web(SecretStr("x"), "http://127.0.0.1:9/api", clock=clock)
    route = routes.post("1")
    web.buckets.refused(route, 7.0, Extent.BUCKET)
    clock.now += 1.0
    with pytest.raises(RateLimited) as refused:
        await web.call(route, {})
    await web.close()

    assert (6.0, route.scope) == (refused.value.retry_after, refused.value.scope)


async def test_a_page_instead_of_an_answer_shuts_everything() -> None:
    """A 429 without JSON is not Discord's but of what stands before it: no other call is made meanwhile."""
    async with DiscordEmulator() as discord:
        web = Web(SecretStr(discord.bot_token), discord.api_url)
        discord.fault(Fault("cloudflare", "GET /users/@me"))
        with pytest.raises(RateLimited) as first:
            await web.get(routes.me())
        with pytest.raises(RateLimited):
            await web.get(routes.gateway())
        calls = len(discord.calls())
        await web.close()

    assert routes.BOT == first.value.scope
    assert 1 == calls


async def test_a_refused_token_is_shown_again_after_a_minute() -> None:
    """One 401 that was a mistake of Discord's does not silence the bot for good."""
    clock = HandTime()
    async with DiscordEmulator() as discord:
        web = Web(SecretStr(discord.bot_token), discord.api_url, clock=clock)
        discord.fault(Fault("error", "GET /gateway/bot", status=401))
        for _ in range(2):
            with pytest.raises(Unauthorised):
                await web.get(routes.gateway())
        early = len(discord.calls())
        clock.now += 60.0
        told = await web.get(routes.gateway())
        await web.close()

    assert 1 == early
    assert "url" in told


def test_the_names_of_budgets_hold_no_secret() -> None:
    """An interaction's token is in no scope, and two interactions have two."""
    first, second = (routes.edit_followup("1", token, "2") for token in ("secret-1", "secret-2"))

    assert "secret" not in first.scope
    assert first.scope != second.scope


# Small things


@pytest.mark.parametrize(
    ("url", "may"),
    [
        ("https://cdn.discordapp.com/attachments/1/2/a.txt?ex=1", True),
        ("https://media.discordapp.net/attachments/1/2/a.txt", True),
        ("http://cdn.discordapp.com/attachments/1/2/a.txt", False),
        ("https://cdn.discordapp.com.evil.example/a", False),
        ("https://user:pass@cdn.discordapp.com/a", False),
        ("https://cdn.discordapp.com:8443/a", False),
        ("https://169.254.169.254/latest", False),
        ("https://[", False),
        ("", False),
    ],
)
def test_files_are_fetched_from_discord_alone(url: str, may: bool) -> None:
    """Only over TLS, only from its two hosts, never with a login."""
    assert may is HOSTS.may_be_asked(url, "https://discord.com/api/v10")


def test_custom_ids_fit_and_come_back() -> None:
    """The longest is 100 characters; what is none of ours is nothing."""
    longest = custom_id(Press.REGENERATE, "r" * 60, nonce("r" * 60 + ".0"))
    pressed = read(longest)

    assert 100 == len(longest)
    assert pressed is not None
    assert (Press.REGENERATE, "r" * 60) == (pressed.press, pressed.about)
    assert read("ag:stop:" + "r" * 61) is None
