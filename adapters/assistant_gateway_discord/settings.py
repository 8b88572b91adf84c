"""
The table ``[discord]``: the bot's token, where it listens, whom it answers, and how much it takes.

The token alone is enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from assistant_gateway.values import JsonObject

VARIABLE = "DISCORD_BOT_TOKEN"


def _token(token: SecretStr) -> SecretStr:
    if token.get_secret_value().lower().startswith("bot "):
        raise ValueError('is the token alone, without "Bot " before it')
    return token


def _api_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("should be an address such as https://discord.com/api/v10")
    return url.rstrip("/")


class DiscordSettings(BaseModel):
    """The settings of one Discord bot."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    bot_token: Annotated[SecretStr, AfterValidator(_token)] | None = Field(
        default=None, description="from the application's page Bot"
    )
    base_url: Annotated[str, AfterValidator(_api_address)] = Field(
        default="https://discord.com/api/v10", description="of the HTTP API; another one only for tests"
    )
    answer: Literal["mention", "joined", "always"] = Field(
        default="joined", description="what is answered in servers; direct messages always are"
    )
    always_in: tuple[str, ...] = Field(
        default=(), description="ids of channels in which every message is answered"
    )
    auto_thread: bool = Field(
        default=False, description="whether a question in a channel is answered in a thread of its own"
    )
    guilds: tuple[str, ...] | None = Field(
        default=None, description="ids of the only servers it answers in; direct messages are none"
    )
    channels: tuple[str, ...] | None = Field(
        default=None, description="ids of the only channels it answers in, with their threads"
    )
    roles: tuple[str, ...] | None = Field(
        default=None, description="ids of roles: who has none of them is not answered, unless in users"
    )
    users: tuple[str, ...] | None = Field(
        default=None, description="ids of the only people it answers, beside those with one of the roles"
    )
    direct_messages: bool = Field(default=True, description="whether direct messages are answered")
    ignore_bots: bool = Field(default=True, description="whether other bots are not answered")
    max_bot_turns: int = Field(
        default=3, ge=1, le=100, description="messages of bots in a row that are answered, where bots are"
    )
    message_content: bool = Field(
        default=True,
        description="whether Discord is asked for messages that do not mention the bot (a privileged intent)",
    )
    commands: bool = Field(default=True, description="whether /ask, /reset … are registered with Discord")
    catch_up: int = Field(
        default=100,
        ge=0,
        le=1000,
        description="messages of one conversation that are looked through after a gap; 0 looks at none",
    )
    catch_up_hours: float = Field(
        default=24.0, gt=0, le=720, description="hours; what is older is not answered after a gap"
    )
    shards: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="connections to the gateway; without it as many as Discord says",
    )
    max_files: int = Field(default=10, ge=0, le=100, description="files of one message that are taken")
    max_file_size: int = Field(
        default=20 * 1024 * 1024, ge=1024, le=1 << 30, description="bytes; a larger file is left out, visibly"
    )

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.bot_token is None:
            raise ValueError(f"there is no bot_token ({VARIABLE})")
        return self


def from_environment(environ: Mapping[str, str]) -> JsonObject | None:
    """The token that the environment gives; None when it gives none."""
    return {"bot_token": environ[VARIABLE]} if VARIABLE in environ else None
