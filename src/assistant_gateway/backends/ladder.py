"""
A provider's events as ours: each part and each call has a beginning, its pieces and one end.

OpenAI sends the whole ladder; servers that speak the same wire leave rungs out. Here the gaps are
filled: whatever arrives, a part is created before its first delta, the deltas add up to what is
done, and a function call is created once and done once. Nothing here does I/O.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

from assistant_gateway import items
from assistant_gateway.backends.characters import whole
from assistant_gateway.backends.faults import error_object, from_error, quote
from assistant_gateway.backends.jsontext import clean, parsed
from assistant_gateway.backends.repair import OPAQUE, ORIGIN, unused_id
from assistant_gateway.backends.slots import Part, Slot, Slots
from assistant_gateway.backends.usage import usage_of
from assistant_gateway.errors import BackendUnavailable, StreamCut
from assistant_gateway.events import (
    AnnotationAdded,
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
from assistant_gateway.values import JsonObject, JsonValue

_Events: TypeAlias = Iterable[StepEvent]
_TEXTS = ("output_text", "refusal")


class Ladder:
    """
    Reads one response.

    Attributes:
        begun: Something of the answer has arrived.
        done: The outcome is known; nothing that follows matters.
    """

    def __init__(self, prefix: str, *, origin: str = "", taken: Iterable[str] = ()) -> None:
        self.begun = False
        self.done = False
        self._origin = origin
        self._slots = Slots(prefix)
        self._taken = set(taken)
        self._rungs: dict[str, Callable[[JsonObject], _Events]] = {
            "response.output_text.delta": self._text_delta,
            "response.refusal.delta": self._text_delta,
            "response.output_text.done": self._text_done,
            "response.refusal.done": self._text_done,
            "response.content_part.added": self._part_added,
            "response.content_part.done": self._part_done,
            "response.output_text.annotation.added": self._annotation_added,
            "response.output_item.added": self._item_added,
            "response.output_item.done": self._item_done,
            "response.function_call_arguments.delta": self._arguments_delta,
            "response.function_call_arguments.done": self._arguments_done,
            "response.mcp_call_arguments.delta": self._arguments_delta,
            "response.mcp_call_arguments.done": self._arguments_done,
            "response.code_interpreter_call_code.delta": self._arguments_delta,
            "response.code_interpreter_call_code.done": self._arguments_done,
            "response.reasoning_summary_text.delta": self._reasoning_delta,
            "response.reasoning_text.delta": self._reasoning_delta,
            "response.completed": self._completed,
            "response.incomplete": self._completed,
            "response.failed": self._failed,
            "error": self._failed,
        }

    @property
    def settled(self) -> bool:
        """The outcome is known: here nothing follows it."""
        return self.done

    def feed(self, event: JsonObject) -> _Events:
        """
        Our events for one of the provider's, to be iterated to the end; unknown ones give none.

        Raises:
            BackendError: The provider says that it failed.
            StreamCut: The event is malformed, or contradicts what came before.
        """
        kind = event.get("type")
        if kind is None and "error" in event:
            kind = "error"
        rung = self._rungs.get(kind) if isinstance(kind, str) else None
        return () if rung is None or self.done else rung(event)

    def end(self, *, declared: bool) -> _Events:
        """
        Nothing follows any more; here that is no outcome, *declared* or not.

        Raises:
            StreamCut: The outcome is not known.
        """
        if not self.done:
            raise StreamCut("the provider ended the stream in the middle of its answer")
        return ()

    # Text

    def _text_delta(self, event: JsonObject) -> _Events:
        slot = self._message(event)
        number, part = slot.part(event)
        delta = _text(event, "delta")
        if part.done or slot.done:
            return ()
        delta = part.grow(delta)
        if part.opened:
            return (TextDelta(slot.id, delta, number),) if delta else ()
        part.opened = self.begun = True
        created = TextCreated(slot.id, number)
        return (created, TextDelta(slot.id, delta, number)) if delta else (created,)

    def _text_done(self, event: JsonObject) -> _Events:
        slot = self._message(event)
        text = event.get("text", event.get("refusal"))
        if slot.done:
            return ()
        return self._close(slot, *slot.part(event), text if isinstance(text, str) else None)

    def _part_added(self, event: JsonObject) -> _Events:
        content = event.get("part")
        if isinstance(content, dict) and content.get("type") in _TEXTS:
            slot = self._message(event)
            number, part = slot.part(event)
            if not part.opened and not slot.done:
                part.opened = self.begun = True
                yield TextCreated(slot.id, number)

    def _part_done(self, event: JsonObject) -> _Events:
        content = event.get("part")
        if isinstance(content, dict) and content.get("type") in _TEXTS:
            slot = self._message(event)
            if not slot.done:
                yield from self._close(slot, *slot.part(event), _said(content))

    def _annotation_added(self, event: JsonObject) -> _Events:
        slot = self._message(event)
        number, part = slot.part(event)
        annotation = event.get("annotation")
        if isinstance(annotation, dict) and not slot.done:
            part.annotations += 1
            yield AnnotationAdded(slot.id, clean(annotation), number)

    def _close(self, slot: Slot, number: int, part: Part, text: str | None) -> _Events:
        if part.done:
            return
        if not part.opened:
            part.opened = self.begun = True
            yield TextCreated(slot.id, number)
        rest = part.complete(text)
        part.done = True
        if rest:
            yield TextDelta(slot.id, rest, number)
        yield TextDone(slot.id, part.text, number)

    def _message(self, event: JsonObject) -> Slot:
        slot = self._slots.at(event)
        if slot.kind != "message":
            _settle(slot, "message")
        return slot

    # Calls

    def _arguments_delta(self, event: JsonObject) -> _Events:
        slot = self._call(event)
        delta = _text(event, "delta")
        if not slot.done and (delta := slot.arguments.grow(delta)) and slot.opened:
            yield ToolCallDelta(slot.call_id, delta)

    def _arguments_done(self, event: JsonObject) -> _Events:
        slot = self._call(event)
        whole_text = event.get("arguments", event.get("code"))
        if isinstance(whole_text, str) and not slot.done:
            rest = self._rest_of_arguments(slot, whole_text)
            if rest and slot.opened:
                yield ToolCallDelta(slot.call_id, rest)

    def _call(self, event: JsonObject) -> Slot:
        slot = self._slots.at(event)
        if slot.kind in ("message", "reasoning"):
            raise StreamCut(f"the provider sent arguments for an item of type {slot.kind!r}")
        return slot

    def _open_call(self, slot: Slot, item: JsonObject) -> _Events:
        if slot.opened:
            return
        if slot.kind == "function_call":
            name, call_id = item.get("name"), item.get("call_id") or item.get("id")
            if not isinstance(name, str) or not name or not isinstance(call_id, str):
                return  # it will be complete when the item is done
            slot.name = whole(name)
            slot.call_id = unused_id(whole(call_id), self._taken)
            yield ToolCallCreated(slot.call_id, slot.name)
        else:
            kind = slot.kind.removesuffix("_call")
            slot.name, slot.call_id = whole(str(item.get("name") or kind)), slot.id
            yield ToolCallCreated(slot.call_id, slot.name, kind)
        slot.opened = self.begun = True
        if slot.arguments.text:
            yield ToolCallDelta(slot.call_id, slot.arguments.text)

    def _function_call_done(self, slot: Slot, item: JsonObject) -> _Events:
        yield from self._open_call(slot, item)
        if not slot.opened:
            raise StreamCut("the provider sent a function call without a name")
        arguments = item.get("arguments")
        rest = self._rest_of_arguments(slot, arguments if isinstance(arguments, str) else None)
        if not slot.arguments.text:
            rest = slot.arguments.grow("{}")  # some servers say "no arguments" with an empty text
        if rest:
            yield ToolCallDelta(slot.call_id, rest)
        text = slot.arguments.text
        if item.get("status") == "incomplete":
            # Half a call must neither be executed nor be kept.
            yield ToolCallDone(slot.call_id, slot.name, arguments=text, ok=False)
            return
        yield ItemDone(
            {
                "type": "function_call",
                "id": slot.id,
                "call_id": slot.call_id,
                "name": slot.name,
                "arguments": text,
                "status": "completed",
            }
        )

    def _rest_of_arguments(self, slot: Slot, text: str | None) -> str:
        sent = slot.arguments.text
        if text and not whole(text).startswith(sent) and parsed(text) != parsed(sent):
            raise StreamCut("the provider contradicts the arguments of a call that it sent before")
        return slot.arguments.complete(text or None)

    def _hosted_call_done(self, slot: Slot, item: JsonObject) -> _Events:
        yield from self._open_call(slot, item)
        told = item.get("code", item.get("arguments", item.get("action", item.get("queries"))))
        arguments = told if isinstance(told, str) else "" if told is None else json.dumps(told)
        if rest := slot.arguments.complete(arguments or None):
            yield ToolCallDelta(slot.call_id, rest)
        yield ToolCallDone(
            slot.call_id,
            slot.name,
            kind=slot.kind.removesuffix("_call"),
            arguments=slot.arguments.text,
            output=_output(item),
            ok=item.get("status", "completed") == "completed" and not item.get("error"),
        )
        yield ItemDone(clean({**item, "id": slot.id}))

    # Items

    def _reasoning_delta(self, event: JsonObject) -> _Events:
        slot = self._slots.at(event)
        _settle(slot, "reasoning")
        number = event.get("summary_index", event.get("content_index"))
        _, part = slot.part({"content_index": number})
        if (delta := part.grow(_text(event, "delta"))) and not slot.done:
            self.begun = True
            yield ReasoningDelta(slot.id, delta)

    def _item_added(self, event: JsonObject) -> _Events:
        item = _object(event, "item")
        slot = self._slots.announced(event, item)
        _settle(slot, _kind(item))
        slot.body = item
        if slot.kind.endswith("_call"):
            yield from self._open_call(slot, item)

    def _item_done(self, event: JsonObject) -> _Events:
        item = _object(event, "item")
        slot = self._slots.completed(event, item)
        if slot.done:
            return
        _settle(slot, _kind(item))
        slot.body = item
        slot.done = True
        if slot.kind == "message":
            yield from self._message_done(slot, item)
        elif slot.kind == "function_call":
            yield from self._function_call_done(slot, item)
        elif slot.kind.endswith("_call"):
            yield from self._hosted_call_done(slot, item)
        else:
            body: dict[str, JsonValue] = {**item, "id": slot.id}
            if slot.kind in OPAQUE and self._origin:
                body[ORIGIN] = self._origin
            yield ItemDone(clean(body))

    def _message_done(self, slot: Slot, item: JsonObject) -> _Events:
        content = item.get("content")
        told = dict(enumerate(content)) if isinstance(content, list) else {}
        if isinstance(content, str):
            told = {0: {"type": "output_text", "text": content}}
        kept: list[JsonValue] = []
        for number in sorted(told.keys() | slot.parts.keys()):
            content_part = told.get(number, {"type": "output_text", "text": None})
            if not isinstance(content_part, dict) or content_part.get("type") not in _TEXTS:
                continue
            _, part = slot.part({"content_index": number})
            yield from self._close(slot, number, part, _said(content_part))
            annotations = content_part.get("annotations")
            annotations = annotations if isinstance(annotations, list) else []
            for annotation in annotations[part.annotations :]:
                if isinstance(annotation, dict):
                    yield AnnotationAdded(slot.id, clean(annotation), number)
            if content_part["type"] == "refusal":
                kept.append({"type": "refusal", "refusal": part.text})
            else:
                kept.append({"type": "output_text", "text": part.text, "annotations": annotations})
        status = "incomplete" if item.get("status") == "incomplete" else "completed"
        body: dict[str, JsonValue] = {"type": "message", "id": slot.id, "role": "assistant", "status": status}
        if isinstance(item.get("phase"), str):
            body["phase"] = item["phase"]
        yield ItemDone(clean({**body, "content": kept}))

    # Outcomes

    def _completed(self, event: JsonObject) -> _Events:
        told = event.get("response")
        response: JsonObject = told if isinstance(told, dict) else {}
        status = response.get("status")
        if status in ("failed", "cancelled"):
            yield from self._failed(event)
        output = response.get("output")
        for index, item in enumerate(output if isinstance(output, list) else ()):
            if isinstance(item, dict) and not self._is_known(item):
                yield from self._item_done({"output_index": index, "item": item})
        details = response.get("incomplete_details")
        reason = str(details.get("reason") or "") if isinstance(details, dict) else ""
        outcome: Literal["completed", "incomplete"] = "completed"
        if event["type"] == "response.incomplete" or status == "incomplete":
            outcome = "incomplete"
        for slot in self._slots:
            if not slot.done:
                yield from self._finish(slot, outcome)
        self.done = True
        yield StepDone(outcome, usage_of(response.get("usage")), reason)

    def _is_known(self, item: JsonObject) -> bool:
        """Whether an item of the closing summary was told before, by an id, a call id or its text."""
        for slot in self._slots:
            if slot.done and slot.kind == item.get("type"):
                if slot.server_id and slot.server_id == item.get("id"):
                    return True
                if slot.kind == "function_call" and slot.body.get("call_id") == item.get("call_id"):
                    return True
                if slot.kind == "message" and items.text_of(slot.body) == items.text_of(item):
                    return True
        return False

    def _finish(self, slot: Slot, status: str) -> _Events:
        """End an item that the provider has left open."""
        slot.done = True
        if slot.kind == "message":
            yield from self._message_done(slot, {"status": status})
        elif not slot.kind and status == "completed":
            raise StreamCut("the provider sent the arguments of a call that it never named")
        elif slot.kind == "function_call" or slot.opened:
            if status == "completed" and slot.kind == "function_call":
                if parsed(slot.arguments.text or "{}") is None:
                    raise StreamCut("the provider's response ended inside a function call")
                yield from self._function_call_done(slot, slot.body)
            elif slot.opened:
                kind = slot.kind.removesuffix("_call") if slot.kind != "function_call" else "function"
                yield ToolCallDone(slot.call_id, slot.name, kind, slot.arguments.text, ok=False)

    def _failed(self, event: JsonObject) -> _Events:
        self.done = True
        response = event.get("response")
        error = error_object(response if isinstance(response, dict) else event)
        if not error.get("message") and not error.get("code"):
            raise BackendUnavailable("the provider failed and gave no reason")
        if error is event:
            # The bare shape: its type says only "error".
            error = {key: value for key, value in event.items() if key != "type"}
        raise from_error(error)


def _output(item: JsonObject) -> str:
    """What came of a hosted call, in text: what code printed, the results of a search; no pictures."""
    if item.get("type") == "code_interpreter_call":
        return whole(items.logs_of(item))
    output = item.get("output", item.get("results"))
    if output is None:
        return ""
    return whole(output if isinstance(output, str) else json.dumps(output))


def _text(event: JsonObject, key: str) -> str:
    value = event.get(key)
    if not isinstance(value, str):
        raise StreamCut(f"the provider sent an event whose {key!r} is no text")
    return value


def _object(event: JsonObject, key: str) -> JsonObject:
    value = event.get(key)
    if not isinstance(value, dict):
        raise StreamCut(f"the provider sent an event whose {key!r} is no object")
    return value


def _settle(slot: Slot, kind: str) -> None:
    """Fix what an item is; it can't become anything else."""
    if slot.kind not in ("", kind) or (slot.arguments.pieces and not kind.endswith("_call")):
        raise StreamCut(
            f"the provider contradicts itself about an item: {quote(slot.kind) or 'call'} or {quote(kind)}?"
        )
    slot.kind = kind


def _kind(item: JsonObject) -> str:
    kind = item.get("type")
    return kind if isinstance(kind, str) and kind else "message"


def _said(content: JsonObject) -> str | None:
    text = content.get("refusal") if content.get("type") == "refusal" else content.get("text")
    return text if isinstance(text, str) else None
