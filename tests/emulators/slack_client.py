"""The real slack_sdk, pointed at the emulator."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from emulators.slack import Installation, SlackEmulator


def client_of(slack: SlackEmulator, token: str = "") -> AsyncWebClient:
    """A client with the bot's token, or another, that repeats nothing by itself."""
    return AsyncWebClient(token or slack.bot_token, base_url=slack.api_url, retry_handlers=[])


async def refused(call: Awaitable[object]) -> str:
    """The error that *call* ends with."""
    try:
        done = await call
    except SlackApiError as error:
        return str(error.response["error"])
    raise AssertionError(f"not refused: {done}")


def bolt_of(slack: SlackEmulator, bot: Installation | None = None) -> AsyncApp:
    """A Bolt app with the emulator's secrets."""
    secret = (bot or slack.bot).app.signing_secret
    return AsyncApp(client=client_of(slack, bot.bot_token if bot else ""), signing_secret=secret)


@asynccontextmanager
async def connected(
    slack: SlackEmulator, app: AsyncApp, *, ping_interval: float = 5.0
) -> AsyncIterator[AsyncSocketModeHandler]:
    """
    *app* on a WebSocket of its own.

    After half of *ping_interval* without a pong aiohttp drops the connection, and after a cut slack_sdk
    looks again each *ping_interval*: short for quick returns, long for a busy machine.
    """
    before = slack.service.sockets.opened
    handler = AsyncSocketModeHandler(app, slack.app_token, web_client=app.client, ping_interval=ping_interval)
    await handler.connect_async()  # type: ignore[no-untyped-call]
    try:
        await slack.until(lambda: slack.service.sockets.opened > before)
        yield handler
    finally:
        await handler.close_async()  # type: ignore[no-untyped-call]


@asynccontextmanager
async def listening(slack: SlackEmulator, app: AsyncApp) -> AsyncIterator[str]:
    """*app* behind an HTTP server; the emulator posts to it."""

    async def take(request: web.Request) -> web.StreamResponse:
        answer: web.StreamResponse = await to_aiohttp_response(
            await app.async_dispatch(await to_bolt_request(request))
        )
        return answer

    async with serving(take) as url:
        slack.use_request_url(url)
        yield url


@asynccontextmanager
async def serving(take: object) -> AsyncIterator[str]:
    """An HTTP server whose every POST goes to *take*; tells its address."""
    application = web.Application()
    application.router.add_post("/slack/events", take)  # type: ignore[arg-type]  # any aiohttp handler
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
    finally:
        await runner.cleanup()
