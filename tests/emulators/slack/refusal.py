"""Slack says no: HTTP 200 with `ok: false` and a word for the reason."""

from __future__ import annotations

from emulators.shapes import Json


class Refusal(Exception):
    """
    A call that was refused.

    Attributes:
        error: The reason in Slack's words, such as ``channel_not_found``.
        more: Further fields of the answer.
        status: The HTTP status.
        retry_after: Seconds for the header of that name; None leaves it out.
    """

    def __init__(
        self, error: str, *, status: int = 200, retry_after: int | None = None, **more: object
    ) -> None:
        super().__init__(error)
        self.error = error
        self.status = status
        self.retry_after = retry_after
        self.more = more

    def body(self) -> Json:
        """The answer's JSON."""
        return {"ok": False, "error": self.error, **self.more}


def pointed(error: str, pointer: str, problem: str) -> Refusal:
    """A refusal that points at the place, as `invalid_blocks` and `invalid_arguments` do."""
    told = f"{problem} [json-pointer:{pointer}]"
    return Refusal(error, errors=[told], response_metadata={"messages": [f"[ERROR] {told}"]})
