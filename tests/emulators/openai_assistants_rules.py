"""
What the Assistants API refuses, in its own words.

Limits and fields as in OpenAI's OpenAPI document (2026-08, the last one with this API) and as quoted in
public reports: a thread that is busy (openai-dotnet 87, openai-python 1023), 32 messages
(community.openai.com 754574), 256,000 characters (openai-openapi 219), outputs of other calls.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from emulators.openai_rules import MAGIC, NAME, Refused, check_strict

MOST_MESSAGES = 32
LONGEST_TEXT = 256_000
SHORTEST_LIMIT = 256  # of max_completion_tokens
LIVE = ("queued", "in_progress", "requires_action", "cancelling")

RUN_FIELDS = frozenset(
    {
        "additional_instructions",
        "additional_messages",
        "assistant_id",
        "instructions",
        "max_completion_tokens",
    }
    | {"max_prompt_tokens", "metadata", "model", "parallel_tool_calls", "reasoning_effort", "response_format"}
    | {"stream", "temperature", "tool_choice", "tools", "top_p", "truncation_strategy"}
)
_THREAD_FIELDS = frozenset({"messages", "metadata", "tool_resources"})
_MESSAGE_FIELDS = frozenset({"attachments", "content", "metadata", "role"})
_ASSISTANT_FIELDS = frozenset(
    {"description", "instructions", "metadata", "model", "name", "reasoning_effort", "response_format"}
    | {"temperature", "tool_resources", "tools", "top_p"}
)
_TOOL_KEYS: Mapping[str, frozenset[str]] = {
    "function": frozenset({"type", "function"}),
    "code_interpreter": frozenset({"type"}),
    "file_search": frozenset({"type", "file_search"}),
}
_RESOURCE_KEYS = {"code_interpreter": {"file_ids"}, "file_search": {"vector_store_ids", "vector_stores"}}


def check_header(value: str) -> None:
    """Refuse a request that does not say which version it means."""
    if value != "assistants=v2":
        raise Refused(
            "You must provide the 'OpenAI-Beta' header to access the Assistants API. Please try again by "
            "setting the header 'OpenAI-Beta: assistants=v2'.",
            code="invalid_beta",
        )


def missing(what: str, id: str) -> Refused:
    """The refusal where there is no such thing."""
    return Refused(f"No {what} found with id '{id}'.", status=404)


def check_assistant(body: object, models: Sequence[str]) -> Mapping[str, object]:
    """The body of a new assistant, if it would be taken."""
    told = _object(body, _ASSISTANT_FIELDS)
    if told.get("model") not in models:
        raise Refused(
            f"The requested model '{told.get('model')}' does not exist.", "model", "model_not_found"
        )
    check_tools(told.get("tools", []))
    return told


def check_thread(body: object, files: Collection[str]) -> Mapping[str, object]:
    """The body of a new thread, if it would be taken."""
    told = _object(body, _THREAD_FIELDS)
    messages = told.get("messages", [])
    if not isinstance(messages, list):
        raise Refused("Invalid type for 'messages': expected an array.", "messages", "invalid_type")
    if len(messages) > MOST_MESSAGES:
        raise Refused(
            f"Invalid 'messages': array too long. Expected an array with maximum length {MOST_MESSAGES}, but "
            f"got an array with length {len(messages)} instead.",
            "messages",
            "array_above_max_length",
        )
    for index, message in enumerate(messages):
        check_message(message, files, f"messages[{index}].")
    resources = told.get("tool_resources") or {}
    assert isinstance(resources, dict)
    for kind, given in resources.items():
        if kind not in _RESOURCE_KEYS or not set(given) <= _RESOURCE_KEYS[kind]:
            raise Refused(
                f"Unknown parameter: 'tool_resources.{kind}'.", "tool_resources", "unknown_parameter"
            )
    return told


def check_message(body: object, files: Collection[str], where: str = "") -> Mapping[str, object]:
    """The body of a new message, if it would be taken."""
    told = _object(body, _MESSAGE_FIELDS, where)
    if told.get("role") not in ("user", "assistant"):
        raise Refused(
            f"Invalid value: '{told.get('role')}'. Supported values are: 'user' and 'assistant'.",
            f"{where}role",
            "invalid_value",
        )
    content = told.get("content")
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, list) or not parts:
        raise Refused(f"Missing required parameter: '{where}content'.", f"{where}content")
    for index, part in enumerate(parts):
        _check_part(part, files, f"{where}content[{index}]")
    return told


def check_run(
    body: object, *, models: Sequence[str], assistants: Collection[str], files: Collection[str]
) -> Mapping[str, object]:
    """The body of a new run, if it would be taken."""
    told = _object(body, RUN_FIELDS)
    assistant = told.get("assistant_id")
    if not isinstance(assistant, str):
        raise Refused(
            "Missing required parameter: 'assistant_id'.", "assistant_id", "missing_required_parameter"
        )
    if assistant not in assistants:
        raise missing("assistant", assistant)
    if told.get("model") is not None and told["model"] not in models:
        raise Refused(f"The requested model '{told['model']}' does not exist.", "model", "model_not_found")
    instructions = told.get("instructions")
    if instructions is not None and (not isinstance(instructions, str) or len(instructions) > LONGEST_TEXT):
        raise Refused("Invalid 'instructions'.", "instructions", "invalid_value")
    limit = told.get("max_completion_tokens")
    if limit is not None and (type(limit) is not int or limit < SHORTEST_LIMIT):
        raise Refused(
            "Invalid 'max_completion_tokens': integer below minimum value. Expected a value >= "
            f"{SHORTEST_LIMIT}, but got {limit} instead.",
            "max_completion_tokens",
            "integer_below_min_value",
        )
    check_tools(told.get("tools", []))
    added = told.get("additional_messages") or []
    assert isinstance(added, list)
    for message in added:
        check_message(message, files)
    return told


def check_tools(tools: object) -> None:
    """Refuse tools that could not be used."""
    if not isinstance(tools, list):
        raise Refused("Invalid type for 'tools': expected an array.", "tools", "invalid_type")
    names = set()
    for index, tool in enumerate(tools):
        where = f"tools[{index}]"
        keys = _TOOL_KEYS.get(str(tool.get("type"))) if isinstance(tool, dict) else None
        if keys is None:
            raise Refused(f"Invalid value for '{where}.type'.", f"{where}.type", "invalid_value")
        if unknown := sorted(tool.keys() - keys):
            raise Refused(f"Unknown parameter: '{where}.{unknown[0]}'.", where, "unknown_parameter")
        if tool["type"] != "function":
            continue
        function = tool.get("function")
        if not isinstance(function, dict) or not NAME.fullmatch(str(function.get("name"))):
            raise Refused(f"Invalid '{where}.function.name'.", f"{where}.function.name", "invalid_value")
        if function["name"] in names:
            raise Refused(f"Duplicate function name: {function['name']}", "tools")
        names.add(function["name"])
        if function.get("strict"):
            check_strict(function["name"], function.get("parameters"))


def check_outputs(body: object, status: str, wanted: Sequence[str]) -> Mapping[str, str]:
    """The outputs by call, if a run in *status* that waits for those *wanted* would take them."""
    told = _object(body, frozenset({"tool_outputs", "stream"}))
    if status != "requires_action":
        raise Refused(f'Runs in status "{status}" do not accept tool outputs.')
    outputs = told.get("tool_outputs")
    if not isinstance(outputs, list):
        raise Refused(
            "Missing required parameter: 'tool_outputs'.", "tool_outputs", "missing_required_parameter"
        )
    got = [output.get("tool_call_id") for output in outputs]
    if sorted(got) != sorted(wanted):
        raise Refused(f"Expected tool outputs for call_ids {list(wanted)}, got {got}")
    for output in outputs:
        if not isinstance(output.get("output"), str):
            raise Refused("Invalid type for 'tool_outputs[0].output'.", "tool_outputs", "invalid_type")
    return {output["tool_call_id"]: output["output"] for output in outputs}


def check_file(purpose: str, data: bytes) -> None:
    """Refuse a file that nothing can be done with."""
    if purpose not in ("assistants", "vision", "user_data"):
        raise Refused(f"'{purpose}' is not one of the allowed purposes.", "purpose", "invalid_value")
    if purpose == "vision" and not data.startswith(MAGIC):
        raise Refused("Invalid file format. Supported formats: png, jpeg, gif, webp.", "file")


def _check_part(part: object, files: Collection[str], where: str) -> None:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind not in ("text", "image_file", "image_url"):
        raise Refused(f"Invalid value: '{kind}'.", f"{where}.type", "invalid_value")
    assert isinstance(part, dict)
    if kind == "text":
        text = part.get("text")
        if not isinstance(text, str) or not text.strip():
            raise Refused("Message content must be non-empty.", where)
        if len(text) > LONGEST_TEXT:
            raise Refused(
                f"Invalid '{where}': string too long. Expected a string with maximum length {LONGEST_TEXT}, "
                f"but got a string with length {len(text)} instead.",
                where,
                "string_above_max_length",
            )
    if kind == "image_file":
        id = (part.get("image_file") or {}).get("file_id")
        if id not in files:
            raise Refused(f"File with id '{id}' not found.", where, status=404)


def _object(body: object, fields: Collection[str], where: str = "") -> Mapping[str, object]:
    if not isinstance(body, dict):
        raise Refused("We could not parse the JSON body of your request.")
    for key in body:
        if key not in fields:
            raise Refused(f"Unknown parameter: '{where}{key}'.", f"{where}{key}", "unknown_parameter")
    return body
