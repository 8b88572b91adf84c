"""
Who and what there is: servers, apps, people, roles and channels.

It begins with one server that has the bot, Ann and Bob, and the channel #general.
"""

from __future__ import annotations

from collections.abc import Iterable

from emulators.discord.buckets import Limits
from emulators.discord.channels import direct_channel, drop
from emulators.discord.faults import Faults
from emulators.discord.intents import PRIVILEGED
from emulators.discord.kinds import ChannelType
from emulators.discord.permissions import USUAL
from emulators.discord.service import Service
from emulators.discord.world import App, Channel, Guild, Member, Overwrite, Role, User
from emulators.emulated import Emulated


class Setting(Emulated[Service]):
    """
    The servers, as a test sets them up.

    Attributes:
        limits: The rate limits.
        faults: What goes wrong on purpose.
        guild: The first server's id; *general*, *ann*, *bob* and *bot_user* are ids in it.
        app: The app whose bot is in it.
    """

    def __init__(self, service: Service, privileged: int = int(PRIVILEGED)) -> None:
        super().__init__(service)
        self.world = service.world
        self.limits: Limits = service.limits
        self.faults: Faults = service.faults
        self.ann = self.add_user("ann").id
        self.bob = self.add_user("bob").id
        self.app = self.add_app("gateway", privileged=privileged)
        self.guild = self.add_guild("Acme", owner=self.ann, members=(self.bob, self.bot_user)).id
        self.general = self.add_channel(self.guild, "general").id

    @property
    def bot_user(self) -> str:
        """The id of the bot's user."""
        return self.app.user_id

    def add_user(self, name: str, *, global_name: str = "", takes_dms: bool = True) -> User:
        """A person, who is in no server yet."""
        user = User(self.service.mint(), name, global_name or name.capitalize(), takes_dms=takes_dms)
        self.world.users[user.id] = user
        return user

    def add_app(self, name: str, *, privileged: int = int(PRIVILEGED), owner: str = "") -> App:
        """An app with its bot, which is in no server yet; *privileged* are the intents it may have."""
        app_id = self.service.mint()
        bot = User(app_id, name, bot=True)  # app and bot share their id: so it is for new apps
        self.world.users[bot.id] = bot
        app = App(
            id=app_id,
            name=name,
            user_id=bot.id,
            token=f"emulator.{app_id}.secret",
            public_key=f"{int(app_id):064x}",
            owner_id=owner or self.ann,
            privileged=privileged,
        )
        self.world.apps[app_id] = app
        return app

    def add_guild(self, name: str, *, owner: str = "", members: Iterable[str] = (), id: str = "") -> Guild:
        """A server with its owner and *members*; its id decides about its shard."""
        guild_id = id or self.world.snowflakes.mint(self.clock.now(), own_millisecond=True)
        guild = Guild(guild_id, name, owner or self.ann)
        guild.roles[guild_id] = Role(guild_id, "@everyone", int(USUAL))
        self.world.guilds[guild_id] = guild
        for user_id in (guild.owner_id, *members):
            self.join(guild_id, user_id)
        return guild

    def join(self, guild: str, user: str) -> Member:
        """Let a user into a server; a bot gets GUILD_CREATE."""
        place = self.world.guilds[guild]
        member = Member(user, self.clock.now())
        place.members[user] = member
        app = self.world.app_of_user(user)
        told = self.service.payloads.member(member) | {"guild_id": guild}
        self.service.feed.in_guild("GUILD_MEMBER_ADD", guild, lambda _: told)
        if app is not None:
            created = self.service.payloads.guild_create(place, app, self.clock.now())
            self.service.feed.to_app("GUILD_CREATE", app, guild, created)
        return member

    def kick(self, guild: str, user: str) -> None:
        """Put a user out of a server; a bot gets GUILD_DELETE."""
        place = self.world.guilds[guild]
        app = self.world.app_of_user(user)
        if app is not None:
            self.service.feed.to_app("GUILD_DELETE", app, guild, {"id": guild})
        told = self.service.payloads.user(self.world.users[user])
        del place.members[user]
        self.service.feed.in_guild("GUILD_MEMBER_REMOVE", guild, lambda _: {"guild_id": guild, "user": told})

    def add_role(
        self,
        guild: str,
        name: str,
        *,
        permissions: int = 0,
        mentionable: bool = False,
        members: Iterable[str] = (),
    ) -> Role:
        """A role, given to *members*."""
        role = Role(self.service.mint(), name, permissions, mentionable)
        place = self.world.guilds[guild]
        place.roles[role.id] = role
        told = self.service.payloads.role(role)
        self.service.feed.in_guild("GUILD_ROLE_CREATE", guild, lambda _: {"guild_id": guild, "role": told})
        for user_id in members:
            member = place.members[user_id]
            member.roles.add(role.id)
            self._tell_member(guild, member)
        return role

    def _tell_member(self, guild: str, member: Member) -> None:
        told = self.service.payloads.member(member) | {"guild_id": guild}
        self.service.feed.in_guild("GUILD_MEMBER_UPDATE", guild, lambda _: told)

    def add_channel(
        self,
        guild: str,
        name: str,
        *,
        kind: ChannelType = ChannelType.TEXT,
        parent: str = "",
        overwrites: Iterable[Overwrite] = (),
    ) -> Channel:
        """A channel, with CHANNEL_CREATE; *overwrites* say who may do what there."""
        channel = Channel(
            self.service.mint(), ChannelType(kind), guild, name, parent_id=parent, overwrites=list(overwrites)
        )
        self.world.channels[channel.id] = channel
        told = self.service.payloads.channel(channel)
        self.service.feed.in_channel("CHANNEL_CREATE", channel, lambda _: told)
        return channel

    def forbid(self, channel: str, user: str, permissions: int, *, allow: int = 0) -> None:
        """Deny a member *permissions* in a channel, and allow others, with CHANNEL_UPDATE."""
        place = self.world.channels[channel]
        place.overwrites = [each for each in place.overwrites if each.id != user]
        place.overwrites.append(Overwrite(user, 1, int(allow), int(permissions)))
        told = self.service.payloads.channel(place)
        self.service.feed.in_channel("CHANNEL_UPDATE", place, lambda _: told)

    def time_out(self, guild: str, user: str, seconds: float) -> None:
        """Let a member only read for a while."""
        member = self.world.guilds[guild].members[user]
        member.timed_out_until = self.clock.now() + seconds
        self._tell_member(guild, member)

    def delete_channel(self, channel: str) -> None:
        """Take a channel or thread away."""
        drop(self.service, self.world.channels[channel])

    def direct(self, user: str, app: App | None = None) -> str:
        """The id of the direct messages between *user* and the bot, opened if need be."""
        return direct_channel(self.service, (app or self.app).user_id, user).id
