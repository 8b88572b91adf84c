"""
What Discord tells of messages and commands, beside everything else: the "Structure" tables of
developers/resources/message.mdx and developers/interactions/application-commands.mdx, 2026-08-06.
"""

from __future__ import annotations

from emulators.discord.cdn import Cdn
from emulators.discord.kinds import ChannelType, MessageFlag, MessageType
from emulators.discord.mentions import mentions_app
from emulators.discord.place_payloads import PlacePayloads, stamp
from emulators.discord.world import App, Attachment, Command, Message, World
from emulators.shapes import Json

ANSWERING = (MessageType.REPLY, MessageType.THREAD_STARTER_MESSAGE)


class Payloads(PlacePayloads):
    """Turns the world's values into JSON."""

    def __init__(self, world: World, cdn: Cdn) -> None:
        super().__init__(world)
        self._cdn = cdn

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
