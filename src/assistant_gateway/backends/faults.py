"""
What a provider's refusal means, told as one of our errors.

Providers say it three ways: as an HTTP status, as an event inside a stream that had begun well,
or by falling silent. Whatever they write into it, a message made here is one line and holds no key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from assistant_gateway.errors import BackendError, BackendRefused, BackendUnavailable, ContextOverflow
from assistant_gateway.values import JsonObject, JsonValue

LONGEST_WAIT = 600.0  # seconds; no provider's word holds a run for longer

# "Error codes" of the OpenAI API and `ResponseError.code` of openai 3.54.0, 2026-11; the last ones are
# those of other servers of the same wire (Anthropic's, llama.cpp's).
_UNAVAILABLE = frozenset(
    {"server_error", "rate_limit_exceeded", "vector_store_timeout", "slow_down", "server_overloaded"}
    | {"api_error", "overloaded_error", "timeout", "timeout_error", "rate_limit_error", "unavailable_error"}
    | {"internal_error", "internal_server_error", "too_many_requests", "service_unavailable"}
)
_OVERFLOW = frozenset({"context_length_exceeded", "exceed_context_size_error"})
# vLLM and others give the overflow no code of its own, only OpenAI's old sentence.
_OVERFLOW_TEXT = re.compile(
    r"maximum context length|context (window|length|size) .{0,40}exceed|exceed.{0,40}context"
)
_QUOTA = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_SECRET = re.compile(r"\b(sk|key|whsec|xox[a-z]|xapp)[-_][\w*.\-]{4,}|(?i:bearer)\s+\S+")


def from_error(error: JsonObject, *, status: int = 0, retry_after: float = 0.0) -> BackendError:
    """The error for a provider's error object, which came with an HTTP *status* or (0) inside a stream."""
    code = error.get("code")
    kind = str(error.get("type") or "")
    if re.fullmatch(r"[45]\d\d", str(code)):
        status, code = status or int(str(code)), kind
    code = str(code or "")
    said = quote(error.get("message")) or code or kind or "no reason given"
    words = {code, kind}
    if words & _OVERFLOW or (status in (0, 400, 422) and _OVERFLOW_TEXT.search(said.lower())):
        return ContextOverflow(f"the conversation is too long for the model: {said}", retry_after=retry_after)
    if words & _QUOTA:
        return BackendRefused(f"the account has no quota left; look at its plan and billing: {said}")
    if code == "model_not_found":
        return BackendRefused(f"the provider has no such model for us: check the assistant's model: {said}")
    if status:
        return _from_status(status, said, retry_after)
    if words & _UNAVAILABLE or not (code or kind):
        return BackendUnavailable(f"the provider failed: {said}", retry_after=retry_after)
    return BackendRefused(f"the provider refuses the request ({code or kind}): {said}")


def _from_status(status: int, said: str, retry_after: float) -> BackendError:
    match status:
        case 401:
            return BackendRefused("the provider refuses the API key (401): check api_key of the backend")
        case 403:
            return BackendRefused(
                f"the API key may not do this (403): check its project, organization and model access: {said}"
            )
        case 404:
            return BackendRefused(
                f"not found (404): check the assistant's model and that base_url ends where /responses, "
                f"/chat/completions or /threads follows, mostly with /v1: {said}"
            )
        case 413:
            return ContextOverflow(f"the request is too large for the provider (413): {said}")
        case 408 | 409 | 425 | 429:
            return BackendUnavailable(
                f"the provider asks us to wait ({status}): {said}", retry_after=retry_after
            )
        case _ if status >= 500:
            return BackendUnavailable(f"the provider fails ({status}): {said}", retry_after=retry_after)
        case _:
            return BackendRefused(f"the provider refuses the request ({status}): {said}")


def error_object(body: object) -> JsonObject:
    """The error object in an answer's body, whichever way it is wrapped; empty when there is none."""
    if isinstance(body, list) and body:
        body = body[0]  # Gemini's: discuss.ai.google.dev, topic 109823
    if not isinstance(body, Mapping):
        return {}
    inner = body.get("error")
    if isinstance(inner, Mapping):
        return inner
    if isinstance(inner, str):
        return {"message": inner}
    return body


def retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float:
    """Seconds that the answer's headers ask us to wait, never more than `LONGEST_WAIT`; 0 when none."""
    milliseconds = headers.get("retry-after-ms", "")
    seconds = headers.get("retry-after", "").strip()
    if _is_number(milliseconds):
        wait = float(milliseconds) / 1000
    elif _is_number(seconds):
        wait = float(seconds)
    else:
        try:
            at = parsedate_to_datetime(seconds)
        except ValueError:
            return 0.0
        wait = (at.replace(tzinfo=at.tzinfo or UTC) - (now or datetime.now(UTC))).total_seconds()
    return min(max(wait, 0.0), LONGEST_WAIT)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\d{1,12}(\.\d{0,12})?", text) is not None


def quote(text: JsonValue) -> str:
    """A provider's words in one line of at most 300 characters, keys masked; empty unless *text* is text."""
    if not isinstance(text, str):
        return ""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[:2000]).split())
    line = _SECRET.sub("[key]", line)
    return line if len(line) <= 300 else line[:299] + "…"
