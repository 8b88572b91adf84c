"""Who is who, and reactions: `auth.test`, `users.info`, `team.info`, `bots.info`, `reactions.*`."""

from __future__ import annotations

import re

from emulators.shapes import Json
from emulators.slack import posting
from emulators.slack.methods.caller import Caller, Method
from emulators.slack.payloads import CHANNEL_TYPES, team_json, user_json
from emulators.slack.refusal import Refusal
from emulators.slack.service import Service
from emulators.slack.world import Channel, Message

EMOJI = re.compile(r"[a-z0-9_+'-]+(?:::skin-tone-[2-6])?")


async def api_test(caller: Caller) -> Json:
    """`api.test`."""
    if error := caller.arguments.text("error"):
        raise Refusal(error)
    return {"ok": True, "args": dict(caller.arguments.values)}


async def auth_test(caller: Caller) -> Json:
    """`auth.test`."""
    bot = caller.bot
    workspace = caller.service.world.workspaces[bot.team_id]
    told: Json = {
        "ok": True,
        "url": f"{caller.service.base_url}/",
        "team": workspace.name,
        "team_id": bot.team_id,
    }
    told |= {"user": bot.app.name, "user_id": bot.bot_user_id, "bot_id": bot.bot_id}
    if workspace.enterprise_id:
        told["enterprise_id"] = workspace.enterprise_id
    return told | {"is_enterprise_install": False}


async def users_info(caller: Caller) -> Json:
    """`users.info`: people of the workspace, and those of others who share a channel with it."""
    world = caller.service.world
    user = world.users.get(caller.arguments.required("user", "user_not_found"))
    team = caller.bot.team_id
    if user is None or (
        user.team_id != team
        and not any(team in c.teams and user.id in c.members for c in world.channels.values())
    ):
        raise Refusal("user_not_found")
    told = user_json(user)
    if user.team_id != team:
        told["is_stranger"] = True
    return {"ok": True, "user": told}


async def team_info(caller: Caller) -> Json:
    """`team.info`."""
    team = caller.arguments.text("team", caller.bot.team_id)
    workspace = caller.service.world.workspaces.get(team)
    if workspace is None:
        raise Refusal("team_not_found")
    return {"ok": True, "team": team_json(workspace)}


async def bots_info(caller: Caller) -> Json:
    """`bots.info`."""
    wanted = caller.arguments.text("bot", caller.bot.bot_id)
    for each in caller.service.world.installed(caller.bot.team_id):
        if each.bot_id == wanted:
            bot: Json = {"id": each.bot_id, "app_id": each.app.id, "name": each.app.name}
            return {"ok": True, "bot": bot | {"user_id": each.bot_user_id, "deleted": False}}
    raise Refusal("bot_not_found")


def _reacted(caller: Caller) -> tuple[Channel, Message, str]:
    channel = caller.channel()
    if channel.is_archived:
        raise Refusal("is_archived")
    if caller.bot.bot_user_id not in channel.members:
        raise Refusal("not_in_channel")
    name = caller.arguments.required("name", "invalid_name")
    if not EMOJI.fullmatch(name):
        raise Refusal("invalid_name")
    return channel, caller.message(channel, "timestamp"), name


def react(service: Service, channel: Channel, message: Message, user: str, name: str, *, on: bool) -> bool:
    """Add or take back a reaction and tell the apps; False when nothing changed."""
    users = message.reactions.get(name, [])
    if on is (user in users):
        return False
    message.reactions[name] = [*users, user] if on else [each for each in users if each != user]
    if not message.reactions[name]:
        del message.reactions[name]
    kind = "reaction_added" if on else "reaction_removed"
    item = {"type": "message", "channel": channel.id, "ts": message.ts}
    event: Json = {"type": kind, "user": user, "reaction": name, "item": item, "item_user": message.user}
    event["event_ts"] = service.world.mint_ts(service.clock.now())
    service.feed.in_channel(channel, kind, lambda _: event)
    service.changed()
    return True


async def reactions_add(caller: Caller) -> Json:
    """`reactions.add`."""
    channel, message, name = _reacted(caller)
    if not react(caller.service, channel, message, caller.bot.bot_user_id, name, on=True):
        raise Refusal("already_reacted")
    return {"ok": True}


async def reactions_remove(caller: Caller) -> Json:
    """`reactions.remove`."""
    channel, message, name = _reacted(caller)
    if not react(caller.service, channel, message, caller.bot.bot_user_id, name, on=False):
        raise Refusal("no_reaction")
    return {"ok": True}


def joined(service: Service, channel: Channel, user: str) -> None:
    """Let *user* into *channel* and tell the apps."""
    channel.members.add(user)
    ts = service.world.mint_ts(service.clock.now())
    event: Json = {"type": "member_joined_channel", "user": user, "channel": channel.id, "event_ts": ts}
    event |= {"channel_type": CHANNEL_TYPES[channel.kind][0].upper(), "team": channel.team_id}
    service.feed.in_channel(channel, "member_joined_channel", lambda _: event)
    if channel.kind in ("public", "private"):
        message = Message(
            ts, channel.id, user, f"<@{user}> has joined the channel", "join", subtype="channel_join"
        )
        posting.place(service, channel, message)


METHODS = {
    "api.test": Method(api_test, 4, token="none"),
    "auth.test": Method(auth_test),
    "users.info": Method(users_info, 4, ("users:read",)),
    "team.info": Method(team_info, 3, ("team:read",)),
    "bots.info": Method(bots_info, 3, ("users:read",)),
    "reactions.add": Method(reactions_add, 3, ("reactions:write",)),
    "reactions.remove": Method(reactions_remove, 2, ("reactions:write",)),
}
