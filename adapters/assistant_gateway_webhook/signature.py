"""
Signatures of Standard Webhooks: HMAC-SHA256 over id, timestamp and the raw bytes of the body.

https://github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md, read 2026-11.
The bytes are verified before anything looks into them, and compared in constant time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence

from multidict import CIMultiDictProxy

from assistant_gateway_webhook.settings import Source

TOLERANCE = 300  # seconds that the sender's clock may be away from ours
SIGNATURES = 16  # that one request may carry
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)


class Unverified(Exception):
    """The request does not prove that it comes from its source."""


def sign(keys: Sequence[bytes], id: str, timestamp: int, body: bytes) -> str:
    """The value of ``webhook-signature``: one signature per key, separated by spaces."""
    return " ".join(_signature(key, id, str(timestamp), body) for key in keys)


def verify(source: Source, headers: CIMultiDictProxy[str], body: bytes, now: float) -> str:
    """
    Check who sent a request; its ``webhook-id``, empty where a bearer token came without one.

    Raises:
        Unverified: Token or signature is missing, malformed, wrong or too old.
    """
    authorization = headers.getall("Authorization", [])
    if source.token and authorization:
        _verify_token(source.token, authorization)
        return headers.get("webhook-id") or headers.get("Idempotency-Key") or ""
    if not source.keys:
        raise Unverified("The bearer token is missing.")
    return _verify_signature(source.keys, headers, body, now)


def _verify_token(token: bytes, authorization: Sequence[str]) -> None:
    scheme, _, given = authorization[0].partition(" ")
    matches = hmac.compare_digest(_bytes(given.strip()), token)
    if len(authorization) != 1 or scheme.lower() != "bearer" or not matches:
        raise Unverified("The bearer token is wrong.")


def _verify_signature(keys: Sequence[bytes], headers: CIMultiDictProxy[str], body: bytes, now: float) -> str:
    id = _single(headers, "webhook-id")
    timestamp = _single(headers, "webhook-timestamp")
    given = _single(headers, "webhook-signature").split(" ")
    if not _TIMESTAMP.fullmatch(timestamp):
        raise Unverified("The timestamp is not one.")
    if abs(int(now) - int(timestamp)) > TOLERANCE:
        raise Unverified(f"The timestamp is more than {TOLERANCE} s away from now.")
    # Compared as it is written: base64 has several spellings of the same bytes.
    expected = [_signature(key, id, timestamp, body).encode() for key in keys]
    matches = [
        hmac.compare_digest(_bytes(signature), valid)
        for signature in given[:SIGNATURES]
        for valid in expected
    ]
    if not any(matches):
        raise Unverified("The signature is wrong.")
    return id


def _signature(key: bytes, id: str, timestamp: str, body: bytes) -> str:
    digest = hmac.new(key, b".".join((_bytes(id), timestamp.encode(), body)), hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def _single(headers: CIMultiDictProxy[str], name: str) -> str:
    values = headers.getall(name, [])
    if len(values) != 1 or not values[0]:
        raise Unverified(f"There has to be one header {name}.")
    return values[0]


def _bytes(text: str) -> bytes:
    # aiohttp gives header bytes that are no UTF-8 as surrogates.
    return text.encode("utf-8", "surrogateescape")
