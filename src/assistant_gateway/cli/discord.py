"""`discord invite`: the link that brings the bot into a server."""

from __future__ import annotations

import argparse
import sys

from assistant_gateway.cli.start import configured
from assistant_gateway.errors import ConfigError
from assistant_gateway_discord.invite import PERMISSIONS, application_of, invite
from assistant_gateway_discord.settings import VARIABLE, DiscordSettings


def discord(arguments: argparse.Namespace) -> int:
    print(invite(arguments.application or _application(arguments)))
    print(f"it asks for: {', '.join(PERMISSIONS)}", file=sys.stderr)
    return 0


def _application(arguments: argparse.Namespace) -> str:
    """
    The application's id, as the token of the configuration tells it.

    Raises:
        ConfigError: There is no token, or no id in it.
    """
    table = configured(arguments).adapters.get("discord")
    token = DiscordSettings.model_validate(table).bot_token if table is not None else None
    if token is None:
        raise ConfigError(f"there is no token ({VARIABLE}); or give --application ID")
    if id := application_of(token.get_secret_value()):
        return id
    raise ConfigError(
        "the token does not tell the application's id; give --application ID", "discord.bot_token"
    )
