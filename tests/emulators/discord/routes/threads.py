"""
Threads: developers/topics/threads.mdx and developers/resources/channel.mdx, "Start Thread from Message" to
"List Private Archived Threads", 2026-08-06.
"""

from __future__ import annotations

from emulators.discord import posting, sizes
from emulators.discord.channels import open_thread
from emulators.discord.kinds import ChannelType
from emulators.discord.mentions import EVERYTHING
from emulators.discord.permissions import Permission
from emulators.discord.place_payloads import stamp
from emulators.discord.refusal import Refusal, required
from emulators.discord.routes.caller import Answer, Caller, Route
from emulators.discord.routes.channels import archive_after
from emulators.discord.routes.drafts import draft_of, fill
from emulators.discord.routes.messages import new_message
from emulators.discord.world import Channel
from emulators.shapes import Json, record

ACTIVE = 1_000  # active threads of a server, code 160006
PARENTS = (ChannelType.TEXT, ChannelType.ANNOUNCEMENT)


def _told(caller: Caller, thread: Channel) -> Json:
    return caller.service.payloads.channel(thread, reader=caller.app.user_id)


def _check_room(caller: Caller, channel: Channel) -> None:
    if sum(1 for _ in caller.service.world.threads(channel.guild_id, archived=False)) >= ACTIVE:
        raise Refusal(160006)


def _minutes(caller: Caller) -> int:
    given = caller.fields.get("auto_archive_duration")
    return 4_320 if given is None else archive_after(given)


async def from_message(caller: Caller) -> Answer:
    """`POST /channels/{channel}/messages/{message}/threads`: one for each message, with its id."""
    channel = caller.text_channel(Permission.CREATE_PUBLIC_THREADS | Permission.VIEW_CHANNEL)
    if channel.type not in PARENTS:
        raise Refusal(50024)
    message = caller.message(channel)
    name = caller.text("name", 1, sizes.THREAD_NAME)
    if message.id in caller.service.world.channels:
        raise Refusal(160004)
    _check_room(caller, channel)
    kind = ChannelType.PUBLIC_THREAD if channel.type == ChannelType.TEXT else ChannelType.ANNOUNCEMENT_THREAD
    thread = open_thread(
        caller.service,
        channel,
        caller.app.user_id,
        name,
        kind=kind,
        message=message,
        auto_archive=_minutes(caller),
    )
    return _told(caller, thread)


async def alone(caller: Caller) -> Answer:
    """`POST /channels/{channel}/threads`: without a message, or a post in a forum."""
    channel = caller.channel()
    name = caller.text("name", 1, sizes.THREAD_NAME)
    if channel.type == ChannelType.FORUM:
        return _post(caller, channel, name)
    if channel.type not in PARENTS:
        raise Refusal(50024)
    # The default is a private thread: "this might change in the future" since v8.
    public = caller.fields.get("type", 12) == ChannelType.PUBLIC_THREAD
    need = Permission.CREATE_PUBLIC_THREADS if public else Permission.CREATE_PRIVATE_THREADS
    if not caller.may(channel) & need:
        raise Refusal(50013)
    _check_room(caller, channel)
    kind = ChannelType.PUBLIC_THREAD if public else ChannelType.PRIVATE_THREAD
    thread = open_thread(
        caller.service, channel, caller.app.user_id, name, kind=kind, auto_archive=_minutes(caller)
    )
    return _told(caller, thread)


def _post(caller: Caller, forum: Channel, name: str) -> Json:
    """A post: its first message has the thread's id; SEND_MESSAGES is enough."""
    if not caller.may(forum) & Permission.SEND_MESSAGES:
        raise Refusal(50013)
    if "message" not in caller.fields:
        raise required("message")
    _check_room(caller, forum)
    message = new_message(caller, forum)
    draft = draft_of(caller, record(caller.fields["message"]), forum, EVERYTHING)
    fill(caller, message, draft)
    thread = open_thread(
        caller.service, forum, caller.app.user_id, name, id=message.id, auto_archive=_minutes(caller)
    )
    message.channel_id = thread.id
    for each in message.attachments:
        each.channel_id = thread.id
    posting.place(caller.service, thread, message, draft.allowed)
    return _told(caller, thread) | {"message": caller.told(message)}


async def archived(caller: Caller) -> Answer:
    """`GET /channels/{channel}/threads/archived/{kind}`: last archived first."""
    channel = caller.text_channel(Permission.READ_MESSAGE_HISTORY | Permission.VIEW_CHANNEL)
    private = caller.parameters["kind"] == "private"
    if private and not caller.may(channel) & Permission.MANAGE_THREADS:
        raise Refusal(50013)
    limit = caller.number("limit", 50, 2, 100)
    before = caller.query.get("before", "9999")
    found = [
        thread
        for thread in caller.service.world.threads(channel.guild_id, archived=True)
        if thread.parent_id == channel.id
        and thread.is_private == private
        and stamp(thread.changed_at) < before
    ]
    found.sort(key=lambda each: each.changed_at, reverse=True)
    bot = caller.app.user_id
    members = [each for each in found[:limit] if bot in each.thread_members]
    return {
        "threads": [_told(caller, each) for each in found[:limit]],
        "members": [caller.service.payloads.thread_member(each, bot) for each in members],
        "has_more": len(found) > limit,
    }


def _thread(caller: Caller) -> Channel:
    thread = caller.channel()
    if not thread.is_thread:
        raise Refusal(50024)
    return thread


async def join(caller: Caller) -> Answer:
    """`PUT /channels/{channel}/thread-members/{user}`: one's own, or somebody else added."""
    thread = _thread(caller)
    if thread.archived:
        raise Refusal(50083)
    if len(thread.thread_members) >= sizes.THREAD_MEMBERS:
        raise Refusal(30033)
    user_id = caller.id("user")
    if user_id not in caller.service.world.guilds[thread.guild_id].members:
        raise Refusal(10007)
    posting.join(caller.service, thread, user_id)
    return None


async def leave(caller: Caller) -> Answer:
    """`DELETE /channels/{channel}/thread-members/{user}`."""
    thread = _thread(caller)
    if thread.archived:
        raise Refusal(50083)
    user_id = caller.id("user")
    if user_id != caller.app.user_id and not caller.may(thread) & Permission.MANAGE_THREADS:
        raise Refusal(50013)
    thread.thread_members.discard(user_id)
    return None


async def members(caller: Caller) -> Answer:
    """`GET /channels/{channel}/thread-members`."""
    thread = _thread(caller)
    payloads = caller.service.payloads
    return [payloads.thread_member(thread, each) for each in sorted(thread.thread_members)]


ROUTES = (
    Route("POST", "/channels/{channel}/messages/{message}/threads", from_message, "threads"),
    Route("POST", "/channels/{channel}/threads", alone, "threads"),
    Route("GET", "/channels/{channel}/threads/archived/{kind}", archived),
    Route("PUT", "/channels/{channel}/thread-members/{user}", join),
    Route("DELETE", "/channels/{channel}/thread-members/{user}", leave),
    Route("GET", "/channels/{channel}/thread-members", members),
)
