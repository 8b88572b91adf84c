"""Channels, typing and pins: developers/resources/channel.mdx, 2026-08-06."""

from __future__ import annotations

from emulators.discord import posting
from emulators.discord.channels import drop
from emulators.discord.kinds import ChannelType, MessageType
from emulators.discord.permissions import Permission
from emulators.discord.refusal import Refusal, invalid
from emulators.discord.routes.caller import Answer, Caller, Route
from emulators.discord.routes.messages import new_message, writable
from emulators.discord.typing import type_in
from emulators.discord.world import Channel

ARCHIVE_AFTER = (60, 1_440, 4_320, 10_080)  # minutes


async def get(caller: Caller) -> Answer:
    """`GET /channels/{channel}`."""
    channel = caller.channel()
    return caller.service.payloads.channel(channel, reader=caller.app.user_id)


async def edit(caller: Caller) -> Answer:
    """`PATCH /channels/{channel}`: name and topic of a channel, or what a thread can be."""
    channel = caller.channel()
    if channel.type == ChannelType.DM:
        raise Refusal(50024)
    if "name" in caller.fields or "topic" in caller.fields:
        caller.service.limits.spend_hidden(caller.app.id, "rename", channel.id)
    if channel.is_thread:
        _edit_thread(caller, channel)
        posting.thread_changed(caller.service, channel)
    else:
        if not caller.may(channel) & Permission.MANAGE_CHANNELS:
            raise Refusal(50013)
        channel.name = caller.text("name", 1, 100) if "name" in caller.fields else channel.name
        channel.topic = caller.text("topic", 0, 1_024) if caller.fields.get("topic") else channel.topic
        told = caller.service.payloads.channel(channel)
        caller.service.feed.in_channel("CHANNEL_UPDATE", channel, lambda _: told)
    return caller.service.payloads.channel(channel, reader=caller.app.user_id)


def _edit_thread(caller: Caller, thread: Channel) -> None:
    """
    developers/topics/threads.mdx, "Editing & Deleting Threads" (2026-08-06).

    Its creator may change it, whoever follows it may take it out of the archive, and only MANAGE_THREADS
    has to do with locks.
    """
    fields = caller.fields
    manages = bool(caller.may(thread) & Permission.MANAGE_THREADS)
    owns = thread.owner_id == caller.app.user_id
    opens = set(fields) == {"archived"} and fields["archived"] is False
    follows = caller.app.user_id in thread.thread_members
    if not (manages or owns or (opens and follows)):
        raise Refusal(50013)
    if thread.locked and not manages:
        raise Refusal(50013)
    if thread.archived and fields.get("archived") is not False and not manages:
        raise Refusal(50083)
    if "name" in fields:
        thread.name = caller.text("name", 1, 100)
        renamed = new_message(caller, thread)
        renamed.type, renamed.content = MessageType.CHANNEL_NAME_CHANGE, thread.name
        posting.place(caller.service, thread, renamed)
    if "auto_archive_duration" in fields:
        thread.auto_archive = archive_after(fields["auto_archive_duration"])
    if isinstance(fields.get("locked"), bool):
        if not manages:
            raise Refusal(50013)
        thread.locked = fields["locked"] is True
    if isinstance(fields.get("archived"), bool) and fields["archived"] is not thread.archived:
        thread.archived = fields["archived"] is True
        thread.changed_at = caller.now


def archive_after(given: object) -> int:
    """
    Minutes until a thread is archived.

    Raises:
        Refusal: Code 50035: not one of those there are.
    """
    if given not in ARCHIVE_AFTER or not isinstance(given, int):
        told = f"Value must be one of {ARCHIVE_AFTER}."
        raise invalid("auto_archive_duration", "BASE_TYPE_CHOICES", told)
    return given


async def delete(caller: Caller) -> Answer:
    """`DELETE /channels/{channel}`."""
    channel = caller.channel()
    if channel.type == ChannelType.DM:
        return caller.service.payloads.channel(channel, reader=caller.app.user_id)
    need = Permission.MANAGE_THREADS if channel.is_thread else Permission.MANAGE_CHANNELS
    if not caller.may(channel) & need:
        raise Refusal(50013)
    told = caller.service.payloads.channel(channel, reader=caller.app.user_id)
    drop(caller.service, channel)
    return told


async def type_(caller: Caller) -> Answer:
    """`POST /channels/{channel}/typing`: "is typing…" for 10 s."""
    channel = writable(caller)
    type_in(caller.service, channel, caller.app.user_id)
    return None


async def pins(caller: Caller) -> Answer:
    """`GET /channels/{channel}/pins`."""
    channel = caller.text_channel()
    there = [each for each in channel.messages.values() if each.pinned and each.deleted_at is None]
    return [caller.told(each) for each in there]


ROUTES = (
    Route("GET", "/channels/{channel}", get),
    Route("PATCH", "/channels/{channel}", edit, "PATCH channel"),
    Route("DELETE", "/channels/{channel}", delete),
    Route("POST", "/channels/{channel}/typing", type_, "typing"),
    Route("GET", "/channels/{channel}/pins", pins),
)
