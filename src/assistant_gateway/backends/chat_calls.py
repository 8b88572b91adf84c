"""
Function calls put together from their fragments.

OpenAI tells the fragments of a call by ``index``, and gives id and name in the first one. Other
servers leave the index out or always say 0, repeat the id in each fragment or give the same one to
every call, send a call whole, its arguments as an object, its name in pieces or after them. A
fragment belongs to the call that it fits best; it begins a new one where it fits none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Final

from assistant_gateway.backends.characters import whole
from assistant_gateway.backends.slots import Part
from assistant_gateway.errors import StreamCut
from assistant_gateway.values import JsonObject, JsonValue

MOST_CALLS = 1_000  # of one answer; a run may make far fewer


class Call:
    """
    One function call while it grows.

    Attributes:
        place: Its number in the answer, from 0.
        name: As far as it has come.
        arguments: As far as they have come.
        extra: What its maker wants back with it.
        call_id: Ours; empty until the call was announced.
    """

    __slots__ = ("_nesting", "arguments", "call_id", "extra", "name", "named_again", "place", "server_id")

    def __init__(self, place: int) -> None:
        self.place: Final = place
        self.server_id = ""
        self.name = ""
        self.arguments = Part()
        self.extra: JsonObject = {}
        self.call_id = ""
        self.named_again = False  # after its arguments were complete: another call of it may follow
        self._nesting = _Nesting()

    @property
    def is_complete(self) -> bool:
        """Whether the arguments are as long as an object can be."""
        return self._nesting.closed

    def grow(self, text: str) -> str:
        """Take more of the arguments; the piece to give on."""
        self._nesting.feed(text)
        return self.arguments.grow(text)


class Calls:
    """
    The calls of one answer, in the order in which they began.

    Args:
        known: Names of the tools that were offered; they tell a whole name from a piece of one.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._known = frozenset(known)
        self._all: list[Call] = []
        self._at: dict[int, Call] = {}
        self._by_id: dict[str, Call] = {}

    def __iter__(self) -> Iterator[Call]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def add(self, fragments: Iterable[JsonValue]) -> Iterator[tuple[Call, str]]:
        """
        Take the fragments of one event: each one's call, and what it adds to the arguments.

        Raises:
            StreamCut: There are more calls than anybody would make.
        """
        named: list[Call] = []
        for told in fragments:
            fragment = _Fragment(told) if isinstance(told, dict) else None
            if fragment is not None and fragment.says_something:
                yield self._take(fragment, named)

    def _take(self, fragment: _Fragment, named: list[Call]) -> tuple[Call, str]:
        call = self._candidate(fragment)
        text = fragment.arguments
        if call is not None and fragment.id and fragment.id == call.server_id and call.is_complete:
            # Some servers tell the whole call once more at its end.
            text = "" if text == call.arguments.text else text
        if call is None or (fragment.name and call in named) or self._is_another(fragment, text, call):
            name = call.name if call is not None and call.named_again else ""
            call = self._new(fragment, name)
        if fragment.id and not call.server_id:
            call.server_id = fragment.id
            self._by_id[fragment.id] = call
        if fragment.name:
            named.append(call)
            self._name(call, fragment.name)
        call.extra = fragment.extra or call.extra
        return call, call.grow(text) if text else ""

    def _candidate(self, fragment: _Fragment) -> Call | None:
        """The call whose place or id the fragment has; the last one where it has neither."""
        place, id = fragment.place, fragment.id
        here = self._at.get(place) if place is not None else None
        last = self._all[-1] if self._all else None
        if id:
            if here is not None and here.server_id in ("", id):
                return here
            if place is not None and fragment.name:
                return None
            late = last is not None and not last.server_id and not fragment.name and place is None
            return self._by_id.get(id, last if late else None)
        if here is not None or place is None:
            return here or last
        # A new index without a name is a slip of the server, as long as the last call is not complete.
        slip = not fragment.name and last is not None and not last.is_complete
        return last if slip else None

    def _is_another(self, fragment: _Fragment, text: str, call: Call) -> bool:
        """Whether the fragment begins a call of its own after *call*, which it would fit by place or id."""
        name = fragment.name
        if call.is_complete:
            return text.lstrip().startswith("{") or (bool(call.name) and name not in ("", call.name))
        if not name or not call.name or name == call.name:
            return False
        if call.arguments.text:
            return True
        return name in self._known and call.name in self._known

    def _new(self, fragment: _Fragment, name: str) -> Call:
        if len(self._all) >= MOST_CALLS:
            raise StreamCut(f"the provider asks for more than {MOST_CALLS} calls at once")
        call = Call(len(self._all))
        call.name = "" if fragment.name else name
        self._all.append(call)
        if fragment.place is not None:
            self._at[fragment.place] = call
        return call

    def _name(self, call: Call, name: str) -> None:
        if call.is_complete and call.name:
            call.named_again = True
        elif call.name != name:
            call.name += name


class _Fragment:
    """What one fragment says, whichever way it says it."""

    __slots__ = ("arguments", "extra", "id", "name", "place")

    def __init__(self, told: JsonObject) -> None:
        inner = told.get("function")
        function = inner if isinstance(inner, dict) else told
        index, id, name = told.get("index"), told.get("id"), function.get("name")
        arguments, extra = function.get("arguments"), told.get("extra_content")
        self.place = index if type(index) is int else None
        self.id = whole(id) if isinstance(id, str) else ""
        self.name = whole(name) if isinstance(name, str) else ""
        self.extra: JsonObject = extra if isinstance(extra, dict) else {}
        self.arguments = arguments if isinstance(arguments, str) else ""
        if arguments is not None and not isinstance(arguments, str):
            self.arguments = json.dumps(arguments, ensure_ascii=False)

    @property
    def says_something(self) -> bool:
        return bool(self.id or self.name or self.arguments or self.extra)


class _Nesting:
    """Follows braces through growing JSON; each character is looked at once."""

    __slots__ = ("_depth", "_escaped", "_in_string", "_opened")

    def __init__(self) -> None:
        self._depth = 0
        self._opened = False
        self._in_string = False
        self._escaped = False

    @property
    def closed(self) -> bool:
        """Whether every brace and bracket that was opened is closed, and one was."""
        return self._opened and self._depth <= 0 and not self._in_string

    def feed(self, text: str) -> None:
        at = 0
        if self._escaped and text:
            at, self._escaped = 1, False
        while found := (_IN_STRING if self._in_string else _OUTSIDE).search(text, at):
            at = found.end()
            match found[0]:
                case '"':
                    self._in_string = not self._in_string
                case "\\":
                    self._escaped = at >= len(text)
                    at += 1
                case "{" | "[":
                    self._depth += 1
                    self._opened = True
                case _:
                    self._depth -= 1


_IN_STRING = re.compile(r'["\\]')
_OUTSIDE = re.compile(r'["{}\[\]]')
