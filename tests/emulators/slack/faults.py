"""
What goes wrong on purpose.

A `Fault` breaks calls of the Web API, an `EventFault` the delivery of events. Both can be limited to a
number of times, skip the first ones, or strike by chance with a seed.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from emulators.faults import Dice

CallFault: TypeAlias = Literal[
    "error",  # ok:false with `error`; nothing was done
    "ratelimited",  # HTTP 429 with `retry_after`, without the header if it is None; nothing was done
    "http",  # `status` and an HTML page; nothing was done
    "refuse",  # the connection is dropped; nothing was done
    "hang",  # no answer; nothing was done
    "slow",  # done after `seconds`
    "empty",  # done; 200 without a body
    "broken_json",  # done; half an answer
    "list",  # done; a JSON list
    "accept_then_drop",  # done; the connection is dropped
    "accept_then_500",  # done; HTTP 500 with `fatal_error`
    "accept_then_html",  # done; `status` and an HTML page
    "accept_then_hang",  # done; no answer
]
EventKind: TypeAlias = Literal[
    "lost",  # never sent
    "late",  # sent after `seconds`, so that others overtake it
    "duplicate",  # `copies` more at the same time, unmarked
    "repeat_acknowledged",  # again after `seconds`, although acknowledged
]
BEFORE = frozenset({"error", "ratelimited", "http", "refuse", "hang"})


@dataclass(slots=True)
class Fault:
    """
    A fault of calls.

    Attributes:
        method: A method's name, with ``*`` for any part of it.
        times: How many calls it strikes; None for all.
        after: How many calls pass before.
        chance: Probability of striking, 0 to 1.
        error: For `error`.
        status: For `http` and `accept_then_html`.
        retry_after: For `ratelimited`, in seconds of the machine, sent as it is; None: no header.
        seconds: For `slow`, in Slack's time.
    """

    kind: CallFault
    method: str = "*"
    times: int | None = 1
    after: int = 0
    chance: float = 1.0
    error: str = "fatal_error"
    status: int = 503
    retry_after: str | None = "1"
    seconds: float = 1.0


@dataclass(slots=True)
class EventFault:
    """A fault of deliveries; *type* is the event's, with ``*`` for any part; *seconds* in Slack's time."""

    kind: EventKind
    type: str = "*"
    times: int | None = 1
    after: int = 0
    chance: float = 1.0
    copies: int = 1
    seconds: float = 1.0


KINDS: Mapping[str, type[Fault] | type[EventFault]] = {
    **dict.fromkeys(get_args(CallFault), Fault),
    **dict.fromkeys(get_args(EventKind), EventFault),
}


class Faults:
    """The faults that are on; *refused_handshakes* WebSockets are turned away before one is taken."""

    def __init__(self, seed: int = 0) -> None:
        self.calls: list[Fault] = []
        self.events: list[EventFault] = []
        self.refused_handshakes = 0
        self._dice = Dice(seed)

    def add(self, fault: Fault | EventFault) -> None:
        """Switch *fault* on; the first that fits strikes."""
        if isinstance(fault, Fault):
            self.calls.append(fault)
        else:
            self.events.append(fault)

    def clear(self) -> None:
        """Switch all off."""
        self.calls.clear()
        self.events.clear()
        self.refused_handshakes = 0

    def for_call(self, method: str) -> Fault | None:
        """The fault that strikes a call, counted."""
        return self._dice.first(each for each in self.calls if fnmatch.fnmatch(method, each.method))

    def for_event(self, kind: str) -> EventFault | None:
        """The fault that strikes an event, counted."""
        return self._dice.first(each for each in self.events if fnmatch.fnmatch(kind, each.type))
