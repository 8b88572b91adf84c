"""
Slack's request signature: HMAC-SHA256 over ``v0``, the timestamp and the raw bytes of the body.

docs.slack.dev, "Verifying requests from Slack", 2026-09-14. Bolt parses a body before it checks it and
answers malformed headers with 500 (slack_bolt 1.30), so the bytes are verified here, before anything
looks into them. Whatever is malformed is unverified.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Protocol

TOLERANCE = 300  # seconds that Slack's clock may be away from ours
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)


class Headers(Protocol):
    """Headers of a request, each with all its values."""

    def getall(self, key: str, default: list[str], /) -> list[str]: ...


class Unverified(Exception):
    """The request does not prove that it comes from Slack."""


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """The value of ``X-Slack-Signature``."""
    return _signature(secret, str(timestamp), body)


def verify(secret: str, headers: Headers, body: bytes, now: float) -> None:
    """
    Check that Slack sent *body*.

    Raises:
        Unverified: The signature is missing, malformed, wrong, or more than 300 s away from *now*.
    """
    timestamp = _single(headers, "X-Slack-Request-Timestamp")
    given = _single(headers, "X-Slack-Signature")
    if not _TIMESTAMP.fullmatch(timestamp):
        raise Unverified("The timestamp is not one.")
    if abs(int(now) - int(timestamp)) > TOLERANCE:
        raise Unverified(f"The timestamp is more than {TOLERANCE} s away from now.")
    # aiohttp gives header bytes that are no UTF-8 as surrogates.
    spoken = given.encode("utf-8", "surrogateescape")
    if not hmac.compare_digest(spoken, _signature(secret, timestamp, body).encode()):
        raise Unverified("The signature is wrong.")


def _signature(secret: str, timestamp: str, body: bytes) -> str:
    signed = b":".join((b"v0", timestamp.encode(), body))
    return "v0=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def _single(headers: Headers, name: str) -> str:
    values = headers.getall(name, [])
    if len(values) != 1 or not values[0]:
        raise Unverified(f"There has to be one header {name}.")
    return values[0]
