"""
Reading: `conversations.replies`, `.history`, `.info`, `.open`, `.members`, `.list`.

The methods' pages on docs.slack.dev, 2026-08-20.
"""

from __future__ import annotations

import base64

from emulators.shapes import Json
from emulators.slack.methods.caller import Caller, Method
from emulators.slack.payloads import channel_json, message_json
from emulators.slack.refusal import Refusal
from emulators.slack.world import Channel, Message

READ = tuple(f"{kind}:read" for kind in ("channels", "groups", "im", "mpim"))
HISTORY = {"public": "channels:history", "private": "groups:history"} | {
    "im": "im:history",
    "mpim": "mpim:history",
}
RESTRICTED_PAGE = 15  # messages: docs.slack.dev, "Rate limits", 2026-09-14
PAGE = 1_000


def _readable(caller: Caller) -> Channel:
    channel = caller.channel()
    scope = HISTORY[channel.kind]
    if scope not in caller.bot.scopes:
        raise Refusal("missing_scope", needed=scope, provided=",".join(sorted(caller.bot.scopes)))
    if caller.bot.bot_user_id not in channel.members:
        raise Refusal("not_in_channel")
    return channel


def _within(caller: Caller, messages: list[Message]) -> list[Message]:
    oldest = caller.arguments.text("oldest", "0")
    latest = caller.arguments.text("latest") or "9999999999.999999"
    inclusive = caller.arguments.flag("inclusive")
    low, high = _ts(oldest), _ts(latest)
    if inclusive:
        return [each for each in messages if low <= _ts(each.ts) <= high]
    return [each for each in messages if low < _ts(each.ts) < high]


def _ts(text: str) -> tuple[int, int]:
    whole, _, part = text.partition(".")
    try:
        return int(whole), int((part or "0").ljust(6, "0")[:6])
    except ValueError:
        raise Refusal("invalid_ts_latest") from None


def _paged(caller: Caller, messages: list[Message], default: int) -> Json:
    limit = caller.arguments.number("limit", default)
    if not 1 <= limit <= PAGE:
        raise Refusal("invalid_limit")
    if caller.bot.app.manifest.restricted:
        limit = min(limit, RESTRICTED_PAGE)
    start = _offset(caller.arguments.text("cursor"))
    page = messages[start : start + limit]
    more = start + limit < len(messages)
    cursor = base64.urlsafe_b64encode(f"next:{start + limit}".encode()).decode() if more else ""
    whole = caller.arguments.flag("include_all_metadata")
    world, base_url = caller.service.world, caller.service.base_url
    told = [message_json(world, each, base_url=base_url, metadata=whole) for each in page]
    return {
        "ok": True,
        "messages": told,
        "has_more": more,
        "response_metadata": {"next_cursor": cursor},
    }


def _offset(cursor: str) -> int:
    if not cursor:
        return 0
    try:
        return int(base64.urlsafe_b64decode(cursor).decode().removeprefix("next:"))
    except ValueError:
        raise Refusal("invalid_cursor") from None


def _there(channel: Channel) -> list[Message]:
    return [m for m in channel.messages.values() if m.deleted_at is None or m.subtype == "tombstone"]


async def replies(caller: Caller) -> Json:
    """`conversations.replies`: the root, then its replies, oldest first; a reply's ts gives only itself."""
    channel = _readable(caller)
    ts = caller.arguments.required("ts", "thread_not_found")
    root = next((each for each in _there(channel) if each.ts == ts), None)
    if root is None:
        raise Refusal("thread_not_found")
    return _paged(caller, [root, *_within(caller, caller.service.world.thread(channel, ts))], PAGE)


async def history(caller: Caller) -> Json:
    """`conversations.history`: what is in the channel itself, newest first."""
    channel = _readable(caller)
    top = [each for each in _there(channel) if not each.root or each.broadcast]
    return _paged(caller, _within(caller, top)[::-1], 100)


async def info(caller: Caller) -> Json:
    """`conversations.info`."""
    return {"ok": True, "channel": channel_json(caller.channel(), caller.bot.bot_user_id)}


async def members(caller: Caller) -> Json:
    """`conversations.members`."""
    members = sorted(caller.channel().members)
    return {"ok": True, "members": members, "response_metadata": {"next_cursor": ""}}


async def list_all(caller: Caller) -> Json:
    """`conversations.list`: public channels unless `types` says more."""
    kinds = caller.arguments.text("types", "public_channel").replace("_channel", "").split(",")
    bot = caller.bot
    found = [
        channel_json(channel, bot.bot_user_id)
        for channel in caller.service.world.channels.values()
        if bot.team_id in channel.teams
        and channel.kind in kinds
        and (channel.kind == "public" or bot.bot_user_id in channel.members)
    ]
    return {"ok": True, "channels": found, "response_metadata": {"next_cursor": ""}}


async def open_direct(caller: Caller) -> Json:
    """`conversations.open`: direct messages with one person, a group with several."""
    if caller.arguments.text("channel"):
        return {"ok": True, "channel": {"id": caller.channel().id}}
    named = caller.arguments.text("users")
    users = [user.strip() for user in named.split(",") if user.strip()]
    if not users:
        raise Refusal("users_list_not_supplied")
    world = caller.service.world
    if any(user not in world.users for user in users):
        raise Refusal("user_not_found")
    if len(users) > 1:
        channel = Channel(world.mint("G"), caller.bot.team_id, "mpdm-" + "--".join(users), "mpim")
        channel.members = {caller.bot.bot_user_id, *users}
        world.channels[channel.id] = channel
        return {"ok": True, "channel": {"id": channel.id}}
    known = world.direct_channel(caller.bot.bot_user_id, users[0])
    channel = caller.direct(users[0])
    told: Json = {"ok": True, "channel": {"id": channel.id}}
    return told if known is None else told | {"no_op": True, "already_open": True}


METHODS = {
    "conversations.replies": Method(replies, 3, tuple(HISTORY.values())),
    "conversations.history": Method(history, 3, tuple(HISTORY.values())),
    "conversations.info": Method(info, 3, READ),
    "conversations.members": Method(members, 4, READ),
    "conversations.list": Method(list_all, 2, READ),
    "conversations.open": Method(open_direct, 3, ("im:write", "mpim:write")),
}
