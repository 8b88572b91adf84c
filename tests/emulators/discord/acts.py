"""
Commands, clicks and dialogs on their way to the app: developers/interactions/receiving-and-responding.mdx,
"Interaction Structure", 2026-08-06.
"""

from __future__ import annotations

import asyncio
import secrets

from emulators.discord import sizes
from emulators.discord.interactions import Interaction
from emulators.discord.kinds import InteractionType
from emulators.discord.permissions import permissions
from emulators.discord.service import Service
from emulators.discord.world import App, Channel, Message
from emulators.shapes import Json


def begin(
    service: Service,
    app: App,
    kind: InteractionType,
    user_id: str,
    channel: Channel,
    data: Json,
    message: Message | None = None,
) -> Interaction:
    """Send what a person did to the app, and let it fail if the app is silent for too long."""
    interaction = Interaction(
        id=service.mint(),
        token=secrets.token_urlsafe(48),
        app=app,
        type=kind,
        user_id=user_id,
        channel=channel,
        data=data,
        created_at=service.clock.now(),
        deadline=service.clock.now() + service.ack_deadline * service.clock.speed,
        message=message,
    )
    service.interactions[interaction.id] = interaction
    told = payload(service, interaction)
    interaction.heard = service.feed.to_app("INTERACTION_CREATE", app, channel.guild_id, told)
    service.spawn(_fail_late(service, interaction), f"interaction {interaction.id}")
    service.changed()
    return interaction


async def _fail_late(service: Service, interaction: Interaction) -> None:
    late = asyncio.create_task(service.clock.sleep(interaction.deadline - service.clock.now()))
    done = asyncio.create_task(interaction.done.wait())
    try:
        await asyncio.wait({late, done}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        late.cancel()
        done.cancel()
    if interaction.state == "waiting":
        interaction.state = "failed"
        interaction.done.set()
        service.changed()


def payload(service: Service, interaction: Interaction) -> Json:
    """The interaction in JSON."""
    world, payloads, now = service.world, service.payloads, service.clock.now()
    app, channel, user = interaction.app, interaction.channel, world.users[interaction.user_id]
    guild = world.guilds.get(channel.guild_id)
    place = payloads.channel(channel, reader=app.user_id)
    may = permissions(world, user.id, channel, now)
    told: Json = {
        "id": interaction.id,
        "application_id": app.id,
        "type": int(interaction.type),
        "data": interaction.data,
        "channel": place | {"permissions": str(int(may))},
        "channel_id": channel.id,
        "token": interaction.token,
        "version": 1,
        "app_permissions": str(int(permissions(world, app.user_id, channel, now))),
        "locale": "en-US",
        "entitlements": [],
        "attachment_size_limit": sizes.FILE,
    }
    if guild is None:
        told |= {"user": payloads.user(user), "context": 1}
        told["authorizing_integration_owners"] = {"0": "0"}
    else:
        member = payloads.member(guild.members[user.id]) | {"permissions": str(int(may))}
        told |= {"guild_id": guild.id, "member": member, "context": 0, "guild_locale": "en-US"}
        told["guild"] = {"id": guild.id, "locale": "en-US", "features": []}
        installed = app.user_id in guild.members
        told["authorizing_integration_owners"] = {"0": guild.id} if installed else {"1": user.id}
    if interaction.message is not None:
        told["message"] = payloads.read_by(interaction.message, app, content=True)
    return told


def metadata(service: Service, interaction: Interaction) -> Json:
    """What a message tells of the interaction that it answers: "Message Interaction Metadata"."""
    told: Json = {
        "id": interaction.id,
        "type": int(interaction.type),
        "user": service.payloads.user(service.world.users[interaction.user_id]),
        "authorizing_integration_owners": {"0": interaction.channel.guild_id or "0"},
    }
    if interaction.type == InteractionType.COMMAND:
        told |= {"name": interaction.name, "command_type": interaction.data.get("type", 1)}
    if interaction.message is not None:
        told["interacted_message_id"] = interaction.message.id
    return told
