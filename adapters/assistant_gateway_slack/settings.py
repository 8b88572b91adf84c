"""
The table ``[slack]``: the app's tokens, where it listens, and how much it takes.

With an app token events come over Socket Mode, with a signing secret over HTTP; at least one of
the two is needed. The bot token is that of one workspace; with a client id workspaces install the
app themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from assistant_gateway.values import JsonObject
from assistant_gateway_slack.keys import key_of

PROMPT_LENGTH = 300  # characters of a suggested question
PATH = "/slack/events"  # where Slack sends events, clicks and commands in HTTP mode
INSTALL_PATH = "/slack/install"  # where people begin to install the app
REDIRECT_PATH = "/slack/oauth_redirect"  # where Slack sends them back to
VARIABLES = {
    "bot_token": "SLACK_BOT_TOKEN",
    "app_token": "SLACK_APP_TOKEN",
    "signing_secret": "SLACK_SIGNING_SECRET",
    "client_id": "SLACK_CLIENT_ID",
    "client_secret": "SLACK_CLIENT_SECRET",
    "encryption_key": "SLACK_ENCRYPTION_KEY",
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
    _check_address(url, "https://slack.com/api/")
    return url if url.endswith("/") else f"{url}/"


def _page_address(url: str) -> str:
    _check_address(url, "https://slack.com/oauth/v2/authorize")
    return url


def _own_address(url: str) -> str:
    if not url:
        return url
    _check_address(url, "https://bot.example.com")
    return url.rstrip("/")


def _check_address(url: str, example: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"should be an address such as {example}")


def _key(secret: SecretStr) -> SecretStr:
    key_of(secret.get_secret_value())
    return secret


def _command(name: str) -> str:
    if name and not re.fullmatch(r"/[a-z0-9_-]{1,31}", name):
        raise ValueError("should be a slash and at most 31 small letters, digits, - or _, such as /assistant")
    return name


EncryptionKey: TypeAlias = Annotated[SecretStr, AfterValidator(_key)]


class SlackFeatures(BaseModel):
    """What the app's manifest must say, too: people see it before anything is configured."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    command: Annotated[str, AfterValidator(_command)] = Field(
        default="/assistant", description="the slash command; empty for none"
    )
    view: Literal["agent", "assistant", "none"] = Field(
        default="none", description="how people meet it in direct messages; as the app's manifest says it"
    )
    prompts: tuple[Annotated[str, Field(min_length=1, max_length=PROMPT_LENGTH)], ...] = Field(
        default=(), max_length=4, description="questions that are suggested in the agent view or assistant"
    )
    public_url: Annotated[str, AfterValidator(_own_address)] = Field(
        default="", description="where people reach the gateway; Slack sends them back there"
    )


class SlackSettings(SlackFeatures):
    """The settings of one Slack app."""

    bot_token: Annotated[SecretStr, AfterValidator(_no_app_token)] | None = Field(
        default=None, description="xoxb-…, from the app's page OAuth & Permissions"
    )
    app_token: Annotated[SecretStr, AfterValidator(_no_bot_token)] | None = Field(
        default=None, description="xapp-… with connections:write, for Socket Mode"
    )
    signing_secret: SecretStr | None = Field(
        default=None, description="signs what Slack sends over HTTP; from Basic Information"
    )
    client_id: str = Field(default="", description="of the app, where workspaces install it themselves")
    client_secret: SecretStr | None = Field(default=None, description="of the app; with client_id")
    encryption_key: EncryptionKey | None = Field(
        default=None, description="seals the tokens of installations; made and kept beside the store if none"
    )
    old_encryption_keys: tuple[EncryptionKey, ...] = Field(
        default=(), description="keys that still open what they sealed, while one is replaced"
    )
    teams: tuple[str, ...] | None = Field(
        default=None, description="ids of the only workspaces that may install the app and are served"
    )
    authorize_url: Annotated[str, AfterValidator(_page_address)] = Field(
        default="https://slack.com/oauth/v2/authorize",
        description="where people agree to an installation; another one only for tests",
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
    streaming: Literal["direct", "always", "never"] = Field(
        default="direct",
        description="where answers are streamed by Slack; elsewhere they are posted and edited",
    )
    history: int = Field(
        default=20,
        ge=0,
        le=200,
        description="earlier messages that are read with a first mention in the middle of a thread",
    )

    def admits(self, user: str, channel: str, *, direct: bool) -> bool:
        """Whether a person is answered in a channel, as far as the lists of ids say."""
        if self.users is not None and user not in self.users:
            return False
        return direct or self.channels is None or channel in self.channels

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        missing = []
        if self.bot_token is None and not self.client_id:
            missing.append(f"bot_token ({VARIABLES['bot_token']})")
        if self.client_id and self.client_secret is None:
            missing.append(f"client_secret ({VARIABLES['client_secret']}) for client_id")
        if self.client_secret is not None and not self.client_id:
            missing.append(f"client_id ({VARIABLES['client_id']}) for client_secret")
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
