"""
Use the gateway from Python, without any platform: open a thread, ask, follow the run.

    uv run python examples/embedded.py
"""

from __future__ import annotations

import asyncio

from assistant_gateway import Gateway, RunHandler, tool
from assistant_gateway.config import load_config
from assistant_gateway.events import ToolCallDone


@tool
def count_letters(word: str, letter: str) -> int:
    """
    Count how often a letter stands in a word.

    Args:
        word: The word to look at.
        letter: One letter.
    """
    return word.lower().count(letter.lower())


class Printer(RunHandler):
    """Shows the answer while it grows."""

    async def on_text_delta(self, delta: str, snapshot: str) -> None:
        print(delta, end="", flush=True)

    async def on_tool_call_done(self, call: ToolCallDone) -> None:
        print(f"[{call.name}({call.arguments}) -> {call.output}]")


async def main() -> None:
    config = load_config(None, {"ASSISTANT_GATEWAY_STORE": "sqlite:///embedded.db"})
    async with Gateway(config, tools=[count_letters]) as gateway:
        thread = await gateway.threads.open("example")
        question = "I need to solve the equation `3x + 11 = 14`. Can you help me?"
        answer = await gateway.threads.run(thread, text=question, handler=Printer())
        print(f"\n\n{answer.status}, {answer.usage.total_tokens} tokens")


if __name__ == "__main__":
    asyncio.run(main())
