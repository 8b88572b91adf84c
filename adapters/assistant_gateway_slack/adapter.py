"""
Slack as a platform: messages come in over Socket Mode or HTTP, answers are posts that grow.

What is heard and said in a workspace is `workspace.Workspace`'s; this finds the workspace, keeps the
app's connections, and tells what people are told beside their answers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence

import structlog
from aiohttp import web

from assistant_gateway.adapter import (
    AdapterServices,
    Budget,
    CallKind,
    Content,
    Finding,
    Intake,
    Limits,
    Piece,
    StreamLimits,
)
from assistant_gateway.errors import AdapterError, ConfigError, StreamRefused
from assistant_gateway.platforms.shapes import Json
from assistant_gateway.values import Conversation, JsonObject, ReplyTarget
from assistant_gateway_slack.api import TIMEOUT, Api
from assistant_gateway_slack.asides import Aside
from assistant_gateway_slack.bolt import TAKEN, Acknowledgement
from assistant_gateway_slack.budgets import budgets
from assistant_gateway_slack.checks import findings
from assistant_gateway_slack.envelope import delivered_for
from assistant_gateway_slack.install import Installing
from assistant_gateway_slack.installations import Installations
from assistant_gateway_slack.keys import kept_key, key_of
from assistant_gateway_slack.markup import MARKDOWN_LENGTH
from assistant_gateway_slack.oauth import OAuth
from assistant_gateway_slack.orphans import Orphans
from assistant_gateway_slack.routes import Routes
from assistant_gateway_slack.said import ADAPTER
from assistant_gateway_slack.sessions import Sessions
from assistant_gateway_slack.settings import VARIABLES, SlackSettings
from assistant_gateway_slack.sockets import Socket
from assistant_gateway_slack.streams import LASTING
from assistant_gateway_slack.streams import limits as stream_limits
from assistant_gateway_slack.vault import Vault
from assistant_gateway_slack.web import Web
from assistant_gateway_slack.workspace import Workspace
from assistant_gateway_slack.workspaces import TICK, Workspaces

# chat.update: tier 3, 50 a minute for an app in a workspace: docs.slack.dev, "Rate limits", 2026-09-14.
EDIT_INTERVAL = 1.2  # seconds
ASIDES = 100  # that wait to be told
UNSTREAMED = 3600.0  # seconds in which no stream is tried in a channel that has refused one


class SlackAdapter:
    """The adapter of one Slack app."""

    name = ADAPTER
    limits = Limits(text_length=MARKDOWN_LENGTH, edit_interval=EDIT_INTERVAL)

    def __init__(
        self,
        settings: SlackSettings,
        services: AdapterServices | None = None,
        *,
        timeout: float = TIMEOUT,
        tick: float = TICK,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """
        Args:
            services: Needed where workspaces install the app themselves: their tokens are kept there.
            timeout: Of one call of the Web API, in seconds.
            tick: Seconds between two looks over all installations; *clock* gives epoch seconds.

        Raises:
            ConfigError: There is no key for the tokens of installations, and no place for one.
        """
        self._settings = settings
        self._intake: Intake | None = None
        self._asides: asyncio.Queue[Aside] = asyncio.Queue(ASIDES)
        self._api = Api(settings.base_url, timeout=timeout)
        self._oauth = OAuth(self._api, settings, clock=clock) if settings.client_id else None
        notes = None if services is None else services.notes
        self._sessions = Sessions(settings, self._call, notes)
        self._orphans = Orphans(self._call)
        self._refused: dict[tuple[str, str], float] = {}  # until when, by workspace and channel
        self._clock = clock
        self.typing_seconds = self._sessions.seconds
        vault = installations = None
        if self._oauth is not None and services is not None and notes is not None:
            vault = Vault(keys(settings, services.state_dir), clock=clock)
            installations = Installations(notes, vault)
        self._workspaces = Workspaces(
            settings, self._api, self._workspace, installations, self._oauth, tick=tick, clock=clock
        )
        self._installing: Installing | None = None
        if self._oauth is not None and notes is not None and vault is not None:
            self._installing = Installing(settings, self._oauth, self._workspaces, notes, vault, clock=clock)
        self._sockets: tuple[Socket, ...] = ()
        self._log = structlog.get_logger()

    # In

    async def run(self, intake: Intake) -> None:
        self._intake = intake
        if self._installing is not None and self._settings.teams is None:
            self._log.warning("slack.anyone_may_install", remedy="name the workspaces in [slack] teams")
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tell_asides(), name="slack:asides")
            group.create_task(self._orphans.run(), name="slack:orphans")
            group.create_task(self._workspaces.run(), name="slack:workspaces")
            await self._workspaces.ready.wait()
            group.create_task(self._sessions.run(intake), name="slack:sessions")
            app_token = self._settings.app_token
            if app_token is not None:
                self._sockets = tuple(
                    Socket(self._api, app_token, self.take) for _ in range(self._settings.connections)
                )
                for number, socket in enumerate(self._sockets, start=1):
                    group.create_task(socket.run(), name=f"slack:socket-{number}")

    def routes(self, intake: Intake) -> Iterable[web.AbstractRouteDef]:
        self._intake = intake
        secret = self._settings.signing_secret
        events = () if secret is None else Routes(secret, self.take).table()
        pages = () if self._installing is None else self._installing.table()
        return [*events, *pages]

    async def take(self, payload: Json) -> Acknowledgement:
        """
        Give a verified payload to its workspace; how Slack is answered.

        Raises:
            StoreUnavailable: It could not be kept; Slack must send it again.
        """
        assert self._intake is not None, "nothing comes in before there is an intake"
        workspace = await self._workspaces.addressed(payload)
        if workspace is None:
            teams = ", ".join(delivered_for(payload))[:100]
            self._log.warning("slack.ignored", reason="the app is not installed there", team=teams)
            return TAKEN
        if await self._workspaces.has_ended(payload):
            return TAKEN
        return await workspace.take(payload, self._intake)

    def unready(self) -> str:
        if reason := self._workspaces.unready():
            return reason
        if self._settings.app_token is None or any(socket.connected for socket in self._sockets):
            return ""
        return next((f"no connection: {each.fault}" for each in self._sockets if each.fault), "connecting…")

    async def check(self) -> Sequence[Finding]:
        home = self._workspaces.home
        return await findings(self._api, None if home is None else home.web, self._oauth, self._settings)

    # Out

    def budgets(self, target: ReplyTarget, call: CallKind) -> Sequence[Budget]:
        return budgets(target.conversation, call)

    async def post(self, target: ReplyTarget, key: str, content: Content) -> str:
        return await (await self._in(target.conversation)).post(target, key, content)

    async def edit(self, target: ReplyTarget, post_id: str, content: Content) -> None:
        await (await self._in(target.conversation)).edit(target, post_id, content)

    def streams(self, target: ReplyTarget) -> StreamLimits | None:
        where = target.conversation
        if self._refused.get((where.tenant, where.channel), 0.0) > self._clock():
            return None
        return stream_limits(self._settings, target)

    async def start(self, target: ReplyTarget, key: str, piece: Piece) -> str:
        where = target.conversation
        try:
            return await (await self._in(where)).start(target, key, piece)
        except StreamRefused as refusal:
            self._log.info("slack.not_streamed", channel=where.channel, reason=str(refusal))
            if str(refusal) in LASTING:
                now = self._clock()
                self._refused = {place: until for place, until in self._refused.items() if until > now}
                self._refused[where.tenant, where.channel] = now + UNSTREAMED
            raise

    async def append(self, target: ReplyTarget, post_id: str, piece: Piece) -> None:
        await (await self._in(target.conversation)).append(target, post_id, piece)

    async def stop(self, target: ReplyTarget, key: str, post_id: str, piece: Piece, content: Content) -> None:
        await (await self._in(target.conversation)).stop(target, key, post_id, piece, content)

    async def mend(self, target: ReplyTarget, key: str, post_id: str, content: Content) -> None:
        await (await self._in(target.conversation)).mend(target, key, post_id, content)

    async def delete(self, target: ReplyTarget, post_id: str) -> None:
        await (await self._in(target.conversation)).delete(target, post_id)

    async def find(self, target: ReplyTarget, key: str) -> str | None:
        return await (await self._in(target.conversation)).find(target, key)

    async def working(self, target: ReplyTarget) -> None:
        self._sessions.working(target)

    async def rested(self, target: ReplyTarget) -> None:
        self._sessions.rested(target)

    async def close(self) -> None:
        await self._workspaces.close()
        await self._api.close()

    async def _in(self, where: Conversation) -> Workspace:
        """
        The workspace of a conversation.

        Raises:
            Forbidden: The app is not installed there.
            AdapterError: It can't be told yet.
        """
        return await self._workspaces.at(where.tenant)

    async def _call(self, team_id: str, method: str, body: JsonObject) -> Json:
        return await (await self._workspaces.at(team_id)).web.write(method, body)

    def _workspace(self, web: Web) -> Workspace:
        def orphaned(channel: str, ts: str) -> None:
            if web.known_identity is not None:
                self._orphans.add(web.known_identity.team_id, channel, ts)

        return Workspace(
            self._settings,
            web,
            tell=self._tell,
            intake=lambda: self._intake,
            sessions=self._sessions,
            orphaned=orphaned,
        )

    # Asides

    def _tell(self, aside: Aside) -> None:
        try:
            self._asides.put_nowait(aside)
        except asyncio.QueueFull:
            self._log.warning("slack.aside_lost", channel=aside.conversation.channel)

    async def _tell_asides(self) -> None:
        while True:
            aside = await self._asides.get()
            try:
                await (await self._in(aside.conversation)).whisper(aside)
            except AdapterError as error:
                self._log.warning("slack.aside_failed", error=str(error))


def keys(settings: SlackSettings, state_dir: str) -> list[bytes]:
    """
    The keys that installations are sealed with: the first one seals, all of them open.

    Raises:
        ConfigError: There is none, and no directory for one, or its file can't be used.
    """
    given = [settings.encryption_key, *settings.old_encryption_keys]
    found = [key_of(each.get_secret_value()) for each in given if each is not None]
    kept = kept_key(state_dir, make=settings.encryption_key is None) if state_dir else None
    if kept is not None:
        found.insert(0 if settings.encryption_key is None else len(found), kept)
    elif settings.encryption_key is None:
        raise ConfigError(
            f"encryption_key ({VARIABLES['encryption_key']}) is needed for client_id: "
            "there is no file beside which one could be kept",
            "slack",
        )
    return found
