"""
The key that Slack tokens are sealed with: 32 random bytes in base64.

Where none is configured, one is made at the first start and kept in a file beside the store that only
its owner can read.
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

FILE = "slack-encryption.key"
LENGTH = 32  # bytes of a key


def key_of(text: str) -> bytes:
    """
    A key's bytes, from base64 in either alphabet.

    Raises:
        ValueError: These are not 32 bytes.
    """
    try:
        key = base64.b64decode(text.strip().replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != LENGTH or len(set(key)) < LENGTH // 4:
        raise ValueError("should be 32 random bytes in base64, as `openssl rand -base64 32` makes them")
    return key


def kept_key(directory: str, *, make: bool) -> bytes | None:
    """
    The key in the file beside the store; with *make* it is made where there is none yet.

    Raises:
        ConfigError: The file can't be written or read, or holds no key.
    """
    path = Path(directory) / FILE
    log = structlog.get_logger()
    try:
        if not path.exists():
            if not make:
                return None
            _make(path)
            log.info("slack.encryption_key_made", file=str(path))
        key = key_of(path.read_text("ascii"))
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            log.warning("slack.encryption_key_readable_by_others", file=str(path))
    except OSError as error:
        raise ConfigError(f"no encryption key for Slack: {error.strerror or error}", str(path)) from error
    except ValueError as error:
        raise ConfigError("the encryption key should be 32 bytes in base64", str(path)) from error
    return key


def _make(path: Path) -> None:
    """Write a new key whole or not at all; where two processes do, the first one wins."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # made with mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(base64.b64encode(secrets.token_bytes(LENGTH)).decode() + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
    finally:
        os.unlink(name)
