"""
The sources that may send messages: ``[webhooks.NAME]``, each with a secret, a token, or both.

A source is a tenant: what one source sends never meets what another one sends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

import structlog
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel, SecretStr, StringConstraints

from assistant_gateway.adapter import AdapterServices
from assistant_gateway.errors import ConfigError
from assistant_gateway.values import JsonObject
from assistant_gateway_webhook.keys import kept_secret, key_of, refuse_placeholder

TOKEN_LENGTH = 8  # characters, the shortest that is taken


def _checked_secret(secret: SecretStr) -> SecretStr:
    key_of(secret.get_secret_value())
    return secret


def _checked_token(token: SecretStr) -> SecretStr:
    text = token.get_secret_value()
    refuse_placeholder(text)
    if len(text) < TOKEN_LENGTH:
        raise ValueError(f"should have at least {TOKEN_LENGTH} characters")
    return token


SigningSecret = Annotated[SecretStr, AfterValidator(_checked_secret)]
Token = Annotated[SecretStr, AfterValidator(_checked_token)]
SourceName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class SourceSettings(BaseModel):
    """One source."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    secret: SigningSecret | None = Field(
        default=None, description="whsec_… that signs what the source sends and the callbacks it gets"
    )
    secrets: tuple[SigningSecret, ...] = Field(
        default=(), description="further secrets that are valid too, while one is being replaced"
    )
    token: Token | None = Field(default=None, description="bearer token, instead of or beside a secret")
    body_limit: int = Field(
        default=256 * 1024, ge=1024, le=1 << 30, description="bytes; server.body_limit holds beside it"
    )


class WebhookSettings(RootModel[dict[SourceName, SourceSettings]]):
    """The sources by their name, which is part of their address."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


@dataclass(frozen=True, slots=True)
class Source:
    """
    A source as the adapter works with it.

    Attributes:
        keys: The keys that are valid now; callbacks are signed with each of them.
        token: The bearer token; empty when there is none.
        body_limit: Longest request body, in bytes.
    """

    name: str
    keys: tuple[bytes, ...] = field(default=(), repr=False)
    token: bytes = field(default=b"", repr=False)
    body_limit: int = 256 * 1024

    @property
    def signing_keys(self) -> tuple[bytes, ...]:
        """What signs a callback: a source without a secret knows the bytes of its token."""
        return self.keys or (self.token,)


def sources(settings: WebhookSettings, services: AdapterServices) -> tuple[Source, ...]:
    """
    The configured sources; one without secret and token is given a secret of its own.

    Raises:
        ConfigError: A secret has to be made and there is no place to keep it.
    """
    named = dict(settings.root)
    if not services.state_dir and named.get("default") == SourceSettings():
        # It is there without anybody's asking; the others must not fail because of it.
        structlog.get_logger().warning(
            "webhook.source_off", source="default", reason="WEBHOOK_SECRET is not set"
        )
        del named["default"]
    return tuple(_source(name, given, services.state_dir) for name, given in named.items())


def _source(name: str, given: SourceSettings, state_dir: str) -> Source:
    known = [given.secret, *given.secrets]
    texts = [secret.get_secret_value() for secret in known if secret is not None]
    token = given.token.get_secret_value().encode() if given.token is not None else b""
    if not texts and not token:
        if not state_dir:
            raise ConfigError("needs a secret or a token", f"webhooks.{name}")
        texts = [kept_secret(state_dir, name)]
    return Source(name, tuple(dict.fromkeys(map(key_of, texts))), token, given.body_limit)


def from_environment(environ: Mapping[str, str]) -> JsonObject:
    """The source ``default``, with the secret of ``WEBHOOK_SECRET`` if there is one."""
    return {"default": {"secret": environ["WEBHOOK_SECRET"]} if "WEBHOOK_SECRET" in environ else {}}
