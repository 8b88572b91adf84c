"""
The bot itself: developers/resources/user.mdx, application.mdx, developers/topics/oauth2.mdx, 2026-08-06.
"""

from __future__ import annotations

from emulators.discord.channels import direct_channel
from emulators.discord.refusal import Refusal, invalid, required
from emulators.discord.routes.caller import Answer, Caller, Route
from emulators.discord.snowflakes import is_snowflake
from emulators.shapes import Json


async def user(caller: Caller) -> Answer:
    """`GET /users/@me` or another one."""
    wanted = caller.id("user")
    if wanted == caller.app.user_id:
        return caller.service.payloads.own_user(caller.app)
    found = caller.service.world.users.get(wanted)
    if found is None:
        raise Refusal(10013)
    return caller.service.payloads.user(found)


async def guilds(caller: Caller) -> Answer:
    """`GET /users/@me/guilds`."""
    payloads = caller.service.payloads
    limit = caller.number("limit", 200, 1, 200)
    told: list[Json] = []
    for guild in payloads.guilds_of(caller.app):
        owner = guild.owner_id == caller.app.user_id
        told.append({"id": guild.id, "name": guild.name, "icon": None, "owner": owner, "features": []})
    after = int(caller.query.get("after", "0"))
    return [each for each in told if int(str(each["id"])) > after][:limit]


async def leave(caller: Caller) -> Answer:
    """`DELETE /users/@me/guilds/{guild}`."""
    guild = caller.guild()
    del guild.members[caller.app.user_id]
    data: Json = {"id": guild.id}
    caller.service.feed.to_app("GUILD_DELETE", caller.app, guild.id, data)
    return None


async def open_direct(caller: Caller) -> Answer:
    """`POST /users/@me/channels`: direct messages with somebody; there is one channel for each pair."""
    if "recipient_id" not in caller.fields:
        raise required("recipient_id")
    recipient = str(caller.fields["recipient_id"])
    if not is_snowflake(recipient):
        raise invalid("recipient_id", "NUMBER_TYPE_COERCE", "Value is not snowflake.")
    world = caller.service.world
    other = world.users.get(recipient)
    if other is None or other.bot:
        raise Refusal(50033 if other is None else 50007)
    channel = direct_channel(caller.service, caller.app.user_id, recipient)
    return caller.service.payloads.channel(channel, reader=caller.app.user_id)


async def application(caller: Caller) -> Answer:
    """`GET /applications/@me` and `GET /oauth2/applications/@me`."""
    return caller.service.payloads.application(caller.app)


async def authorization(caller: Caller) -> Answer:
    """`GET /oauth2/@me` is for bearer tokens, not for bots."""
    raise Refusal(50025)


async def gateway(caller: Caller) -> Answer:
    """`GET /gateway`."""
    return {"url": caller.service.cdn.addresses.gateway}


async def gateway_bot(caller: Caller) -> Answer:
    """`GET /gateway/bot`: developers/events/gateway.mdx, "Get Gateway Bot"; one shard for 1,000 servers."""
    guilds = len(caller.service.payloads.guilds_of(caller.app))
    return {
        "url": caller.service.cdn.addresses.gateway,
        "shards": caller.app.shards or guilds // 1_000 + 1,
        "session_start_limit": caller.service.gateway.starts.limit(caller.app),
    }


ROUTES = (
    Route("GET", "/gateway", gateway, token="webhook"),
    Route("GET", "/gateway/bot", gateway_bot),
    Route("GET", "/oauth2/@me", authorization),
    Route("GET", "/oauth2/applications/@me", application),
    Route("GET", "/applications/@me", application),
    Route("GET", "/users/@me/guilds", guilds),
    Route("DELETE", "/users/@me/guilds/{guild}", leave),
    Route("POST", "/users/@me/channels", open_direct),
    Route("GET", "/users/{user}", user),
)
