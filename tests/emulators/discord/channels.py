"""Channels and threads come into being, the same for people and for bots."""

from __future__ import annotations

from emulators.discord import posting
from emulators.discord.kinds import ChannelType, MessageType
from emulators.discord.service import Service
from emulators.discord.world import Channel, Message
from emulators.shapes import Json


def direct_channel(service: Service, first: str, second: str) -> Channel:
    """The direct messages of two users, opened if need be."""
    found = service.world.direct_channel(first, second)
    if found is None:
        found = Channel(service.mint(), ChannelType.DM, recipients={first, second})
        service.world.channels[found.id] = found
    return found


def open_thread(
    service: Service,
    parent: Channel,
    owner_id: str,
    name: str,
    *,
    kind: ChannelType = ChannelType.PUBLIC_THREAD,
    message: Message | None = None,
    auto_archive: int = 4_320,
    id: str = "",
) -> Channel:
    """
    A new thread below *parent*; one that starts from *message* has its id.

    developers/topics/threads.mdx (2026-08-06): a message of type 21 heads the history of a thread that was
    made from a message.
    """
    now = service.clock.now()
    thread = Channel(
        id=id or (message.id if message is not None else service.mint()),
        type=kind,
        guild_id=parent.guild_id,
        name=name,
        parent_id=parent.id,
        owner_id=owner_id,
        auto_archive=auto_archive,
        active_at=now,
        changed_at=now,
        thread_members={owner_id},
    )
    service.world.channels[thread.id] = thread
    if message is not None:
        thread.thread_members.add(message.author_id)
        reference: Json = {"type": 0, "channel_id": parent.id, "message_id": message.id}
        starter = Message(
            id=service.mint(),
            channel_id=thread.id,
            author_id=owner_id,
            content="",
            via="thread",
            created_at=now,
            type=MessageType.THREAD_STARTER_MESSAGE,
            reference=reference | {"guild_id": parent.guild_id},
        )
        thread.messages[starter.id] = starter
    service.feed.in_channel(
        "THREAD_CREATE",
        thread,
        lambda session: (
            service.payloads.channel(thread, reader=session.app.user_id) | {"newly_created": True}
        ),
    )
    if message is not None:
        service.feed.message("MESSAGE_UPDATE", parent, message)
    service.changed()
    return thread


def drop(service: Service, channel: Channel) -> None:
    """Take a channel or thread away; of a thread only ids are told."""
    told = service.payloads.channel(channel)
    if channel.is_thread:
        told = {name: told[name] for name in ("id", "guild_id", "parent_id", "type")}
    event = "THREAD_DELETE" if channel.is_thread else "CHANNEL_DELETE"
    service.feed.in_channel(event, channel, lambda _: told)
    channel.deleted = True
    service.changed()


def archive_idle(service: Service) -> None:
    """Archive the threads in which nobody wrote for long enough."""
    now = service.clock.now()
    for thread in service.world.channels.values():
        idle = now - max(thread.active_at, thread.changed_at)
        if thread.is_thread and not thread.archived and idle > thread.auto_archive * 60:
            thread.archived = True
            thread.changed_at = now
            posting.thread_changed(service, thread)
