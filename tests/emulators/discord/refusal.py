"""
Discord says no: an HTTP status, a code and a sentence.

The codes are those of developers/topics/opcodes-and-status-codes.mdx (2026-08-06); which HTTP status comes
with which code is only documented in part: 400, 403 and 404 as discord.py's users report them, else assumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from emulators.shapes import Json

REASONS: Mapping[int, tuple[int, str]] = MappingProxyType(
    {
        10003: (404, "Unknown Channel"),
        10004: (404, "Unknown Guild"),
        10007: (404, "Unknown Member"),
        10008: (404, "Unknown Message"),
        10011: (404, "Unknown Role"),
        10013: (404, "Unknown User"),
        10014: (400, "Unknown Emoji"),
        10015: (404, "Unknown Webhook"),
        10062: (404, "Unknown interaction"),
        10063: (404, "Unknown application command"),
        20001: (403, "Bots cannot use this endpoint"),
        30010: (400, "Maximum number of reactions reached (20)"),
        30015: (400, "Maximum number of attachments in a message reached (10)"),
        30032: (400, "Maximum number of application commands reached (100)"),
        30033: (400, "Maximum number of thread participants has been reached (1000)"),
        30034: (400, "Maximum number of daily application command creates has been reached (200)"),
        40005: (413, "Request entity too large"),
        40060: (400, "Interaction has already been acknowledged."),
        40094: (400, "This interaction has reached its maximum number of follow up messages"),
        50001: (403, "Missing Access"),
        50003: (403, "Cannot execute action on a DM channel"),
        50005: (403, "Cannot edit a message authored by another user"),
        50006: (400, "Cannot send an empty message"),
        50007: (403, "Cannot send messages to this user"),
        50008: (400, "Cannot send messages in a non-text channel"),
        50013: (403, "Missing Permissions"),
        50016: (400, "Provided too few or too many messages to delete in a single request"),
        50021: (403, "Cannot execute action on a system message"),
        50024: (400, "Cannot execute action on this channel type"),
        50025: (401, "Invalid OAuth2 access token"),
        50027: (401, "Invalid Webhook Token"),
        50033: (400, "Invalid Recipient(s)"),
        50041: (400, "Invalid API version"),
        50083: (400, "Thread is archived"),
        50109: (400, "The request body contains invalid JSON."),
        50278: (403, "Cannot send messages to this user due to having no mutual guilds"),
        90001: (403, "Reaction was blocked"),
        160002: (400, "You cannot reply without permission to read message history"),
        160004: (400, "A thread has already been created for this message"),
        160005: (400, "This thread is locked"),
        160006: (400, "Maximum number of active threads has been reached"),
    }
)


class Refusal(Exception):
    """
    A call that was refused.

    Attributes:
        status: The HTTP status.
        code: Discord's number for the reason; 0 for a plain HTTP refusal.
        more: Further fields of the answer.
        headers: Further headers of the answer.
    """

    def __init__(self, code: int, *, status: int = 0, message: str = "", **more: object) -> None:
        known, sentence = REASONS.get(code, (400, ""))
        super().__init__(message or sentence)
        self.code = code
        self.status = status or known
        self.more = more
        self.headers: dict[str, str] = {}

    def body(self) -> Json:
        """The answer's JSON."""
        return {"message": str(self), "code": self.code, **self.more}


def plain(status: int, phrase: str) -> Refusal:
    """A refusal that no rule of Discord's explains, such as an unknown path."""
    return Refusal(0, status=status, message=f"{status}: {phrase}")


def invalid(path: str, code: str, message: str) -> Refusal:
    """
    Code 50035, which points at the field: developers/reference.mdx, "Error Messages", 2026-08-06.

    *path* has dots between its parts, such as ``components.0.custom_id``.
    """
    told: Json = {"_errors": [{"code": code, "message": message}]}
    for part in reversed(path.split(".")):
        told = {part: told}
    return Refusal(50035, message="Invalid Form Body", errors=told)


def too_long(path: str, most: int) -> Refusal:
    """Code 50035 for more than *most* characters."""
    return invalid(path, "BASE_TYPE_MAX_LENGTH", f"Must be {most} or fewer in length.")


def out_of_range(path: str, least: int, most: int) -> Refusal:
    """Code 50035 for a length that is not between the two."""
    return invalid(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {least} and {most} in length.")


def required(path: str) -> Refusal:
    """Code 50035 for a field that is missing."""
    return invalid(path, "BASE_TYPE_REQUIRED", "This field is required")


class Limited(Refusal):
    """
    HTTP 429: developers/topics/rate-limits.mdx, 2026-08-06.

    Attributes:
        retry_after: Seconds of the machine.
        scope: `user` for the app's own limit, `global`, or `shared`.
    """

    def __init__(self, retry_after: float, scope: str, *, code: int = 0, message: str = "") -> None:
        more: Json = {"retry_after": round(retry_after, 3), "global": scope == "global"}
        sentence = message or (
            "The resource is being rate limited." if scope == "shared" else "You are being rate limited."
        )
        super().__init__(code, status=429, message=sentence, **more)
        self.retry_after = retry_after
        self.scope = scope

    def body(self) -> Json:
        """The answer's JSON; `code` only where there is one."""
        told = super().body()
        if not self.code:
            told.pop("code")
        return told
