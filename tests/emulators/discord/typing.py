"""
"… is typing": developers/resources/channel.mdx, "Trigger Typing Indicator" (2026-08-06): for 10 s.

That it goes as soon as the one who types has written is assumed.
"""

from __future__ import annotations

from emulators.discord.service import Service
from emulators.discord.world import Channel
from emulators.shapes import Json

SECONDS = 10.0


def type_in(service: Service, channel: Channel, user_id: str) -> None:
    """Show that a user types, and tell the apps."""
    now = service.clock.now()
    service.typing[channel.id, user_id] = now + SECONDS
    service.typed.append((now, channel.id, user_id))
    told: Json = {"channel_id": channel.id, "user_id": user_id, "timestamp": int(now)}
    guild = service.world.guilds.get(channel.guild_id)
    if guild is not None:
        told |= {"guild_id": guild.id, "member": service.payloads.member(guild.members[user_id])}
    service.feed.in_channel("TYPING_START", channel, lambda _: told)
    service.changed()


def who_types(service: Service, channel_id: str) -> list[str]:
    """The users who are seen typing now."""
    now = service.clock.now()
    return [
        user for (channel, user), until in service.typing.items() if channel == channel_id and until > now
    ]
