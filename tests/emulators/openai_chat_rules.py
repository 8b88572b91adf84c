"""
What `POST /v1/chat/completions` refuses, by OpenAI and by those who speak the same wire.

Texts as in OpenAI's API reference ("Create chat completion", "Error codes") and as quoted in public
reports: reasoning_effort with tools (github.com/BerriAI/litellm 34569), ids and extra inputs of Mistral
(anomalyco/opencode 1680, dnakov/anon-kode 53), thought signatures (discuss.ai.google.dev 109823),
reasoning_content of DeepSeek (anomalyco/opencode 24083), alternating roles (ggml-org/llama.cpp 19851);
read 2026-11.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from emulators.openai_rules import MAGIC, NAME, Refused, check_strict

# The parameters of `AsyncCompletions.create`, openai 3.54.0.
FIELDS = frozenset(
    {"audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs", "messages"}
    | {"max_completion_tokens", "max_tokens", "metadata", "modalities", "model", "moderation", "n"}
    | {"parallel_tool_calls", "prediction", "presence_penalty", "prompt_cache_key", "prompt_cache_options"}
    | {"prompt_cache_retention", "reasoning_effort", "response_format", "safety_identifier", "seed"}
    | {"service_tier", "stop", "store", "stream", "stream_options", "temperature", "tool_choice", "tools"}
    | {"top_logprobs", "top_p", "user", "verbosity", "web_search_options"}
)
_MISTRALS = frozenset(
    {"frequency_penalty", "max_tokens", "messages", "metadata", "model", "n", "parallel_tool_calls"}
    | {"prediction", "presence_penalty", "prompt_mode", "random_seed", "response_format", "safe_prompt"}
    | {"reasoning_effort", "stop", "stream", "temperature", "tool_choice", "tools", "top_p"}
)
_MESSAGE_KEYS: Mapping[str, frozenset[str]] = {
    "system": frozenset({"role", "content", "name"}),
    "developer": frozenset({"role", "content", "name"}),
    "user": frozenset({"role", "content", "name"}),
    "assistant": frozenset({"role", "content", "refusal", "name", "tool_calls"}),
    "tool": frozenset({"role", "content", "tool_call_id"}),
}


@dataclass(frozen=True)
class Rules:
    """
    What one provider refuses beside what all of them do.

    Attributes:
        fields: The only fields of a request; None: what it does not know is ignored.
        limit: The only field for the longest answer.
        strict: Reads `strict`; None ignores it, False refuses it.
        developer: Knows the role.
        system: Knows the role.
        pictures: Sees them.
        documents: Reads them.
        effort: Tools go with any `reasoning_effort`; False: only with "none".
        alternates: Its templates insist on turns.
        short_ids: A call's id has nine letters and digits.
        reads_arguments: Old calls' arguments must be JSON objects.
        signs: Calls carry a signature, and must bring it back.
        thinks: What the assistant thought must come back with its calls.
    """

    fields: frozenset[str] | None = None
    limit: str = "max_tokens"
    strict: bool | None = None
    developer: bool = False
    system: bool = True
    pictures: bool = True
    documents: bool = False
    effort: bool = True
    alternates: bool = False
    short_ids: bool = False
    reads_arguments: bool = True
    signs: bool = False
    thinks: bool = False


RULES: Mapping[str, Rules] = {
    "openai": Rules(
        fields=FIELDS,
        limit="max_completion_tokens",
        strict=True,
        developer=True,
        documents=True,
        reads_arguments=False,
    ),
    "azure": Rules(fields=FIELDS, limit="max_completion_tokens", strict=True, reads_arguments=False),
    "ollama": Rules(),
    "vllm": Rules(),
    "llamacpp": Rules(),
    "lmstudio": Rules(),
    "litellm": Rules(),
    "openrouter": Rules(),
    "compatible": Rules(),
    "gemini": Rules(strict=False, signs=True),
    "anthropic": Rules(),
    "deepseek": Rules(pictures=False, thinks=True),
    "mistral": Rules(fields=_MISTRALS, alternates=True, short_ids=True),
}
"""By the names of dialects."""


def check_chat(
    body: object, rules: Rules, *, models: Sequence[str] | None, context_tokens: int = 1_000_000
) -> dict[str, object]:
    """
    The body, if the provider would take it.

    Args:
        models: The models that there are; None: any.

    Raises:
        Refused: It would not.
    """
    if not isinstance(body, dict):
        raise Refused("We could not parse the JSON body of your request.")
    for key in body:
        if rules.fields is not None and key not in rules.fields:
            raise Refused(f"Unrecognized request argument supplied: {key}. Extra inputs are not permitted")
    for key in ("model", "messages"):
        if not body.get(key):
            raise Refused(f"you must provide a {key} parameter", key)
    if models is not None and body["model"] not in models:
        raise Refused(f"The model `{body['model']}` does not exist.", None, "model_not_found", 404)
    _check_limit(body, rules)
    if body.get("stream_options") and not body.get("stream"):
        raise Refused("The 'stream_options' parameter is only allowed when 'stream' is enabled.")
    tools = body.get("tools")
    if tools is not None:
        _check_tools(tools, rules)
        if not rules.effort and body.get("reasoning_effort") != "none":
            raise Refused(
                f"Function tools with reasoning_effort are not supported for {body['model']} in "
                "/v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to "
                "'none'.",
                "reasoning_effort",
            )
    told = body["messages"]
    if not isinstance(told, list):
        raise Refused(
            "Invalid type for 'messages': expected an array of objects.", "messages", "invalid_type"
        )
    for index, message in enumerate(told):
        _check_message(message, f"messages[{index}]", rules)
    _check_answers(told)
    _check_order(told, rules)
    if len(json.dumps(body)) / 4 > context_tokens:
        raise Refused(
            f"This model's maximum context length is {context_tokens} tokens. Please reduce the length of "
            "the messages.",
            "messages",
            "context_length_exceeded",
        )
    return body


def _check_limit(body: Mapping[str, object], rules: Rules) -> None:
    for key in {"max_tokens", "max_completion_tokens"} - {rules.limit}:
        if key in body:
            raise Refused(
                f"Unsupported parameter: '{key}' is not supported with this model. Use '{rules.limit}' "
                "instead.",
                key,
                "unsupported_parameter",
            )
    value = body.get(rules.limit)
    if value is not None and (type(value) is not int or value < 1):
        raise Refused(f"Invalid '{rules.limit}': integer below minimum value.", rules.limit)


def _check_tools(tools: object, rules: Rules) -> None:
    if not isinstance(tools, list) or not tools:
        raise Refused("[] is too short - 'tools'", "tools", "empty_array")
    names = set()
    for index, tool in enumerate(tools):
        where = f"tools[{index}].function"
        function = tool.get("function") if isinstance(tool, dict) and tool.get("type") == "function" else None
        if not isinstance(function, dict):
            raise Refused(f"Missing required parameter: '{where}'.", where, "missing_required_parameter")
        if unknown := function.keys() - {"name", "description", "parameters", "strict"}:
            raise Refused(f"Unknown parameter: '{where}.{min(unknown)}'.", where, "unknown_parameter")
        name = str(function.get("name", ""))
        if not NAME.fullmatch(name) or name in names:
            raise Refused(f"Invalid '{where}.name': string does not match pattern.", f"{where}.name")
        names.add(name)
        if rules.strict is False and "strict" in function:
            raise Refused(
                f"Invalid JSON payload received. Unknown name \"strict\" at '{where}': Cannot find field."
            )
        if rules.strict and function.get("strict"):
            check_strict(name, function.get("parameters"))


def _check_message(message: object, where: str, rules: Rules) -> None:
    role = message.get("role") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(role, str) or role not in _MESSAGE_KEYS:
        raise Refused(f"Invalid value: '{role}'.", f"{where}.role", "invalid_value")
    if role == "developer" and not rules.developer:
        raise Refused(f"Unexpected value: '{where}.role' does not support 'developer' with this model.")
    if role == "system" and not rules.system:
        raise Refused("System role not supported")
    known = _MESSAGE_KEYS[role] | ({"reasoning_content"} if rules.thinks and role == "assistant" else set())
    if unknown := message.keys() - known:
        raise Refused(f"Unknown parameter: '{where}.{min(unknown)}'.", where, "unknown_parameter")
    calls = message.get("tool_calls")
    if "tool_calls" in message and not calls:
        raise Refused(f"[] is too short - '{where}.tool_calls'", f"{where}.tool_calls", "empty_array")
    content = message.get("content")
    if isinstance(content, list):
        for index, part in enumerate(content):
            _check_part(part, f"{where}.content[{index}]", str(role), rules)
    if not isinstance(content, str) and not content and not calls:
        raise Refused(
            f"Invalid value for 'content': expected a string, got null. '{where}'", f"{where}.content"
        )
    for index, call in enumerate(calls if isinstance(calls, list) else ()):
        _check_call(call, index, f"{where}.tool_calls[{index}]", rules)
    if calls and rules.thinks and not isinstance(message.get("reasoning_content"), str):
        raise Refused("The reasoning_content in the thinking mode must be passed back to the API.")
    if role == "tool":
        _check_id(message.get("tool_call_id"), f"{where}.tool_call_id", rules)


def _check_part(part: object, at: str, role: str, rules: Rules) -> None:
    kind = part.get("type") if isinstance(part, dict) else None
    taken = {"text"} | ({"image_url"} if rules.pictures else set()) | ({"file"} if rules.documents else set())
    if not isinstance(part, dict) or kind not in (taken if role == "user" else {"text"}):
        raise Refused(f"Invalid value: '{kind}'. Supported values are: {sorted(taken)}.", at, "invalid_value")
    if unknown := part.keys() - {"type", str(kind)}:
        raise Refused(f"Unknown parameter: '{at}.{min(unknown)}'.", at, "unknown_parameter")
    if kind == "text" and not part.get("text"):
        raise Refused(f"Missing required parameter: '{at}.text'.", f"{at}.text")
    if kind == "image_url":
        _check_picture(part["image_url"], at)
    if kind == "file":
        file = part["file"]
        if not file.get("filename") or not str(file.get("file_data")).startswith("data:"):
            raise Refused(f"Missing required parameter: '{at}.file'.", at, "missing_required_parameter")
        if "application/octet-stream" in str(file["file_data"])[:60]:
            raise Refused(f"Invalid file data: '{at}.file_data'. Unsupported MIME type.", at, "invalid_value")


def _check_picture(told: object, at: str) -> None:
    url = str(told.get("url")) if isinstance(told, dict) else ""
    match = re.fullmatch(r"data:image/(png|jpeg|gif|webp);base64,(.*)", url, re.DOTALL)
    try:
        data = base64.b64decode(match[2], validate=True) if match else b""
    except binascii.Error:
        data = b""
    if not data.startswith(MAGIC):
        raise Refused("The image data you provided does not represent a valid image.", at, "invalid_image")


def _check_call(call: object, index: int, at: str, rules: Rules) -> None:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(call, dict) or call.get("type") != "function" or not isinstance(function, dict):
        raise Refused(f"Missing required parameter: '{at}.function'.", at, "missing_required_parameter")
    if unknown := call.keys() - {"id", "type", "function"} - ({"extra_content"} if rules.signs else set()):
        raise Refused(f"Unknown parameter: '{at}.{min(unknown)}'.", at, "unknown_parameter")
    _check_id(call.get("id"), f"{at}.id", rules)
    if function.keys() != {"name", "arguments"} or not NAME.fullmatch(str(function["name"])):
        raise Refused(f"Invalid '{at}.function.name': string does not match pattern.", at, "invalid_value")
    if not isinstance(function["arguments"], str):
        raise Refused(f"Invalid type for '{at}.function.arguments'.", at, "invalid_type")
    if rules.reads_arguments and not _is_object(function["arguments"]):
        raise Refused(
            f"json.decoder.JSONDecodeError: {at}.function.arguments", status=500, type="server_error"
        )
    extra = call.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    if rules.signs and not index and not (isinstance(google, dict) and google.get("thought_signature")):
        raise Refused(
            "Function call is missing a thought_signature in functionCall parts. This is required for tools "
            f"to work correctly. Additional data, function call `default_api:{function['name']}`."
        )


def _check_id(id: object, at: str, rules: Rules) -> None:
    if not isinstance(id, str) or not 1 <= len(id) <= 64:
        raise Refused(f"Invalid '{at}': string too long.", at, "string_above_max_length")
    if rules.short_ids and not re.fullmatch(r"[a-zA-Z0-9]{9}", id):
        raise Refused(f"Tool call id was {id} but must be a-z, A-Z, 0-9, with a length of 9.")


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text, parse_constant=_no_number), dict)
    except (ValueError, RecursionError):
        return False


def _no_number(name: str) -> float:
    raise ValueError(name)


def _check_answers(told: Sequence[Mapping[str, object]]) -> None:
    waiting: list[str] = []
    for message in told:
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                raise Refused(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message "
                    "with 'tool_calls'.",
                    "messages",
                )
            waiting.remove(str(message["tool_call_id"]))
            continue
        if waiting:
            break
        calls = message.get("tool_calls")
        waiting = [call["id"] for call in calls] if isinstance(calls, list) else []
        if len(set(waiting)) < len(waiting):
            raise Refused("Duplicate value for 'tool_call_id'.", "messages")
    if waiting:
        raise Refused(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            "'tool_call_id'. The following tool_call_ids did not have response messages: "
            f"{', '.join(waiting)}",
            "messages",
        )


def _check_order(told: Sequence[Mapping[str, object]], rules: Rules) -> None:
    roles = [str(message["role"]) for message in told]
    if any(role in ("system", "developer") for role in roles[1:]):
        raise Refused("System message must be at the beginning.")
    if roles[-1] == "assistant":
        raise Refused("Expected last role User or Tool for serving but got assistant")
    if not rules.alternates:
        return
    spoken = [role for role in roles if role not in ("system", "developer")]
    for before, role in zip(["", *spoken], spoken, strict=False):
        if role not in _AFTER[before]:
            raise Refused(f"Unexpected role '{role}' after role '{before or 'system'}'", code="3230")


_AFTER = {
    "": ("user",),
    "user": ("assistant",),
    "assistant": ("user", "tool"),
    "tool": ("tool", "assistant"),
}
