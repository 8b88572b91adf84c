"""
What a tool may know about the call: who asks, where, and in which run.

All of it comes from the verified message, never from the model. A parameter annotated
`ToolContext` receives it and does not exist in the schema that the model sees.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Never

from assistant_gateway.tools.result import clean
from assistant_gateway.values import Conversation, User

PROGRESS_LENGTH = 200  # characters of one progress line


async def _unheard(text: str) -> None:
    """Nobody follows this call."""


@dataclass(frozen=True, slots=True)
class ToolContext:
    """
    The circumstances of one call. The gateway makes it; a test may make its own.

    Attributes:
        user: Whose message caused this turn, as the platform has verified it.
        call_id: The model's id of the call, unique in the run.
        idempotency_key: Constant for this call, also when it is repeated after a crash.
        metadata: What the sender put beside the message.
        report: Where `progress` goes.
    """

    user: User
    conversation: Conversation
    run_id: str
    thread_id: str
    call_id: str
    idempotency_key: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    report: Callable[[str], Awaitable[None]] = field(default=_unheard, repr=False)

    async def progress(self, text: str) -> None:
        """Tell the people who wait how far the call is, in at most 200 characters."""
        await self.report(clean(text[:PROGRESS_LENGTH]))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> Never:
        # Otherwise a context inside another type would become something that the model may fill in.
        raise TypeError("ToolContext can't be part of an argument; annotate a parameter of its own with it")
