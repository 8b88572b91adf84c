"""
One step as the body of a `POST /chat/completions`, in one dialect.
"""

from __future__ import annotations

from dataclasses import dataclass

from assistant_gateway.backend import Step
from assistant_gateway.backends.chat_messages import messages
from assistant_gateway.backends.dialects import Dialect
from assistant_gateway.backends.files import KINDS, Inliner
from assistant_gateway.backends.options import check_options, listed
from assistant_gateway.backends.repair import repair
from assistant_gateway.backends.request import Request, easy_items
from assistant_gateway.values import JsonValue, ToolSpec

RESERVED = frozenset(
    {"functions", "max_completion_tokens", "max_tokens", "messages", "model", "n", "store", "stream"}
)
"""Fields that options may not set: they would keep the thread elsewhere or contradict the step."""


@dataclass(frozen=True, slots=True)
class Manner:
    """
    How a provider is asked; one that refuses something is asked again with less.

    Attributes:
        origin: The mark of reasoning and calls that this provider made.
        kinds: Kinds of files that are inlined beside text; notes stand in the places of the others.
    """

    dialect: Dialect
    origin: str
    kinds: frozenset[str] = KINDS


async def build(step: Step, model: str, manner: Manner) -> Request:
    """
    The request for *step*.

    Raises:
        BackendRefused: An option is the gateway's own to set.
    """
    check_options(step.options, RESERVED)
    dialect = manner.dialect
    files = Inliner(step, kinds=manner.kinds & _kinds(dialect))
    known = repair(step.items, origin=manner.origin, readable=bool(dialect.reasoning_key))
    body: dict[str, JsonValue] = {
        "model": model,
        "messages": messages(await easy_items(known, files), step.instructions, dialect),
        "stream": True,
        **dialect.fields,
    }
    if dialect.usage:
        body["stream_options"] = {"include_usage": True}
    if step.max_output_tokens is not None:
        body[dialect.limit_field] = step.max_output_tokens
    tools: list[JsonValue] = [_tool(tool, dialect) for tool in step.tools]
    for key, value in step.options.items():
        if key == "tools":
            tools += listed(value)
        elif key not in dialect.leaves_out:
            body[key] = value
    if tools:
        body["tools"] = tools
        if dialect.effort:
            body["reasoning_effort"] = dialect.effort
    return Request(body, frozenset(files.used))


def _kinds(dialect: Dialect) -> frozenset[str]:
    taken = {"input_image": dialect.pictures, "input_file": dialect.documents}
    return frozenset(kind for kind, is_taken in taken.items() if is_taken)


def _tool(tool: ToolSpec, dialect: Dialect) -> JsonValue:
    function: dict[str, JsonValue] = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }
    if dialect.strict:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}
