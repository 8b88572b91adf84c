"""
The Web API in one workspace: its token, which may be replaced while it is used, and who the bot is there.

A call that is refused because its token was replaced meanwhile is made again with the new one: a
refusal is certain, nothing was done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

import aiohttp
from pydantic import SecretStr

from assistant_gateway.errors import AdapterError, Forbidden, RateLimited
from assistant_gateway.platforms.shapes import Json
from assistant_gateway.values import JsonObject
from assistant_gateway_slack.api import Api
from assistant_gateway_slack.budgets import scope
from assistant_gateway_slack.identity import Identity, identity
from assistant_gateway_slack.waits import Waits

# What Slack says of a token that it takes no longer: docs.slack.dev, the errors of auth.test, 2026-08-20.
STALE = frozenset({"account_inactive", "invalid_auth", "token_expired", "token_revoked"})
NOT_INSTALLED = "the app is not installed there any more"
ENDED = frozenset({NOT_INSTALLED, "account_inactive", "token_revoked"})  # there is nothing to wait for


class Renewal(Protocol):
    """Replaces a token that does not last; each gives `Web.use` another one where there is one."""

    async def keep_alive(self) -> None:
        """Before each call."""

    async def catch_up(self) -> None:
        """After a call that was refused because of its token."""


class Web:
    """The Web API with the token of one installation."""

    def __init__(
        self,
        api: Api,
        token: SecretStr,
        *,
        me: Identity | None = None,
        renewal: Renewal | None = None,
    ) -> None:
        self.api = api
        self._token = token
        self._identity = me
        self._renewal = renewal
        self._ended = False
        self._asking = asyncio.Lock()
        self._waits = Waits()

    def use(self, token: SecretStr, me: Identity | None = None) -> None:
        """Use another token of the same workspace from now on."""
        self._token = token
        self._identity = me or self._identity

    def end(self) -> None:
        """Make no call any more: each is refused as `Forbidden`."""
        self._ended = True

    @property
    def base_url(self) -> str:
        """Where the methods are, with a slash at the end."""
        return self.api.base_url

    @property
    def session(self) -> aiohttp.ClientSession:
        """The session for files."""
        return self.api.session

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
        told, headers = await self._call("auth.test")
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
        told, _ = await self._call(method, body=body, once=once)
        return told

    async def read(self, method: str, /, **arguments: str | int | bool) -> Json:
        """
        Call a method with its arguments in the query string, as slack_sdk does for all that read.

        Raises:
            AdapterError: It was refused or not understood, or Slack can't be reached.
        """
        query = {name: str(value).lower() if value is True else value for name, value in arguments.items()}
        told, _ = await self._call(method, query=query)
        return told

    async def _call(
        self,
        method: str,
        *,
        body: JsonObject | None = None,
        query: Mapping[str, str | int | bool] | None = None,
        once: bool = False,
    ) -> tuple[Json, Mapping[str, str]]:
        while True:
            if self._ended:
                raise Forbidden(NOT_INSTALLED)
            if self._renewal is not None:
                await self._renewal.keep_alive()
            token = self._token
            try:
                self._waits.check(method)
                return await self.api.call(method, token, body=body, query=query, once=once)
            except RateLimited as error:
                self._waits.begin(method, error.retry_after)
                team = "" if self._identity is None else self._identity.team_id
                raise RateLimited(error.retry_after, str(error), scope=scope(team, method)) from error
            except AdapterError as error:
                if str(error) not in STALE or self._renewal is None:
                    raise
                # It may have been replaced at Slack a moment before we hear of the new one.
                await self._renewal.catch_up()
                if self._token is token:
                    raise
