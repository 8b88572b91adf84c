"""Files, installing, response URLs, the control API and the page."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from slack_sdk.web.async_client import AsyncWebClient

from emulators.shapes import Json, records
from emulators.slack import Fault, HandClock, Manifest, SlackEmulator
from emulators.slack_client import client_of, refused

TESTS = Path(__file__).parent.parent


@pytest_asyncio.fixture
async def slack() -> AsyncIterator[SlackEmulator]:
    async with SlackEmulator(Manifest(events=frozenset()), clock=HandClock(), quotas=False) as slack:
        yield slack


@pytest.fixture
def client(slack: SlackEmulator) -> AsyncWebClient:
    return client_of(slack)


@pytest_asyncio.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def upload(client: AsyncWebClient, session: aiohttp.ClientSession, content: bytes) -> str:
    told = await client.files_getUploadURLExternal(filename="a.txt", length=len(content))
    async with session.post(str(told["upload_url"]), data=content) as answer:
        assert f"OK - {len(content)}" == await answer.text()
    return str(told["file_id"])


async def test_a_file_is_shared_later(
    slack: SlackEmulator, client: AsyncWebClient, session: aiohttp.ClientSession
) -> None:
    """The answer has no shares; half a second later the message is there, in its thread."""
    asked = await slack.say(slack.general, slack.ann, "Hello")
    file = await upload(client, session, b"abc")

    done = await client.files_completeUploadExternal(
        files=[{"id": file, "title": "A"}],
        channel_id=slack.general,
        thread_ts=asked.ts,
        initial_comment="Look",
    )
    before = await client.files_info(file=file)
    await slack.until(lambda: slack.clock.waiting)  # type: ignore[attr-defined]  # a HandClock
    slack.advance(0.5)
    (reply,) = await slack.until(lambda: slack.replies(asked))
    after = await client.files_info(file=file)

    assert "shares" not in done["files"][0]
    assert "shares" not in before["file"]
    assert [{"ts": reply.ts}] == after["file"]["shares"]["public"][slack.general]
    assert ("file_share", "Look", "A") == (reply.subtype, reply.visible, reply.files[0].title)


async def test_files_upload_v2_of_the_sdk(slack: SlackEmulator, client: AsyncWebClient) -> None:
    """The three steps of slack_sdk pass."""
    told = await client.files_upload_v2(channel=slack.general, content="abc", filename="a.txt")

    assert b"abc" == slack.world.files[str(told["file"]["id"])].content


async def test_bad_uploads_are_refused(
    slack: SlackEmulator, client: AsyncWebClient, session: aiohttp.ClientSession
) -> None:
    """Empty, not uploaded, a strange channel, completed twice, too few bytes."""
    away = slack.add_channel(slack.team, "away").id
    file = await upload(client, session, b"abc")
    announced = await client.files_getUploadURLExternal(filename="b.txt", length=5)
    async with session.post(str(announced["upload_url"]), data=b"abc") as answer:
        short = answer.status

    told = [
        await refused(client.files_getUploadURLExternal(filename="a.txt", length=0)),
        await refused(client.files_completeUploadExternal(files=[{"id": str(announced["file_id"])}])),
        await refused(client.files_completeUploadExternal(files=[{"id": file}], channel_id=away)),
    ]
    await client.files_completeUploadExternal(files=[{"id": file}])
    told.append(await refused(client.files_completeUploadExternal(files=[{"id": file}])))

    assert 400 == short
    assert ["missing_argument", "file_not_found", "not_in_channel", "file_not_found"] == told


async def test_a_download_wants_the_token(slack: SlackEmulator, session: aiohttp.ClientSession) -> None:
    """With it the bytes; without it 200 and a sign-in page."""
    file = slack.upload(slack.ann, "a.txt", b"abc")
    said = await slack.say(slack.general, slack.ann, "Look", files=[file])
    told = await client_of(slack).conversations_history(channel=slack.general)
    url = told["messages"][0]["files"][0]["url_private_download"]

    async with session.get(url, headers={"Authorization": f"Bearer {slack.bot_token}"}) as answer:
        content = await answer.read()
    async with session.get(url, headers={"Authorization": "Bearer wrong"}) as page:
        status, kind, first = page.status, page.content_type, (await page.read())[:9]
    async with session.get(url, allow_redirects=False) as redirect:
        moved = redirect.status

    assert file in said.files
    assert b"abc" == content
    assert (200, "text/html", b"<!DOCTYPE", 302) == (status, kind, first, moved)


async def test_a_response_url_takes_five_posts_in_30_minutes(
    slack: SlackEmulator, client: AsyncWebClient, session: aiohttp.ClientSession
) -> None:
    """One replaces the original, one is for all, the rest for one; the sixth and a late one are refused."""
    button = {"type": "button", "text": {"type": "plain_text", "text": "Go"}, "action_id": "go"}
    blocks = [{"type": "actions", "elements": [button]}]
    ts = str((await client.chat_postMessage(channel=slack.general, text="a", blocks=blocks))["ts"])
    first = await slack.click(slack.ann, slack.general, ts, "go")
    second = await slack.click(slack.ann, slack.general, ts, "go")

    async def post(url: object, **given: object) -> tuple[int, str]:
        async with session.post(str(url), json=given) as answer:
            return answer.status, await answer.text()

    url = first.payload["response_url"]
    told = [
        await post(url, replace_original=True, text="b"),
        await post(url, response_type="in_channel", text="c"),
        *[await post(url, text="d") for _ in range(4)],
    ]
    slack.advance(1_801)
    late = await post(second.payload["response_url"], text="e")

    assert [200] * 5 + [404] == [status for status, _ in told]
    assert "used_url" in told[5][1]
    assert "expired_url" in late[1]
    assert ["b", "c"] == [message.visible for message in slack.messages(slack.general)]
    assert ["d"] * 3 == [message.visible for message in slack.world.ephemerals]


async def test_the_control_api_does_and_tells(
    slack: SlackEmulator, client: AsyncWebClient, session: aiohttp.ClientSession
) -> None:
    """Another process speaks as Ann, breaks a call, moves time, and reads the truth."""

    async def act(name: str, **given: object) -> tuple[int, Json]:
        async with session.post(f"{slack.url}/control/{name}", json=given) as answer:
            return answer.status, await answer.json()

    _, said = await act("say", channel=slack.general, user=slack.ann, text="Hello")
    await act("fault", kind="accept_then_500", method="chat.postMessage")
    error = await refused(client.chat_postMessage(channel=slack.general, text="a"))
    await act("advance", seconds=5)
    bad = [
        (await act("sing"))[0],
        (await act("say", channel="C404", user=slack.ann, text="x"))[0],
        (await act("fault", kind="earthquake"))[0],
        (await act("say", shout=True))[0],
    ]
    async with session.get(f"{slack.url}/control/truth") as answer:
        truth = await answer.json()
    async with session.get(f"{slack.url}/control/setup") as answer:
        setup = await answer.json()
    async with session.post(f"{slack.url}/control/say", data=b"{}") as answer:
        form = answer.status

    assert "fatal_error" == error
    assert ([404, 400, 400, 400], 415) == (bad, form)
    (channel,) = [each for each in records(truth["channels"]) if each["id"] == slack.general]
    assert ["Hello", "a"] == [message["visible"] for message in records(channel["messages"])]
    assert "accept_then_500" == truth["calls"][0]["fault"]
    assert slack.bot_token == setup["bot_token"]
    assert isinstance(said["result"], dict)


async def test_the_page_shows_what_people_see(
    slack: SlackEmulator, client: AsyncWebClient, session: aiohttp.ClientSession
) -> None:
    """Escaped, with threads, streams and buttons, and nothing from elsewhere."""
    asked = await slack.say(slack.general, slack.ann, f"<@{slack.bot_user}> <script>alert(1)</script>")
    await client.chat_startStream(
        channel=slack.general,
        thread_ts=asked.ts,
        markdown_text="**Hi**",
        recipient_user_id=slack.ann,
        recipient_team_id=slack.team,
    )

    async with session.get(slack.url) as answer:
        page, policy = await answer.text(), answer.headers["Content-Security-Policy"]

    assert "@gateway &lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "**Hi**" in page
    assert "in_progress" in page
    assert "processing" in page
    assert "<script>" not in page
    assert "default-src 'none'" in policy


async def test_faults_are_switched_off(slack: SlackEmulator, client: AsyncWebClient) -> None:
    """After `clear` the next call passes."""
    slack.fault(Fault("error", times=None, error="internal_error"))
    error = await refused(client.auth_test())
    slack.faults.clear()
    await client.auth_test()

    assert "internal_error" == error


async def test_it_runs_by_itself() -> None:
    """`python -m emulators.slack --http-port 0` prints where it is and what a bot needs."""
    environment = os.environ | {"PYTHONPATH": str(TESTS)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "emulators.slack", "--http-port", "0", "--speed", "10"),
        stdout=asyncio.subprocess.PIPE,
        env=environment,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            lines = [(await process.stdout.readline()).decode().strip() for _ in range(5)]
        told = dict(line.split("=", 1) for line in lines[1:])
        answer = await AsyncWebClient(told["SLACK_BOT_TOKEN"], base_url=told["base_url"]).auth_test()
    finally:
        process.terminate()
        await process.wait()

    assert "Acme" == answer["team"]
    assert {"base_url", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"} == told.keys()
