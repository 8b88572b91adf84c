"""
Which session hears of what: by server and shard, intents, and what the bot may see there.

developers/events/gateway.mdx, "Gateway Intents" and "Sharding", 2026-08-06.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine

from emulators.clock import Clock
from emulators.discord.faults import Faults
from emulators.discord.gateway import Gateway
from emulators.discord.intents import Intent, hears
from emulators.discord.payloads import Payloads
from emulators.discord.permissions import Permission, permissions
from emulators.discord.sessions import Session
from emulators.discord.world import App, Channel, Message, World
from emulators.shapes import Json, records, string


class Feed:
    """Sends events to the sessions of the apps."""

    def __init__(
        self,
        world: World,
        clock: Clock,
        payloads: Payloads,
        gateway: Gateway,
        faults: Faults,
        spawn: Callable[[Coroutine[object, object, None], str], None],
    ) -> None:
        self._world = world
        self._clock = clock
        self._payloads = payloads
        self._gateway = gateway
        self._faults = faults
        self._spawn = spawn

    def sees(self, user_id: str, channel: Channel) -> bool:
        """Whether a user can look into a channel."""
        return bool(permissions(self._world, user_id, channel, self._clock.now()) & Permission.VIEW_CHANNEL)

    def in_channel(self, event: str, channel: Channel, make: Callable[[Session], Json]) -> None:
        """Send what *make* makes to each session that hears of *event* and sees *channel*."""
        for session in self._gateway.live_sessions():
            if (
                session.serves(channel.guild_id)
                and hears(session.intents, event, bool(channel.guild_id))
                and self.sees(session.app.user_id, channel)
            ):
                self._dispatch(session, event, make(session))

    def in_guild(self, event: str, guild_id: str, make: Callable[[Session], Json]) -> None:
        """Send what *make* makes to each session that hears of *event* and serves the server."""
        guild = self._world.guilds[guild_id]
        for session in self._gateway.live_sessions():
            if (
                session.serves(guild_id)
                and hears(session.intents, event, True)
                and session.app.user_id in guild.members
            ):
                self._dispatch(session, event, make(session))

    def to_app(self, event: str, app: App, guild_id: str, data: Json) -> bool:
        """Send an event to one app, whatever its intents; tells whether anybody was there to hear it."""
        sessions = [each for each in self._gateway.live_sessions(app) if each.serves(guild_id)]
        for session in sessions:
            self._dispatch(session, event, data)
        return bool(sessions)

    def message(self, event: str, channel: Channel, message: Message) -> None:
        """Send MESSAGE_CREATE or MESSAGE_UPDATE, to each session what it may read of it."""
        if message.ephemeral_to:
            self._ephemeral(event, channel, message)
            return
        self.in_channel(event, channel, lambda session: self._as_event(session, channel, message))

    def _as_event(self, session: Session, channel: Channel, message: Message) -> Json:
        content = bool(session.intents & Intent.MESSAGE_CONTENT)
        told = self._payloads.read_by(message, session.app, content=content)
        guild = self._world.guilds.get(channel.guild_id)
        if guild is None:
            return told
        told["guild_id"] = guild.id
        author = guild.members.get(message.author_id)
        if author is not None:
            told["member"] = self._payloads.member(author, user=False)
        for mentioned in records(told["mentions"]):
            member = guild.members.get(string(mentioned["id"]))
            if member is not None:
                mentioned["member"] = self._payloads.member(member, user=False)
        return told

    def _ephemeral(self, event: str, channel: Channel, message: Message) -> None:
        """Only its app hears of it, as if it were a direct message: "Ephemeral Messages"."""
        for session in self._gateway.live_sessions(message.app):
            if session.serves(channel.guild_id) and session.intents & Intent.DIRECT_MESSAGES:
                told = self._payloads.read_by(message, session.app, content=True)
                self._dispatch(session, event, told)

    def _dispatch(self, session: Session, event: str, data: Json) -> None:
        fault = self._faults.for_event(event)
        if fault is None:
            session.dispatch(event, data)
            return
        match fault.kind:
            case "lost":
                session.next_event(event, data)
            case "late":
                self._spawn(
                    self._late(session, event, data, self._clock.now() + fault.seconds), f"late {event}"
                )
            case "duplicate":
                for _ in range(1 + fault.copies):
                    session.dispatch(event, data)

    async def _late(self, session: Session, event: str, data: Json, due: float) -> None:
        await self._clock.sleep(due - self._clock.now())
        session.dispatch(event, data)
