"""
What a refusal of Discord's means, told as one of our errors.

A refusal with a code is certain: nothing was done. An answer of 500 and above, or none, is not: after it
a message may be there. developers/topics/opcodes-and-status-codes.mdx, 2026-08-06.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from assistant_gateway.errors import (
    AdapterError,
    Forbidden,
    OutcomeUnknown,
    PostGone,
    RateLimited,
    TooLong,
)
from assistant_gateway.platforms.shapes import Json, number, table, tables, text
from assistant_gateway_discord.buckets import Extent
from assistant_gateway_discord.routes import BOT, Route

PAUSE = 5.0  # seconds, where Discord limits our rate and does not say for how long


class Unauthorised(AdapterError):
    """The bot's token is not, or no longer, good."""


class Stumbled(AdapterError):
    """It went wrong at Discord, or on the way there: another try may go well."""


class TokenEnded(AdapterError):
    """An interaction can't be answered any more: it is too old, or was answered already."""


class Blocked(Forbidden):
    """The server's AutoMod, or its filter of links, does not let this text in."""


class FilesTooLarge(AdapterError):
    """Discord does not take files of this size here."""


class NoHistory(AdapterError):
    """The bot may speak there but not read, so it can't reply to a message."""


class Archived(AdapterError):
    """The thread is in the archive: nothing in it changes until it is taken out."""


class ThreadThere(AdapterError):
    """The message has a thread already."""


MEANING: Mapping[int, type[AdapterError]] = {
    10003: Forbidden,  # unknown channel
    10004: Forbidden,  # unknown server
    10007: Forbidden,  # has left the server
    10008: PostGone,
    10013: Forbidden,  # unknown user
    10015: TokenEnded,
    10062: TokenEnded,
    40060: TokenEnded,  # acknowledged already
    40094: TokenEnded,  # all follow-ups are used up
    50027: TokenEnded,
    50001: Forbidden,
    50005: PostGone,  # somebody else's message
    50007: Forbidden,  # takes no direct messages
    50008: Forbidden,  # no text in this kind of channel
    50013: Forbidden,
    50083: Archived,
    50278: Forbidden,  # no common server any more
    160002: NoHistory,
    160004: ThreadThere,
    160005: Forbidden,  # locked
    200000: Blocked,
    200001: Blocked,
    240000: Blocked,
    40005: FilesTooLarge,
    50045: FilesTooLarge,
    400001: FilesTooLarge,
}


def meaning(
    route: Route, status: int, headers: Mapping[str, str], body: object, *, once: bool
) -> AdapterError:
    """What an answer means that is no success; *once* where the call must not be repeated without looking."""
    told = table(body)
    code = number(told.get("code"))
    if status == 429:
        return RateLimited(
            pause(headers, told), f"429 {code or ''}".rstrip(), scope=_spent(route, headers, told)
        )
    if status >= 500 or (status < 400 and not 200 <= status < 300):
        unclear = f"HTTP {status}"
        return OutcomeUnknown(unclear) if once else Stumbled(unclear)
    if status == 401 and route.is_bots:
        return Unauthorised("401 Unauthorized")
    if status in (401, 404) and not route.is_bots and code not in MEANING:
        return TokenEnded(f"HTTP {status}")
    if code == 50035 and _is_too_long(told):
        return TooLong("50035 content is too long")
    if status == 413:
        return FilesTooLarge("HTTP 413")
    reason = f"{code} {text(told.get('message'))[:200]}".strip() if code else f"HTTP {status}"
    return MEANING.get(code, Forbidden if status == 403 and code else AdapterError)(reason)


def pause(headers: Mapping[str, str], told: Json) -> float:
    """For how many seconds a 429 asks to wait; the body is exact, the header may be rounded."""
    for value in (told.get("retry_after"), headers.get("Retry-After")):
        try:
            seconds = float(value) if isinstance(value, (int, float, str)) else math.nan
        except ValueError:
            continue
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    return PAUSE


def extent(headers: Mapping[str, str], told: Json) -> Extent:
    """What a 429 is about; one without a body is not Discord's own."""
    if not told:
        return Extent.ADDRESS
    is_global = told.get("global") is True or headers.get("X-RateLimit-Scope") == "global"
    return Extent.BOT if is_global else Extent.BUCKET


def _spent(route: Route, headers: Mapping[str, str], told: Json) -> str:
    return BOT if route.is_bots and extent(headers, told) is not Extent.BUCKET else route.scope


def _is_too_long(told: Json) -> bool:
    content = table(table(told.get("errors")).get("content"))
    codes = {text(each.get("code")) for each in tables(content.get("_errors"))}
    return "BASE_TYPE_MAX_LENGTH" in codes or "BASE_TYPE_BAD_LENGTH" in codes
