"""
What a provider says that a step used, under whichever names it says it.
"""

from __future__ import annotations

from assistant_gateway.values import JsonValue, Usage


def usage_of(told: JsonValue) -> Usage | None:
    """The usage in a provider's object; None where there is none."""
    if not isinstance(told, dict):
        return None
    details = told.get("input_tokens_details", told.get("prompt_tokens_details"))
    # DeepSeek's own name stands beside the object: "Create Chat Completion", api-docs.deepseek.com, 2026-11.
    cached = (
        details.get("cached_tokens") if isinstance(details, dict) else told.get("prompt_cache_hit_tokens")
    )
    return Usage(
        _count(told.get("input_tokens", told.get("prompt_tokens"))),
        _count(told.get("output_tokens", told.get("completion_tokens"))),
        _count(cached),
    )


def _count(value: JsonValue) -> int:
    return value if type(value) is int and 0 <= value < 2**53 else 0
