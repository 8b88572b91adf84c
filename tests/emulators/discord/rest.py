"""
The REST API: `/api/v10/…`, developers/reference.mdx and developers/topics/rate-limits.mdx, 2026-08-06.

A call is refused, in this order: banned address, unknown path, bad token, the bot's 50/s, its bucket, bad
body, and only then by the route. What fails on purpose (`faults`) fails before all of that, or after the work
was done.
"""

from __future__ import annotations

from aiohttp import web

from emulators.discord.breaking import as_json, from_cloudflare
from emulators.discord.buckets import headers_of
from emulators.discord.channels import archive_idle
from emulators.discord.faults import BEFORE, Fault
from emulators.discord.refusal import Limited, Refusal, plain
from emulators.discord.routes import find
from emulators.discord.routes.caller import Answer, Caller, Route
from emulators.discord.service import Call, Service
from emulators.discord.uploads import Body, body_of
from emulators.discord.world import App


class Rest:
    """Answers calls, and keeps every one of them."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def take(self, request: web.Request) -> web.StreamResponse:
        """The endpoint of everything under `/api/`."""
        path = "/" + request.match_info["path"].rstrip("/")
        address = request.remote or ""
        if self._service.limits.is_banned(address) or not request.headers.get("User-Agent"):
            self._keep(request, path, "", "", Body(), 429, None, "banned")
            return from_cloudflare()
        fault = self._service.faults.for_call(f"{request.method} {path}")
        if fault is not None and fault.kind in BEFORE:
            self._keep(request, path, "", "", await _readable(request), fault.status, None, fault.kind)
            if fault.status in (401, 403) or (fault.kind == "ratelimited" and fault.scope != "shared"):
                self._service.limits.count_invalid(address)
            return await self._service.breaker.answer(request, fault)
        if fault is not None and fault.kind == "slow":
            await self._service.clock.sleep(fault.seconds)
        return await self._answer(request, path, address, fault)

    async def _answer(
        self, request: web.Request, path: str, address: str, fault: Fault | None
    ) -> web.StreamResponse:
        route: Route | None = None
        owner: App | None = None
        body = Body()
        headers: dict[str, str] = {}
        answer: Answer
        archive_idle(self._service)
        try:
            _check_version(request.match_info.get("version", "10"))
            route, parameters = find(request.method, path)
            owner = self._owner(request, route)
            headers = self._spend(route, parameters, owner)
            body = await body_of(request)
            caller = Caller(
                self._service, route.name, parameters, request.query, body.json, body.files, owner
            )
            answer = await route.run(caller)
            status = 204 if answer is None else 200
        except Refusal as refusal:
            answer, status = refusal.body(), refusal.status
            if isinstance(refusal, Limited):
                headers = headers | headers_of(refusal)
            if status in (401, 403, 429) and getattr(refusal, "scope", "") != "shared":
                self._service.limits.count_invalid(address)
        app = owner.id if owner is not None else ""
        told = answer if fault is None or fault.kind == "slow" else None
        kind = fault.kind if fault is not None else ""
        self._keep(request, path, route.name if route else "", app, body, status, told, kind)
        if fault is not None and fault.kind != "slow":
            return await self._service.breaker.answer(request, fault)
        return as_json(answer, status, headers)

    def _owner(self, request: web.Request, route: Route) -> App | None:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        app = self._service.world.app_of_token(token.strip()) if kind == "Bot" else None
        if app is None and route.token == "bot":
            raise plain(401, "Unauthorized")
        return app

    def _spend(self, route: Route, parameters: dict[str, str], owner: App | None) -> dict[str, str]:
        limits = self._service.limits
        if route.token == "bot" and owner is not None:
            limits.spend_global(owner.id)
        major = ":".join(parameters.get(name, "") for name in route.majors)
        # A webhook's limit is its token's, whoever calls and with whatever credentials.
        who = owner.id if owner is not None and route.token == "bot" else ""
        return limits.spend(who, route.bucket, major)

    def _keep(
        self,
        request: web.Request,
        path: str,
        route: str,
        app: str,
        body: Body,
        status: int,
        answer: Answer,
        fault: str,
    ) -> None:
        files = tuple(each.filename for each in body.files.values())
        call = Call(
            self._service.clock.now(),
            request.method,
            path,
            route or _name(request.method, path),
            app,
            body.json,
            files,
            status,
            answer,
            fault,
        )
        self._service.calls.append(call)
        self._service.changed()


def _check_version(version: str) -> None:
    """developers/reference.mdx, "API Versions": 9 and 10 are available, 6 to 8 deprecated."""
    if not 6 <= int(version) <= 10:
        raise Refusal(50041)


async def _readable(request: web.Request) -> Body:
    """What a call says that fails on purpose, if it can be read."""
    try:
        return await body_of(request)
    except Refusal:
        return Body()


def _name(method: str, path: str) -> str:
    """The route of a call that was not routed, for the record."""
    try:
        return find(method, path)[0].name
    except Refusal:
        return f"{method} {path}"
