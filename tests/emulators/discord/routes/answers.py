"""Messages that answer interactions: made, shown and changed alike by callbacks and by webhooks."""

from __future__ import annotations

from emulators.discord import posting
from emulators.discord.acts import metadata
from emulators.discord.interactions import Interaction
from emulators.discord.kinds import CommandType, InteractionType, MessageFlag, MessageType
from emulators.discord.mentions import USERS_ONLY
from emulators.discord.routes.caller import Caller
from emulators.discord.routes.drafts import SETTABLE, Draft, draft_of, fill
from emulators.discord.routes.messages import reference_to
from emulators.discord.world import Message
from emulators.shapes import Json

OPENING = SETTABLE | MessageFlag.EPHEMERAL


def answer_draft(caller: Caller, interaction: Interaction, body: Json, *, flags: int = 0) -> Draft:
    """
    What an answer is to become.

    Raises:
        Refusal: Code 50035 and others.
    """
    settable = SETTABLE if flags else OPENING
    return draft_of(caller, body, interaction.channel, USERS_ONLY, settable=settable, flags=flags)


def new_answer(caller: Caller, interaction: Interaction, *, flags: int = 0) -> Message:
    """
    An empty message of the interaction's app.

    Type 20 answers a command, 23 a context menu; that a click and a follow-up are answered by type 19 is
    assumed.
    """
    message = Message(
        id=caller.service.mint(),
        channel_id=interaction.channel.id,
        author_id=interaction.app.user_id,
        content="",
        via=caller.by,
        created_at=caller.now,
        app=interaction.app,
        flags=flags,
        interaction_id=interaction.id,
        interaction_metadata=metadata(caller.service, interaction),
    )
    answered = interaction.original or interaction.message
    if answered is not None:
        message.type = MessageType.REPLY
        message.reference = reference_to(interaction.channel, answered)
    elif interaction.type == InteractionType.COMMAND:
        slash = interaction.data.get("type", 1) == CommandType.CHAT_INPUT
        message.type = MessageType.CHAT_INPUT_COMMAND if slash else MessageType.CONTEXT_MENU_COMMAND
    return message


def put(caller: Caller, interaction: Interaction, message: Message, draft: Draft) -> None:
    """
    Show a new answer.

    Raises:
        Refusal: 50006: it is empty.
    """
    fill(caller, message, draft)
    _hide(interaction, message)
    posting.place(caller.service, interaction.channel, message, draft.allowed)


def put_loading(caller: Caller, interaction: Interaction, message: Message) -> None:
    """Show "is thinking…"."""
    _hide(interaction, message)
    posting.place(caller.service, interaction.channel, message, USERS_ONLY)


def _hide(interaction: Interaction, message: Message) -> None:
    if message.flags & MessageFlag.EPHEMERAL:
        message.ephemeral_to = interaction.user_id


def change(caller: Caller, interaction: Interaction, message: Message, draft: Draft) -> None:
    """
    Change an answer; what replaces "is thinking…" counts as no edit (assumed).

    Raises:
        Refusal: 50006: nothing would be left of it.
    """
    loading = message.flags & MessageFlag.LOADING
    message.flags &= ~MessageFlag.LOADING
    try:
        fill(caller, message, draft)
    except BaseException:
        message.flags |= loading
        raise
    if not loading:
        message.edited_at = caller.now
    posting.changed(caller.service, interaction.channel, message, caller.by, draft.allowed)
