"""The whole truth as JSON: what people saw, who was pinged, what was delivered and what was asked."""

from __future__ import annotations

from dataclasses import asdict

from emulators.shapes import Json
from emulators.slack.blocks import Piece
from emulators.slack.deliveries import Delivery
from emulators.slack.service import Call, Service
from emulators.slack.world import Channel, File, Message


def truth(service: Service) -> Json:
    """Everything, as `GET /control/truth` tells it."""
    world = service.world
    return {
        "now": service.clock.now(),
        "workspaces": [asdict(each) for each in world.workspaces.values()],
        "users": [asdict(each) for each in world.users.values()],
        "channels": [channel_truth(each) for each in world.channels.values()],
        "ephemerals": [message_truth(each) for each in world.ephemerals],
        "sessions": [asdict(each) for each in world.sessions.values()],
        "files": [file_truth(each) for each in world.files.values()],
        "views": list(world.views.values()),
        "deliveries": [delivery_truth(each) for each in service.deliveries.all],
        "calls": [call_truth(each) for each in service.calls],
        "connections": len(service.sockets.connections),
    }


def channel_truth(channel: Channel) -> Json:
    """A channel with all its messages, deleted ones too."""
    return {
        "id": channel.id,
        "team": channel.team_id,
        "connected": sorted(channel.connected),
        "name": channel.name,
        "kind": channel.kind,
        "members": sorted(channel.members),
        "archived": channel.is_archived,
        "prompts": channel.prompts,
        "messages": [message_truth(each) for each in channel.messages.values()],
    }


def message_truth(message: Message) -> Json:
    """A message and every state it was seen in."""
    stream = message.stream
    return {
        "ts": message.ts,
        "thread_ts": message.root,
        "user": message.user,
        "app": message.installation.app.id if message.installation is not None else None,
        "via": message.via,
        "subtype": message.subtype,
        "text": message.text,
        "visible": message.visible,
        "blocks": message.blocks,
        "metadata": message.metadata,
        "files": [file.id for file in message.files],
        "reactions": message.reactions,
        "edited": bool(message.edited_at),
        "deleted": message.deleted_at is not None,
        "ephemeral_to": message.ephemeral_to,
        "pinged": sorted(message.pinged),
        "unfurled": sorted(message.unfurled),
        "streaming": stream.state if stream is not None else None,
        "frames": [
            {
                "at": frame.at,
                "by": frame.by,
                "shown": [_piece(piece) for piece in frame.shown],
                "mentions": list(frame.mentions),
                "viewers": list(frame.viewers),
            }
            for frame in message.frames
        ],
    }


def _piece(piece: Piece) -> Json:
    return {"markup": piece.markup, "text": piece.text}


def file_truth(file: File) -> Json:
    """A file without its bytes."""
    return {
        "id": file.id,
        "name": file.name,
        "title": file.title,
        "length": file.length,
        "uploaded": file.uploaded,
        "completed": file.completed,
        "deleted": file.deleted,
        "shares": file.shares,
    }


def delivery_truth(delivery: Delivery) -> Json:
    """A delivery and how each attempt ended; an empty reason is an acknowledgement."""
    return {
        "app": delivery.app.id,
        "kind": delivery.kind,
        "envelope_id": delivery.envelope_id,
        "payload": delivery.payload,
        "attempts": [{"at": at, "reason": reason} for at, reason in delivery.attempts],
        "acknowledged_at": delivery.acknowledged_at,
        "given_up": delivery.given_up,
    }


def call_truth(call: Call) -> Json:
    """A call of the Web API, without its token."""
    return asdict(call) | {"ok": call.ok}
