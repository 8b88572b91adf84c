"""
OAuth v2: where people agree to an installation, and what Slack gives for their consent.

docs.slack.dev, "Installing with OAuth" and "Using token rotation", 2026-09-14. A code is good once and
for 10 minutes; with token rotation a bot's token lives 12 hours, and its refresh token works once.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import structlog
from pydantic import SecretStr

from assistant_gateway.errors import AdapterError
from assistant_gateway.platforms.shapes import Json, number, table, text
from assistant_gateway_slack.api import Api
from assistant_gateway_slack.manifest import scopes
from assistant_gateway_slack.settings import REDIRECT_PATH, SlackSettings

_TEAM = re.compile(r"T[A-Z0-9]{1,31}", re.ASCII)
NO_CODE = "0"  # a code that Slack never gave, to ask whether it knows the client


class OrganisationWide(AdapterError):
    """The app was installed for a whole organisation: one token for all its workspaces."""


@dataclass(frozen=True, slots=True)
class Granted:
    """
    What Slack gave: a bot's token in one workspace.

    Attributes:
        by: The id of the person who agreed; empty at a refresh.
        expires_at: Epoch seconds; 0 where the token does not expire.
    """

    team_id: str
    bot_token: SecretStr
    refresh_token: SecretStr | None
    expires_at: float
    by: str


class OAuth:
    """The flow of one app; *clock* gives epoch seconds."""

    def __init__(self, api: Api, settings: SlackSettings, *, clock: Callable[[], float] = time.time) -> None:
        assert settings.client_secret is not None, "the settings refuse a client id alone"
        self._api = api
        self._client_id = settings.client_id
        self._client_secret = settings.client_secret
        self._scopes = ",".join(sorted(scopes(settings)))
        self._authorize_url = settings.authorize_url
        self._redirect = f"{settings.public_url}{REDIRECT_PATH}" if settings.public_url else ""
        self._team = settings.teams[0] if settings.teams is not None and len(settings.teams) == 1 else ""
        self._clock = clock
        self._log = structlog.get_logger()

    def consent(self, state: str) -> str:
        """The address at Slack where a person agrees, who comes back with *state*."""
        asked = {"client_id": self._client_id, "scope": self._scopes, "state": state}
        if self._redirect:
            asked["redirect_uri"] = self._redirect
        if self._team:
            asked["team"] = self._team
        return f"{self._authorize_url}?{urlencode(asked)}"

    async def exchange(self, code: str) -> Granted:
        """
        What Slack gives for a person's consent.

        Raises:
            OrganisationWide: It was for a whole organisation; nothing was kept.
            AdapterError: The code is wrong, used or too old, or Slack can't be reached.
        """
        form = {"code": code, "grant_type": "authorization_code"}
        if self._redirect:
            form["redirect_uri"] = self._redirect
        return await self._ask(form)

    async def refresh(self, token: SecretStr) -> Granted:
        """
        The next token of an installation, and the next refresh token: the given one is used up.

        Raises:
            AdapterError: The refresh token is wrong or used, or Slack can't be reached.
        """
        return await self._ask({"grant_type": "refresh_token", "refresh_token": token.get_secret_value()})

    async def give_back(self, token: SecretStr) -> None:
        """Let a token that we may not use be good for nothing."""
        try:
            await self._api.call("auth.revoke", token)
        except AdapterError as error:
            self._log.warning("slack.token_not_revoked", error=str(error))

    async def objection(self) -> str:
        """
        What Slack has against the app's client id and secret; empty when nothing: it was asked with no code.

        Raises:
            AdapterError: Slack can't be reached.
        """
        try:
            await self._ask({"code": NO_CODE, "grant_type": "authorization_code"})
        except AdapterError as error:
            if str(error) == "invalid_code":
                return ""
            if str(error) in ("invalid_client_id", "bad_client_secret"):
                return str(error)
            raise
        return ""

    async def _ask(self, form: Mapping[str, str]) -> Granted:
        told = await self._api.grant(self._client_id, self._client_secret, form)
        if told.get("is_enterprise_install") is True:
            await self.give_back(SecretStr(text(told.get("access_token"))))
            raise OrganisationWide("org-wide installations are not supported")
        return _granted(told, self._clock())


def _granted(told: Json, now: float) -> Granted:
    team_id, token = text(table(told.get("team")).get("id")), text(told.get("access_token"))
    if not _TEAM.fullmatch(team_id) or told.get("token_type") != "bot" or not token:
        raise AdapterError("oauth.v2.access gave no bot token")
    refresh_token, lives = text(told.get("refresh_token")), number(told.get("expires_in"))
    return Granted(
        team_id,
        SecretStr(token),
        SecretStr(refresh_token) if refresh_token else None,
        now + lives if refresh_token and lives else 0.0,
        text(table(told.get("authed_user")).get("id")),
    )
