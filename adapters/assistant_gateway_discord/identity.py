"""Who the bot is, and what its application may hear, as Discord tells."""

from __future__ import annotations

from dataclasses import dataclass

from assistant_gateway.platforms.shapes import Json, number, table, text
from assistant_gateway_discord.shapes import snowflake

# developers/resources/application.mdx, "Application Flags", 2026-08-06: with and without Discord's approval.
MESSAGE_CONTENT = 1 << 18 | 1 << 19


@dataclass(frozen=True, slots=True)
class Identity:
    """
    The bot that our token stands for.

    Attributes:
        user_id: The bot's user, which people mention.
        application_id: What interactions are answered as.
        hears_content: The Message Content Intent is on in the Developer Portal.
        endpoint: Where interactions go instead of the gateway; empty where none is set.
    """

    user_id: str
    application_id: str
    name: str = ""
    hears_content: bool = False
    endpoint: str = ""

    def posted(self, message: Json) -> bool:
        """Whether the bot is the author of *message*."""
        return table(message.get("author")).get("id") == self.user_id

    @property
    def portal(self) -> str:
        """The page on which the intents are switched."""
        return f"https://discord.com/developers/applications/{self.application_id}/bot"


def identity(user: Json, application: Json) -> Identity:
    """
    The identity that ``/users/@me`` and ``/applications/@me`` told.

    Raises:
        ValueError: They told none.
    """
    user_id, application_id = snowflake(user.get("id")), snowflake(application.get("id"))
    if not (user_id and application_id):
        raise ValueError("no ids in it")
    return Identity(
        user_id,
        application_id,
        text(user.get("username"))[:100],
        bool(number(application.get("flags")) & MESSAGE_CONTENT),
        text(application.get("interactions_endpoint_url"))[:200],
    )
