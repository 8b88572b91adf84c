"""
One step as the body of a run, and what a thread must have for it.

Each run brings its model, its instructions and its tools: whatever assistant it is made with, it does
what the gateway's assistant is configured to do. What is left out there is the remote assistant's own.
"""

from __future__ import annotations

from collections.abc import Mapping

from assistant_gateway.backend import Step
from assistant_gateway.backends.assistants_messages import system_texts
from assistant_gateway.backends.characters import whole
from assistant_gateway.backends.options import check_options, listed
from assistant_gateway.values import JsonObject, JsonValue

RESERVED = frozenset(
    {"additional_messages", "assistant_id", "instructions", "max_completion_tokens", "model", "stream"}
    | {"thread", "tool_resources"}
)
"""Fields that options may not set: they would tell the thread twice or contradict the step."""

HOSTED_TOOLS: Mapping[str, tuple[str, ...]] = {"code_interpreter": (), "file_search": ()}
"""What servers of this wire run themselves: "Assistants tools", OpenAI's guides, 2026-08."""

_RESOURCES = {"code_interpreter": "file_ids", "file_search": "vector_store_ids"}


def run_body(step: Step) -> JsonObject:
    """
    The fields of a run for *step*, without its assistant.

    Raises:
        BackendRefused: An option is the gateway's own to set.
    """
    check_options(step.options, RESERVED)
    body: dict[str, JsonValue] = {"truncation_strategy": {"type": "auto"}}
    if step.model:
        body["model"] = step.model
    if instructions := "\n\n".join(filter(None, (step.instructions, *system_texts(step.items)))):
        body["instructions"] = whole(instructions)
    if step.max_output_tokens is not None:
        body["max_completion_tokens"] = step.max_output_tokens
    tools: list[JsonValue] = [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
        }
        for tool in step.tools
    ]
    for hosted in step.hosted_tools:
        resource = _RESOURCES.get(str(hosted["type"]))
        tools.append({key: value for key, value in hosted.items() if key != resource})
    for key, value in step.options.items():
        if key == "tools":
            tools += listed(value)
        else:
            body[key] = value
    if tools:
        body["tools"] = tools
    return body


def resources(step: Step) -> JsonObject:
    """What the step's hosted tools search and read: a thread has it, not a run."""
    found: dict[str, JsonValue] = {}
    for hosted in step.hosted_tools:
        kind = str(hosted["type"])
        if (key := _RESOURCES.get(kind)) and hosted.get(key):
            found[kind] = {key: hosted[key]}
    return found
