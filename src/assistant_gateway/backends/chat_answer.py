"""
The chunks of a Chat Completions stream as our events.

An answer is one message, perhaps thoughts before it, perhaps calls after it. All of it is closed
when the stream says that it is over: by its finish and its end, by `[DONE]` alone, never by falling
silent. Nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, TypeAlias

from assistant_gateway import items
from assistant_gateway.backends.chat_calls import Call, Calls
from assistant_gateway.backends.chat_thoughts import Thoughts
from assistant_gateway.backends.faults import error_object, from_error
from assistant_gateway.backends.jsontext import clean, parsed
from assistant_gateway.backends.repair import EXTRA, ORIGIN, unused_id
from assistant_gateway.backends.slots import Part
from assistant_gateway.backends.usage import usage_of
from assistant_gateway.errors import BackendUnavailable, StreamCut
from assistant_gateway.events import (
    ItemDone,
    ReasoningDelta,
    StepDone,
    StepEvent,
    TextCreated,
    TextDelta,
    TextDone,
    ToolCallCreated,
    ToolCallDelta,
    ToolCallDone,
)
from assistant_gateway.values import FunctionCall, JsonObject, JsonValue, Usage

_Events: TypeAlias = Iterable[StepEvent]

_INCOMPLETE: Mapping[str, str] = {
    "length": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "model_length": "max_output_tokens",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "refusal": "content_filter",
}
"""Finishes that are no completion, and why; anything else that is said is one, but for the failures."""

# "Errors", openrouter.ai/docs; "Create Chat Completion", api-docs.deepseek.com; vllm/v1/engine; 2026-11.
_FAILED = frozenset({"error", "insufficient_system_resource", "abort"})
_LEGACY = -1  # the place of the only call that `function_call` can tell


class Answer:
    """
    Reads one answer.

    Args:
        prefix: What the ids of its items begin with.
        thoughts: The tag around thoughts in the text; empty where there is none.
        origin: The mark of items that go back to their maker alone.
        keeps_thoughts: They do go back, so they become an item.
        taken: Ids of calls that the thread has already.
        tools: Names of the tools that were offered.

    Attributes:
        begun: Something of the answer has arrived.
        settled: Its finish is known; what may follow is not worth a long wait.
        done: Nothing that follows matters.
    """

    def __init__(
        self,
        prefix: str,
        *,
        thoughts: str = "",
        origin: str = "",
        keeps_thoughts: bool = False,
        taken: Iterable[str] = (),
        tools: Iterable[str] = (),
    ) -> None:
        self.begun = False
        self.done = False
        self._prefix = prefix
        self._origin = origin
        self._keeps_thoughts = keeps_thoughts
        self._taken = set(taken)
        self._tag = thoughts
        self._thoughts = Thoughts(thoughts) if thoughts else None
        self._thought = Part()
        self._text = Part()
        self._refusal = Part()
        self._parts: list[Part] = []  # those of the message, in the order in which they began
        self._calls = Calls(tools)
        self._finish = ""
        self._usage: Usage | None = None

    @property
    def settled(self) -> bool:
        return bool(self._finish)

    def feed(self, event: JsonObject) -> _Events:
        """
        Our events for one chunk, to be iterated to the end.

        Raises:
            BackendError: The provider says that it failed.
            StreamCut: The chunk is malformed.
        """
        if event.get("error") or event.get("object") == "error" or event.get("type") == "error":
            error = error_object(event)
            raise from_error(
                {key: value for key, value in error.items() if (key, value) != ("type", "error")}
            )
        if (usage := event.get("usage")) is not None:
            self._usage = usage_of(usage) or self._usage
        choices = event.get("choices")
        if not choices or self.done:
            return ()
        if not isinstance(choices, list):
            raise StreamCut("the provider sent a chunk whose 'choices' is no list")
        choice = choices[0]
        if not isinstance(choice, dict) or choice.get("index") not in (0, None):
            return ()
        return self._choice(choice)

    def end(self, *, declared: bool) -> _Events:
        """
        Close what is open, and tell the outcome.

        A declared end is an outcome, too, where the finish was left out; but only of an answer that
        has begun, and that does not end inside a call.

        Raises:
            BackendUnavailable: The provider says that it failed.
            StreamCut: The stream has ended without an outcome.
        """
        if self.done:
            return ()
        if declared and not self._finish and self.begun:
            if any(parsed(call.arguments.text or "{}") is None for call in self._calls):
                raise StreamCut("the provider's answer ended inside a function call")
            self._finish = "stop"
        if not self._finish:
            raise StreamCut("the provider ended the stream in the middle of its answer")
        return self._close()

    # Chunks

    def _choice(self, choice: JsonObject) -> _Events:
        delta = choice.get("delta")
        if isinstance(delta, dict):
            # Nearly every chunk is this one.
            content = delta.get("content")
            if type(content) is str and content and self._thoughts is None and self._text.opened:
                if piece := self._text.grow(content):
                    yield TextDelta(self._message_id, piece, self._parts.index(self._text))
            elif content:
                yield from self._content(content)
            if len(delta) > 1 or content is None:
                yield from self._others(delta)
        finish = choice.get("finish_reason")
        if isinstance(finish, str) and finish not in ("", "null"):
            self._finish = finish.lower()

    def _others(self, delta: JsonObject) -> _Events:
        # vLLM sends reasoning under both names at once: vllm 34030.
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if isinstance(thought, str) and thought:
            # Who tells them apart puts no tags into the text.
            yield from self._stop_looking()
            yield from self._think(thought)
        refusal = delta.get("refusal")
        if isinstance(refusal, str) and refusal:
            yield from self._say(refusal, self._refusal)
        fragments = delta.get("tool_calls")
        if isinstance(fragments, list) and fragments:
            yield from self._call(fragments)
        legacy = delta.get("function_call")
        if isinstance(legacy, dict):
            yield from self._call([{"index": _LEGACY, "function": legacy}])

    def _content(self, content: JsonValue) -> _Events:
        """Text; or a list of parts, as of Mistral's reasoning models and of Gemini."""
        if isinstance(content, str):
            if self._thoughts is None:
                yield from self._say(content, self._text)
                return
            self.begun = True
            thought, text = self._thoughts.feed(content)
            if self._thoughts.over:
                self._thoughts = None
            yield from self._think(thought)
            yield from self._say(text, self._text)
            return
        if not isinstance(content, list):
            raise StreamCut("the provider sent a chunk whose 'content' is no text")
        for part in content:
            if isinstance(part, dict) and isinstance(part.get("text"), str):
                yield from self._say(str(part["text"]), self._text)
            elif isinstance(part, dict) and part.get("type") == "thinking":
                inner = part.get("thinking")
                for piece in inner if isinstance(inner, list) else [{"text": inner}]:
                    if isinstance(piece, dict) and isinstance(piece.get("text"), str):
                        yield from self._think(str(piece["text"]))

    def _say(self, text: str, part: Part) -> _Events:
        if not text:
            return
        if not part.opened:
            part.opened = self.begun = True
            self._parts.append(part)
            yield TextCreated(self._message_id, self._parts.index(part))
        if piece := part.grow(text):
            yield TextDelta(self._message_id, piece, self._parts.index(part))

    def _stop_looking(self) -> _Events:
        """Look for no tags any more."""
        if self._thoughts is not None:
            thought, text = self._thoughts.finish()
            self._thoughts = None
            yield from self._think(thought)
            yield from self._say(text, self._text)

    def _think(self, text: str) -> _Events:
        if piece := self._thought.grow(text):
            self.begun = True
            yield ReasoningDelta(self._reasoning_id, piece)

    def _call(self, fragments: list[JsonValue]) -> _Events:
        for call, piece in self._calls.add(fragments):
            self.begun = True
            if call.call_id:
                if piece:
                    yield ToolCallDelta(call.call_id, piece)
            # A name may come in pieces: it is whole when the arguments begin.
            elif call.name and call.arguments.text:
                yield from self._announce(call)

    def _announce(self, call: Call) -> _Events:
        wanted = call.server_id or f"call_{self._prefix}-{call.place}"
        call.call_id = unused_id(wanted, self._taken)
        yield ToolCallCreated(call.call_id, call.name)
        if text := call.arguments.text:
            yield ToolCallDelta(call.call_id, text)

    # The end

    def _close(self) -> Iterator[StepEvent]:
        self.done = True
        if self._finish in _FAILED:
            raise BackendUnavailable(f"the provider gave up in the middle of its answer ({self._finish})")
        reason = _INCOMPLETE.get(self._finish, "")
        status: Literal["completed", "incomplete"] = "incomplete" if reason else "completed"
        unclosed = self._thoughts is not None and self._thoughts.open
        yield from self._stop_looking()
        if unclosed and not reason and not self._parts and not len(self._calls):
            # A tag that is never closed was the beginning of the answer itself.
            yield from self._say(f"<{self._tag}>{self._thought.text}", self._text)
        if rest := self._thought.complete(None):
            yield ReasoningDelta(self._reasoning_id, rest)
        if self._keeps_thoughts and (thought := self._thought.text):
            yield ItemDone(
                {
                    "type": "reasoning",
                    "id": self._reasoning_id,
                    "summary": [],
                    "content": [{"type": "reasoning_text", "text": thought}],
                    ORIGIN: self._origin,
                }
            )
        if self._parts:
            yield from self._close_message(status)
        for call in self._calls:
            yield from self._close_call(call, status)
        yield StepDone(status, self._usage, reason)

    def _close_message(self, status: str) -> _Events:
        content: list[JsonValue] = []
        for number, part in enumerate(self._parts):
            if rest := part.complete(None):
                yield TextDelta(self._message_id, rest, number)
            yield TextDone(self._message_id, part.text, number)
            if part is self._refusal:
                content.append({"type": "refusal", "refusal": part.text})
            else:
                content.append({"type": "output_text", "text": part.text, "annotations": []})
        yield ItemDone(
            {
                "type": "message",
                "id": self._message_id,
                "role": "assistant",
                "status": status,
                "content": content,
            }
        )

    def _close_call(self, call: Call, status: str) -> _Events:
        if not call.name:
            if call.arguments.text and status == "completed":
                raise StreamCut("the provider sent a function call without a name")
            return
        rest = call.arguments.complete(None)
        if call.call_id and rest:
            yield ToolCallDelta(call.call_id, rest)
        is_whole = status == "completed" or isinstance(parsed(call.arguments.text), dict)
        if not call.call_id:
            yield from self._announce(call)
        if is_whole and not call.arguments.text.strip():
            # Some servers say "no arguments" with an empty text.
            yield ToolCallDelta(call.call_id, call.arguments.grow("{}"))
        if not is_whole:
            # Half a call must neither be executed nor be kept.
            yield ToolCallDone(call.call_id, call.name, arguments=call.arguments.text, ok=False)
            return
        body = {
            **items.function_call(FunctionCall(call.call_id, call.name, call.arguments.text)),
            "id": f"{self._prefix}-{2 + call.place}",
            "status": "completed",
        }
        if call.extra:
            body |= {EXTRA: call.extra, ORIGIN: self._origin}
        yield ItemDone(clean(body))

    @property
    def _message_id(self) -> str:
        return f"{self._prefix}-1"

    @property
    def _reasoning_id(self) -> str:
        return f"{self._prefix}-0"
