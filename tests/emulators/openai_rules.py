"""
What OpenAI's `POST /v1/responses` refuses, in its own words.

Texts and codes as in OpenAI's API reference ("Create a model response", "Error codes") and as quoted in
public reports: orphan calls (community.openai.com 1361157, 1142327), items that are not persisted
(github.com/vercel/ai 7543), encrypted content (github.com/LibreChat-AI/agents 422); read 2026-11.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

BLOB = "gAAAAAB"  # what an encrypted blob of the emulator begins with

# The parameters of `AsyncResponses.create`, openai 3.54.0.
FIELDS = frozenset(
    {"access_programs", "background", "background_options", "context_management", "conversation", "image"}
    | {"include", "input", "instructions", "max_output_tokens", "max_tool_calls", "metadata", "model"}
    | {"moderation", "parallel_tool_calls", "previous_response_id", "prompt", "prompt_cache_key"}
    | {"prompt_cache_options", "prompt_cache_retention", "reasoning", "safety_identifier", "service_tier"}
    | {"store", "stream", "stream_options", "temperature", "text", "tool_choice", "tools", "top_logprobs"}
    | {"top_p", "truncation", "user"}
)
_INCLUDES = frozenset(
    {"reasoning.encrypted_content", "file_search_call.results", "web_search_call.results"}
    | {"message.input_image.image_url", "code_interpreter_call.outputs", "message.output_text.logprobs"}
    | {"web_search_call.action.sources", "computer_call_output.output.image_url"}
)
_ITEM_KEYS: Mapping[str, frozenset[str]] = {
    "message": frozenset({"type", "role", "content", "status", "id", "phase"}),
    "function_call": frozenset({"type", "id", "call_id", "name", "arguments", "status"}),
    "function_call_output": frozenset({"type", "id", "call_id", "output", "status"}),
    "reasoning": frozenset({"type", "id", "summary", "content", "encrypted_content", "status"}),
    "compaction": frozenset({"type", "id", "encrypted_content"}),
}
_PART_KEYS: Mapping[str, frozenset[str]] = {
    "input_text": frozenset({"type", "text"}),
    "input_image": frozenset({"type", "detail", "file_id", "image_url"}),
    "input_file": frozenset({"type", "detail", "file_id", "file_url", "file_data", "filename"}),
    "output_text": frozenset({"type", "text", "annotations", "logprobs"}),
    "refusal": frozenset({"type", "refusal"}),
}
_PARTS_OF_ROLE = {
    "user": ("input_text", "input_image", "input_file"),
    "system": ("input_text",),
    "developer": ("input_text",),
    "assistant": ("output_text", "refusal"),
}
_TOOLS = frozenset({"function", "web_search", "file_search", "code_interpreter", "image_generation", "mcp"})
_NEEDED = {"code_interpreter": ("container",), "file_search": ("vector_store_ids",)}
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"RIFF")


@dataclass
class Refused(Exception):
    """An error answer."""

    message: str
    param: str | None = None
    code: str | None = None
    status: int = 400
    type: str = "invalid_request_error"

    def body(self) -> dict[str, object]:
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


def check_request(
    body: object,
    *,
    models: Sequence[str],
    reasons: bool = True,
    blobs: bool = True,
    context_tokens: int = 1_000_000,
) -> dict[str, object]:
    """
    The body, if the provider would take it.

    Args:
        reasons: The model can encrypt its reasoning.
        blobs: Its blobs can be read; False is another organisation's key.

    Raises:
        Refused: It would not.
    """
    if not isinstance(body, dict):
        raise Refused("We could not parse the JSON body of your request.")
    for key in body:
        if key not in FIELDS:
            raise Refused(f"Unknown parameter: '{key}'.", key, "unknown_parameter")
    for key in ("model", "input"):
        if not body.get(key):
            raise Refused(f"Missing required parameter: '{key}'.", key, "missing_required_parameter")
    if body["model"] not in models:
        raise Refused(f"The requested model '{body['model']}' does not exist.", "model", "model_not_found")
    _check_values(body, reasons)
    _check_tools(body.get("tools", []))
    told = body["input"]
    if not isinstance(told, str):
        if not isinstance(told, list):
            raise Refused("Invalid type for 'input': expected a string or an array.", "input", "invalid_type")
        for index, item in enumerate(told):
            _check_item(item, f"input[{index}]", store=body.get("store", True) is not False, blobs=blobs)
        _check_pairs(told)
    if len(json.dumps(body)) / 4 > context_tokens:
        raise Refused(
            "Your input exceeds the context window of this model. Please adjust your input and try again.",
            "input",
            "context_length_exceeded",
        )
    return body


def _check_values(body: Mapping[str, object], reasons: bool) -> None:
    for key, kind in (("stream", bool), ("store", bool), ("instructions", str), ("max_output_tokens", int)):
        if key in body and body[key] is not None and type(body[key]) is not kind:
            raise Refused(f"Invalid type for '{key}'.", key, "invalid_type")
    tokens = body.get("max_output_tokens")
    if isinstance(tokens, int) and tokens < 16:
        raise Refused(
            "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got "
            f"{tokens} instead.",
            "max_output_tokens",
            "integer_below_min_value",
        )
    include = body.get("include") or []
    if not isinstance(include, list) or not set(include) <= _INCLUDES:
        raise Refused("Invalid value for 'include'.", "include", "invalid_value")
    if "reasoning.encrypted_content" in include and not reasons:
        raise Refused("Encrypted content is not supported with this model.", "include")
    if body.get("previous_response_id"):
        raise Refused(
            f"Previous response with id '{body['previous_response_id']}' not found.",
            "previous_response_id",
            "previous_response_not_found",
        )


def _check_tools(tools: object) -> None:
    if not isinstance(tools, list):
        raise Refused("Invalid type for 'tools': expected an array.", "tools", "invalid_type")
    names = set()
    for index, tool in enumerate(tools):
        where = f"tools[{index}]"
        if not isinstance(tool, dict) or tool.get("type") not in _TOOLS:
            raise Refused(f"Invalid value for '{where}.type'.", f"{where}.type", "invalid_value")
        if tool["type"] != "function":
            for key in _NEEDED.get(tool["type"], ()):
                if not tool.get(key):
                    raise Refused(
                        f"Missing required parameter: '{where}.{key}'.",
                        f"{where}.{key}",
                        "missing_required_parameter",
                    )
            continue
        unknown = tool.keys() - {"type", "name", "description", "parameters", "strict"}
        if unknown:
            raise _unknown(where, unknown)
        name = tool.get("name")
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise Refused(f"Invalid '{where}.name': string does not match pattern.", f"{where}.name")
        if name in names:
            raise Refused(f"Duplicate function name: {name}", "tools")
        names.add(name)
        if not isinstance(tool.get("parameters"), dict):
            raise Refused(f"Missing required parameter: '{where}.parameters'.", f"{where}.parameters")
        if tool.get("strict"):
            check_strict(name, tool["parameters"])


def check_strict(name: str, schema: object, path: tuple[str, ...] = ()) -> None:
    """Refuse a tool's schema that strict mode can't follow."""
    if not isinstance(schema, dict):
        return
    context = f"In context={path!r}"
    properties = schema.get("properties")
    if schema.get("type") == "object" or properties is not None:
        if schema.get("additionalProperties") is not False:
            raise _bad_schema(
                name, f"{context}, 'additionalProperties' is required to be supplied and to be false."
            )
        missing = sorted(set(properties or {}) - set(schema.get("required", [])))
        if missing:
            raise _bad_schema(
                name,
                f"{context}, 'required' is required to be supplied and to be an array including every key in "
                f"properties. Missing '{missing[0]}'.",
            )
        for key, value in (properties or {}).items():
            check_strict(name, value, (*path, "properties", key))
    for key in ("items",):
        check_strict(name, schema.get(key), (*path, key))
    for key in ("anyOf",):
        for index, value in enumerate(schema.get(key, [])):
            check_strict(name, value, (*path, key, str(index)))
    for key, value in schema.get("$defs", {}).items():
        check_strict(name, value, (*path, "$defs", key))


def _bad_schema(name: str, text: str) -> Refused:
    return Refused(
        f"Invalid schema for function '{name}': {text}", "tools[0].parameters", "invalid_function_parameters"
    )


def _check_item(item: object, where: str, *, store: bool, blobs: bool) -> None:
    if not isinstance(item, dict):
        raise Refused(f"Invalid type for '{where}'.", where, "invalid_type")
    kind = item.get("type", "message")
    if kind not in _ITEM_KEYS:
        supported = ", ".join(f"'{name}'" for name in _ITEM_KEYS)
        raise Refused(
            f"Invalid value: '{kind}'. Supported values are: {supported}.", f"{where}.type", "invalid_value"
        )
    id = item.get("id")
    if id is not None and kind in ("reasoning", "function_call", "message") and not store:
        prefix = {"reasoning": "rs_", "function_call": "fc_", "message": "msg_"}[kind]
        if not str(id).startswith(prefix):
            raise Refused(
                f"Invalid '{where}.id': '{id}'. Expected an ID that begins with '{prefix[:-1]}'.",
                f"{where}.id",
                "invalid_value",
            )
        if kind == "reasoning":
            raise Refused(
                f"Item with id '{id}' not found. Items are not persisted when `store` is set to false. Try "
                "again with `store` set to true, or remove this item from your input.",
                "input",
                status=404,
            )
    unknown = item.keys() - _ITEM_KEYS[kind]
    if unknown:
        raise _unknown(where, unknown)
    if kind == "message":
        _check_message(item, where)
    elif kind in ("function_call", "function_call_output"):
        _check_call(item, kind, where)
    else:
        blob = item.get("encrypted_content")
        if kind == "reasoning" and not isinstance(item.get("summary"), list):
            raise Refused(f"Missing required parameter: '{where}.summary'.", f"{where}.summary")
        if not blobs or not isinstance(blob, str) or not blob.startswith(BLOB):
            raise Refused(
                "The encrypted content could not be verified. Reason: Encrypted content could not be "
                "decrypted or parsed.",
                None,
                "invalid_encrypted_content",
            )


def _check_call(item: Mapping[str, object], kind: str, where: str) -> None:
    for key in ("call_id", "name", "arguments") if kind == "function_call" else ("call_id", "output"):
        value = item.get(key)
        if value is None:
            raise Refused(f"Missing required parameter: '{where}.{key}'.", f"{where}.{key}")
        if not isinstance(value, str) and not (key == "output" and isinstance(value, list)):
            raise Refused(f"Invalid type for '{where}.{key}'.", f"{where}.{key}", "invalid_type")
    if not 1 <= len(str(item["call_id"])) <= 64:
        raise Refused(
            f"Invalid '{where}.call_id': string too long. Expected a string with maximum length 64.",
            f"{where}.call_id",
            "string_above_max_length",
        )
    if kind == "function_call" and not NAME.fullmatch(str(item["name"])):
        raise Refused(
            f"Invalid '{where}.name': string does not match pattern. Expected '^[a-zA-Z0-9_-]+$'.",
            f"{where}.name",
            "invalid_value",
        )


def _check_message(item: Mapping[str, object], where: str) -> None:
    role, content = item.get("role"), item.get("content")
    if not isinstance(role, str) or role not in _PARTS_OF_ROLE:
        raise Refused(f"Invalid value for '{where}.role'.", f"{where}.role", "invalid_value")
    if isinstance(content, str):
        return
    if not isinstance(content, list) or not content:
        raise Refused(f"Missing required parameter: '{where}.content'.", f"{where}.content")
    for index, part in enumerate(content):
        at = f"{where}.content[{index}]"
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in _PARTS_OF_ROLE[role]:
            supported = ", ".join(f"'{name}'" for name in _PARTS_OF_ROLE[role])
            raise Refused(f"Invalid value: '{kind}'. Supported values are: {supported}.", at, "invalid_value")
        if unknown := part.keys() - _PART_KEYS[kind]:
            raise _unknown(at, unknown)
        if kind in ("input_text", "output_text") and not isinstance(part.get("text"), str):
            raise Refused(f"Missing required parameter: '{at}.text'.", f"{at}.text")
        if part.get("file_id"):
            raise Refused(f"No such File object: {part['file_id']}", "file_id", status=404)
        if kind == "input_image":
            _check_image(part, at)
        if kind == "input_file":
            _check_file(part, at)


def _check_image(part: Mapping[str, object], at: str) -> None:
    match = re.fullmatch(r"data:image/(png|jpeg|gif|webp);base64,(.*)", str(part.get("image_url")), re.DOTALL)
    if match is None:
        raise Refused(f"Invalid '{at}.image_url'.", f"{at}.image_url", "invalid_value")
    try:
        data = base64.b64decode(match[2], validate=True)
    except binascii.Error:
        data = b""
    if not data.startswith(MAGIC):
        raise Refused("The image data you provided does not represent a valid image.", at, "invalid_image")


def _check_file(part: Mapping[str, object], at: str) -> None:
    data = str(part.get("file_data", ""))
    if not part.get("filename") or not data.startswith("data:"):
        raise Refused(f"Missing required parameter: '{at}.filename'.", at, "missing_required_parameter")
    if "application/octet-stream" in data[:60]:
        raise Refused(f"Invalid file data: '{at}.file_data'. Unsupported MIME type.", at, "invalid_value")


def _check_pairs(told: Sequence[Mapping[str, object]]) -> None:
    open_calls: list[str] = []
    seen: set[str] = set()
    for index, item in enumerate(told):
        call_id = str(item.get("call_id"))
        if item.get("type") == "function_call":
            if call_id in seen:
                raise Refused(f"Duplicate item found with call_id {call_id}.", "input", "duplicate_item")
            seen.add(call_id)
            open_calls.append(call_id)
        elif item.get("type") == "function_call_output":
            if call_id not in open_calls:
                raise Refused(f"No tool call found for function call output with call_id {call_id}.", "input")
            open_calls.remove(call_id)
        elif item.get("type") == "reasoning":
            following = told[index + 1] if index + 1 < len(told) else {}
            if following.get("type") not in ("reasoning", "function_call") and (
                following.get("role") != "assistant"
            ):
                raise Refused(
                    f"Item {index} of type 'reasoning' was provided without its required following item.",
                    "input",
                )
    if open_calls:
        raise Refused(f"No tool output found for function call {open_calls[0]}.", "input")


def _unknown(where: str, keys: Sequence[str] | set[str]) -> Refused:
    name = f"{where}.{sorted(keys)[0]}"
    return Refused(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
