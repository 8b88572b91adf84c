"""
What goes wrong on purpose.

A `Fault` breaks calls of the REST API and of the CDN, an `EventFault` what the gateway sends. Both can be
limited to a number of times, skip the first ones, or strike by chance with a seed.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from emulators.faults import Dice

CallFault: TypeAlias = Literal[
    "error",  # `status` with `code`; nothing was done
    "ratelimited",  # 429 with `retry_after` and `scope`; nothing was done
    "cloudflare",  # 429 and a page, without `Via`; nothing was done
    "http",  # `status` and a page; nothing was done
    "refuse",  # the connection is dropped; nothing was done
    "hang",  # no answer; nothing was done
    "slow",  # done after `seconds`
    "empty",  # done; 200 without a body
    "broken_json",  # done; half an answer
    "list",  # done; a JSON list
    "accept_then_drop",  # done; the connection is dropped
    "accept_then_500",  # done; `status` and JSON
    "accept_then_html",  # done; `status` and a page
    "accept_then_hang",  # done; no answer
]
EventKind: TypeAlias = Literal[
    "lost",  # never sent: the sequence jumps
    "late",  # sent after `seconds`, so that others overtake it
    "duplicate",  # `copies` more, with sequence numbers of their own
]
BEFORE = frozenset({"error", "ratelimited", "cloudflare", "http", "refuse", "hang"})


@dataclass(slots=True)
class Fault:
    """
    A fault of calls.

    Attributes:
        route: Method and path without ``/api/v10``, with ``*`` for any part: ``PATCH /channels/*``;
            a file is ``GET /attachments/*``, of which nothing is ever done before it fails.
        times: How many calls it strikes; None for all.
        after: How many calls pass before.
        chance: Probability of striking, 0 to 1.
        status: For `error`, `http`, `accept_then_500` and `accept_then_html`.
        code: For `error`.
        retry_after: For `ratelimited`, in seconds of the machine; None leaves it out of the body.
        scope: For `ratelimited`: `user`, `shared` or `global`.
        seconds: For `slow`, in Discord's time.
    """

    kind: CallFault
    route: str = "*"
    times: int | None = 1
    after: int = 0
    chance: float = 1.0
    status: int = 503
    code: int = 0
    retry_after: float | None = 1.0
    scope: str = "user"
    seconds: float = 1.0


@dataclass(slots=True)
class EventFault:
    """A fault of the gateway; *event* is a name such as ``MESSAGE_*``; *seconds* in Discord's time."""

    kind: EventKind
    event: str = "*"
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
    """
    The faults that are on.

    Attributes:
        refused_handshakes: How many WebSockets are turned away with 503 before one is taken.
        refused_resumes: How many RESUMEs are answered with "invalid session", not resumable.
        repeats: How many events that a session has had already are sent again with each RESUME.
    """

    def __init__(self, seed: int = 0) -> None:
        self.calls: list[Fault] = []
        self.events: list[EventFault] = []
        self.refused_handshakes = 0
        self.refused_resumes = 0
        self.repeats = 0
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
        self.refused_handshakes = self.refused_resumes = self.repeats = 0

    def for_call(self, route: str) -> Fault | None:
        """The fault that strikes a call, counted."""
        return self._dice.first(each for each in self.calls if fnmatch.fnmatch(route, each.route))

    def for_event(self, event: str) -> EventFault | None:
        """The fault that strikes an event, counted."""
        return self._dice.first(each for each in self.events if fnmatch.fnmatch(event, each.event))
