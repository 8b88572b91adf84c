"""
Who people are: their names, for the model to read, and whether they are guests.

Slack is asked once an hour for each person. A message waits for names only for a moment; an answer
that comes later is kept for the next one. A name is a label; nothing is allowed or refused by it. Whom
Slack does not tell about passes for a guest, since tools may trust members with more: a slow answer
must not make a member of a guest.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from assistant_gateway.errors import AdapterError
from assistant_gateway.platforms.shapes import Json, table, text
from assistant_gateway.values import User
from assistant_gateway_slack.identity import Identity
from assistant_gateway_slack.web import Web

KEPT = 5000  # people
FRESH = 3600.0  # seconds
PATIENCE = 1.0  # seconds that a message waits for names


@dataclass(frozen=True, slots=True)
class Person:
    """
    What Slack tells about a user.

    Attributes:
        is_guest: May see only some channels, belongs to another organisation, or is not known.
    """

    name: str = ""
    team_id: str = ""
    enterprise_id: str = ""
    is_bot: bool = False
    is_guest: bool = True


def as_user(
    id: str, person: Person | None, me: Identity, *, is_bot: bool = False, is_foreign: bool = False
) -> User:
    """
    Whoever *id* is, as the gateway knows people.

    Somebody of whom Slack does not tell, in time or at all, counts as external: a guest must not get the
    rights of a member by a slow answer, nor because the app lacks the scope ``users:read``.
    """
    if person is None:
        return User(id, is_bot=is_bot, is_external=True)
    is_of_us = person.team_id in ("", me.team_id) or (
        bool(me.enterprise_id) and person.enterprise_id == me.enterprise_id
    )
    return User(
        id=id,
        name=person.name,
        is_bot=is_bot or person.is_bot,
        is_external=is_foreign or person.is_guest or not is_of_us,
    )


class People:
    """The people of the workspace; *clock* gives seconds."""

    def __init__(self, web: Web, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._web = web
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, Person]] = OrderedDict()
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._log = structlog.get_logger()

    async def known(self, ids: Iterable[str]) -> dict[str, Person]:
        """Those of *ids* whom Slack tells about in time."""
        wanted = list(dict.fromkeys(ids))
        if asked := [task for id in wanted if (task := self._ask(id)) is not None]:
            _, late = await asyncio.wait(asked, timeout=PATIENCE)
            if late:
                self._log.warning("slack.people_slow", people=len(late))
        return self.told(wanted)

    def told(self, ids: Iterable[str]) -> dict[str, Person]:
        """Those of *ids* whom Slack has told about by now."""
        return {id: self._known[id][1] for id in ids if id in self._known}

    async def user(self, id: str, me: Identity, *, is_foreign: bool = False) -> User:
        """Who pressed, commanded or asked; *is_foreign* where Slack says so itself."""
        return as_user(id, (await self.known([id])).get(id), me, is_foreign=is_foreign)

    async def presser(self, payload: Json, me: Identity) -> User:
        """Who pressed a button, sent a dialog or chose a shortcut."""
        user = table(payload.get("user"))
        team = text(user.get("team_id"))
        is_foreign = bool(team) and team not in (me.team_id, me.enterprise_id)
        return await self.user(text(user.get("id")), me, is_foreign=is_foreign)

    def _ask(self, id: str) -> asyncio.Task[None] | None:
        """The question about a person that is under way; None where it need not be asked."""
        if id in self._known and self._clock() - self._known[id][0] < FRESH:
            self._known.move_to_end(id)
            return None
        if id not in self._asking:
            task = self._asking[id] = asyncio.create_task(self._learn(id), name="slack:person")
            task.add_done_callback(lambda _: self._asking.pop(id, None))
        return self._asking[id]

    async def _learn(self, id: str) -> None:
        try:
            user = table((await self._web.read("users.info", user=id)).get("user"))
        except AdapterError as error:
            self._log.warning("slack.person_unknown", user=id, error=str(error))
            return
        profile = table(user.get("profile"))
        names = (
            profile.get("display_name"),
            profile.get("real_name"),
            user.get("real_name"),
            user.get("name"),
        )
        self._known[id] = (
            self._clock(),
            Person(
                name=next((name for name in map(text, names) if name), "")[:200],
                team_id=text(user.get("team_id")),
                enterprise_id=text(table(user.get("enterprise_user")).get("enterprise_id")),
                is_bot=user.get("is_bot") is True,
                is_guest=any(
                    user.get(flag) is True for flag in ("is_restricted", "is_ultra_restricted", "is_stranger")
                ),
            ),
        )
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
