"""Who may speak with the bot, and where: by the ids of servers, channels, roles and people, nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from assistant_gateway_discord.places import Place
from assistant_gateway_discord.settings import DiscordSettings


class Allowed:
    """The lists of the configuration."""

    def __init__(self, settings: DiscordSettings) -> None:
        self._settings = settings

    def place(self, place: Place) -> bool:
        """Whether the bot listens there."""
        settings = self._settings
        if not place.guild:
            return settings.direct_messages
        if settings.guilds is not None and place.guild not in settings.guilds:
            return False
        return settings.channels is None or not {place.channel, place.thread}.isdisjoint(settings.channels)

    @property
    def asks_for_roles(self) -> bool:
        """Whether it depends on somebody's roles."""
        return self._settings.roles is not None

    def person(self, user: str, roles: Sequence[str]) -> bool:
        """Whether somebody may ask; in direct messages nobody has roles."""
        settings = self._settings
        if settings.users is None and settings.roles is None:
            return True
        return user in (settings.users or ()) or not set(settings.roles or ()).isdisjoint(roles)
