"""Reactions: developers/resources/message.mdx, "Create Reaction" to "Get Reactions", 2026-08-06."""

from __future__ import annotations

import re
from urllib.parse import unquote

from emulators.discord import sizes
from emulators.discord.payloads import emoji
from emulators.discord.permissions import Permission
from emulators.discord.refusal import Refusal
from emulators.discord.routes.caller import Answer, Caller, Route
from emulators.discord.service import Service
from emulators.discord.world import Channel, Message
from emulators.shapes import Json

CUSTOM = re.compile(r"\w{2,32}:\d{1,20}")


async def add(caller: Caller) -> Answer:
    """`PUT …/reactions/{emoji}/@me`."""
    channel = caller.text_channel(Permission.READ_MESSAGE_HISTORY | Permission.VIEW_CHANNEL)
    message = caller.message(channel)
    name = emoji_name(caller.parameters["emoji"])
    if channel.archived:
        raise Refusal(50083)
    if not message.reactions.get(name):
        if not caller.may(channel) & Permission.ADD_REACTIONS:
            raise Refusal(50013)
        if sum(bool(each) for each in message.reactions.values()) >= sizes.REACTIONS:
            raise Refusal(30010)
    react(caller.service, channel, message, caller.app.user_id, name, on=True)
    return None


async def take_back(caller: Caller) -> Answer:
    """`DELETE …/reactions/{emoji}/{user}`: one's own, or with MANAGE_MESSAGES anybody's."""
    channel = caller.text_channel(Permission.READ_MESSAGE_HISTORY | Permission.VIEW_CHANNEL)
    message = caller.message(channel)
    user_id = caller.id("user")
    if user_id != caller.app.user_id and not caller.may(channel) & Permission.MANAGE_MESSAGES:
        raise Refusal(50013)
    react(caller.service, channel, message, user_id, emoji_name(caller.parameters["emoji"]), on=False)
    return None


async def who(caller: Caller) -> Answer:
    """`GET …/reactions/{emoji}`."""
    channel = caller.text_channel()
    message = caller.message(channel)
    there = message.reactions.get(emoji_name(caller.parameters["emoji"]), [])
    limit = caller.number("limit", 25, 1, 100)
    users = caller.service.world.users
    return [caller.service.payloads.user(users[each]) for each in there[:limit]]


def emoji_name(given: str) -> str:
    """
    The emoji of a path: a character, or ``name:id``.

    Raises:
        Refusal: 10014: neither. Which characters are emoji is not looked at, beyond letters being none.
    """
    name = unquote(given)
    if CUSTOM.fullmatch(name) or (name and not name.isascii() and len(name) <= 16):
        return name
    if re.fullmatch("[0-9*#]\ufe0f?\u20e3", name):
        return name
    raise Refusal(10014)


def react(service: Service, channel: Channel, message: Message, user_id: str, name: str, *, on: bool) -> None:
    """Add a reaction or take it back, and tell the apps."""
    there = message.reactions.setdefault(name, [])
    if on == (user_id in there):
        return
    if on:
        there.append(user_id)
    else:
        there.remove(user_id)
    told: Json = {
        "user_id": user_id,
        "channel_id": channel.id,
        "message_id": message.id,
        "emoji": emoji(name),
        "burst": False,
        "type": 0,
    }
    guild = service.world.guilds.get(channel.guild_id)
    if guild is not None:
        told["guild_id"] = guild.id
        if on:
            told["member"] = service.payloads.member(guild.members[user_id])
            told["message_author_id"] = message.author_id
    event = "MESSAGE_REACTION_ADD" if on else "MESSAGE_REACTION_REMOVE"
    service.feed.in_channel(event, channel, lambda _: told)
    service.changed()


_PATH = "/channels/{channel}/messages/{message}/reactions/{emoji}"
ROUTES = (
    Route("PUT", f"{_PATH}/@me", add, "reaction"),
    Route("DELETE", f"{_PATH}/{{user}}", take_back, "reaction"),
    Route("GET", _PATH, who),
)
