"""The whole truth as JSON: what people saw, who was pinged, what sessions heard and what was asked."""

from __future__ import annotations

from dataclasses import asdict

from emulators.discord.interactions import Interaction
from emulators.discord.service import Call, Service
from emulators.discord.sessions import Session
from emulators.discord.typing import who_types
from emulators.discord.world import Attachment, Channel, Message
from emulators.shapes import Json


def truth(service: Service) -> Json:
    """Everything, as `GET /control/truth` tells it."""
    world = service.world
    return {
        "now": service.clock.now(),
        "guilds": [
            {"id": each.id, "name": each.name, "members": sorted(each.members)}
            for each in world.guilds.values()
        ],
        "users": [asdict(each) for each in world.users.values()],
        "channels": [channel_truth(service, each) for each in world.channels.values()],
        "ephemerals": [message_truth(each) for each in world.ephemerals],
        "interactions": [interaction_truth(each) for each in service.interactions.values()],
        "commands": [
            service.payloads.command(each, app)
            for app in world.apps.values()
            for each in app.commands.values()
        ],
        "sessions": [session_truth(each) for each in service.gateway.sessions.values()],
        "calls": [call_truth(each) for each in service.calls],
        "connections": len(service.gateway.connections),
        "closed": service.gateway.closed,
    }


def channel_truth(service: Service, channel: Channel) -> Json:
    """A channel with all its messages, deleted ones too."""
    return {
        "id": channel.id,
        "guild": channel.guild_id,
        "type": int(channel.type),
        "name": channel.name,
        "parent": channel.parent_id,
        "recipients": sorted(channel.recipients),
        "archived": channel.archived,
        "locked": channel.locked,
        "deleted": channel.deleted,
        "typing": who_types(service, channel.id),
        "messages": [message_truth(each) for each in channel.messages.values()],
    }


def message_truth(message: Message) -> Json:
    """A message and every state it was seen in."""
    return {
        "id": message.id,
        "channel": message.channel_id,
        "type": int(message.type),
        "user": message.author_id,
        "app": message.app.id if message.app is not None else None,
        "via": message.via,
        "nonce": message.nonce,
        "content": message.content,
        "visible": message.visible,
        "flags": message.flags,
        "embeds": message.embeds,
        "components": message.components,
        "files": [attachment_truth(each) for each in message.attachments],
        "reactions": message.reactions,
        "reference": message.reference,
        "interaction": message.interaction_id,
        "edited": message.edited_at is not None,
        "deleted": message.deleted_at is not None,
        "ephemeral_to": message.ephemeral_to,
        "pinged": sorted(message.pinged),
        "unfurled": sorted(message.unfurled),
        "frames": [asdict(frame) for frame in message.frames],
    }


def attachment_truth(attachment: Attachment) -> Json:
    """A file without its bytes."""
    return {"id": attachment.id, "name": attachment.filename, "length": len(attachment.content)}


def interaction_truth(interaction: Interaction) -> Json:
    """A command, click or dialog and what became of it."""
    return {
        "id": interaction.id,
        "type": int(interaction.type),
        "name": interaction.name,
        "user": interaction.user_id,
        "channel": interaction.channel.id,
        "data": interaction.data,
        "state": interaction.state,
        "callback": int(interaction.callback) if interaction.callback is not None else None,
        "created_at": interaction.created_at,
        "acknowledged_at": interaction.acknowledged_at,
        "original": interaction.original.id if interaction.original is not None else None,
        "followups": [each.id for each in interaction.followups],
        "modal": interaction.modal,
        "choices": interaction.choices,
    }


def session_truth(session: Session) -> Json:
    """A session of the gateway, without its events."""
    return {
        "id": session.id,
        "app": session.app.id,
        "shard": list(session.shard),
        "intents": int(session.intents),
        "sequence": session.sequence,
        "connected": session.connection is not None,
        "resumes": session.resumes,
    }


def call_truth(call: Call) -> Json:
    """A call of the REST API, without its token."""
    return asdict(call) | {"ok": call.ok}
