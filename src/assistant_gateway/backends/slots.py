"""
The output items of one response while they grow.

Servers name an item by its place, by its id, by both or by neither, and not all of them keep
their word; an item is found by whatever fits best.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from assistant_gateway.backends.characters import hold_back, is_plain, whole
from assistant_gateway.backends.marks import hold_marks_back, without_marks
from assistant_gateway.values import JsonObject


class Part:
    """
    A text that grows: the pieces given on so far, and half a character kept back.

    Args:
        marks: The model may put its citation marks into the text; they are left out.
    """

    __slots__ = ("_held", "_marks", "annotations", "done", "opened", "pieces")

    def __init__(self, *, marks: bool = False) -> None:
        self._marks = marks
        self.pieces: list[str] = []
        self.opened = False
        self.done = False
        self.annotations = 0
        self._held = ""

    @property
    def text(self) -> str:
        """All that was given on."""
        return "".join(self.pieces)

    def grow(self, delta: str) -> str:
        """Take *delta*; the piece to give on."""
        if self._held or not is_plain(delta):
            held = self._held + delta
            delta, self._held = hold_marks_back(held) if self._marks else hold_back(held)
        if delta:
            self.pieces.append(delta)
        return delta

    def complete(self, text: str | None) -> str:
        """
        The missing end, where *text* is the whole as the provider told it (None: it did not).

        What was given on stays true, whatever the provider says afterwards.
        """
        sent = self.text
        text = None if text is None else whole(text)
        if text is not None and self._marks:
            text = without_marks(text)
        rest = text[len(sent) :] if text is not None and text.startswith(sent) else whole(self._held)
        self._held = ""
        self.pieces = [sent, rest]
        return rest


class Slot:
    """
    One output item.

    Attributes:
        id: Ours: there are servers that give the same one in every response.
        kind: The item's type; empty while only deltas have come.
        body: The item as it was announced; empty before that.
        opened: A tool call was announced to our side.
        done: The item is complete, nothing may be added.
    """

    __slots__ = ("arguments", "body", "call_id", "done", "id", "kind", "name", "opened", "parts", "server_id")

    def __init__(self, id: str, server_id: str) -> None:
        self.id: Final = id
        self.server_id = server_id
        self.kind = ""
        self.body: JsonObject = {}
        self.parts: dict[int, Part] = {}
        self.arguments = Part()
        self.call_id = ""
        self.name = ""
        self.opened = False
        self.done = False

    def part(self, event: JsonObject) -> tuple[int, Part]:
        """The part of the text that *event* speaks of, and its number."""
        number = event.get("content_index", 0)
        if type(number) is not int:
            number = 0
        part = self.parts.get(number)
        if part is None:
            part = self.parts[number] = Part(marks=True)
        return number, part


class Slots:
    """The items of one response, in the order in which they were first spoken of."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._all: list[Slot] = []
        self._by_place: dict[int, Slot] = {}
        self._by_id: dict[str, Slot] = {}

    def __iter__(self) -> Iterator[Slot]:
        return iter(list(self._all))

    def at(self, event: JsonObject) -> Slot:
        """The item that a delta belongs to; a new one when nobody has announced it."""
        return self._find(event, event.get("item_id")) or self._add(event, event.get("item_id"))

    def announced(self, event: JsonObject, item: JsonObject) -> Slot:
        """The slot for an item that begins: deltas may have come before."""
        slot = self._find(event, item.get("id"))
        if slot is None or slot.done or slot.body:
            slot = self._add(event, item.get("id"))
        return slot

    def completed(self, event: JsonObject, item: JsonObject) -> Slot:
        """The slot for a complete item; one that is done already when the item was told before."""
        slot = self._find(event, item.get("id"))
        if slot is None:
            return self._add(event, item.get("id"))
        same = slot.server_id in ("", item.get("id")) and slot.kind in ("", item.get("type"))
        if slot.done and not same:
            return self._add(event, item.get("id"))
        return slot

    def _find(self, event: JsonObject, id: object) -> Slot | None:
        place = event.get("output_index")
        by_id = self._by_id.get(id) if isinstance(id, str) else None
        by_place = self._by_place.get(place) if type(place) is int else None
        if by_id is None or by_place is None:
            unnamed = type(place) is not int and not isinstance(id, str)
            return by_id or by_place or (self._all[-1] if unnamed and self._all else None)
        return by_place if by_id.done else by_id

    def _add(self, event: JsonObject, id: object) -> Slot:
        server_id = id if isinstance(id, str) else ""
        slot = Slot(f"{self._prefix}-{len(self._all)}", server_id)
        self._all.append(slot)
        if server_id:
            self._by_id[server_id] = slot
        place = event.get("output_index")
        if type(place) is int:
            self._by_place[place] = slot
        return slot
