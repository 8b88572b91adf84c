"""
Slack's Web API over slack_sdk: one session, no retries of its own, no log lines, and our errors.

slack_sdk repeats a call whose connection was dropped, which posts twice (measured with 3.47), so its
retry handlers are off; a session of our own carries the time limit that the client would ignore. Its
debug lines hold messages, tokens and the codes of installations, so it logs nothing below errors.
"""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Mapping
from typing import cast

import aiohttp
from pydantic import SecretStr
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from assistant_gateway.errors import AdapterError, OutcomeUnknown, RateLimited
from assistant_gateway.platforms.shapes import Json, table, text
from assistant_gateway.values import JsonObject, JsonValue
from assistant_gateway_slack.faults import meaning
from assistant_gateway_slack.waits import Waits

TIMEOUT = 30.0  # seconds for one call
OPEN = "apps.connections.open"


class Api:
    """
    Calls methods for whoever has a token; remembered is only when the next WebSocket may be opened.

    Attributes:
        base_url: Where the methods are, with a slash at the end.
    """

    def __init__(self, base_url: str, *, timeout: float = TIMEOUT) -> None:
        """*timeout* is for one call, in seconds."""
        self.base_url = base_url
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None
        self._waits = Waits()
        self._logger = logging.getLogger("assistant_gateway_slack.sdk")
        self._logger.setLevel(logging.ERROR)

    @property
    def session(self) -> aiohttp.ClientSession:
        """The one session, made when it is first needed; proxies of the environment are used."""
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._timeout),
                trust_env=True,
                cookie_jar=aiohttp.DummyCookieJar(),  # it serves all workspaces
            )
        return self._session

    async def call(
        self,
        method: str,
        token: SecretStr | None,
        *,
        body: JsonObject | None = None,
        query: Mapping[str, str | int | bool] | None = None,
        once: bool = False,
    ) -> tuple[Json, Mapping[str, str]]:
        """
        What a method says, and its headers; *once* for what must not be repeated without looking.

        Raises:
            OutcomeUnknown: Only with *once*: it may have been done.
            AdapterError: It was refused or not understood, or Slack can't be reached.
        """
        return await self._ask(method, token, once=once, json=dict(body or {}), params=dict(query or {}))

    async def grant(self, client_id: str, client_secret: SecretStr, form: Mapping[str, str]) -> Json:
        """
        What `oauth.v2.access` gives for a code or a refresh token, each of which it takes once.

        Raises:
            OutcomeUnknown: It may be used up.
            AdapterError: It was refused, or Slack can't be reached.
        """
        # slack_sdk 3.47 makes this header with what aiohttp 3.14 deprecates.
        client = b64encode(f"{client_id}:{client_secret.get_secret_value()}".encode()).decode()
        headers = {"Authorization": f"Basic {client}"}
        told, _ = await self._ask("oauth.v2.access", None, once=True, data=dict(form), headers=headers)
        return told

    async def open_socket(self, app_token: SecretStr) -> str:
        """
        The address of a new WebSocket; it is good for one connection, soon.

        Raises:
            AdapterError: It was refused or not understood, or Slack can't be reached.
        """
        self._waits.check(OPEN)  # all connections of the app count together
        try:
            told, _ = await self._ask(OPEN, app_token, once=False)
        except RateLimited as error:
            self._waits.begin(OPEN, error.retry_after)
            raise
        url = text(told.get("url"))
        if not url.startswith(("ws://", "wss://")):
            raise AdapterError(f"{OPEN} gave no address")
        return url

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()

    async def _ask(
        self,
        method: str,
        token: SecretStr | None,
        *,
        once: bool,
        json: dict[str, JsonValue] | None = None,
        params: dict[str, str | int | bool] | None = None,
        data: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[Json, Mapping[str, str]]:
        unclear = OutcomeUnknown if once else AdapterError
        try:
            answer = await self._client(token).api_call(
                method, json=json or None, params=params or None, data=data, headers=headers
            )
            return table(answer.data), cast("Mapping[str, str]", answer.headers)
        except SlackApiError as error:
            raise meaning(error, once=once) from error
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as error:
            raise AdapterError(f"Slack can't be reached: {type(error).__name__}") from error
        except (aiohttp.ClientError, OSError) as error:  # a time limit is an OSError
            raise unclear(f"no answer: {type(error).__name__}") from error
        except (AttributeError, TypeError, ValueError) as error:
            # slack_sdk 3.47 fails so on an empty body, a list and broken JSON.
            raise unclear(f"no answer that can be read: {type(error).__name__}") from error

    def _client(self, token: SecretStr | None) -> AsyncWebClient:
        client = AsyncWebClient(
            None if token is None else token.get_secret_value(),
            base_url=self.base_url,
            timeout=int(self._timeout),
            session=self.session,
            retry_handlers=[],
            logger=self._logger,
        )
        # The client takes any proxy of the environment for every host; the session heeds NO_PROXY.
        client.proxy = None
        return client
