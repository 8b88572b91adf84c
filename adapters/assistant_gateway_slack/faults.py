"""
What a refusal of Slack's Web API means, told as one of our errors.

A refusal is certain: nothing was done. Some answers are none: a page of HTML, an empty body, a broken
connection, and the codes by which Slack says that it does not know itself. After these a post may
have been made; an edit may simply be repeated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from slack_sdk.errors import SlackApiError

from assistant_gateway.errors import (
    AdapterError,
    Forbidden,
    OutcomeUnknown,
    PostGone,
    RateLimited,
    StreamEnded,
    StreamOpen,
    StreamStopped,
    TooLong,
    Unmendable,
)
from assistant_gateway.platforms.shapes import table, text

PAUSE = 5.0  # seconds, where Slack limits our rate and does not say for how long
SHORTEST = 1.0  # seconds; Slack counts whole ones, so that 0 of them is a part of one

# docs.slack.dev, the errors of chat.postMessage, chat.update, chat.delete and the streams, 2026-08-20.
MEANING: Mapping[str, type[AdapterError]] = {
    "message_not_found": PostGone,
    "cant_update_message": PostGone,
    "edit_window_closed": PostGone,
    "is_inactive": PostGone,
    "channel_not_found": Forbidden,
    "is_archived": Forbidden,
    "account_inactive": Forbidden,
    "token_revoked": Forbidden,
    "not_in_channel": Forbidden,
    "messages_tab_disabled": Forbidden,
    "no_permission": Forbidden,
    "restricted_action": Forbidden,
    "restricted_action_non_threadable_channel": Forbidden,
    "restricted_action_read_only_channel": Forbidden,
    "restricted_action_thread_locked": Forbidden,
    "restricted_action_thread_only_channel": Forbidden,
    "team_access_not_granted": Forbidden,
    "msg_too_long": TooLong,
    "msg_blocks_too_long": TooLong,
    "message_not_in_streaming_state": StreamEnded,
    "stopped_by_user": StreamStopped,
    "streaming_state_conflict": StreamOpen,
    "block_mismatch": Unmendable,
}
RATE = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
# "It's possible some aspect of the operation succeeded before the error was raised."
UNCERTAIN = frozenset({"fatal_error", "internal_error", "service_unavailable", "request_timeout"})


def meaning(error: SlackApiError, *, once: bool) -> AdapterError:
    """What *error* means; *once* where the call must not be repeated without looking."""
    response = error.response
    # slack_sdk 3.47 puts aiohttp's own response there when the body was no JSON.
    code = text(table(getattr(response, "data", None)).get("error"))
    status = getattr(response, "status_code", 0)
    if status == 429 or code in RATE:
        return RateLimited(_pause(getattr(response, "headers", {})), code or "ratelimited")
    if not code or code in UNCERTAIN:
        unclear = code or f"no answer in HTTP {status or 'status unknown'}"
        return OutcomeUnknown(unclear) if once else AdapterError(unclear)
    return MEANING.get(code, AdapterError)(code)


def _pause(headers: Mapping[str, str]) -> float:
    try:
        seconds = float(headers.get("Retry-After", ""))
    except ValueError:
        return PAUSE
    if not math.isfinite(seconds) or seconds < 0:
        return PAUSE
    return seconds or SHORTEST
