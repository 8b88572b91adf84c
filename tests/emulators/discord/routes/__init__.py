"""All endpoints, and how a path finds its own."""

from __future__ import annotations

import re
from functools import cache

from emulators.discord.refusal import plain
from emulators.discord.routes import (
    callbacks,
    channels,
    commands,
    guilds,
    me,
    messages,
    reactions,
    threads,
    webhooks,
)
from emulators.discord.routes.caller import Route

ROUTES: tuple[Route, ...] = (
    *me.ROUTES,
    *guilds.ROUTES,
    *channels.ROUTES,
    *messages.ROUTES,
    *reactions.ROUTES,
    *threads.ROUTES,
    *commands.ROUTES,
    *callbacks.ROUTES,
    *webhooks.ROUTES,
)


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path)))


def find(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """
    The route of a call, and the parameters in its path.

    Raises:
        Refusal: 404 or 405.
    """
    known = False
    for route in ROUTES:
        match = _pattern(route.path).fullmatch(path)
        if match is None:
            continue
        known = True
        if route.method == method:
            return route, match.groupdict()
    raise plain(405, "Method Not Allowed") if known else plain(404, "Not Found")
