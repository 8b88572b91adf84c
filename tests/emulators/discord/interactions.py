"""
What becomes of a command, a click or a dialog.

developers/interactions/receiving-and-responding.mdx, 2026-08-06.

An app has 3 s to acknowledge, of the machine, since they measure the bot; else the person reads that it
failed. With the token it may then write for 15 minutes of Discord's time.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Literal

from emulators.discord.kinds import CallbackType, InteractionType
from emulators.discord.world import App, Channel, Message
from emulators.shapes import Json

TOKEN_SECONDS = 900.0
FAILED = "The application did not respond"


@dataclass(eq=False, slots=True)
class Interaction:
    """
    One command, click, dialog or completion, and what the app made of it.

    Attributes:
        data: What the person chose, in Discord's JSON.
        deadline: Until when it must be acknowledged, in seconds since 1970.
        message: Where a component was clicked.
        heard: Whether a session was there to hear of it.
        state: `failed` is what the person reads as "The application did not respond".
        callback: How it was acknowledged.
        acknowledged_at: Seconds since 1970.
        original: The message that `@original` stands for.
        followups: The messages after it.
        modal: The dialog that the person was shown.
        choices: What an autocomplete offered.
    """

    id: str
    token: str
    app: App
    type: InteractionType
    user_id: str
    channel: Channel
    data: Json
    created_at: float
    deadline: float
    message: Message | None = None
    heard: bool = False
    state: Literal["waiting", "acknowledged", "failed"] = "waiting"
    callback: CallbackType | None = None
    acknowledged_at: float | None = None
    original: Message | None = None
    followups: list[Message] = field(default_factory=list)
    modal: Json | None = None
    choices: list[Json] | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        """The command's name, or the component's or dialog's `custom_id`."""
        return str(self.data.get("name", self.data.get("custom_id", "")))

    def expired(self, now: float) -> bool:
        """Whether its token is good for nothing any more."""
        return now >= self.created_at + TOKEN_SECONDS
