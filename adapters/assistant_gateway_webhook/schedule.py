"""
When a callback is tried again, and when its endpoint is given up.

The gaps are those of Standard Webhooks' recommended schedule: about 75 hours in all.
"""

from __future__ import annotations

import math
from email.utils import parsedate_to_datetime

GAPS = (0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)  # seconds before each try
JITTER = 0.1  # share of a gap that chance adds at most
LONGEST_WAIT = 86_400.0  # seconds that an endpoint may ask us to wait
PATIENCE = 5 * 86_400.0  # seconds of nothing but failures after which an endpoint is disabled


def next_try(
    attempts: int, now: float, *, retry_after: float | None = None, chance: float = 0.0
) -> float | None:
    """
    When the next try is due after *attempts* failed ones; None when there are no more.

    Args:
        now: Epoch seconds.
        retry_after: Seconds that the endpoint asked for; it wins over the schedule.
        chance: Between 0 and 1; spreads the tries of many deliveries.
    """
    if attempts >= len(GAPS):
        return None
    gap = GAPS[attempts] if retry_after is None else min(retry_after, LONGEST_WAIT)
    return now + gap * (1 + JITTER * chance)


def retry_after(header: str | None, now: float) -> float | None:
    """Seconds that a ``Retry-After`` asks for; None where it is missing, past or no date."""
    text = (header or "").strip()
    try:
        seconds = (
            float(text)
            if text.isascii() and text.isdigit()
            else parsedate_to_datetime(text).timestamp() - now
        )
    except (ValueError, TypeError, OverflowError):
        return None
    return seconds if seconds > 0 and math.isfinite(seconds) else None


def is_given_up(failing_since: float, now: float) -> bool:
    """Whether an endpoint has failed for so long that it is disabled."""
    return now - failing_since >= PATIENCE
