"""
Discord's HTTP API: one session, every answer at once, and our errors.

discord.py (2.7.1) sleeps inside of calls: through a 429, and after the call that empties a bucket. Text
that waits there is stale when it is sent, and edits go out in the wrong order. So calls are made here,
at the moment their budget has room; what discord.py itself asks for goes this way, too (`line`).
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import aiohttp
from pydantic import SecretStr

from assistant_gateway.errors import AdapterError, OutcomeUnknown, RateLimited
from assistant_gateway.platforms.shapes import Json, table, tables
from assistant_gateway_discord import routes
from assistant_gateway_discord.buckets import BESIDES, Buckets, Guard, Turns
from assistant_gateway_discord.faults import Stumbled, Unauthorised, extent, meaning, pause
from assistant_gateway_discord.identity import Identity, identity
from assistant_gateway_discord.routes import Route

REVOKED = 60.0  # seconds in which a token that was refused is not shown again
TIMEOUT = 30.0  # seconds for one call
UPLOAD_TIMEOUT = 120.0  # seconds for one call with files


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to be sent with a message."""

    name: str
    content_type: str
    data: bytes


class Web:
    """
    The HTTP API with the bot's token.

    Attributes:
        base_url: What the routes' paths are below.
        buckets: What the answers told of the limits.
    """

    def __init__(
        self,
        token: SecretStr,
        base_url: str,
        *,
        timeout: float = TIMEOUT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.base_url = base_url
        self.buckets = Buckets(clock)
        self._token = token
        self._timeout = timeout
        self._guard = Guard(clock)
        self._turns = Turns(clock, BESIDES)
        self._session: aiohttp.ClientSession | None = None
        self._identity: Identity | None = None
        self._asking = asyncio.Lock()
        self._clock = clock
        self._refused_until = 0.0

    @property
    def session(self) -> aiohttp.ClientSession:
        """The one session, made when it is first needed; proxies of the environment are used."""
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=True)
        return self._session

    async def identity(self) -> Identity:
        """
        Who the bot is; Discord is asked once.

        Raises:
            AdapterError: Discord can't be reached or refuses the token.
        """
        async with self._asking:
            if self._identity is None:
                self._identity = await self._ask_identity()
        return self._identity

    async def ask_identity(self) -> Identity:
        """
        Who the bot is, asked anew, also after the token was refused.

        Raises:
            AdapterError: Discord can't be reached or refuses the token.
        """
        async with self._asking:
            self._identity = await self._ask_identity()
        return self._identity

    async def _ask_identity(self) -> Identity:
        self._refused_until = 0.0
        user, application = await self.get(routes.me()), await self.get(routes.application())
        try:
            return identity(user, application)
        except ValueError as error:
            raise AdapterError("Discord did not say who the bot is") from error

    async def get(self, route: Route) -> Json:
        """
        The object that *route* tells.

        Raises:
            AdapterError: It was refused, or Discord can't be reached.
        """
        return table(await self.call(route))

    async def get_list(self, route: Route) -> list[Json]:
        """
        The objects that *route* tells.

        Raises:
            AdapterError: It was refused, or Discord can't be reached.
        """
        return tables(await self.call(route))

    async def call(
        self,
        route: Route,
        body: object = None,
        *,
        files: Sequence[Upload] = (),
        once: bool = False,
        patience: float = math.inf,
    ) -> object:
        """
        Make a call. What Discord answered.

        Args:
            once: It must not be repeated without looking.
            patience: Seconds that a call which is no reply's may wait for its turn.

        Raises:
            RateLimited: Nothing was done; Discord was not even asked where it had said so before.
            OutcomeUnknown: Only with *once*: it may have been done.
            Stumbled: Discord can't be reached or has failed; without *once* it may have been done.
            AdapterError: It was refused.
        """
        self._refuse_early(route)
        if route.is_bots and not route.is_replys and (wait := self._turns.take(patience)):
            await asyncio.sleep(wait)
            self._refuse_early(route)
        unclear = OutcomeUnknown if once else Stumbled
        try:
            status, headers, told = await self._send(route, body, files)
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as error:
            raise Stumbled(f"Discord can't be reached: {type(error).__name__}") from error
        except (aiohttp.ClientError, OSError) as error:  # a time limit is an OSError
            raise unclear(f"no answer: {type(error).__name__}") from error
        self._guard.note(status, headers.get("X-RateLimit-Scope", ""))
        self.buckets.learn(route, headers)
        if 200 <= status < 300:
            return told
        if status == 429:
            self.buckets.refused(route, pause(headers, table(told)), extent(headers, table(told)))
        fault = meaning(route, status, headers, told, once=once)
        if isinstance(fault, Unauthorised):
            self._refused_until = self._clock() + REVOKED
        raise fault

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()

    def _refuse_early(self, route: Route) -> None:
        """
        Refuse here what Discord would refuse.

        Raises:
            RateLimited: The bucket is empty, or too much was turned away of late.
            Unauthorised: The token was refused; each further try would be held against us.
        """
        if route.is_bots and self._clock() < self._refused_until:
            raise Unauthorised("the token was refused")
        if wait := self._guard.wait:
            raise RateLimited(wait, "too many calls were turned away", scope=routes.BOT)
        if wait := self.buckets.wait(route):
            raise RateLimited(wait, "the bucket is empty", scope=route.scope)

    async def _send(
        self, route: Route, body: object, files: Sequence[Upload]
    ) -> tuple[int, Mapping[str, str], object]:
        headers = {"User-Agent": f"DiscordBot (assistant-gateway, {version('assistant-gateway')})"}
        if route.is_bots:
            headers["Authorization"] = f"Bot {self._token.get_secret_value()}"
        data: aiohttp.FormData | bytes | None = None
        if files:
            data = _form(body, files)
        elif body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        limit = aiohttp.ClientTimeout(total=UPLOAD_TIMEOUT if files else self._timeout)
        async with self.session.request(
            route.method,
            self.base_url + route.path,
            params=list(route.query),
            data=data,
            headers=headers,
            timeout=limit,
            allow_redirects=False,
        ) as answer:
            raw = await answer.read()
        try:
            told: object = json.loads(raw) if raw else None
        except (ValueError, RecursionError):
            told = None
        return answer.status, answer.headers, told


def _form(body: object, files: Sequence[Upload]) -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("payload_json", json.dumps(body), content_type="application/json")
    for number, file in enumerate(files):
        form.add_field(f"files[{number}]", file.data, filename=file.name, content_type=file.content_type)
    return form
