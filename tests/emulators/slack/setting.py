"""
Who and what there is: workspaces, apps, people and channels.

It begins with one workspace that has the app, Ann and Bob, a guest, and the channel #general.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from emulators.emulated import Emulated
from emulators.slack.faults import Faults
from emulators.slack.manifest import Manifest
from emulators.slack.methods import apps, people
from emulators.slack.quotas import Quotas
from emulators.slack.service import Consent, Service
from emulators.slack.world import App, Channel, ChannelKind, Guest, Installation, User, Workspace


class Setting(Emulated[Service]):
    """
    The workspaces, as a test sets them up.

    Attributes:
        quotas: The rate limits.
        faults: What goes wrong on purpose.
        team: The first workspace's id; *general*, *ann*, *bob*, *guest* and *bot_user* are ids in it.
        app: The app; *bot* is its installation in the first workspace.
    """

    def __init__(self, service: Service, manifest: Manifest) -> None:
        super().__init__(service)
        self.world = service.world
        self.quotas: Quotas = service.quotas
        self.faults: Faults = service.faults
        self.team = self.add_workspace("Acme").id
        self.app = self.add_app("Gateway", manifest)
        self.bot = apps.install(self.service, self.app, self.team)
        self.ann = self.add_user(self.team, "ann").id
        self.bob = self.add_user(self.team, "bob").id
        self.guest = self.add_user(self.team, "gil", guest="multi_channel").id
        members = (self.ann, self.bob, self.guest, self.bot_user)
        self.general = self.add_channel(self.team, "general", members=members).id

    @property
    def bot_user(self) -> str:
        """The id of the bot's user."""
        return self.bot.bot_user_id

    def add_workspace(self, name: str, *, enterprise_id: str = "") -> Workspace:
        """Another workspace."""
        workspace = Workspace(self.world.mint("T"), name, enterprise_id)
        self.world.workspaces[workspace.id] = workspace
        return workspace

    def add_app(self, name: str, manifest: Manifest) -> App:
        """Another app; `install` puts it into a workspace."""
        app_id = self.world.mint("A")
        app = App(
            id=app_id,
            name=name,
            client_id=f"100.{app_id}",
            client_secret=f"client-secret-{app_id}",
            signing_secret=f"signing-secret-{app_id}",
            app_token=f"xapp-1-{app_id}-emulator",
            manifest=manifest,
        )
        self.world.apps[app_id] = app
        return app

    def install(self, app: App, team: str) -> Installation:
        """Install *app* in a workspace."""
        return apps.install(self.service, app, team)

    def consent(self, *, team: str = "", agrees: bool = True, organisation: str = "") -> None:
        """Decide what people do on the install page from now on."""
        self.service.consent = Consent(team, agrees, organisation)

    def use_request_url(self, url: str) -> None:
        """Post events to *url* from now on; empty goes back to Socket Mode."""
        self.app.manifest = replace(self.app.manifest, request_url=url)

    def add_user(self, team: str, name: str, *, guest: Guest = "") -> User:
        """A person; one of another workspace takes part in shared channels only."""
        user = User(self.world.mint("U"), team, name, name.capitalize(), guest)
        self.world.users[user.id] = user
        return user

    def add_channel(
        self,
        team: str,
        name: str,
        *,
        kind: ChannelKind = "public",
        members: Iterable[str] = (),
        connected: Iterable[str] = (),
        one_session: bool = False,
    ) -> Channel:
        """A channel, shared with the workspaces *connected*; with *one_session* all of it is one session."""
        prefix = {"public": "C", "private": "C", "im": "D", "mpim": "G"}[kind]
        channel = Channel(self.world.mint(prefix), team, name, kind, set(members), set(connected))
        channel.one_session = one_session
        self.world.channels[channel.id] = channel
        return channel

    def direct(self, user: str, installation: Installation | None = None) -> str:
        """The id of the direct messages between *user* and the bot, opened if need be."""
        bot = installation or self.bot
        found = self.world.direct_channel(bot.bot_user_id, user)
        if found is None:
            found = self.add_channel(bot.team_id, "", kind="im", members=(bot.bot_user_id, user))
        return found.id

    def archive(self, channel: str) -> None:
        """Archive a channel."""
        self.world.channels[channel].is_archived = True

    async def join(self, channel: str, user: str) -> None:
        """Let *user* into a channel."""
        people.joined(self.service, self.world.channels[channel], user)
