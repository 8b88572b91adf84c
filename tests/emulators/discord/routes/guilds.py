"""Servers and their members: developers/resources/guild.mdx, 2026-08-06."""

from __future__ import annotations

from emulators.discord.intents import Intent
from emulators.discord.permissions import Permission
from emulators.discord.refusal import Refusal
from emulators.discord.routes.caller import Answer, Caller, Route


async def get(caller: Caller) -> Answer:
    """`GET /guilds/{guild}`."""
    guild = caller.guild()
    return caller.service.payloads.guild(guild)


async def channels(caller: Caller) -> Answer:
    """`GET /guilds/{guild}/channels`: those that the bot can see, without threads."""
    guild = caller.guild()
    return [
        caller.service.payloads.channel(channel)
        for channel in caller.service.world.channels.values()
        if channel.guild_id == guild.id
        and not (channel.is_thread or channel.deleted)
        and caller.may(channel) & Permission.VIEW_CHANNEL
    ]


async def roles(caller: Caller) -> Answer:
    """`GET /guilds/{guild}/roles`."""
    return [caller.service.payloads.role(role) for role in caller.guild().roles.values()]


async def member(caller: Caller) -> Answer:
    """`GET /guilds/{guild}/members/{user}`."""
    found = caller.guild().members.get(caller.id("user"))
    if found is None:
        raise Refusal(10007)
    return caller.service.payloads.member(found)


async def members(caller: Caller) -> Answer:
    """`GET /guilds/{guild}/members`: only with the members intent."""
    guild = caller.guild()
    if not caller.app.privileged & Intent.GUILD_MEMBERS:
        raise Refusal(50001)
    limit = caller.number("limit", 1, 1, 1_000)
    after = int(caller.query.get("after", "0"))
    found = [each for each in guild.members.values() if int(each.user_id) > after]
    found.sort(key=lambda each: int(each.user_id))
    return [caller.service.payloads.member(each) for each in found[:limit]]


async def active_threads(caller: Caller) -> Answer:
    """`GET /guilds/{guild}/threads/active`: newest first."""
    guild = caller.guild()
    payloads, bot = caller.service.payloads, caller.app.user_id
    seen = [
        thread
        for thread in caller.service.world.threads(guild.id, archived=False)
        if caller.may(thread) & Permission.VIEW_CHANNEL
    ]
    seen.sort(key=lambda each: int(each.id), reverse=True)
    return {
        "threads": [payloads.channel(each, reader=bot) for each in seen],
        "members": [payloads.thread_member(each, bot) for each in seen if bot in each.thread_members],
    }


ROUTES = (
    Route("GET", "/guilds/{guild}", get),
    Route("GET", "/guilds/{guild}/channels", channels),
    Route("GET", "/guilds/{guild}/roles", roles),
    Route("GET", "/guilds/{guild}/members", members),
    Route("GET", "/guilds/{guild}/members/{user}", member),
    Route("GET", "/guilds/{guild}/threads/active", active_threads),
)
