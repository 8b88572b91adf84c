"""
Tools to try out: dice, the time, a list per conversation, and a slow one that tells how far it is.

    ASSISTANT_GATEWAY_TOOLS=examples/tools.py assistant-gateway serve
"""

import asyncio
import random
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field

from assistant_gateway.errors import ToolError
from assistant_gateway.tools import ToolContext, tool

notes: dict[object, list[str]] = {}


@tool
def roll_dice(
    count: Annotated[int, Field(ge=1, le=20)] = 1, sides: Annotated[int, Field(ge=2, le=100)] = 6
) -> list[int]:
    """
    Roll dice.

    Args:
        count: How many dice.
        sides: How many sides each of them has.
    """
    return [random.randint(1, sides) for _ in range(count)]


@tool
def current_time(zone: str = "UTC") -> datetime:
    """
    Tell the current date and time.

    Args:
        zone: An IANA time zone such as Europe/Berlin.
    """
    try:
        return datetime.now(ZoneInfo(zone))
    except (LookupError, ValueError, OSError):
        raise ToolError(f"There is no time zone {zone!r}; use a name such as Europe/Berlin.") from None


@tool
async def take_note(text: Annotated[str, "What to remember."], context: ToolContext) -> list[str]:
    """Put a note on this conversation's list, and give the whole list back."""
    kept = notes.setdefault(context.conversation, [])
    kept.append(f"{context.user.name or context.user.id}: {text}")
    return kept


@tool(timeout=30, idempotent=True)
async def count_down(start: Annotated[int, Field(ge=1, le=10)], context: ToolContext) -> str:
    """Count down to zero, one number a second."""
    for number in range(start, 0, -1):
        await context.progress(f"{number} …")
        await asyncio.sleep(1)
    return "Lift-off!"
