"""
What Discord tells of its things, in JSON: the "Structure" tables of developers/resources/*.mdx, 2026-08-06.
"""

from __future__ import annotations

from datetime import UTC, datetime

from emulators.discord.cdn import Cdn
from emulators.discord.intents import Intent
from emulators.discord.kinds import ChannelType, MessageFlag, MessageType
from emulators.discord.mentions import mentions_app
from emulators.discord.permissions import permissions
from emulators.discord.snowflakes import moment
from emulators.discord.world import (
    App,
    Attachment,
    Channel,
    Command,
    Guild,
    Member,
    Message,
    Role,
    User,
    World,
)
from emulators.slack.shapes import Json

ANSWERING = (MessageType.REPLY, MessageType.THREAD_STARTER_MESSAGE)
APPLICATION_FLAGS = {  # developers/resources/application.mdx, "Application Flags": the limited ones
    Intent.GUILD_PRESENCES: 1 << 13,
    Intent.GUILD_MEMBERS: 1 << 15,
    Intent.MESSAGE_CONTENT: 1 << 19,
}


def stamp(seconds: float) -> str:
    """ISO 8601, as Discord writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


class Payloads:
    """Turns the world's values into JSON."""

    def __init__(self, world: World, cdn: Cdn) -> None:
        self._world = world
        self._cdn = cdn

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

    def attachment(self, attachment: Attachment) -> Json:
        """A file, with a fresh address."""
        url = self._cdn.url(attachment)
        told: Json = {
            "id": attachment.id,
            "filename": attachment.filename,
            "size": len(attachment.content),
            "url": url,
            "proxy_url": url,
            "content_type": attachment.content_type,
            "content_scan_version": 0,
        }
        if attachment.description:
            told["description"] = attachment.description
        if attachment.duration is not None:
            told |= {"duration_secs": attachment.duration, "waveform": attachment.waveform, "flags": 0}
        if attachment.ephemeral:
            told["ephemeral"] = True
        return told

    def _referenced(self, message: Message) -> Message | None:
        reference = message.reference or {}
        return self._world.message(str(reference.get("channel_id")), str(reference.get("message_id")))

    def message(self, message: Message) -> Json:
        """A message with all that is in it, except the one that it answers."""
        world = self._world
        mentioned = [self.user(world.users[each]) for each in message.mentioned_users]
        thread = world.channels.get(message.id)
        told: Json = {
            "id": message.id,
            "channel_id": message.channel_id,
            "type": int(message.type),
            "author": self.user(world.users[message.author_id]),
            "content": message.content,
            "timestamp": stamp(message.created_at),
            "edited_timestamp": stamp(message.edited_at) if message.edited_at is not None else None,
            "tts": False,
            "mention_everyone": message.mentions_everyone,
            "mentions": mentioned,
            "mention_roles": list(message.mentioned_roles),
            "attachments": [self.attachment(each) for each in message.attachments],
            "embeds": [] if message.flags & MessageFlag.SUPPRESS_EMBEDS else self._embeds(message),
            "components": message.components,
            "pinned": message.pinned,
            "flags": message.flags | (MessageFlag.HAS_THREAD if thread is not None else 0),
        }
        if message.nonce is not None:
            told["nonce"] = message.nonce
        if message.poll is not None:
            told["poll"] = message.poll
        if message.stickers:
            told["sticker_items"] = message.stickers
        if message.reactions:
            told["reactions"] = [self.reaction(name, who) for name, who in message.reactions.items() if who]
        if message.interaction_id and message.app is not None:
            told |= {"webhook_id": message.app.id, "application_id": message.app.id}
            if message.interaction_metadata is not None:
                told["interaction_metadata"] = message.interaction_metadata
        if thread is not None and not thread.deleted:
            told["thread"] = self.channel(thread)
        if message.reference is not None:
            told["message_reference"] = message.reference
            if message.snapshots:
                told["message_snapshots"] = message.snapshots
        return told

    def _embeds(self, message: Message) -> list[Json]:
        return [*message.embeds, *message.previews]

    def reaction(self, name: str, who: list[str]) -> Json:
        """A reaction of a message."""
        return {
            "emoji": emoji(name),
            "count": len(who),
            "count_details": {"normal": len(who), "burst": 0},
            "me": False,
            "me_burst": False,
            "burst_colors": [],
        }

    def snapshot(self, message: Message) -> Json:
        """What a forward shows of *message*: "Message Snapshot Structure" has no author."""
        whole = self.message(message)
        kept = ("type", "content", "embeds", "attachments", "timestamp", "edited_timestamp", "flags")
        more = ("mentions", "mention_roles", "components", "sticker_items")
        return {"message": {name: whole[name] for name in (*kept, *more) if name in whole}}

    def read_by(self, message: Message, app: App, *, content: bool, answered: bool = True) -> Json:
        """
        A message as *app* may read it.

        Without the message content intent (*content*) only its own messages, direct messages and those that
        mention it have anything in them: developers/events/gateway.mdx, "Message Content Intent".
        """
        told = self.message(message)
        channel = self._world.channels[message.channel_id]
        if channel.type == ChannelType.DM:
            told |= {"channel_type": int(channel.type)}
        if "thread" in told:
            told["thread"] = self.channel(self._world.channels[message.id], reader=app.user_id)
        for reaction in told.get("reactions", []):  # type: ignore[attr-defined]  # a list, if it is there
            reaction["me"] = app.user_id in message.reactions[_key(reaction["emoji"])]
        own = message.author_id == app.user_id
        if not (content or own or not channel.guild_id or mentions_app(message, app.user_id)):
            told |= {"content": "", "embeds": [], "attachments": [], "components": []}
            told.pop("poll", None)
            told.pop("message_snapshots", None)
        if not own:
            told.pop("nonce", None)
        if answered and message.reference is not None and message.type in ANSWERING:
            found = self._referenced(message)
            told["referenced_message"] = (
                self.read_by(found, app, content=content, answered=False) if found is not None else None
            )
        return told

    def command(self, command: Command, app: App) -> Json:
        """An application command as it is registered."""
        told: Json = {
            "id": command.id,
            "application_id": app.id,
            "version": command.version,
            "type": int(command.type),
            "name": command.name,
            "description": command.description,
            "dm_permission": True,
            "default_member_permissions": None,
            "nsfw": False,
            "integration_types": [0],
            "contexts": None,
            "name_localizations": None,
            "description_localizations": None,
        }
        if command.options:
            told["options"] = command.options
        if command.guild_id:
            told["guild_id"] = command.guild_id
        return told | command.fields


def emoji(name: str) -> Json:
    """An emoji from what an address says: a character, or ``name:id``."""
    word, _, number = name.rpartition(":")
    return {"id": number, "name": word} if word else {"id": None, "name": name}


def _key(told: Json) -> str:
    return f"{told['name']}:{told['id']}" if told["id"] else str(told["name"])
