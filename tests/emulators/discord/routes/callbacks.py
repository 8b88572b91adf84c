"""
The first answer to an interaction: developers/interactions/receiving-and-responding.mdx, "Create Interaction
Response", 2026-08-06.

Once, within 3 s: late is 10062, twice is 40060. No bot token is needed, and it counts against no 50/s.
"""

from __future__ import annotations

from emulators.discord import sizes
from emulators.discord.interactions import Interaction
from emulators.discord.kinds import CallbackType, InteractionType, MessageFlag
from emulators.discord.refusal import Refusal, invalid, required, too_long
from emulators.discord.routes.answers import answer_draft, change, new_answer, put, put_loading
from emulators.discord.routes.caller import Answer, Caller, Route
from emulators.discord.routes.components import as_objects, check_modal
from emulators.shapes import Json, record

ALLOWED = {
    InteractionType.COMMAND: {CallbackType.MESSAGE, CallbackType.DEFERRED_MESSAGE, CallbackType.MODAL},
    InteractionType.COMPONENT: set(CallbackType) - {CallbackType.PONG, CallbackType.AUTOCOMPLETE},
    InteractionType.AUTOCOMPLETE: {CallbackType.AUTOCOMPLETE},
    InteractionType.MODAL: {
        CallbackType.MESSAGE,
        CallbackType.DEFERRED_MESSAGE,
        CallbackType.DEFERRED_UPDATE,
        CallbackType.UPDATE,
    },
}


async def answer(caller: Caller) -> Answer:
    """`POST /interactions/{interaction}/{token}/callback`."""
    interaction = caller.service.interactions.get(caller.id("interaction"))
    if interaction is None or interaction.token != caller.parameters["token"]:
        raise Refusal(10062)
    if interaction.state == "acknowledged":
        raise Refusal(40060)
    if interaction.state == "failed" or caller.now >= interaction.deadline:
        raise Refusal(10062)
    kind = _kind(caller.fields.get("type"), interaction)
    _perform(caller, interaction, kind, record(caller.fields.get("data")))
    interaction.state = "acknowledged"
    interaction.callback = kind
    interaction.acknowledged_at = caller.now
    interaction.done.set()
    caller.service.changed()
    if caller.query.get("with_response", "").lower() in ("true", "1"):
        return _told(caller, interaction, kind)
    return None


def _kind(given: object, interaction: Interaction) -> CallbackType:
    if given is None:
        raise required("type")
    fits = {int(each) for each in ALLOWED[interaction.type]}
    if interaction.message is None:
        fits -= {CallbackType.DEFERRED_UPDATE, CallbackType.UPDATE}
    if not isinstance(given, int) or given not in fits:
        raise invalid("type", "BASE_TYPE_CHOICES", f"Value must be one of {tuple(sorted(fits))}.")
    return CallbackType(given)


def _perform(caller: Caller, interaction: Interaction, kind: CallbackType, data: Json) -> None:
    match kind:
        case CallbackType.MESSAGE:
            draft = answer_draft(caller, interaction, data)
            message = new_answer(caller, interaction)
            put(caller, interaction, message, draft)
            interaction.original = message
        case CallbackType.DEFERRED_MESSAGE:
            given = data.get("flags")
            private = MessageFlag.EPHEMERAL & given if isinstance(given, int) else 0
            message = new_answer(caller, interaction, flags=MessageFlag.LOADING | private)
            put_loading(caller, interaction, message)
            interaction.original = message
        case CallbackType.DEFERRED_UPDATE:
            interaction.original = interaction.message
        case CallbackType.UPDATE:
            assert interaction.message is not None
            draft = answer_draft(caller, interaction, data, flags=interaction.message.flags)
            change(caller, interaction, interaction.message, draft)
            interaction.original = interaction.message
        case CallbackType.AUTOCOMPLETE:
            choices = as_objects(data.get("choices"), "data.choices")
            if len(choices) > sizes.AUTOCOMPLETE:
                raise too_long("data.choices", sizes.AUTOCOMPLETE)
            interaction.choices = choices
        case CallbackType.MODAL:
            check_modal(data)
            interaction.modal = data


def _told(caller: Caller, interaction: Interaction, kind: CallbackType) -> Json:
    """ "Interaction Callback Response"."""
    told: Json = {"id": interaction.id, "type": int(interaction.type)}
    resource: Json = {"type": int(kind)}
    message = interaction.original
    if message is not None:
        told |= {
            "response_message_id": message.id,
            "response_message_loading": bool(message.flags & MessageFlag.LOADING),
            "response_message_ephemeral": bool(message.flags & MessageFlag.EPHEMERAL),
        }
        if kind in (CallbackType.MESSAGE, CallbackType.UPDATE, CallbackType.DEFERRED_MESSAGE):
            resource["message"] = caller.service.payloads.read_by(message, interaction.app, content=True)
    return {"interaction": told, "resource": resource}


ROUTES = (Route("POST", "/interactions/{interaction}/{token}/callback", answer, token="webhook"),)
