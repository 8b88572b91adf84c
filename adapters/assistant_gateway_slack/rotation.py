"""
One installation while it is served: its token is replaced before it expires, and when people install anew.

A refresh token works once, so there is one refresh at a time, nobody who waits for it can cut it short,
and the new pair is on disk before it is used. When Slack's answer is lost, or the process dies before
the pair is kept, the refresh is tried again at once: Slack takes a used refresh token for a short while,
and the token that it was for until its end (docs.slack.dev, "Using token rotation", 2026-09-14). Where
Slack refuses, the workspace has to install the app again, and the log says so, two hours ahead.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

import structlog

from assistant_gateway.errors import AdapterError, StoreError
from assistant_gateway_slack.api import Api
from assistant_gateway_slack.identity import Identity
from assistant_gateway_slack.installations import Installation, Installations
from assistant_gateway_slack.oauth import OAuth
from assistant_gateway_slack.vault import Unsealable
from assistant_gateway_slack.web import Web

AHEAD = 7200.0  # seconds before its end at which a token is replaced; it lives 43,200
LAST_MOMENT = 60.0  # seconds before its end at which calls wait for the next token
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 600.0  # seconds between two tries


class Rotation:
    """
    The token of one installation; *clock* gives epoch seconds.

    Attributes:
        web: The Web API with whatever token is the newest.
    """

    def __init__(
        self,
        installation: Installation,
        api: Api,
        oauth: OAuth,
        installations: Installations,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._current = installation
        self._oauth = oauth
        self._installations = installations
        self._clock = clock
        self._writing = asyncio.Lock()
        self._unkept: Installation | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self._pause = FIRST_PAUSE
        self._log = structlog.get_logger().bind(team=installation.team_id)
        self.web = Web(api, installation.bot_token, me=installation.me, renewal=self)

    @property
    def installation(self) -> Installation:
        """As it was last used."""
        return self._current

    async def keep_alive(self) -> None:
        """Have a token that lasts for a call, if there can be one."""
        await self.keep_fresh(LAST_MOMENT)

    async def catch_up(self) -> None:
        """Wait for what is under way, and go on with what another process has kept."""
        async with self._writing:
            try:
                kept = await self._installations.of(self._current.team_id)
            except (StoreError, Unsealable) as error:
                self._log.warning("slack.installation_unread", error=str(error) or type(error).__name__)
                return
            if kept is not None and kept.bot_token != self._current.bot_token:
                self._use(kept)

    async def replace(self, installation: Installation) -> None:
        """
        Keep what people agreed to anew, and go on with it.

        Raises:
            StoreError: It was not kept.
        """
        async with self._writing:
            await self._installations.keep(installation)
            self._use(installation)

    async def introduce(self, me: Identity) -> None:
        """
        Keep who the bot is.

        Raises:
            StoreError: It was not kept.
        """
        async with self._writing:
            if me != self._current.me:
                known = replace(self._current, me=me)
                await self._installations.keep(known)
                self._current = known
                self.web.use(known.bot_token, me)

    async def keep_fresh(self, ahead: float = AHEAD) -> None:
        """Replace a token that expires within *ahead* seconds; a failure is logged, and waited after."""
        if not self._is_due(ahead) or self._clock() < self._not_before:
            return
        if self._renewing is None or self._renewing.done():
            name = f"slack:renew-{self._current.team_id}"
            self._renewing = asyncio.create_task(self._renew(), name=name)
        await asyncio.shield(self._renewing)

    async def close(self) -> None:
        """Let a refresh that is under way end: its outcome must not be lost."""
        if self._renewing is not None:
            await asyncio.wait([self._renewing])

    def _is_due(self, ahead: float) -> bool:
        expires = self._current.expires_at
        return self._current.refresh_token is not None and expires <= self._clock() + ahead

    async def _renew(self) -> None:
        async with self._writing:
            try:
                fresh = await self._fresh()
            except (AdapterError, StoreError, Unsealable) as error:
                left = round(self._current.expires_at - self._clock())
                reason = str(error) or type(error).__name__
                self._log.error("slack.token_not_renewed", error=reason, seconds_left=left)
                self._not_before = self._clock() + self._pause
                self._pause = min(self._pause * 2, LONGEST_PAUSE)
            else:
                self._use(fresh)
                self._log.info("slack.token_renewed", seconds=round(fresh.expires_at - self._clock()))

    async def _fresh(self) -> Installation:
        """The next token, kept; one that another process got, where it did."""
        old = self._current
        if self._unkept is None:
            if (theirs := await self._newer(old)) is not None:
                return theirs
            assert old.refresh_token is not None, "only what expires is due"
            granted = await self._oauth.refresh(old.refresh_token)
            if granted.team_id != old.team_id:
                raise AdapterError("oauth.v2.access gave another workspace's token")
            self._unkept = replace(
                old,
                bot_token=granted.bot_token,
                refresh_token=granted.refresh_token,
                expires_at=granted.expires_at,
            )
        if (theirs := await self._newer(old)) is not None:
            return theirs
        await self._installations.keep(self._unkept)
        return self._unkept

    async def _newer(self, old: Installation) -> Installation | None:
        """What was kept in place of *old* meanwhile."""
        kept = await self._installations.of(old.team_id)
        if kept is None:
            raise AdapterError("it was uninstalled meanwhile")
        return kept if kept.bot_token != old.bot_token else None

    def _use(self, installation: Installation) -> None:
        self._current, self._unkept = installation, None
        self._not_before, self._pause = 0.0, FIRST_PAUSE
        self.web.use(installation.bot_token, installation.me)
