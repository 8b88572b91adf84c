"""Quotas hold exactly, and calls fail as they fail in the wild."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from emulators.slack import Fault, HandClock, Manifest, SlackEmulator
from emulators.slack.faults import CallFault
from emulators.slack_client import client_of, refused

UNHEARD = Manifest(events=frozenset())


@pytest_asyncio.fixture
async def slack() -> AsyncIterator[SlackEmulator]:
    async with SlackEmulator(UNHEARD, clock=HandClock()) as slack:
        yield slack


@pytest.fixture
def client(slack: SlackEmulator) -> AsyncWebClient:
    return client_of(slack)


async def ratelimited_after(client: AsyncWebClient, method: str, given: dict[str, str]) -> tuple[int, str]:
    """How many calls passed, and the seconds that the refusal told."""
    for passed in range(1_000):
        try:
            await client.api_call(method, json=given)
        except SlackApiError as error:
            if error.response["error"] == "ratelimited":
                return passed, str(error.response.headers["Retry-After"])
    raise AssertionError("never")


@pytest.mark.parametrize(
    ("method", "limit"),
    [
        ("reactions.remove", 20),
        ("chat.startStream", 20),
        ("chat.update", 50),
        ("conversations.replies", 50),
        ("chat.appendStream", 100),
        ("assistant.threads.setTitle", 100),
    ],
)
async def test_a_tier_is_a_sliding_minute(
    slack: SlackEmulator, client: AsyncWebClient, method: str, limit: int
) -> None:
    """The floor passes, refused or not; the next waits until the first is 60 s old."""
    slack.advance(0.5)

    first = await ratelimited_after(client, method, {})
    slack.advance(30.25)
    second = await ratelimited_after(client, method, {})
    slack.advance(29.75)
    third = await ratelimited_after(client, method, {})

    assert ((limit, "60"), (0, "30"), (limit, "60")) == (first, second, third)


async def test_posts_pass_once_a_second_and_channel(slack: SlackEmulator, client: AsyncWebClient) -> None:
    """5 at once, then one after a second; another channel has its own."""
    other = slack.add_channel(slack.team, "other", members=[slack.bot_user]).id
    here, there = ({"channel": each, "text": "a"} for each in (slack.general, other))

    first = await ratelimited_after(client, "chat.postMessage", here)
    beside = await ratelimited_after(client, "chat.postMessage", there)
    slack.advance(1)
    later = await ratelimited_after(client, "chat.postMessage", here)

    assert ((5, "1"), (5, "1"), (1, "1")) == (first, beside, later)


async def test_workspaces_have_their_own_quota(slack: SlackEmulator, client: AsyncWebClient) -> None:
    """50 edits in one leave 50 in the other."""
    other = slack.add_workspace("Other")
    there = slack.install(slack.app, other.id)

    here = await ratelimited_after(client, "chat.update", {})
    beside = await ratelimited_after(client_of(slack, there.bot_token), "chat.update", {})

    assert (50, 50) == (here[0], beside[0])


async def test_apps_outside_the_marketplace_read_once_a_minute() -> None:
    """And 15 messages at a time."""
    async with SlackEmulator(Manifest(events=frozenset(), restricted=True), clock=HandClock()) as slack:
        for number in range(20):
            await slack.say(slack.general, slack.ann, str(number))
        client = client_of(slack)

        told = await client.conversations_history(channel=slack.general, limit=100)
        error = await refused(client.conversations_history(channel=slack.general))

        assert (15, True, "ratelimited") == (len(told["messages"]), told["has_more"], error)


async def test_speed_shortens_the_wait() -> None:
    """At speed 60 a minute's wait is told as one second."""
    async with SlackEmulator(UNHEARD, speed=60) as slack:
        told = await ratelimited_after(client_of(slack), "chat.startStream", {})

    assert (20, "1") == told


@pytest.mark.parametrize("kind", ["accept_then_drop", "accept_then_500", "accept_then_html", "empty", "list"])
async def test_a_post_may_be_there_although_it_failed(
    slack: SlackEmulator, client: AsyncWebClient, kind: CallFault
) -> None:
    """The call fails in some way, and the message is there once."""
    slack.fault(Fault(kind, "chat.postMessage"))

    with pytest.raises((SlackApiError, aiohttp.ClientError, AttributeError, TypeError)):
        str((await client.chat_postMessage(channel=slack.general, text="a"))["ok"])

    assert ["a"] == [message.visible for message in slack.messages(slack.general)]
    assert kind == slack.calls()[-1].fault


@pytest.mark.parametrize("kind", ["error", "ratelimited", "http", "refuse"])
async def test_a_post_may_not_be_there(slack: SlackEmulator, client: AsyncWebClient, kind: CallFault) -> None:
    """The call fails, nothing is there, and the second call passes."""
    slack.fault(Fault(kind, "chat.*"))

    with pytest.raises((SlackApiError, aiohttp.ClientError)):
        await client.chat_postMessage(channel=slack.general, text="a")
    assert [] == slack.messages(slack.general)
    await client.chat_postMessage(channel=slack.general, text="b")

    assert ["b"] == [message.visible for message in slack.messages(slack.general)]


@pytest.mark.parametrize("kind", ["hang", "accept_then_hang"])
async def test_a_call_may_never_end(slack: SlackEmulator, kind: CallFault) -> None:
    """The client gives up; the message is there or not."""
    slack.fault(Fault(kind, "chat.postMessage"))
    client = AsyncWebClient(slack.bot_token, base_url=slack.api_url, retry_handlers=[], timeout=1)

    with pytest.raises(TimeoutError):
        await client.chat_postMessage(channel=slack.general, text="a")

    assert (kind == "accept_then_hang") == bool(slack.messages(slack.general))


async def test_the_default_retry_of_the_sdk_posts_twice(slack: SlackEmulator) -> None:
    """Accepted, then dropped, then repeated: two messages."""
    slack.fault(Fault("accept_then_drop", "chat.postMessage"))
    client = AsyncWebClient(slack.bot_token, base_url=slack.api_url)

    await client.chat_postMessage(channel=slack.general, text="a")

    assert 2 == len(slack.messages(slack.general))


async def test_a_429_may_tell_anything(slack: SlackEmulator, client: AsyncWebClient) -> None:
    """3600, 0, or no header at all."""
    told = []
    for retry_after in ("3600", "0", None):
        slack.fault(Fault("ratelimited", retry_after=retry_after))
        with pytest.raises(SlackApiError) as caught:
            await client.auth_test()
        told.append(caught.value.response.headers.get("Retry-After"))

    assert ["3600", "0", None] == told


async def test_chance_strikes_by_its_seed() -> None:
    """Of 100 calls with chance 0.3 the same ones fail each time."""

    async def failed() -> list[int]:
        async with SlackEmulator(seed=7) as slack:
            slack.fault(Fault("error", times=None, chance=0.3))
            client = client_of(slack)
            told = [number for number in range(100) if (await _fails(client))]
            assert 15 < len(told) < 45
            return told

    assert await failed() == await failed()


async def _fails(client: AsyncWebClient) -> bool:
    try:
        await client.auth_test()
    except SlackApiError:
        return True
    return False
