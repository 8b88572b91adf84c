"""
Signing secrets in the form of Standard Webhooks: ``whsec_`` and the key's bytes in base64.

Where a source has been given none, one is made at the first start and kept in a file that
only its owner can read.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import secrets
import stat
import tempfile
from pathlib import Path

import structlog

from assistant_gateway.errors import ConfigError

PREFIX = "whsec_"
SHORTEST = 16  # bytes of a key
EXAMPLE = "whsec_ZXhhbXBsZS1kby1ub3QtdXNlLXRoaXMtb25l"  # the one in docs/reference/webhook.md
PLACEHOLDERS = frozenset({"changeme", "change-me", "change_me", "secret", "password", "token", "example"})


def key_of(secret: str) -> bytes:
    """
    The key's bytes.

    Raises:
        ValueError: It is empty, a placeholder, too short, or in another form.
    """
    refuse_placeholder(secret)
    try:
        text = secret.removeprefix(PREFIX)
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"should be {PREFIX} followed by base64") from None
    if len(key) < SHORTEST:
        raise ValueError(f"should hold at least {SHORTEST} bytes in base64")
    return key


def refuse_placeholder(secret: str) -> None:
    """
    Let nobody start with a secret that everybody knows.

    Raises:
        ValueError: It is empty, has white space in it, or was never changed from an example.
    """
    bare = secret.removeprefix(PREFIX)
    if not bare:
        raise ValueError("is empty")
    if not secret.isascii() or not secret.isprintable() or " " in secret:
        raise ValueError("has spaces, line breaks or special characters in it")
    if bare.lower() in PLACEHOLDERS or secret == EXAMPLE:
        raise ValueError("still holds an example; put the real secret there")


def kept_secret(directory: str, source: str) -> str:
    """
    The secret that was made for *source*; made now when there is none yet.

    Raises:
        ConfigError: The file can't be written or read, or holds no secret.
    """
    path = Path(directory) / f"webhook-{source}.secret"
    try:
        if not path.exists():
            _make(path)
            structlog.get_logger().info("webhook.secret_made", source=source, file=str(path))
        secret = path.read_text("ascii").strip()
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            structlog.get_logger().warning("webhook.secret_readable_by_others", source=source, file=str(path))
        key_of(secret)
    except OSError as error:
        raise ConfigError(
            f"no secret for the webhook source {source}: {error.strerror or error}", str(path)
        ) from error
    except ValueError as error:
        raise ConfigError(f"the secret {error}", str(path)) from error
    return secret


def _make(path: Path) -> None:
    """Write a new secret whole or not at all; where two processes do, the first one wins."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # made with mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(PREFIX + base64.b64encode(secrets.token_bytes(32)).decode() + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
    finally:
        os.unlink(name)
