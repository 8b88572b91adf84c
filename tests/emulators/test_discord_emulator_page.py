"""The page and the control API: what a person, or a test in another process, does with the emulator."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import aiohttp
import pytest_asyncio

from emulators.discord import DiscordEmulator, HandClock
from emulators.discord_raw import Rest
from emulators.shapes import Json, record, string


@pytest_asyncio.fixture
async def emulator() -> AsyncIterator[DiscordEmulator]:
    async with DiscordEmulator(clock=HandClock(), limits=False) as emulator:
        yield emulator


@pytest_asyncio.fixture
async def rest(emulator: DiscordEmulator) -> AsyncIterator[Rest]:
    async with Rest(emulator) as rest:
        yield rest


async def page(emulator: DiscordEmulator) -> str:
    async with aiohttp.ClientSession() as session, session.get(emulator.url) as answer:
        return await answer.text()


async def do(emulator: DiscordEmulator, act: str, **given: object) -> Json:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{emulator.url}/control/{act}", json=given) as answer,
    ):
        return record(await answer.json())


def pressed(shown: str, label: str) -> tuple[str, Json]:
    """What the button *label* sends, and where."""
    found = re.search(rf'data-act="(\w+)" data-body="([^"]*)">{label}<', shown)
    assert found is not None
    return found[1], record(json.loads(unescape(found[2])))


async def test_the_page_shows_what_people_see(emulator: DiscordEmulator, rest: Rest) -> None:
    """Names instead of ids, a thread below its channel, a button, a private answer, and markup as text."""
    button = {"type": 2, "style": 1, "label": "Stop", "custom_id": "stop"}
    said = await emulator.say(emulator.general, emulator.ann, f"<@{emulator.bot_user}> <b>hi</b>")
    await rest.say(emulator.general, "working", components=[{"type": 1, "components": [button]}])
    thread = await emulator.open_thread(emulator.general, emulator.ann, "About hi", message=said)
    await rest.say(thread.id, "inside")
    await rest.call("POST", f"/applications/{emulator.app.id}/commands", {"name": "ask", "description": "a"})
    command = await emulator.slash(emulator.general, emulator.bob, "ask")
    answer = {"type": 4, "data": {"content": "secret", "flags": 64}}
    await rest.call("POST", f"/interactions/{command.id}/{command.token}/callback", answer)
    shown = await page(emulator)

    assert "@gateway &lt;b&gt;hi&lt;/b&gt;" in shown
    for part in ("Acme #general", "› About hi", "inside", ">Stop</button>", "only visible to Bob", "/ask"):
        assert part in shown
    assert shown.index("working") < shown.index("› About hi") < shown.index("inside")


async def test_the_page_shows_what_failed_and_what_is_under_way(
    emulator: DiscordEmulator, rest: Rest
) -> None:
    """A late command, "is thinking…", a dialog, and who is typing."""
    path = f"/applications/{emulator.app.id}/commands"
    await rest.call("POST", path, {"name": "ask", "description": "a"})
    late = await emulator.slash(emulator.general, emulator.ann, "ask")
    emulator.advance(3)
    await late.done.wait()
    thinking = await emulator.slash(emulator.general, emulator.ann, "ask")
    await rest.call("POST", f"/interactions/{thinking.id}/{thinking.token}/callback", {"type": 5})
    dialog = await emulator.slash(emulator.general, emulator.ann, "ask")
    field = {"type": 4, "custom_id": "words", "style": 1, "label": "Words"}
    modal = {"title": "Feedback", "custom_id": "f", "components": [{"type": 1, "components": [field]}]}
    await rest.call("POST", f"/interactions/{dialog.id}/{dialog.token}/callback", {"type": 9, "data": modal})
    await rest.call("POST", f"/channels/{emulator.general}/typing")
    shown = await page(emulator)

    for part in ("The application did not respond", "is thinking…", "Feedback", "gateway is typing…"):
        assert part in shown


async def test_buttons_of_the_page_do_what_they_say(emulator: DiscordEmulator, rest: Rest) -> None:
    """What "Stop" and "Fill in" carry is a click and a dialog that is sent off."""
    button = {"type": 2, "style": 1, "label": "Stop", "custom_id": "stop"}
    posted = await rest.say(emulator.general, "working", components=[{"type": 1, "components": [button]}])
    act, body = pressed(await page(emulator), "Stop")
    click = record((await do(emulator, act, user=emulator.bob, **body))["result"])
    field = {"type": 4, "custom_id": "words", "style": 1, "label": "Words"}
    modal = {"title": "Feedback", "custom_id": "f", "components": [{"type": 1, "components": [field]}]}
    clicked = emulator.service.interactions[string(click["id"])]
    await rest.call(
        "POST", f"/interactions/{clicked.id}/{clicked.token}/callback", {"type": 9, "data": modal}
    )
    act, body = pressed(await page(emulator), "Fill in")
    sent = record((await do(emulator, act, **body | {"values": {"words": "good"}}))["result"])

    assert ("stop", emulator.bob) == (click["name"], click["user"])
    assert clicked.message is emulator.message(string(posted["id"]))
    assert ("f", 5, {"words": ""}) == (sent["name"], sent["type"], body["values"])


async def test_everything_can_be_done_over_http(emulator: DiscordEmulator) -> None:
    """Ann asks, Bob answers and edits; the truth has both, each with its frames."""
    said = record(
        (await do(emulator, "say", channel=emulator.general, user=emulator.ann, text="a"))["result"]
    )
    reply = record((await do(emulator, "reply", message=said["id"], user=emulator.bob, text="b"))["result"])
    await do(emulator, "edit", message=reply["id"], text="c")
    note = {"name": "a.txt", "text": "abc"}
    await do(emulator, "dm", user=emulator.ann, text="psst", files=[note])
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{emulator.url}/control/truth") as answer:
            truth = str(await answer.json())
        async with session.get(f"{emulator.url}/control/setup") as answer:
            setup = record(await answer.json())

    seen = emulator.message(string(reply["id"]))
    assert ["b", "c"] == [frame.text for frame in seen.frames]
    assert string(said["id"]) == record(seen.reference)["message_id"]
    assert "psst" in truth
    assert "a.txt" in truth
    assert (emulator.bot_token, emulator.api_url) == (setup["bot_token"], setup["api_url"])


async def test_what_cannot_be_done_is_told(emulator: DiscordEmulator) -> None:
    """Unknown acts, arguments and messages are refused with a reason; a foreign page's form is, too."""
    unknown = await do(emulator, "fly")
    wrong = await do(emulator, "say", where="nowhere")
    missing = await do(emulator, "edit", message="1", text="a")
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{emulator.url}/control/say", data={"text": "a"}) as answer,
    ):
        form = answer.status

    assert [False, False, False] == [each["ok"] for each in (unknown, wrong, missing)]
    assert 415 == form


async def test_faults_and_time_over_http(emulator: DiscordEmulator, rest: Rest) -> None:
    """A fault strikes once, and the clock moves 60 s; a fault that does not exist is refused."""
    before = emulator.clock.now()
    await do(emulator, "fault", kind="error", route="POST *", status=500)
    statuses = [(await rest.say(emulator.general, "a")).status for _ in range(2)]
    await do(emulator, "advance", seconds=60)
    unknown = await do(emulator, "fault", kind="earthquake")

    assert ([500, 200], 60.0) == (statuses, emulator.clock.now() - before)
    assert "kind must be one of" in string(unknown["error"])


async def test_it_runs_by_itself() -> None:
    """`python -m emulators.discord` prints where it is and its token, and serves its page there."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "emulators.discord",
        "--http-port",
        "0",
        cwd=Path(__file__).parents[1],
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        lines = [(await process.stdout.readline()).decode() for _ in range(5)]
        url = lines[0].split()[2].rstrip("/")
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            shown = await answer.text()
    finally:
        process.terminate()
        await process.wait()

    assert f"api_url={url}/api/v10\n" == lines[1]
    assert lines[4].startswith("DISCORD_BOT_TOKEN=emulator.")
    assert "Acme #general" in shown
