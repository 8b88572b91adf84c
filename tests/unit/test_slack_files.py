"""Files that people send: fetched from Slack alone, within bounds, or left out visibly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from assistant_gateway.platforms.files import label
from assistant_gateway_slack.api import Api
from assistant_gateway_slack.downloads import HOSTS, Downloads
from assistant_gateway_slack.web import Web
from emulators.eventually import eventually
from emulators.slack import SCOPES
from fixtures.slack import Desk, desk


async def send(slack: Desk, name: str, content: bytes) -> None:
    """Ann shares a file with the bot."""
    file = slack.slack.upload(slack.slack.ann, name, content)
    direct = slack.slack.direct(slack.slack.ann)
    await slack.slack.say(direct, slack.slack.ann, "Look", files=[file])
    await eventually(lambda: slack.heard)


def web_of(slack: Desk) -> Web:
    """The Web API with the bot's token."""
    return Web(Api(slack.slack.api_url), SecretStr(slack.slack.bot_token))


async def test_a_file_comes_with_its_message() -> None:
    """Its bytes, its name and its stated type are the message's."""
    async with desk() as slack:
        await send(slack, "a.txt", b"one\ntwo")

        (heard,) = slack.heard
        (file,) = heard.attachments
        assert ("Look", "a.txt", "text/plain", b"one\ntwo") == (
            heard.text,
            file.name,
            file.content_type,
            file.data,
        )


async def test_a_page_of_html_that_somebody_sent_is_a_file() -> None:
    """Only where no HTML was sent, HTML is Slack's sign-in page."""
    async with desk() as slack:
        await send(slack, "a.html", b"<!DOCTYPE html><p>Hi")

        assert b"<!DOCTYPE html><p>Hi" == slack.heard[0].attachments[0].data


@pytest.mark.parametrize(
    ("settings", "scopes", "reason"),
    [
        ({"max_file_size": 100_000}, SCOPES, "larger than 0.0954 MB."),
        ({"max_files": 0}, SCOPES, "only 0 files"),
        ({}, SCOPES - {"files:read"}, "may lack the scope files:read."),
    ],
    ids=["too large", "too many", "no scope"],
)
async def test_a_file_that_is_left_out_is_told(
    settings: dict[str, Any], scopes: frozenset[str], reason: str
) -> None:
    """The message is taken; the model reads why the file is missing, and Ann alone is told so, too."""
    async with desk(**settings) as slack:
        slack.slack.bot.scopes = scopes
        await send(slack, "big.bin", b"x" * 100_001)
        note = await slack.slack.until(lambda: slack.slack.world.ephemerals)

        (heard,) = slack.heard
        assert () == heard.attachments
        assert heard.text.startswith("Look\n[The file big.bin was left out: ")
        assert reason in heard.text
        assert reason in note[0].text
        assert slack.slack.ann == note[0].ephemeral_to


async def test_the_token_goes_to_no_other_host(hits: list[str], elsewhere: str) -> None:
    """Eight addresses that are not Slack's file host, redirects included: not one is asked with the token."""
    async with desk() as slack:
        urls = [
            f"{elsewhere}/f",
            f"{elsewhere}/files-pri/T1-F1/download/a",
            f"http://files.slack.com@{elsewhere.removeprefix('http://')}/f",
            slack.slack.url.replace("http://", "https://") + "/f",
            "file:///etc/passwd",
            "",
            "http://[broken",
            slack.slack.url + "/oauth/v2/authorize?client_id=x&redirect_uri=" + elsewhere,
        ]
        api = web_of(slack)
        files = [{"name": "a", "url_private_download": url} for url in urls]

        taken, notes = await Downloads(api, max_files=10, max_size=1 << 20).fetch(files)
        await api.api.close()

    assert () == taken
    assert 8 == len(notes)
    assert [] == hits


async def test_at_slack_only_its_file_hosts_are_asked() -> None:
    """For the real API the token goes to files.slack.com and slack-files.com over TLS, and to nobody else."""
    api = "https://slack.com/api/"
    good = ["https://files.slack.com/files-pri/T1-F1/download/a.txt", "https://slack-files.com/T1-F1"]
    bad = [
        "http://files.slack.com/a",
        "https://files.slack.com:8443/a",
        "https://files.slack.com.evil.example/a",
        "https://evil.example/files.slack.com",
        "https://files.slack.com@evil.example/a",
        "https://slack.com/a",
    ]

    assert [True] * 2 == [HOSTS.may_be_asked(url, api) for url in good]
    assert [False] * 6 == [HOSTS.may_be_asked(url, api) for url in bad]


async def test_a_size_that_lies_is_cut_while_it_comes() -> None:
    """A file that says 10 bytes and brings 5 MB is left out, once 1 MB has come."""
    async with desk() as slack:
        file = slack.slack.upload(slack.slack.ann, "a.bin", b"x" * 5_000_000)
        address = f"{slack.slack.url}/files-pri/{file.team_id}-{file.id}/download/name"
        api = web_of(slack)
        files = [{"name": "a.bin", "size": 10, "url_private_download": address}]

        taken, notes = await Downloads(api, max_files=1, max_size=1_000_000).fetch(files)
        await api.api.close()

    assert () == taken
    assert "larger than" in notes[0]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/cron.d/x", "../../etc/cron.d/x"),
        ("a\u202egpj.exe", "agpj.exe"),
        ("x" * 5000, "x" * 200),
        ("\x00\n", "file"),
    ],
)
def test_a_name_is_a_label(name: str, shown: str) -> None:
    """One line of at most 200 characters, without anything that hides what it is; it is never a path."""
    assert shown == label(name)


@pytest.fixture
def hits() -> list[str]:
    return []


@pytest.fixture
async def elsewhere(hits: list[str]) -> AsyncIterator[str]:
    """Another host, which notes who asks."""

    async def hit(request: web.Request) -> web.Response:
        hits.append(request.path)
        return web.Response(text="got you")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", hit)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()
