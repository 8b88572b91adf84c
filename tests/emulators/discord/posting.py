"""What happens when a message appears, changes or goes: the same for people and for bots."""

from __future__ import annotations

from emulators.discord import mentions
from emulators.discord.kinds import MessageFlag
from emulators.discord.mentions import EVERYTHING, Allowed
from emulators.discord.permissions import Permission, permissions
from emulators.discord.reading import visible_text
from emulators.discord.service import Service
from emulators.discord.world import Channel, Frame, Message
from emulators.shapes import Json


def show(service: Service, message: Message, by: str) -> None:
    """Let people see *message* as it is now."""
    frame = Frame(
        service.clock.now(),
        by,
        visible_text(message),
        mentions.alive(message),
        (message.ephemeral_to,) if message.ephemeral_to else (),
        bool(message.flags & MessageFlag.LOADING),
    )
    message.frames.append(frame)
    service.changed()


def place(service: Service, channel: Channel, message: Message, allowed: Allowed = EVERYTHING) -> None:
    """Put a new message where it belongs and tell the apps."""
    mentions.evaluate(service.world, channel, message, allowed, service.clock.now())
    show(service, message, message.via)
    service.typing.pop((channel.id, message.author_id), None)  # the client drops it: assumed
    if message.ephemeral_to:
        service.world.ephemerals.append(message)
    else:
        channel.messages[message.id] = message
        if channel.is_thread:
            _enliven(service, channel, message)
    service.feed.message("MESSAGE_CREATE", channel, message)
    preview(service, channel, message)


def _enliven(service: Service, thread: Channel, message: Message) -> None:
    """A message in a thread takes it out of the archive, and its author follows it from now on."""
    thread.active_at = service.clock.now()
    if thread.archived:
        thread.archived = False
        thread.changed_at = service.clock.now()
        thread_changed(service, thread)
    join(service, thread, message.author_id)


def join(service: Service, thread: Channel, user_id: str) -> None:
    """Let a user follow a thread; only an app itself hears of it without the members intent."""
    if user_id in thread.thread_members:
        return
    thread.thread_members.add(user_id)

    def told(joined: bool) -> Json:
        return {
            "id": thread.id,
            "guild_id": thread.guild_id,
            "member_count": min(50, len(thread.thread_members)),
            "added_members": [service.payloads.thread_member(thread, user_id)] if joined else [],
            "removed_member_ids": [],
        }

    app = service.world.app_of_user(user_id)
    if app is not None:
        service.feed.to_app("THREAD_MEMBERS_UPDATE", app, thread.guild_id, told(joined=True))


def thread_changed(service: Service, thread: Channel) -> None:
    """Tell the apps that a thread is not what it was."""
    service.feed.in_channel(
        "THREAD_UPDATE",
        thread,
        lambda session: service.payloads.channel(thread, reader=session.app.user_id),
    )


def changed(
    service: Service, channel: Channel, message: Message, by: str, allowed: Allowed = EVERYTHING
) -> None:
    """Show a changed message and tell the apps; its mentions are looked for anew."""
    mentions.evaluate(service.world, channel, message, allowed, service.clock.now())
    show(service, message, by)
    service.feed.message("MESSAGE_UPDATE", channel, message)
    preview(service, channel, message)


def preview(service: Service, channel: Channel, message: Message) -> None:
    """
    Give links a preview: an update of its own follows, without `edited_timestamp`.

    developers/events/gateway-events.mdx, "Message Update" (2026-08-06); for that an author needs the
    permission to embed links.
    """
    hidden = message.flags & (MessageFlag.SUPPRESS_EMBEDS | MessageFlag.EPHEMERAL)
    may = permissions(service.world, message.author_id, channel, service.clock.now())
    found = [] if hidden or not may & Permission.EMBED_LINKS else mentions.links(message.content)
    message.unfurled |= set(found)
    previews: list[Json] = [{"type": "link", "url": url, "title": f"Preview of {url}"} for url in found]
    if previews != message.previews and service.unfurls:
        message.previews = previews
        if previews:
            service.feed.message("MESSAGE_UPDATE", channel, message)


def remove(service: Service, channel: Channel, message: Message, by: str) -> None:
    """Delete a message."""
    message.deleted_at = service.clock.now()
    message.frames.append(Frame(message.deleted_at, by, ""))
    service.changed()
    told: Json = {"id": message.id, "channel_id": channel.id}
    if message.ephemeral_to:
        return
    if channel.guild_id:
        told["guild_id"] = channel.guild_id
    service.feed.in_channel("MESSAGE_DELETE", channel, lambda _: told)
