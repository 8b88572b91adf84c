"""The entry point: what the gateway must know of Discord before anything of its SDK is loaded."""

from __future__ import annotations

from assistant_gateway.adapter import Adapter, AdapterPlugin, AdapterServices
from assistant_gateway.errors import ConfigError
from assistant_gateway_discord.settings import DiscordSettings, from_environment


def build(settings: DiscordSettings, services: AdapterServices) -> Adapter:
    """
    The adapter for checked settings.

    Raises:
        ConfigError: The SDK is not installed.
    """
    try:
        from assistant_gateway_discord.adapter import DiscordAdapter
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "discord":
            raise
        raise ConfigError(
            "discord.py is not installed: pip install 'assistant-gateway[discord]'", "discord"
        ) from error
    return DiscordAdapter(settings, services.notes)


plugin = AdapterPlugin(
    section="discord", settings=DiscordSettings, build=build, from_environment=from_environment
)
