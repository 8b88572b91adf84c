"""
The workspaces that have installed the app: their tokens, sealed, where they survive a restart.

All processes of the gateway share them. What is kept is only ever seen sealed; a row that was moved
to another workspace's key does not open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from pydantic import SecretStr

from assistant_gateway.adapter import Notes
from assistant_gateway.platforms.shapes import Json, seconds, table, text
from assistant_gateway.values import JsonObject
from assistant_gateway_slack.identity import Identity
from assistant_gateway_slack.vault import Unsealable, Vault

SCOPE = "slack:installations"


@dataclass(frozen=True, slots=True)
class Installation:
    """
    The app in one workspace.

    Attributes:
        refresh_token: Gets the next token, once; None where tokens do not expire.
        expires_at: Epoch seconds at which the bot's token expires; 0 where it does not.
        installed_at: Epoch seconds of the newest installation.
        me: Who the bot is there; None until Slack could be asked.
    """

    team_id: str
    bot_token: SecretStr
    refresh_token: SecretStr | None = None
    expires_at: float = 0.0
    installed_at: float = 0.0
    me: Identity | None = None


class Installations:
    """Keeps installations in *notes*, sealed by *vault*."""

    def __init__(self, notes: Notes, vault: Vault) -> None:
        self._notes = notes
        self._vault = vault
        self._opened: dict[str, tuple[str, Installation]] = {}
        self._log = structlog.get_logger()

    async def of(self, team_id: str) -> Installation | None:
        """
        The installation in a workspace.

        Raises:
            Unsealable: It was sealed with a key that we do not have.
            StoreError: The store can't be read.
        """
        note = await self._notes.note(SCOPE, team_id)
        return None if note is None else self._open(team_id, note)

    async def all(self) -> tuple[Mapping[str, Installation], frozenset[str]]:
        """
        Those that can be opened by their workspaces, and the workspaces of those that can't.

        What only an old key opens is sealed anew.

        Raises:
            StoreError: The store can't be read.
        """
        opened: dict[str, Installation] = {}
        closed: set[str] = set()
        for team_id, note in (await self._notes.notes(SCOPE)).items():
            try:
                opened[team_id] = self._open(team_id, note)
            except Unsealable:
                closed.add(team_id)
                continue
            if self._vault.is_old(text(note.get("sealed"))):
                await self.keep(opened[team_id])
                self._log.info("slack.installation_sealed_anew", team=team_id)
        self._opened = {team_id: each for team_id, each in self._opened.items() if team_id in opened}
        return opened, frozenset(closed)

    async def keep(self, installation: Installation) -> None:
        """
        Keep an installation, in place of an earlier one of that workspace.

        Raises:
            StoreError: It was not kept.
        """
        sealed = self._vault.seal(_purpose(installation.team_id), _body(installation))
        await self._notes.save_note(SCOPE, installation.team_id, {"sealed": sealed})

    async def forget(self, team_id: str) -> None:
        """
        Keep nothing of a workspace.

        Raises:
            StoreError: It is still kept.
        """
        await self._notes.forget_note(SCOPE, team_id)
        self._opened.pop(team_id, None)

    def _open(self, team_id: str, note: JsonObject) -> Installation:
        sealed = text(note.get("sealed"))
        known, installation = self._opened.get(team_id, ("", None))
        if installation is None or known != sealed:
            installation = _installation(team_id, self._vault.open(_purpose(team_id), sealed))
            self._opened[team_id] = sealed, installation
        return installation


def _purpose(team_id: str) -> str:
    return f"installation of {team_id}"


def _body(installation: Installation) -> JsonObject:
    me, refresh_token = installation.me, installation.refresh_token
    return {
        "bot_token": installation.bot_token.get_secret_value(),
        "refresh_token": "" if refresh_token is None else refresh_token.get_secret_value(),
        "expires_at": installation.expires_at,
        "installed_at": installation.installed_at,
        "me": None if me is None else me.as_json(),
    }


def _installation(team_id: str, body: Json) -> Installation:
    refresh_token, me = text(body.get("refresh_token")), table(body.get("me"))
    return Installation(
        team_id,
        SecretStr(text(body.get("bot_token"))),
        SecretStr(refresh_token) if refresh_token else None,
        seconds(body.get("expires_at")),
        seconds(body.get("installed_at")),
        Identity.from_json(me) if me else None,
    )
