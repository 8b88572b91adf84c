"""
Slack's Web API over slack_sdk: one session, no retries of its own, and our errors.

slack_sdk repeats a call whose connection was dropped, which posts twice (measured with 3.47), so its
retry handlers are off; a session of our own carries the time limit that the client would ignore.
"""

from __future__ import annotations

import asyncio
from typing import cast

import aiohttp
from pydantic import SecretStr
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from assistant_gateway.errors import AdapterError, OutcomeUnknown
from assistant_gateway.values import JsonObject
from assistant_gateway_slack.faults import meaning
from assistant_gateway_slack.identity import Identity, identity
from assistant_gateway_slack.shapes import Json, table, text

TIMEOUT = 30.0  # seconds for one call


class Web:
    """
    The Web API with the bot's token.

    Attributes:
        base_url: Where the methods are, with a slash at the end.
    """

    def __init__(self, bot_token: SecretStr, base_url: str, *, timeout: float = TIMEOUT) -> None:
        self.base_url = base_url
        self._token = bot_token
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None
        self._identity: Identity | None = None
        self._asking = asyncio.Lock()

    @property
    def session(self) -> aiohttp.ClientSession:
        """The one session, made when it is first needed; proxies of the environment are used."""
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._timeout), trust_env=True
            )
        return self._session

    @property
    def token(self) -> SecretStr:
        """The bot's token."""
        return self._token

    @property
    def bearer(self) -> dict[str, str]:
        """The header that proves who we are; only ever for Slack's own hosts."""
        return {"Authorization": f"Bearer {self._token.get_secret_value()}"}

    @property
    def known_identity(self) -> Identity | None:
        """Who the bot is, where Slack was asked already."""
        return self._identity

    async def identity(self) -> Identity:
        """
        Who the bot is; Slack is asked once.

        Raises:
            AdapterError: Slack can't be reached or refuses the token.
        """
        async with self._asking:
            if self._identity is None:
                self._identity = await self.ask_identity()
        return self._identity

    async def ask_identity(self) -> Identity:
        """
        Who the bot is, asked anew.

        Raises:
            AdapterError: Slack can't be reached or refuses the token.
        """
        told, headers = await self._call("auth.test", {}, {}, once=False)
        try:
            return identity(told, headers.get("X-OAuth-Scopes", ""))
        except ValueError as error:
            raise AdapterError("not_a_bot_token") from error

    async def write(self, method: str, body: JsonObject, *, once: bool = False) -> Json:
        """
        Call a method with a JSON body; *once* for what must not be repeated without looking.

        Raises:
            OutcomeUnknown: Only with *once*: it may have been done.
            AdapterError: It was refused or not understood, or Slack can't be reached.
        """
        told, _ = await self._call(method, body, {}, once=once)
        return told

    async def read(self, method: str, /, **arguments: str | int | bool) -> Json:
        """
        Call a method with its arguments in the query string, as slack_sdk does for all that read.

        Raises:
            AdapterError: It was refused or not understood, or Slack can't be reached.
        """
        query = {name: str(value).lower() if value is True else value for name, value in arguments.items()}
        told, _ = await self._call(method, {}, query, once=False)
        return told

    async def open_socket(self, app_token: SecretStr) -> str:
        """
        The address of a new WebSocket; it is good for one connection, soon.

        Raises:
            AdapterError: It was refused or not understood, or Slack can't be reached.
        """
        told, _ = await self._call("apps.connections.open", {}, {}, once=False, app_token=app_token)
        url = text(told.get("url"))
        if not url.startswith(("ws://", "wss://")):
            raise AdapterError("apps.connections.open gave no address")
        return url

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()

    async def _call(
        self,
        method: str,
        body: JsonObject,
        query: Json,
        *,
        once: bool,
        app_token: SecretStr | None = None,
    ) -> tuple[Json, dict[str, str]]:
        unclear = OutcomeUnknown if once else AdapterError
        try:
            if app_token is not None:
                answer = await self._client().apps_connections_open(app_token=app_token.get_secret_value())
            else:
                answer = await self._client().api_call(
                    method, json=dict(body) or None, params=dict(query) or None
                )
            return table(answer.data), cast("dict[str, str]", answer.headers)
        except SlackApiError as error:
            raise meaning(error, once=once) from error
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as error:
            raise AdapterError(f"Slack can't be reached: {type(error).__name__}") from error
        except (aiohttp.ClientError, OSError) as error:  # a time limit is an OSError
            raise unclear(f"no answer: {type(error).__name__}") from error
        except (AttributeError, TypeError, ValueError) as error:
            # slack_sdk 3.47 fails so on an empty body, a list and broken JSON.
            raise unclear(f"no answer that can be read: {type(error).__name__}") from error

    def _client(self) -> AsyncWebClient:
        client = AsyncWebClient(
            self._token.get_secret_value(),
            base_url=self.base_url,
            timeout=int(self._timeout),
            session=self.session,
            retry_handlers=[],
        )
        # The client takes any proxy of the environment for every host; the session heeds NO_PROXY.
        client.proxy = None
        return client
