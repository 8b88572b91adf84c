"""
What happens when a message appears, changes or goes: the same for people and for bots.

Each reply in a thread makes Slack send a hidden `message_changed` for the root: 8 of 11 envelopes of a
Socket Mode capture of 2026-09-26.
"""

from __future__ import annotations

from collections.abc import Iterable

from emulators.shapes import Json
from emulators.slack import markup
from emulators.slack.blocks import Piece, rich
from emulators.slack.payloads import message_json
from emulators.slack.service import Service
from emulators.slack.world import Channel, Frame, Installation, Message


def show(
    service: Service,
    message: Message,
    pieces: tuple[Piece, ...],
    by: str,
    *,
    names: bool = False,
    viewers: tuple[str, ...] = (),
    loud: bool = True,
) -> None:
    """Let people see *pieces*; *loud* lets mentions ping."""
    found = _mentions(pieces, message, names)
    message.shown = pieces
    message.frames.append(Frame(service.clock.now(), by, pieces, found, viewers))
    if loud:
        message.pinged |= _pinged(service, service.world.channels[message.channel], found, message.user)
    service.changed()


def _mentions(pieces: tuple[Piece, ...], message: Message, names: bool) -> tuple[str, ...]:
    """What is alive in what is shown, and in the text that stands for the blocks in a notification."""
    texts = [piece.text for piece in pieces if piece.markup not in ("plain", "button")]
    texts += [piece.text for piece in rich(message.blocks)]
    texts.append(message.text)
    return tuple(dict.fromkeys(token for text in texts for token in markup.mentions(text, names=names)))


def _pinged(service: Service, channel: Channel, tokens: Iterable[str], author: str) -> set[str]:
    told: set[str] = set()
    for token in tokens:
        if token.startswith("@"):
            told |= {token[1:]}
        elif token.startswith("!subteam^"):
            told |= service.world.groups.get(token.partition("^")[2], set())
        else:
            told |= channel.members
    return told & channel.members - {author}


def unfurl(message: Message, pieces: tuple[Piece, ...], *, wanted: bool) -> None:
    """Note what the previewer would fetch."""
    if wanted:
        message.unfurled |= {link for piece in pieces for link in markup.links(piece.text)}


def place(service: Service, channel: Channel, message: Message) -> None:
    """Put a new message into its channel and tell the apps."""
    root = channel.messages.get(message.root) if message.root else None
    before = previous(service, root) if root is not None else {}
    channel.messages[message.ts] = message
    if message.root:
        channel.replies.setdefault(message.root, []).append(message)
    if root is not None:
        root.subscribed |= {message.user, root.user}
    appeared(service, channel, message)
    if root is not None:
        changed(service, channel, root, before)


def appeared(service: Service, channel: Channel, message: Message) -> None:
    """Tell the apps of a new message: a message event, and its twin where a bot is mentioned."""

    def told(installation: Installation) -> Json:
        event = _as_event(service, message, installation) | {"event_ts": message.ts}
        if message.broadcast:
            root = channel.messages[message.root]
            event["root"] = _as_event(service, root, installation)
        return event

    service.feed.message(channel, told)
    if channel.kind == "im" or message.subtype in ("channel_join", "assistant_app_thread"):
        return  # direct messages have no app_mention: docs.slack.dev, "app_mention event", 2026-09-14
    for team in sorted(channel.teams):
        for installation in list(service.world.installed(team)):
            mentioned = f"@{installation.bot_user_id}" in markup.mentions(message.text)
            if mentioned and service.feed.hears(installation, "app_mention", channel):
                mention = {**told(installation), "type": "app_mention", "channel": channel.id}
                mention.pop("subtype", None)
                service.feed.event(installation, mention, channel)


def changed(service: Service, channel: Channel, message: Message, before: dict[str, Json]) -> None:
    """Tell the apps of a change; *before* is from `previous`."""
    if message.ephemeral_to:
        return
    ts = service.world.mint_ts(service.clock.now())

    def told(installation: Installation) -> Json:
        return {
            "type": "message",
            "subtype": "message_changed",
            "message": _as_event(service, message, installation),
            "previous_message": before.get(installation.app.id, {}),
            "hidden": True,
            "ts": ts,
            "event_ts": ts,
        }

    service.feed.message(channel, told)


def previous(service: Service, message: Message) -> dict[str, Json]:
    """*message* as each app has seen it; taken before a change."""
    teams = service.world.channels[message.channel].teams
    return {
        installation.app.id: _as_event(service, message, installation)
        for team in teams
        for installation in service.world.installed(team)
    }


def remove(service: Service, channel: Channel, message: Message, by: str) -> None:
    """Delete a message; a root with replies leaves a tombstone."""
    before = previous(service, message)
    root = channel.messages.get(message.root)
    root_before = previous(service, root) if root is not None else {}
    message.deleted_at = service.clock.now()
    message.frames.append(Frame(message.deleted_at, by, ()))
    if message.ephemeral_to:
        service.changed()
        return
    if not message.root and service.world.thread(channel, message.ts):
        message.subtype = "tombstone"
        changed(service, channel, message, before)
        service.changed()
        return
    ts = service.world.mint_ts(service.clock.now())
    service.feed.message(
        channel,
        lambda installation: {
            "type": "message",
            "subtype": "message_deleted",
            "previous_message": before.get(installation.app.id, {}),
            "hidden": True,
            "deleted_ts": message.ts,
            "ts": ts,
            "event_ts": ts,
        },
    )
    if root is not None and root.deleted_at is None:
        changed(service, channel, root, root_before)
    service.changed()


def _as_event(service: Service, message: Message, installation: Installation) -> Json:
    return message_json(service.world, message, base_url=service.base_url, reader=installation.app)
