"""Discord, for assistant-gateway."""

from assistant_gateway_discord.plugin import plugin

__all__ = ["plugin"]
