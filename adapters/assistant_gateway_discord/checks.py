"""What the doctor says of Discord: whether the token is good, what the bot may hear, and where it is."""

from __future__ import annotations

from assistant_gateway.adapter import Finding
from assistant_gateway.errors import AdapterError
from assistant_gateway.platforms.shapes import number, table
from assistant_gateway_discord import routes
from assistant_gateway_discord.faults import Unauthorised
from assistant_gateway_discord.identity import Identity
from assistant_gateway_discord.invite import invite
from assistant_gateway_discord.settings import DiscordSettings
from assistant_gateway_discord.web import Web

FEW = 50  # sessions of a day


async def findings(web: Web, settings: DiscordSettings) -> list[Finding]:
    """What was found; Discord is only asked, nothing is posted."""
    try:
        me = await web.ask_identity()
    except Unauthorised:
        remedy = "reset it on the page Bot of the Developer Portal, and copy it anew"
        return [Finding("broken", "discord", f"the bot token is refused; {remedy}")]
    except AdapterError as error:
        return [Finding("broken", "discord", f"{error}; try again")]
    found = [Finding("ok", "discord", f"is {me.name or me.user_id}")]
    found.append(_intent(me, settings))
    if me.endpoint:
        text = f"commands and buttons go to {me.endpoint}; empty Interactions Endpoint URL in the portal"
        found.append(Finding("broken", "discord interactions", text))
    try:
        found += [await _gateway(web), await _servers(web, me)]
    except AdapterError as error:
        found.append(Finding("broken", "discord", f"{error}; try again"))
    return found


def _intent(me: Identity, settings: DiscordSettings) -> Finding:
    about = "discord intents"
    if not settings.message_content:
        return Finding(
            "note", about, "message_content is off: only mentions, direct messages and commands are heard"
        )
    if me.hears_content:
        return Finding("ok", about, "the Message Content Intent is on")
    text = f"the Message Content Intent is off: switch it on at {me.portal} under Privileged Gateway Intents"
    return Finding("broken", about, f"{text}, or set message_content = false")


async def _gateway(web: Web) -> Finding:
    told = await web.get(routes.gateway())
    limits = table(told.get("session_start_limit"))
    left, shards = number(limits.get("remaining")), max(1, number(told.get("shards")))
    text = f"{left} sessions are left today; connections advised: {shards}"
    return Finding("ok" if left > FEW else "broken", "discord gateway", text)


async def _servers(web: Web, me: Identity) -> Finding:
    if await web.get_list(routes.guilds()):
        return Finding("ok", "discord servers", "the bot is in a server")
    return Finding(
        "note", "discord servers", f"the bot is in no server yet; invite it: {invite(me.application_id)}"
    )
