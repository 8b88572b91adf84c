"""
The pages on which people install the app: ``GET /slack/install`` and ``GET /slack/oauth_redirect``.

Whoever comes back from Slack must be the browser that was sent there: the state is sealed by us, good
for ten minutes and once, and names a cookie of that browser. Neither the code nor a token is ever
logged or shown, and no page holds a word that came with the request.
"""

from __future__ import annotations

import asyncio
import hmac
import html
import secrets
import time
from collections.abc import Callable
from hashlib import sha256

import structlog
from aiohttp import web

from assistant_gateway.adapter import Notes
from assistant_gateway.errors import AdapterError, StoreError
from assistant_gateway.platforms.shapes import seconds, text
from assistant_gateway_slack.installations import Installation
from assistant_gateway_slack.oauth import Granted, OAuth, OrganisationWide
from assistant_gateway_slack.settings import INSTALL_PATH, REDIRECT_PATH, SlackSettings
from assistant_gateway_slack.vault import Unsealable, Vault
from assistant_gateway_slack.workspaces import Workspaces

COOKIE = "assistant-gateway-slack-install"
LIFETIME = 600  # seconds from the first page to the last
CODE_LENGTH = 1000  # characters
USED = "slack:used-states"
MOST_USED = 1000  # states that are remembered: so many people may come back in ten minutes
PURPOSE = "state"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",  # the address holds the code
    "X-Content-Type-Options": "nosniff",
}
AGAIN = f'<a href="{INSTALL_PATH}">Begin again</a>.'
DONE = "Write it a direct message, or invite it into a channel and mention it. You can close this page."


class Refused(Exception):
    """
    Nothing was installed; why, in words for the person.

    Attributes:
        heading: One line; *words* may hold a link of ours.
    """

    def __init__(self, status: int, heading: str, words: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.heading = heading
        self.words = words


class Installing:
    """The two pages; *clock* gives epoch seconds."""

    def __init__(
        self,
        settings: SlackSettings,
        oauth: OAuth,
        workspaces: Workspaces,
        notes: Notes,
        vault: Vault,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._teams = settings.teams
        self._is_secure = settings.public_url.startswith("https://")
        self._oauth = oauth
        self._workspaces = workspaces
        self._notes = notes
        self._vault = vault
        self._clock = clock
        self._using = asyncio.Lock()
        self._log = structlog.get_logger()

    def table(self) -> list[web.AbstractRouteDef]:
        return [
            web.get(INSTALL_PATH, self.begin, allow_head=False),
            web.get(REDIRECT_PATH, self.end, allow_head=False),
        ]

    async def begin(self, request: web.Request) -> web.Response:
        """Send a person to Slack."""
        browser = secrets.token_urlsafe(32)
        state = {"nonce": secrets.token_urlsafe(16), "browser": _hash(browser)}
        address = self._oauth.consent(self._vault.seal(PURPOSE, state))
        answer = web.Response(status=302, headers={**HEADERS, "Location": address})
        answer.set_cookie(
            COOKIE,
            browser,
            max_age=LIFETIME,
            path=REDIRECT_PATH,
            secure=self._is_secure,
            httponly=True,
            samesite="Lax",  # Slack's page leads back here
        )
        return answer

    async def end(self, request: web.Request) -> web.Response:
        """Take a person back from Slack, and install the app where they agreed."""
        try:
            name = await self._install(request)
        except Refused as refused:
            self._log.warning("slack.not_installed", reason=str(refused))
            answer = _page(refused.status, refused.heading, refused.words)
        except StoreError as error:
            self._log.error("slack.not_installed", reason=str(error))
            answer = _page(503, "Not installed", f"Nothing can be kept at the moment. {AGAIN}")
        else:
            answer = _page(200, f"Installed in {name}" if name else "Installed", DONE)
        answer.del_cookie(COOKIE, path=REDIRECT_PATH)
        return answer

    async def _install(self, request: web.Request) -> str:
        """
        Install the app; the workspace's name.

        Raises:
            Refused: Nothing was installed.
            StoreError: Nothing was kept.
        """
        await self._use_state(request)
        if "error" in request.query:
            raise Refused(200, "Not installed", f"Slack was not allowed to. {AGAIN}", "not agreed to")
        code = request.query.get("code", "")
        if not 0 < len(code) <= CODE_LENGTH:
            raise Refused(400, "Not installed", f"Slack sent no code along. {AGAIN}", "no code")
        granted = await self._exchanged(code)
        if self._teams is not None and granted.team_id not in self._teams:
            await self._oauth.give_back(granted.bot_token)
            reason = f"workspace {granted.team_id} is not allowed"
            raise Refused(403, "Not installed", "This app is not for your workspace.", reason)
        me = await self._workspaces.admit(_installation(granted, self._clock()))
        return "" if me is None else me.team

    async def _exchanged(self, code: str) -> Granted:
        try:
            return await self._oauth.exchange(code)
        except OrganisationWide as error:
            words = "It can't serve a whole organisation. Install it in each workspace by itself."
            raise Refused(403, "Not installed", f"{words} {AGAIN}", str(error)) from error
        except AdapterError as error:
            raise Refused(502, "Not installed", f"Slack did not confirm it. {AGAIN}", str(error)) from error

    async def _use_state(self, request: web.Request) -> None:
        """
        Check that this browser was sent to Slack by us, a moment ago, and has not come back yet.

        Raises:
            Refused: It was not.
        """
        strange = Refused(
            400, "Not installed", f"This page was not opened from ours, or too late. {AGAIN}", "wrong state"
        )
        try:
            state = self._vault.open(PURPOSE, request.query.get("state", ""), lifetime=LIFETIME)
        except Unsealable:
            raise strange from None
        browser, nonce = text(state.get("browser")), text(state.get("nonce"))
        if not hmac.compare_digest(browser, _hash(request.cookies.get(COOKIE, ""))):
            raise strange
        now = self._clock()
        async with self._using:
            used = await self._notes.notes(USED)
            if nonce in used:
                raise strange
            old = [each for each, note in used.items() if seconds(note.get("at")) + LIFETIME < now]
            for each in old:
                await self._notes.forget_note(USED, each)
            if len(used) - len(old) >= MOST_USED:
                raise Refused(
                    503, "Not installed", "Too many try at once. Come back in ten minutes.", "crowd"
                )
            await self._notes.save_note(USED, nonce, {"at": now})


def _installation(granted: Granted, now: float) -> Installation:
    return Installation(
        granted.team_id, granted.bot_token, granted.refresh_token, granted.expires_at, installed_at=now
    )


def _hash(browser: str) -> str:
    return sha256(browser.encode("utf-8", "replace")).hexdigest()


def _page(status: int, heading: str, words: str) -> web.Response:
    title = html.escape(heading)
    page = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title></head>\n<body><h1>{title}</h1><p>{words}</p></body></html>\n"
    )
    return web.Response(status=status, text=page, content_type="text/html", headers=HEADERS)
