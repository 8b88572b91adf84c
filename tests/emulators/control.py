"""
The control API of an emulator: what a person or a test in another process does to it.

`GET /control/{what}` tells; `POST /control/{act}` with a JSON object does what the method of the emulator
with that name does.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping

from aiohttp import web

from emulators.shapes import Json


class Control:
    """
    The endpoints under `/control/`.

    Args:
        tells: What there is to be told, as JSON, by name.
        acts: What there is to be done, by name; each takes the fields of the JSON object.
    """

    def __init__(
        self, tells: Mapping[str, Callable[[], object]], acts: Mapping[str, Callable[..., object]]
    ) -> None:
        self._tells = tells
        self._acts = acts

    def meant(self, name: str, given: Json) -> Json:
        """What the JSON for an act stands for, where it names things by their ids."""
        return given

    def told(self, done: object) -> object:
        """What an act returned, as JSON."""
        return done if isinstance(done, str | int | bool) else None

    async def tell(self, request: web.Request) -> web.Response:
        """`GET /control/{what}`."""
        tells = self._tells.get(request.match_info["what"])
        if tells is None:
            raise web.HTTPNotFound(text=f"there are {', '.join(self._tells)}")
        return web.json_response(tells())

    async def do(self, request: web.Request) -> web.Response:
        """`POST /control/{act}`; only JSON, which no foreign page can send unasked."""
        name = request.match_info["act"]
        act = self._acts.get(name)
        if act is None:
            return _bad(404, f"no act {name!r}; there are {', '.join(sorted(self._acts))}")
        if request.content_type != "application/json":
            return _bad(415, "the body must be application/json")
        try:
            given = json.loads(await request.read() or b"{}")
            if not isinstance(given, dict):
                return _bad(400, "the body must be a JSON object")
            done = act(**self.meant(name, given))
            if inspect.isawaitable(done):
                done = await done
        except (ValueError, TypeError, LookupError, StopIteration, PermissionError) as error:
            return _bad(400, f"{type(error).__name__}: {error}")
        return web.json_response({"ok": True, "result": self.told(done)})


def _bad(status: int, problem: str) -> web.Response:
    return web.json_response({"ok": False, "error": problem}, status=status)
