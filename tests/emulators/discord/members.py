"""
Asking for the members of a server: developers/events/gateway-events.mdx, "Request Guild Members", 2026-08-06.
"""

from __future__ import annotations

from collections.abc import Iterator

from emulators.discord.intents import Intent
from emulators.discord.payloads import Payloads
from emulators.discord.sessions import Session
from emulators.discord.world import World
from emulators.shapes import Json, string

CHUNK = 1_000


def chunks(world: World, payloads: Payloads, session: Session, data: Json) -> Iterator[Json]:
    """
    The GUILD_MEMBERS_CHUNKs that answer *data*.

    All members are only for apps with the members intent; some, by name or id, are for everybody.
    """
    guild = world.guilds.get(str(data.get("guild_id")))
    if guild is None or session.app.user_id not in guild.members:
        return
    asked = data.get("user_ids")
    ids = [str(each) for each in asked] if isinstance(asked, list) else [str(asked)] if asked else []
    query = string(data.get("query"))
    if not ids and not query and not session.intents & Intent.GUILD_MEMBERS:
        return
    named = [
        member
        for member in guild.members.values()
        if (member.user_id in ids if ids else world.users[member.user_id].name.startswith(query))
    ]
    given = data.get("limit")
    limit = given if isinstance(given, int) and given > 0 else len(named)
    told = [payloads.member(member) for member in named[:limit]]
    parts = [told[start : start + CHUNK] for start in range(0, len(told), CHUNK)] or [[]]
    for index, part in enumerate(parts):
        chunk: Json = {"guild_id": guild.id, "members": part, "chunk_index": index, "chunk_count": len(parts)}
        if ids:
            chunk["not_found"] = [each for each in ids if each not in guild.members]
        yield chunk | ({"nonce": data["nonce"]} if "nonce" in data else {})
