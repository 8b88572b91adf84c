"""
What an app writes after its first answer: developers/interactions/receiving-and-responding.mdx, "Followup
Messages", 2026-08-06.

With the interaction's token, for 15 minutes; these routes take no nonce. Other webhooks are not emulated.
"""

from __future__ import annotations

from emulators.discord import posting
from emulators.discord.interactions import Interaction
from emulators.discord.kinds import MessageFlag
from emulators.discord.refusal import Refusal
from emulators.discord.routes.answers import answer_draft, change, new_answer, put
from emulators.discord.routes.caller import Answer, Caller, Route
from emulators.discord.world import Message
from emulators.shapes import Json

FOLLOWUPS = 5  # of an app that only the user has installed, not the server: code 40094


def _interaction(caller: Caller) -> Interaction:
    """
    The interaction of the path's token.

    Raises:
        Refusal: 10015: unknown, or not acknowledged yet (assumed); 50027: its 15 minutes are over.
    """
    token = caller.parameters["token"]
    found = next((each for each in caller.service.interactions.values() if each.token == token), None)
    if found is None or found.app.id != caller.id("webhook"):
        raise Refusal(10015)
    if found.expired(caller.now):
        raise Refusal(50027)
    if found.state != "acknowledged":
        raise Refusal(10015)
    return found


def _message(caller: Caller, interaction: Interaction) -> Message:
    """
    One of the interaction's own messages.

    Raises:
        Refusal: 10008.
    """
    if caller.parameters["message"] == "@original":
        found = interaction.original
    else:
        wanted = caller.id("message")
        own = [interaction.original, *interaction.followups]
        found = next((each for each in own if each is not None and each.id == wanted), None)
    if found is None or found.deleted_at is not None:
        raise Refusal(10008)
    return found


def _told(caller: Caller, interaction: Interaction, message: Message) -> Json:
    return caller.service.payloads.read_by(message, interaction.app, content=True)


async def follow_up(caller: Caller) -> Answer:
    """`POST /webhooks/{webhook}/{token}`."""
    interaction = _interaction(caller)
    service, channel = caller.service, interaction.channel
    guild = service.world.guilds.get(channel.guild_id)
    only_user = guild is not None and interaction.app.user_id not in guild.members
    if only_user and len(interaction.followups) >= FOLLOWUPS:
        raise Refusal(40094)
    service.limits.spend_hidden(interaction.app.id, "webhook in channel", channel.id, scope="shared")
    original = interaction.original
    if original is not None and original.flags & MessageFlag.LOADING and original.deleted_at is None:
        # "the first follow-up edits the loading message": deprecated, but documented.
        draft = answer_draft(caller, interaction, caller.fields, flags=original.flags)
        change(caller, interaction, original, draft)
        return _told(caller, interaction, original)
    draft = answer_draft(caller, interaction, caller.fields)
    message = new_answer(caller, interaction)
    put(caller, interaction, message, draft)
    interaction.followups.append(message)
    return _told(caller, interaction, message)


async def get(caller: Caller) -> Answer:
    """`GET /webhooks/{webhook}/{token}/messages/{message}`."""
    interaction = _interaction(caller)
    return _told(caller, interaction, _message(caller, interaction))


async def edit(caller: Caller) -> Answer:
    """`PATCH /webhooks/{webhook}/{token}/messages/{message}`."""
    interaction = _interaction(caller)
    message = _message(caller, interaction)
    draft = answer_draft(caller, interaction, caller.fields, flags=message.flags)
    change(caller, interaction, message, draft)
    return _told(caller, interaction, message)


async def remove(caller: Caller) -> Answer:
    """`DELETE /webhooks/{webhook}/{token}/messages/{message}`."""
    interaction = _interaction(caller)
    posting.remove(caller.service, interaction.channel, _message(caller, interaction), caller.by)
    return None


_PATH = "/webhooks/{webhook}/{token}"
ROUTES = (
    Route("POST", _PATH, follow_up, "webhook", token="webhook"),
    Route("GET", f"{_PATH}/messages/{{message}}", get, "webhook", token="webhook"),
    Route("PATCH", f"{_PATH}/messages/{{message}}", edit, "webhook", token="webhook"),
    Route("DELETE", f"{_PATH}/messages/{{message}}", remove, "webhook", token="webhook"),
)
