"""
The table ``[slack]``: the app's tokens, where it listens, and how much it takes.

With an app token events come over Socket Mode, with a signing secret over HTTP; at least one of
the two is needed beside the bot token.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from assistant_gateway.values import JsonObject

PATH = "/slack/events"  # where Slack sends events, clicks and commands in HTTP mode
VARIABLES = {
    "bot_token": "SLACK_BOT_TOKEN",
    "app_token": "SLACK_APP_TOKEN",
    "signing_secret": "SLACK_SIGNING_SECRET",
}


def _no_app_token(token: SecretStr) -> SecretStr:
    if token.get_secret_value().startswith("xapp-"):
        raise ValueError("is an app-level token (xapp-…); the bot token begins with xoxb-")
    return token


def _no_bot_token(token: SecretStr) -> SecretStr:
    if token.get_secret_value().startswith(("xoxb-", "xoxp-")):
        raise ValueError("is no app-level token; that begins with xapp-")
    return token


def _api_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("should be an address such as https://slack.com/api/")
    return url if url.endswith("/") else f"{url}/"


class SlackSettings(BaseModel):
    """The settings of one Slack app in one workspace."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    bot_token: Annotated[SecretStr, AfterValidator(_no_app_token)] | None = Field(
        default=None, description="xoxb-…, from the app's page OAuth & Permissions"
    )
    app_token: Annotated[SecretStr, AfterValidator(_no_bot_token)] | None = Field(
        default=None, description="xapp-… with connections:write, for Socket Mode"
    )
    signing_secret: SecretStr | None = Field(
        default=None, description="signs what Slack sends over HTTP; from Basic Information"
    )
    base_url: Annotated[str, AfterValidator(_api_address)] = Field(
        default="https://slack.com/api/", description="of the Web API; another one only for tests"
    )
    connections: int = Field(
        default=2,
        ge=1,
        le=10,
        description="WebSockets in Socket Mode; two let none be missed when one is cut",
    )
    answer: Literal["mention", "joined", "always"] = Field(
        default="joined", description="what is answered in channels; direct messages always are"
    )
    always_in: tuple[str, ...] = Field(
        default=(), description="ids of channels in which every message is answered"
    )
    channels: tuple[str, ...] | None = Field(
        default=None, description="ids of the only channels it answers in; direct messages are none"
    )
    users: tuple[str, ...] | None = Field(default=None, description="ids of the only people it answers")
    ignore_bots: bool = Field(default=True, description="whether other bots are not answered")
    max_bot_turns: int = Field(
        default=3, ge=1, le=100, description="messages of bots in a row that are answered, where bots are"
    )
    max_files: int = Field(default=10, ge=0, le=100, description="files of one message that are taken")
    max_file_size: int = Field(
        default=20 * 1024 * 1024, ge=1024, le=1 << 30, description="bytes; a larger file is left out, visibly"
    )

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        missing = []
        if self.bot_token is None:
            missing.append(f"bot_token ({VARIABLES['bot_token']})")
        if self.app_token is None and self.signing_secret is None:
            missing.append(
                f"app_token ({VARIABLES['app_token']}) for Socket Mode "
                f"or signing_secret ({VARIABLES['signing_secret']}) for HTTP"
            )
        if missing:
            raise ValueError(f"there is no {' and no '.join(missing)}")
        return self


def from_environment(environ: Mapping[str, str]) -> JsonObject | None:
    """The tokens that the environment gives; None when it gives none."""
    return {key: environ[name] for key, name in VARIABLES.items() if name in environ} or None
