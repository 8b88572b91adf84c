"""
What Discord tells of users, servers and channels: the "Structure" tables of developers/resources/*.mdx,
2026-08-06.
"""

from __future__ import annotations

from datetime import UTC, datetime

from emulators.discord.intents import Intent
from emulators.discord.kinds import ChannelType
from emulators.discord.permissions import permissions
from emulators.discord.snowflakes import moment
from emulators.discord.world import (
    App,
    Channel,
    Guild,
    Member,
    Role,
    User,
    World,
)
from emulators.shapes import Json

APPLICATION_FLAGS = {  # developers/resources/application.mdx, "Application Flags": the limited ones
    Intent.GUILD_PRESENCES: 1 << 13,
    Intent.GUILD_MEMBERS: 1 << 15,
    Intent.MESSAGE_CONTENT: 1 << 19,
}


def stamp(seconds: float) -> str:
    """ISO 8601, as Discord writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


class PlacePayloads:
    """Users, servers and channels in JSON."""

    def __init__(self, world: World) -> None:
        self._world = world

    def user(self, user: User) -> Json:
        """A user as everybody sees them."""
        told: Json = {
            "id": user.id,
            "username": user.name,
            "global_name": user.global_name or None,
            "discriminator": "0" if not user.bot else f"{int(user.id) % 10_000:04d}",
            "avatar": None,
            "avatar_decoration_data": None,
            "public_flags": 0,
        }
        return told | ({"bot": True} if user.bot else {})

    def own_user(self, app: App) -> Json:
        """The bot as it sees itself."""
        more: Json = {"verified": True, "mfa_enabled": True, "email": None, "flags": 0, "locale": "en-US"}
        return self.user(self._world.users[app.user_id]) | more

    def application(self, app: App) -> Json:
        """An app as it sees itself."""
        flags = sum(flag for intent, flag in APPLICATION_FLAGS.items() if app.privileged & intent)
        return {
            "id": app.id,
            "name": app.name,
            "icon": None,
            "description": "",
            "bot_public": True,
            "bot_require_code_grant": False,
            "verify_key": app.public_key,
            "owner": self.user(self._world.users[app.owner_id]),
            "team": None,
            "flags": flags,
            "bot": self.user(self._world.users[app.user_id]),
            "approximate_guild_count": len(self.guilds_of(app)),
            "interactions_endpoint_url": None,
            "redirect_uris": [],
            "integration_types_config": {"0": {}},
        }

    def guilds_of(self, app: App) -> list[Guild]:
        """The servers that the app's bot is in."""
        return [guild for guild in self._world.guilds.values() if app.user_id in guild.members]

    def member(self, member: Member, *, user: bool = True) -> Json:
        """A user in a server."""
        until = member.timed_out_until
        told: Json = {
            "nick": member.nick or None,
            "roles": sorted(member.roles),
            "joined_at": stamp(member.joined_at),
            "premium_since": None,
            "deaf": False,
            "mute": False,
            "avatar": None,
            "flags": 0,
            "pending": False,
            "communication_disabled_until": stamp(until) if until else None,
        }
        return told | ({"user": self.user(self._world.users[member.user_id])} if user else {})

    def role(self, role: Role) -> Json:
        """A role."""
        return {
            "id": role.id,
            "name": role.name,
            "color": 0,
            "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
            "hoist": False,
            "icon": None,
            "unicode_emoji": None,
            "position": role.position,
            "permissions": str(role.permissions),
            "managed": role.managed,
            "mentionable": role.mentionable,
            "flags": 0,
        }

    def guild(self, guild: Guild) -> Json:
        """A server, without what only GUILD_CREATE tells."""
        return {
            "id": guild.id,
            "name": guild.name,
            "icon": None,
            "splash": None,
            "discovery_splash": None,
            "owner_id": guild.owner_id,
            "afk_channel_id": None,
            "afk_timeout": 300,
            "verification_level": 0,
            "default_message_notifications": 0,
            "explicit_content_filter": 0,
            "roles": [self.role(each) for each in guild.roles.values()],
            "emojis": [],
            "stickers": [],
            "features": [],
            "mfa_level": 0,
            "application_id": None,
            "system_channel_id": None,
            "system_channel_flags": 0,
            "rules_channel_id": None,
            "max_members": 500_000,
            "vanity_url_code": None,
            "description": None,
            "banner": None,
            "premium_tier": 0,
            "premium_subscription_count": 0,
            "preferred_locale": "en-US",
            "public_updates_channel_id": None,
            "nsfw_level": 0,
            "premium_progress_bar_enabled": False,
            "safety_alerts_channel_id": None,
        }

    def guild_create(self, guild: Guild, app: App, now: float) -> Json:
        """
        A server as the gateway announces it: developers/events/gateway-events.mdx, "Guild Create".

        Only the bot itself is among the members, as for apps without the presence intent; of the threads
        only the active ones that the bot can see.
        """
        member = guild.members[app.user_id]
        channels = [
            channel
            for channel in self._world.channels.values()
            if channel.guild_id == guild.id and not channel.is_thread and not channel.deleted
        ]
        threads = [
            thread
            for thread in self._world.threads(guild.id, archived=False)
            if permissions(self._world, app.user_id, thread, now)
        ]
        return self.guild(guild) | {
            "joined_at": stamp(member.joined_at),
            "large": False,
            "unavailable": False,
            "member_count": len(guild.members),
            "voice_states": [],
            "members": [self.member(member)],
            "channels": [self.channel(each) for each in channels],
            "threads": [self.channel(each, reader=app.user_id) for each in threads],
            "presences": [],
            "stage_instances": [],
            "guild_scheduled_events": [],
            "soundboard_sounds": [],
        }

    def channel(self, channel: Channel, *, reader: str = "") -> Json:
        """A channel; of direct messages *reader* is no recipient."""
        last = channel.last
        told: Json = {
            "id": channel.id,
            "type": int(channel.type),
            "last_message_id": last.id if last is not None else None,
            "flags": 0,
        }
        if channel.type == ChannelType.DM:
            others = sorted(channel.recipients - {reader})
            return told | {"recipients": [self.user(self._world.users[each]) for each in others]}
        told |= {
            "guild_id": channel.guild_id,
            "name": channel.name,
            "parent_id": channel.parent_id or None,
            "rate_limit_per_user": 0,
        }
        if channel.is_thread:
            return told | self._thread(channel, reader)
        overwrites = [
            {"id": each.id, "type": each.type, "allow": str(each.allow), "deny": str(each.deny)}
            for each in channel.overwrites
        ]
        told |= {
            "position": channel.position,
            "permission_overwrites": overwrites,
            "topic": channel.topic or None,
            "nsfw": False,
            "last_pin_timestamp": None,
        }
        if channel.type == ChannelType.VOICE:
            told |= {"bitrate": 64_000, "user_limit": 0, "rtc_region": None}
        if channel.type == ChannelType.FORUM:
            told |= {"available_tags": [], "default_reaction_emoji": None, "default_sort_order": None}
        return told

    def _thread(self, thread: Channel, reader: str) -> Json:
        metadata: Json = {
            "archived": thread.archived,
            "auto_archive_duration": thread.auto_archive,
            "archive_timestamp": stamp(thread.changed_at),
            "locked": thread.locked,
            "create_timestamp": stamp(moment(thread.id)),
        }
        if thread.is_private:
            metadata["invitable"] = True
        there = [each for each in thread.messages.values() if each.deleted_at is None]
        told: Json = {
            "owner_id": thread.owner_id,
            "message_count": len(there),
            "total_message_sent": len(thread.messages),
            "member_count": min(50, len(thread.thread_members)),
            "thread_metadata": metadata,
        }
        return told | (
            {"member": self.thread_member(thread, reader)} if reader in thread.thread_members else {}
        )

    def thread_member(self, thread: Channel, user_id: str) -> Json:
        """Who follows a thread."""
        return {"id": thread.id, "user_id": user_id, "join_timestamp": stamp(thread.changed_at), "flags": 1}
