"""What one person is told alone about their own message, that is no answer."""

from __future__ import annotations

from dataclasses import dataclass

from assistant_gateway.adapter import Receipt, Verdict
from assistant_gateway.values import Conversation


@dataclass(frozen=True, slots=True)
class Aside:
    """What is told, to whom, and where it is shown."""

    conversation: Conversation
    user: str
    text: str


def refusal(receipt: Receipt) -> str:
    """What a person is told whose message was not accepted."""
    begin = "Busy, not accepted" if receipt.verdict is Verdict.BUSY else "Not accepted"
    return f"{begin}: {receipt.reason}" if receipt.reason else f"{begin}."


def ahead(count: int) -> tuple[str, ...]:
    """What a person is told whose message waits; nothing where it doesn't."""
    if not count:
        return ()
    return (f"{count} ahead of you: your message is answered after {'it' if count == 1 else 'them'}.",)
