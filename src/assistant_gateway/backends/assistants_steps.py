"""
What a remote run does beside speaking: functions that it asks for, tools that run at the provider.

A function's call grows in the deltas of a step and counts only where the run says that it waits for
its output. A hosted call is over when its step is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from assistant_gateway import items
from assistant_gateway.backends.assistants_said import OVER, Ids
from assistant_gateway.backends.assistants_wire import an_id
from assistant_gateway.backends.characters import label, whole
from assistant_gateway.backends.chat_calls import Call, Calls
from assistant_gateway.backends.jsontext import clean, parsed
from assistant_gateway.backends.repair import unused_id
from assistant_gateway.backends.slots import Part
from assistant_gateway.errors import StreamCut
from assistant_gateway.events import ItemDone, StepEvent, ToolCallCreated, ToolCallDelta, ToolCallDone
from assistant_gateway.values import FunctionCall, JsonObject, JsonValue


class Steps:
    """
    The calls of one stream.

    Args:
        taken: Ids of calls that the thread has already.
        tools: Names of the tools that were offered.

    Attributes:
        begun: Something was called.
        waiting: The provider's ids of the calls whose outputs the run waits for, by ours.
        files: Ids and names of the files that code has made.
    """

    def __init__(self, ids: Ids, *, taken: Iterable[str], tools: Iterable[str]) -> None:
        self.begun = False
        self.waiting: dict[str, str] = {}
        self.files: list[tuple[str, str]] = []
        self._ids = ids
        self._taken = set(taken)
        self._tools = tuple(tools)
        self._functions: dict[str, Calls] = {}  # by step
        self._hosted: dict[tuple[str, object], _Hosted] = {}  # by step and id, or place
        self._old: set[tuple[str, object]] = set()  # steps and places of calls of the past

    def delta(self, event: JsonObject) -> Iterable[StepEvent]:
        """More of a step's calls."""
        delta = event.get("delta")
        return self._take(event, delta.get("step_details") if isinstance(delta, dict) else None)

    def told(self, event: JsonObject) -> Iterable[StepEvent]:
        """A step as it stands."""
        status = event.get("status")
        if event.get("type") == "tool_calls" and status in OVER:
            yield from self._take(event, event.get("step_details"), again=True)
            for (step, _), call in list(self._hosted.items()):
                if step == event.get("id"):
                    yield from self._close(call, ok=status == "completed")

    def wait_for(self, wanted: Sequence[JsonObject]) -> Iterable[StepEvent]:
        """
        Complete the calls that the run waits for, and end all others.

        Raises:
            StreamCut: It waits for nothing, or for what it has told otherwise before.
        """
        yield from self._close_hosted(ok=True)
        growing = {call.server_id: call for call in self._all_functions}
        for told in wanted:
            id, function = told.get("id"), told.get("function")
            if not isinstance(id, str) or not id or not isinstance(function, dict):
                raise StreamCut("the provider waits for a call without an id")
            if id not in self.waiting.values():
                call = growing.pop(id, None) or Call(0)
                call.server_id = id
                yield from self._complete(call, function)
        if not self.waiting:
            raise StreamCut("the provider's run waits for something that nobody can give")
        yield from self._drop(growing.values())

    def close(self, *, ok: bool) -> Iterable[StepEvent]:
        """End all calls: a function's that nobody waits for must neither be executed nor be kept."""
        yield from self._close_hosted(ok=ok)
        yield from self._drop(self._all_functions)

    def _take(self, event: JsonObject, details: JsonValue, *, again: bool = False) -> Iterable[StepEvent]:
        """Calls of a step: pieces of them or, *again*, all of them at its end."""
        told = details.get("tool_calls") if isinstance(details, dict) else None
        step = str(event.get("id") or "")
        functions: list[JsonValue] = []
        for number, call in enumerate(told if isinstance(told, list) else ()):
            if not isinstance(call, dict):
                raise StreamCut("the provider sent a call that is no object")
            place = call.get("index")
            place = place if type(place) is int else number
            if call.get("id") in self._ids.past or (step, place) in self._old:
                self._old.add((step, place))
            elif call.get("type", "function") == "function":
                functions.append(call)
            else:
                yield from self._take_hosted(self._hosted_at(step, place, call), call, again=again)
        if functions and not again:
            yield from self._take_functions(step, functions)

    # Functions

    @property
    def _all_functions(self) -> list[Call]:
        return [call for calls in self._functions.values() for call in calls]

    def _take_functions(self, step: str, fragments: list[JsonValue]) -> Iterable[StepEvent]:
        calls = self._functions.setdefault(step, Calls(self._tools))
        for call, piece in calls.add(fragments):
            self.begun = True
            if call.call_id:
                if piece:
                    yield ToolCallDelta(call.call_id, piece)
            elif call.name and call.arguments.text:
                yield from self._announce(call)

    def _announce(self, call: Call) -> Iterable[StepEvent]:
        self.begun = True
        call.call_id = unused_id(call.server_id or "call", self._taken)
        yield ToolCallCreated(call.call_id, call.name)
        if text := call.arguments.text:
            yield ToolCallDelta(call.call_id, text)

    def _complete(self, call: Call, function: JsonObject) -> Iterable[StepEvent]:
        name, arguments = function.get("name"), function.get("arguments")
        if isinstance(name, str) and name and not call.call_id:
            call.name = whole(name)
        if not call.name:
            raise StreamCut("the provider sent a function call without a name")
        text, sent = whole(arguments) if isinstance(arguments, str) else "", call.arguments.text
        if text and not text.startswith(sent) and parsed(text) != parsed(sent):
            raise StreamCut("the provider contradicts the arguments of a call that it sent before")
        rest = call.arguments.complete(text or None)
        if not call.call_id:
            yield from self._announce(call)
        elif rest:
            yield ToolCallDelta(call.call_id, rest)
        if not call.arguments.text:
            # Some servers say "no arguments" with an empty text.
            yield ToolCallDelta(call.call_id, call.arguments.grow("{}"))
        self.waiting[call.call_id] = call.server_id
        self._ids.seen.add(call.server_id)
        body = items.function_call(FunctionCall(call.call_id, call.name, call.arguments.text))
        yield ItemDone(clean({**body, "id": self._ids.give(), "status": "completed"}))

    def _drop(self, calls: Iterable[Call]) -> Iterable[StepEvent]:
        for call in calls:
            if call.call_id:
                if rest := call.arguments.complete(None):
                    yield ToolCallDelta(call.call_id, rest)
                yield ToolCallDone(call.call_id, call.name, arguments=call.arguments.text, ok=False)

    # Hosted tools

    def _hosted_at(self, step: str, place: int, told: JsonObject) -> _Hosted:
        id = told.get("id")
        found, here = self._hosted.get((step, id)), self._hosted.get((step, place))
        if found is None:
            found = here if here is not None and not (id and here.server_id) else None
        if found is None:
            found = _Hosted(self._ids.give(), str(told["type"]))
            self._hosted[step, place] = found
        if isinstance(id, str) and id:
            found.server_id = id
            self._hosted[step, id] = found
            self._ids.seen.add(id)
        return found

    def _take_hosted(self, call: _Hosted, told: JsonObject, *, again: bool) -> Iterable[StepEvent]:
        if call.done:
            return
        if not call.opened:
            call.opened = self.begun = True
            yield ToolCallCreated(call.id, call.kind, call.kind)
        about = told.get(call.kind)
        code = about.get("input") if isinstance(about, dict) else None
        if isinstance(code, str):
            piece = call.code.complete(code) if again else call.code.grow(code)
            if piece:
                yield ToolCallDelta(call.id, piece)
        outputs = about.get("outputs") if isinstance(about, dict) else None
        if isinstance(outputs, list):
            call.take(outputs, again=again)

    def _close_hosted(self, *, ok: bool) -> Iterable[StepEvent]:
        for call in list(self._hosted.values()):
            yield from self._close(call, ok=ok)

    def _close(self, call: _Hosted, *, ok: bool) -> Iterable[StepEvent]:
        if call.done:
            return
        call.done = True
        if rest := call.code.complete(None):
            yield ToolCallDelta(call.id, rest)
        told: dict[str, JsonValue] = {"type": f"{call.kind}_call", "id": call.id}
        told["status"] = "completed" if ok else "failed"
        if call.kind == "code_interpreter":
            told |= {"code": call.code.text, "outputs": call.kept}
        body = clean(told)
        self.files += [(id, "") for id in call.pictures]
        yield ToolCallDone(call.id, call.kind, call.kind, call.code.text, items.logs_of(body), ok)
        yield ItemDone(body)


class _Hosted:
    """One call of a tool that runs at the provider, while it grows."""

    __slots__ = ("_outputs", "code", "done", "id", "kind", "opened", "server_id")

    def __init__(self, id: str, kind: str) -> None:
        self.id = id
        self.kind = label(kind)
        self.server_id = ""
        self.code = Part()
        self.opened = False
        self.done = False
        self._outputs: dict[int, dict[str, JsonValue]] = {}

    def take(self, outputs: Iterable[JsonValue], *, again: bool) -> None:
        """More of what the code has printed and drawn, or all of it *again*."""
        if again:
            self._outputs = {}
        for number, told in enumerate(outputs):
            if isinstance(told, dict):
                place = told.get("index")
                kept = self._outputs.setdefault(place if type(place) is int else number, {})
                logs, before = told.get("logs"), kept.get("logs")
                kept |= told
                if isinstance(before, str) and isinstance(logs, str):
                    kept["logs"] = before + logs

    @property
    def pictures(self) -> list[str]:
        """Ids of the pictures that the code has drawn."""
        shown = [output.get("image") for output in self._outputs.values()]
        ids = [an_id(image.get("file_id")) for image in shown if isinstance(image, Mapping)]
        return [id for id in ids if id]

    @property
    def kept(self) -> list[JsonValue]:
        """The outputs as an item keeps them: what was printed, and that there were pictures."""
        return [
            {"type": "image", "url": None} if "image" in output else {"type": "logs", "logs": output["logs"]}
            for _, output in sorted(self._outputs.items())
            if "image" in output or isinstance(output.get("logs"), str)
        ]
