"""
The workspaces in which the bot is: that of the bot token, and those that have installed the app.

What Slack delivers goes to the workspace that it was delivered for, and an answer into the workspace
where the question was asked; anything for another one is nobody's. Installations are looked over once
a minute, so that a process hears of what another one has installed or ended.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from assistant_gateway.errors import AdapterError, Forbidden, RateLimited, StoreError, StoreUnavailable
from assistant_gateway.platforms.shapes import Json, table, text
from assistant_gateway_slack.api import Api
from assistant_gateway_slack.envelope import ENDS, delivered_for, is_the_end
from assistant_gateway_slack.identity import Identity
from assistant_gateway_slack.installations import Installation, Installations
from assistant_gateway_slack.oauth import OAuth
from assistant_gateway_slack.rotation import Rotation
from assistant_gateway_slack.settings import SlackSettings
from assistant_gateway_slack.vault import Unsealable
from assistant_gateway_slack.web import ENDED, NOT_INSTALLED, STALE, Web
from assistant_gateway_slack.workspace import Workspace

TICK = 60.0  # seconds between two looks over all installations
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds between two tries to learn who the bot is
SPACING = 0.1  # seconds between two workspaces that are asked who the bot is, at the start
CLOSED = "installations can't be opened: another encryption key has sealed them"


@dataclass(frozen=True, slots=True)
class _Room:
    rotation: Rotation
    workspace: Workspace


class Workspaces:
    """
    Finds the workspace.

    Args:
        make: Gives a workspace its room.
        installations: Those of workspaces that installed the app; None where none can.
        tick: Seconds between two looks over all installations; *clock* gives epoch seconds.
    """

    def __init__(
        self,
        settings: SlackSettings,
        api: Api,
        make: Callable[[Web], Workspace],
        installations: Installations | None,
        oauth: OAuth | None,
        *,
        tick: float = TICK,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._api = api
        self._make = make
        self._installations = installations
        self._oauth = oauth
        self._teams = settings.teams
        self._tick = tick
        self._clock = clock
        token = settings.bot_token
        self.home = None if token is None else make(Web(api, token))
        self._rooms: dict[str, _Room] = {}
        self._changing = asyncio.Lock()
        self._unopened: frozenset[str] = frozenset()
        self._refusal = ""
        self._looked = installations is None
        self._left_out: set[str] = set()
        self.ready = asyncio.Event()
        """Set when there is one that is known."""
        self._log = structlog.get_logger()

    async def run(self) -> None:
        """Learn who the bot is, and keep tokens fresh, until cancelled."""
        async with asyncio.TaskGroup() as group:
            if self.home is not None:
                group.create_task(self._introduce(self.home.web), name="slack:introduction")
            if self._installations is not None:
                group.create_task(self._keep_up(self._installations), name="slack:installations")

    def unready(self) -> str:
        """Why it is not known yet where the bot is; empty when it is."""
        if (self.home is not None and self.home.web.known_identity is None) or not self._looked:
            return self._refusal or "connecting…"
        # Those that can be served must not suffer for the others, which the log names every minute.
        return f"{len(self._unopened)} {CLOSED}" if self._unopened and not self._rooms else ""

    async def at(self, team_id: str) -> Workspace:
        """
        The workspace with an id.

        Raises:
            Forbidden: The app is not installed there.
            AdapterError: It can't be told yet.
        """
        if self.home is not None and self._is_home(team_id):
            return self.home
        try:
            found = await self._installed(team_id)
        except (StoreError, Unsealable) as error:
            raise AdapterError(f"the installation can't be read: {type(error).__name__}") from error
        if found is not None:
            return found
        if self.home is not None and (await self.home.web.identity()).team_id == team_id:
            return self.home
        raise Forbidden(NOT_INSTALLED)

    async def addressed(self, payload: Json) -> Workspace | None:
        """
        The workspace that *payload* was delivered for; None where the app is not installed there.

        Raises:
            StoreUnavailable: It can't be told yet; Slack must send it again.
        """
        if self._installations is None:
            return self.home
        for team_id in delivered_for(payload):
            if self._is_home(team_id):
                return self.home
            try:
                found = await self._installed(team_id)
            except (StoreError, Unsealable) as error:
                raise StoreUnavailable("an installation can't be read") from error
            if found is not None:
                return found
        if self.home is not None and self.home.web.known_identity is None:
            raise StoreUnavailable("not connected to Slack yet")
        return None

    async def admit(self, installation: Installation) -> Identity | None:
        """
        Keep an installation and serve it from now on, in place of an earlier one; who the bot is there.

        Raises:
            StoreError: It was not kept.
        """
        assert self._installations is not None, "nobody can install the app"
        team_id = installation.team_id
        async with self._changing:
            known = self._rooms.get(team_id)
            # Kept at once: Slack gives its tokens only once. Who the bot is can be asked again.
            if known is None:
                await self._installations.keep(installation)
                room = self._open(installation)
            else:
                room = known
                await room.rotation.replace(installation)
        self._log.info("slack.installed", team=team_id, again=known is not None)
        await self._look_in(team_id, room.rotation)
        return room.rotation.installation.me

    async def has_ended(self, payload: Json) -> bool:
        """
        Whether *payload* says that an installation has ended, which then is forgotten.

        Raises:
            StoreUnavailable: It is still kept; Slack must send it again.
        """
        kind = text(table(payload.get("event")).get("type"))
        for team_id in delivered_for(payload) if kind in ENDS else ():
            if (room := self._rooms.get(team_id)) is None:
                continue
            rotation = room.rotation
            await rotation.catch_up()  # another process may have installed it anew
            if not is_the_end(payload, rotation.installation):
                continue
            if rotation.installation.refresh_token is not None and await _is_good(rotation.web):
                continue
            try:
                await self._end(team_id, kind)
            except StoreError as error:
                raise StoreUnavailable("an installation can't be forgotten") from error
            return True
        return False

    async def close(self) -> None:
        """Let refreshes end."""
        for room in list(self._rooms.values()):
            await room.rotation.close()

    def _is_home(self, team_id: str) -> bool:
        me = None if self.home is None else self.home.web.known_identity
        return me is not None and me.team_id == team_id

    async def _installed(self, team_id: str) -> Workspace | None:
        """A workspace that installed the app, also in another process a moment ago."""
        if self._installations is None or not self._may_be_served(team_id):
            return None
        if team_id not in self._rooms:
            async with self._changing:
                if team_id not in self._rooms:
                    kept = await self._installations.of(team_id)
                    if kept is None:
                        return None
                    self._open(kept)
        return self._rooms[team_id].workspace

    def _may_be_served(self, team_id: str) -> bool:
        return self._teams is None or team_id in self._teams

    def _open(self, installation: Installation) -> _Room:
        assert self._installations is not None, "nobody can install the app"
        assert self._oauth is not None, "it comes with the installations"
        rotation = Rotation(installation, self._api, self._oauth, self._installations, clock=self._clock)
        room = self._rooms[installation.team_id] = _Room(rotation, self._make(rotation.web))
        return room

    def _close(self, team_id: str) -> None:
        self._rooms.pop(team_id).rotation.web.end()

    async def _end(self, team_id: str, kind: str) -> None:
        assert self._installations is not None, "nobody has installed the app"
        async with self._changing:
            await self._installations.forget(team_id)
            if team_id in self._rooms:
                self._close(team_id)
        self._log.warning("slack.uninstalled", team=team_id, kind=kind)

    # What goes on beside

    async def _introduce(self, web: Web) -> None:
        """Learn who the bot is; while Slack refuses, say so and ask again."""
        pause = FIRST_PAUSE
        while True:
            try:
                me = await web.identity()
            except AdapterError as error:
                self._refusal = f"auth.test: {error}"
                self._log.error("slack.not_authorised", reason=str(error))
                wait = max(pause, error.retry_after) if isinstance(error, RateLimited) else pause
                await asyncio.sleep(wait * (1 + random.random() / 2))  # noqa: S311
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                self._log.info("slack.authorised", team=me.team_id, bot=me.user_id)
                self.ready.set()
                return

    async def _keep_up(self, installations: Installations) -> None:
        asked: set[str] = set()
        while True:
            try:
                await self._look_over(installations)
                for team_id, room in list(self._rooms.items()):
                    if team_id not in asked or room.rotation.web.known_identity is None:
                        await self._look_in(team_id, room.rotation)
                        asked.add(team_id)
                        await asyncio.sleep(SPACING)
                    await room.rotation.keep_fresh()
            except (StoreError, Unsealable) as error:
                self._refusal = f"installations can't be read: {str(error) or type(error).__name__}"
                self._log.error("slack.installations_unread", error=self._refusal)
            await asyncio.sleep(self._tick)

    async def _look_over(self, installations: Installations) -> None:
        """Open, bring up to date and close what other processes have changed, or this one at its start."""
        async with self._changing:
            kept, self._unopened = await installations.all()
            for team_id, installation in kept.items():
                room = self._rooms.get(team_id)
                if not self._may_be_served(team_id):
                    if team_id not in self._left_out:
                        self._left_out.add(team_id)
                        self._log.warning("slack.team_not_allowed", team=team_id)
                elif room is None:
                    self._open(installation)
                elif room.rotation.installation.bot_token != installation.bot_token:
                    await room.rotation.catch_up()
            for team_id in self._rooms.keys() - kept.keys() - self._unopened:
                self._close(team_id)
        if self._unopened:
            self._log.error("slack.installations_sealed", teams=len(self._unopened))
        if not self._looked:
            self._looked = True
            self._log.info("slack.installations", teams=len(self._rooms))
            self.ready.set()

    async def _look_in(self, team_id: str, rotation: Rotation) -> None:
        """Learn who the bot is in a workspace; one that has ended while we were away is forgotten."""
        try:
            me = await rotation.web.ask_identity()
            if me.team_id != team_id:
                raise AdapterError("the token is another workspace's")
            await rotation.introduce(me)
        except AdapterError as error:
            if str(error) in ENDED:
                await self._end(team_id, str(error))
            else:
                self._log.warning("slack.not_authorised", team=team_id, reason=str(error))


async def _is_good(web: Web) -> bool:
    """
    Whether Slack takes the token still: with token rotation a revoked one may be one that we had before.

    Raises:
        StoreUnavailable: Slack can't be asked now.
    """
    try:
        await web.ask_identity()
    except AdapterError as error:
        if str(error) in STALE:
            return False
        raise StoreUnavailable("Slack can't be asked whether an installation has ended") from error
    return True
