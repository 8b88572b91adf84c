"""
How providers differ over one wire, as data.

Chat Completions is spoken by many servers, and each bends it a little. What is known of them stands
here, one row for each; what turns out in a conversation (`learned`) is a change of a row. Nothing
else in the house knows a provider by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from assistant_gateway.values import JsonValue

Role: TypeAlias = Literal["system", "developer", "user"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """
    What one kind of server takes and sends.

    Attributes:
        hosts: Ends of host names that are this provider's.
        port: Where such a server listens unless it is told otherwise; 0: nowhere usual.
        limit_field: The field that caps the answer.
        usage: Takes ``stream_options``, and tells the usage only when it is asked there.
        strict: Takes ``strict`` in a tool's definition.
        pictures: Sees pictures, given as data URLs.
        documents: Reads documents, given as ``file`` parts.
        system: The role of instructions; ``user`` puts them before the first words of people.
        alternates: People and assistant must take turns, people first; what is missing is filled in.
        call_id_length: Letters and digits that a call's id must have, no more and no less; 0: any id.
        reasoning_key: The field of an assistant's message in which its reasoning must come back.
        call_extra: What the first call of a message must carry where its maker gave it nothing.
        thoughts: The tag around reasoning at the beginning of a text; empty where there is none.
        effort: ``reasoning_effort`` of requests with tools; empty leaves it to the provider.
        fields: More fields of every request.
        leaves_out: Options that it refuses; they are not sent.
    """

    name: str
    hosts: tuple[str, ...] = ()
    port: int = 0
    limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    usage: bool = True
    strict: bool = False
    pictures: bool = True
    documents: bool = False
    system: Role = "system"
    alternates: bool = False
    call_id_length: int = 0
    reasoning_key: str = ""
    call_extra: Mapping[str, JsonValue] = field(default_factory=dict)
    thoughts: str = ""
    effort: str = ""
    fields: Mapping[str, JsonValue] = field(default_factory=dict)
    leaves_out: frozenset[str] = frozenset()


COMPATIBLE = Dialect("compatible", thoughts="think")
"""A server of which nothing is known: what nearly all of them take."""

_ROWS = (
    COMPATIBLE,
    # API reference, "Create chat completion", 2026-11. Without `store` new accounts keep what was said
    # ("Migrate to the Responses API", 2026-11).
    Dialect(
        "openai",
        hosts=("api.openai.com",),
        limit_field="max_completion_tokens",
        strict=True,
        documents=True,
        system="developer",
        fields={"store": False},
    ),
    # "Azure OpenAI in Foundry Models v1 API", learn.microsoft.com, 2026-11.
    Dialect(
        "azure",
        hosts=("openai.azure.com", "services.ai.azure.com", "cognitiveservices.azure.com"),
        limit_field="max_completion_tokens",
        strict=True,
    ),
    # "OpenAI compatibility", docs.ollama.com, 2026-11.
    Dialect("ollama", hosts=("ollama.com",), port=11434, thoughts="think"),
    # "OpenAI-Compatible Server", docs.vllm.ai; the server's README of llama.cpp; lmstudio.ai/docs; 2026-11.
    Dialect("vllm", port=8000, thoughts="think"),
    Dialect("llamacpp", port=8080, thoughts="think"),
    Dialect("lmstudio", port=1234, thoughts="think"),
    # What stands behind a LiteLLM is anybody's guess: docs.litellm.ai, 2026-11.
    Dialect("litellm", port=4000, thoughts="think"),
    Dialect("openrouter", hosts=("openrouter.ai",)),
    # "Thought signatures", ai.google.dev, 2026-11: the first call of a step has one; for calls of other
    # makers there is this word. `strict` was refused as an unknown name: router-for-me/CLIProxyAPI 102.
    Dialect(
        "gemini",
        hosts=("generativelanguage.googleapis.com", "aiplatform.googleapis.com"),
        thoughts="thought",
        call_extra={"google": {"thought_signature": "skip_thought_signature_validator"}},
    ),
    # "OpenAI SDK compatibility", platform.claude.com, 2026-11: `strict` is ignored, files are not read.
    Dialect("anthropic", hosts=("api.anthropic.com",)),
    # "Thinking Mode", api-docs.deepseek.com, 2026-11: without the reasoning of a turn with calls, 400.
    Dialect("deepseek", hosts=("api.deepseek.com",), pictures=False, reasoning_key="reasoning_content"),
    # "Extra inputs are not permitted" for all that it does not know: anon-kode 53, openclaude 739; ids:
    # opencode 1680. Usage comes without being asked for.
    Dialect(
        "mistral",
        hosts=("api.mistral.ai",),
        usage=False,
        alternates=True,
        call_id_length=9,
        leaves_out=frozenset({"store", "stream_options", "logit_bias", "user", "verbosity", "service_tier"}),
    ),
)

DIALECTS: Mapping[str, Dialect] = {row.name: row for row in _ROWS}
"""The rows by name."""


def dialect_for(base_url: str) -> Dialect:
    """The dialect that the address alone suggests."""
    parts = urlsplit(base_url)
    host = (parts.hostname or "").rstrip(".")
    for dialect in _ROWS:
        if any(host == known or host.endswith(("." + known, "-" + known)) for known in dialect.hosts):
            return dialect
    return next((row for row in _ROWS if row.port and row.port == parts.port), COMPATIBLE)


def learned(dialect: Dialect, complaint: str) -> Dialect | None:
    """The dialect as a provider's complaint corrects it; None where it speaks of nothing known."""
    for words, change in _LESSONS:
        if words.search(complaint):
            better = change(dialect)
            if better != dialect:
                return better
    return None


def _other_limit(dialect: Dialect) -> Dialect:
    used = dialect.limit_field == "max_tokens"
    return replace(dialect, limit_field="max_completion_tokens" if used else "max_tokens")


def _refused(name: str) -> re.Pattern[str]:
    no = "unsupported|not support|unknown|unrecognized|unexpected|extra|not permitted|cannot find|invalid"
    return re.compile(
        rf"({no}).{{0,160}}\b({name})\b|\b({name})\b.{{0,160}}({no})", re.IGNORECASE | re.DOTALL
    )


# What a refusal says, the most special first, and what it teaches.
_LESSONS: Sequence[tuple[re.Pattern[str], Callable[[Dialect], Dialect]]] = (
    # OpenAI, gpt-5.6 and gpt-6 with tools, even where no effort was sent: litellm 34569, onyx 15008.
    (
        re.compile(r"tools with reasoning_effort|reasoning_effort.{0,80}'none'"),
        lambda dialect: replace(dialect, effort="none"),
    ),
    (
        re.compile(r"reasoning_content.{0,80}(passed back|missing)|[Mm]issing reasoning_content"),
        lambda dialect: replace(dialect, reasoning_key="reasoning_content"),
    ),
    (
        re.compile(r"missing a .?thought_signature"),
        lambda dialect: replace(dialect, call_extra=DIALECTS["gemini"].call_extra),
    ),
    (re.compile(r"length of 9"), lambda dialect: replace(dialect, call_id_length=9)),
    # Templates of Mistral's and Google's models: llama.cpp 19851, opencode 5034, mistral.rs 506.
    (
        re.compile(r"roles must alternate|[Uu]nexpected role|[Ee]xpected last role"),
        lambda dialect: replace(dialect, alternates=True),
    ),
    (
        re.compile(r"[Ss]ystem role not supported|got system\b|not support.{0,20}system role"),
        lambda dialect: replace(dialect, system="user"),
    ),
    (_refused("developer"), lambda d: replace(d, system="system") if d.system == "developer" else d),
    (_refused("max_tokens|max_completion_tokens"), _other_limit),
    (_refused("stream_options|include_usage"), lambda dialect: replace(dialect, usage=False)),
    (_refused("strict"), lambda dialect: replace(dialect, strict=False)),
    (_refused("store"), lambda dialect: replace(dialect, fields={})),
)
