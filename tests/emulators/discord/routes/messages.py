"""
Messages: developers/resources/message.mdx, "Get Channel Messages" to "Delete Message", 2026-08-06.
"""

from __future__ import annotations

from collections.abc import Mapping

from emulators.discord import posting, sizes
from emulators.discord.kinds import DELETABLE, ChannelType, MessageFlag, MessageType
from emulators.discord.mentions import EVERYTHING
from emulators.discord.permissions import Permission
from emulators.discord.refusal import Refusal, invalid, required, too_long
from emulators.discord.routes.caller import Answer, Caller, Route
from emulators.discord.routes.drafts import Draft, draft_of, fill
from emulators.discord.snowflakes import is_snowflake
from emulators.discord.world import Channel, Message
from emulators.shapes import Json, record

NONCE_SECONDS = 300.0  # "the past few minutes": the figure is assumed
OLD = 3_600.0  # seconds after which edits have a limit of their own, code 30046


async def create(caller: Caller) -> Answer:
    """`POST /channels/{channel}/messages`."""
    channel = writable(caller)
    fields = caller.fields
    nonce = _nonce(fields.get("nonce"))
    key = (caller.app.id, channel.id, str(nonce))
    if nonce is not None and fields.get("enforce_nonce") is True:
        made_at, made = caller.service.nonces.get(key, (0.0, None))
        if made is not None and caller.now - made_at < NONCE_SECONDS:
            return caller.told(made)
    draft = draft_of(caller, fields, channel, EVERYTHING)
    check_rights(caller, channel, draft)
    message = new_message(caller, channel)
    message.nonce = nonce
    _refer(caller, channel, message, fields)
    fill(caller, message, draft)
    if nonce is not None and fields.get("enforce_nonce") is True:
        caller.service.nonces[key] = (caller.now, message)
    posting.place(caller.service, channel, message, draft.allowed)
    return caller.told(message)


def writable(caller: Caller) -> Channel:
    """
    The channel of the path, if the bot may write there.

    Raises:
        Refusal: 50013, 50007, 50278, 160005, or as for `Caller.text_channel`.
    """
    channel = caller.text_channel()
    if channel.type == ChannelType.DM:
        _check_direct(caller, channel)
        return channel
    may = caller.may(channel)
    need = Permission.SEND_MESSAGES_IN_THREADS if channel.is_thread else Permission.SEND_MESSAGES
    if not may & need:
        raise Refusal(50013)
    if channel.locked and not may & Permission.MANAGE_THREADS:
        raise Refusal(160005)
    return channel


def _check_direct(caller: Caller, channel: Channel) -> None:
    world = caller.service.world
    for each in channel.recipients - {caller.app.user_id}:
        if not world.users[each].takes_dms:
            raise Refusal(50007)
        if not world.shared_guilds(each, caller.app.user_id):
            raise Refusal(50278)


def check_rights(caller: Caller, channel: Channel, draft: Draft) -> None:
    """
    Files and embeds need permissions of their own.

    Raises:
        Refusal: 50013.
    """
    may = caller.may(channel)
    if draft.added and not may & Permission.ATTACH_FILES:
        raise Refusal(50013)
    if draft.embeds and not may & Permission.EMBED_LINKS:
        raise Refusal(50013)


def new_message(caller: Caller, channel: Channel) -> Message:
    """An empty message of the calling bot."""
    return Message(
        id=caller.service.mint(),
        channel_id=channel.id,
        author_id=caller.app.user_id,
        content="",
        via=caller.by,
        created_at=caller.now,
        app=caller.app,
    )


def _nonce(given: object) -> str | int | None:
    if given is None or isinstance(given, bool) or not isinstance(given, str | int):
        return None
    if len(str(given)) > sizes.NONCE:
        raise too_long("nonce", sizes.NONCE)
    return given


def _refer(caller: Caller, channel: Channel, message: Message, fields: Json) -> None:
    """Make *message* a reply or a forward, if `message_reference` says so."""
    given = fields.get("message_reference")
    if given is None:
        return
    reference = record(given)
    answered = str(reference.get("message_id", ""))
    if not is_snowflake(answered):
        raise required("message_reference.message_id")
    place = str(reference.get("channel_id") or channel.id)
    if reference.get("type", 0) == 1:
        _forward(caller, message, place, answered)
        return
    if not caller.may(channel) & Permission.READ_MESSAGE_HISTORY:
        raise Refusal(160002)
    if place != channel.id:
        told = "Cannot reply to a message in a different channel"
        raise invalid("message_reference", "REPLIES_CANNOT_REFERENCE_OTHER_CHANNEL", told)
    found = caller.service.world.message(channel.id, answered)
    if found is None:
        if reference.get("fail_if_not_exists") is False:
            return
        raise invalid("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
    message.type = MessageType.REPLY
    message.reference = reference_to(channel, found)


def reference_to(channel: Channel, found: Message, kind: int = 0) -> Json:
    """What a reply (0) or a forward (1) tells of the message it refers to."""
    told: Json = {"type": kind, "channel_id": found.channel_id, "message_id": found.id}
    return told | ({"guild_id": channel.guild_id} if channel.guild_id else {})


def _forward(caller: Caller, message: Message, place: str, answered: str) -> None:
    world = caller.service.world
    source = world.channels.get(place)
    if source is None or not caller.may(source) & Permission.VIEW_CHANNEL:
        raise Refusal(50001)
    found = world.message(place, answered)
    if found is None:
        raise invalid("message_reference", "MESSAGE_REFERENCE_UNKNOWN_MESSAGE", "Unknown message")
    message.reference = reference_to(source, found, 1)
    message.snapshots = [caller.service.payloads.snapshot(found)]
    message.flags |= MessageFlag.HAS_SNAPSHOT


async def edit(caller: Caller) -> Answer:
    """`PATCH /channels/{channel}/messages/{message}`."""
    channel = caller.text_channel()
    message = caller.message(channel)
    fields = caller.fields
    hides = set(fields) <= {"flags"} and caller.may(channel) & Permission.MANAGE_MESSAGES
    if message.author_id != caller.app.user_id and not hides:
        raise Refusal(50005)
    if channel.archived:
        raise Refusal(50083)
    if channel.locked and not caller.may(channel) & Permission.MANAGE_THREADS:
        raise Refusal(160005)  # no updates in locked threads: topics/threads.mdx; the code is assumed
    if caller.now - message.created_at > OLD:
        caller.service.limits.spend_hidden(
            caller.app.id,
            "old edit",
            channel.id,
            code=30046,
            message="Maximum number of edits to messages older than 1 hour reached. Try again later.",
        )
    draft = draft_of(caller, fields, channel, EVERYTHING, flags=message.flags)
    check_rights(caller, channel, draft)
    apply(caller, channel, message, draft)
    return caller.told(message)


def apply(caller: Caller, channel: Channel, message: Message, draft: Draft) -> None:
    """Change *message* and tell everybody; a change of the flags alone is no edit."""
    before = message.content, message.embeds, message.components, message.attachments
    fill(caller, message, draft)
    if before != (message.content, message.embeds, message.components, message.attachments):
        message.edited_at = caller.now
    posting.changed(caller.service, channel, message, caller.by, draft.allowed)


async def remove(caller: Caller) -> Answer:
    """`DELETE /channels/{channel}/messages/{message}`."""
    channel = caller.text_channel()
    message = caller.message(channel)
    if message.author_id != caller.app.user_id:
        if not channel.guild_id:
            raise Refusal(50003)
        if not caller.may(channel) & Permission.MANAGE_MESSAGES:
            raise Refusal(50013)
    if message.type not in DELETABLE:
        raise Refusal(50021)
    if channel.archived:
        raise Refusal(50083)
    posting.remove(caller.service, channel, message, caller.by)
    return None


async def get(caller: Caller) -> Answer:
    """`GET /channels/{channel}/messages/{message}`."""
    channel = caller.text_channel()
    if not caller.may(channel) & Permission.READ_MESSAGE_HISTORY:
        raise Refusal(50001)
    return caller.told(caller.message(channel))


async def history(caller: Caller) -> Answer:
    """`GET /channels/{channel}/messages`: newest first; empty without the permission to read history."""
    channel = caller.text_channel()
    limit = caller.number("limit", 50, 1, sizes.MESSAGES)
    if not caller.may(channel) & Permission.READ_MESSAGE_HISTORY:
        return []
    told = [each for each in channel.messages.values() if each.deleted_at is None]
    return [caller.told(each) for each in page(told, caller.query, limit)]


def page(messages: list[Message], query: Mapping[str, str], limit: int) -> list[Message]:
    """The part of *messages*, oldest first, that is asked for; newest first."""
    asked = {name: int(value) for name, value in _cursors(query).items()}
    if "after" in asked:
        return [each for each in messages if int(each.id) > asked["after"]][:limit][::-1]
    if "before" in asked:
        return [each for each in messages if int(each.id) < asked["before"]][-limit:][::-1]
    if "around" in asked:
        half = limit // 2
        older = [each for each in messages if int(each.id) < asked["around"]][-half:] if half else []
        newer = [each for each in messages if int(each.id) >= asked["around"]][: limit - len(older)]
        return [*older, *newer][::-1]
    return messages[-limit:][::-1]


def _cursors(query: Mapping[str, str]) -> dict[str, str]:
    found = {name: query[name] for name in ("before", "after", "around") if name in query}
    for name, value in found.items():
        if not is_snowflake(value):
            raise invalid(name, "NUMBER_TYPE_COERCE", f'Value "{value[:40]}" is not snowflake.')
    if len(found) > 1:
        raise invalid("_", "ONLY_ONE_CURSOR", "Only one of before, after, around may be passed.")
    return found


ROUTES = (
    Route("POST", "/channels/{channel}/messages", create, "POST message"),
    Route("GET", "/channels/{channel}/messages", history, "GET messages"),
    Route("GET", "/channels/{channel}/messages/{message}", get, "GET messages"),
    Route("PATCH", "/channels/{channel}/messages/{message}", edit, "PATCH message"),
    Route("DELETE", "/channels/{channel}/messages/{message}", remove, "DELETE message"),
)
