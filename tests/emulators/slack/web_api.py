"""
The Web API: `/api/{method}`, as docs.slack.dev describes it under "Using the Slack Web API", 2026-09-14.

A call is refused, in this order: unknown method, bad body, token, scope, quota, and only then by the method.
What fails on purpose (`faults`) fails before all of that, or after the work was done.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping

from aiohttp import web

from emulators.shapes import Json
from emulators.slack.arguments import Arguments
from emulators.slack.faults import BEFORE, Fault
from emulators.slack.methods import METHODS, agents, streams
from emulators.slack.methods.caller import Caller, Method
from emulators.slack.quotas import ratelimited
from emulators.slack.refusal import Refusal
from emulators.slack.service import Call, Service
from emulators.slack.world import App

HTML = (
    "<!DOCTYPE html><html><head><title>Slack</title></head><body><h1>Something went wrong</h1></body></html>"
)
RESTRICTED = ("conversations.replies", "conversations.history")


class WebApi:
    """Answers calls, and keeps every one of them."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def take(self, request: web.Request) -> web.StreamResponse:
        """The endpoint of all methods."""
        name = request.match_info["method"]
        fault = self._service.faults.for_call(name)
        if fault is not None and fault.kind in BEFORE:
            self._keep(name, "", {}, fault.status, {}, fault.kind)
            return await self._break(request, fault)
        if fault is not None and fault.kind == "slow":
            await self._service.clock.sleep(fault.seconds)
        arguments: Arguments | None = None
        caller: Caller | None = None
        status, headers = 200, {}
        try:
            arguments = await arguments_of(request)
            caller, method = self._admit(request, name, arguments)
            streams.expire(self._service)
            agents.expire(self._service)
            answer = await method.run(caller)
        except Refusal as refusal:
            answer, status = refusal.body(), refusal.status
            if refusal.retry_after is not None:
                headers["Retry-After"] = str(refusal.retry_after)
        team = caller.installation.team_id if caller is not None and caller.installation is not None else ""
        told = dict(arguments.values) if arguments is not None else {}
        told.pop("token", None)
        self._keep(name, team, told, status, answer, fault.kind if fault is not None else "")
        if fault is not None and fault.kind != "slow":
            return await self._break(request, fault)
        if caller is not None and caller.installation is not None:
            headers["X-OAuth-Scopes"] = ",".join(sorted(caller.bot.scopes))
        return web.json_response(answer, status=status, headers=headers)

    def _keep(self, name: str, team: str, told: Json, status: int, answer: Json, fault: str) -> None:
        now = self._service.clock.now()
        self._service.calls.append(Call(now, name, team, told, status, answer, fault))
        self._service.changed()

    def _admit(self, request: web.Request, name: str, arguments: Arguments) -> tuple[Caller, Method]:
        method = METHODS.get(name)
        if method is None:
            raise Refusal("unknown_method", req_method=name)
        basic = _basic(request.headers)
        if method.token == "none":
            return Caller(self._service, name, arguments, basic=basic), method
        token = _token(request.headers) or arguments.text("token")
        if not token:
            raise Refusal("not_authed")
        if method.token == "app":
            caller = Caller(self._service, name, arguments, own_app=self._app(token))
            self._spend(caller.app.id, "", name, method.tier, arguments)
            return caller, method
        caller = self._bot(name, token, arguments)
        scopes = caller.bot.scopes
        if method.scopes and not scopes.intersection(method.scopes):
            raise Refusal("missing_scope", needed=method.scopes[0], provided=",".join(sorted(scopes)))
        restricted = caller.bot.app.manifest.restricted and name in RESTRICTED
        self._spend(caller.bot.app.id, caller.bot.team_id, name, 1 if restricted else method.tier, arguments)
        return caller, method

    def _spend(self, app: str, team: str, name: str, tier: int | None, arguments: Arguments) -> None:
        clock = self._service.clock
        channel = str(arguments.values.get("channel", ""))
        self._service.quotas.spend(app, team, name, tier, channel, clock.now(), clock.speed)

    def _app(self, token: str) -> App:
        for app in self._service.world.apps.values():
            if app.app_token == token:
                return app
        raise Refusal("invalid_auth" if token.startswith("xapp-") else "not_allowed_token_type")

    def _bot(self, name: str, token: str, arguments: Arguments) -> Caller:
        if token.startswith("xapp-"):
            raise Refusal("not_allowed_token_type")
        for installation in self._service.world.installations:
            reason = installation.refuses(token, self._service.clock.now())
            if reason is None:
                continue
            if reason:
                raise Refusal(reason)
            return Caller(self._service, name, arguments, installation, token=token)
        raise Refusal("invalid_auth")

    async def _break(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        match fault.kind:
            case "error":
                return web.json_response({"ok": False, "error": fault.error})
            case "ratelimited":
                headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
                return web.json_response(ratelimited(1).body(), status=429, headers=headers)
            case "http" | "accept_then_html":
                return web.Response(text=HTML, status=fault.status, content_type="text/html")
            case "accept_then_500":
                return web.json_response({"ok": False, "error": "fatal_error"}, status=500)
            case "empty":
                return web.Response(text="", content_type="application/json")
            case "broken_json":
                return web.Response(text='{"ok": tr', content_type="application/json")
            case "list":
                return web.json_response([])
            case "hang" | "accept_then_hang":
                await self._service.closing.wait()
        if request.transport is not None:
            request.transport.abort()
        return web.Response()


async def arguments_of(request: web.Request) -> Arguments:
    """
    What a request says, wherever it says it.

    Raises:
        Refusal: The body is not what its type says.
    """
    values: dict[str, object] = dict(request.query)
    kind = request.content_type
    if kind == "application/json" and request.can_read_body:
        try:
            body = json.loads(await request.read())
        except (ValueError, RecursionError):
            raise Refusal("invalid_json") from None
        if not isinstance(body, dict):
            raise Refusal("json_not_object")
        values |= body
    elif kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        values |= {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    return Arguments(values)


def _token(headers: Mapping[str, str]) -> str:
    kind, _, token = headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def _basic(headers: Mapping[str, str]) -> tuple[str, str]:
    kind, _, told = headers.get("Authorization", "").partition(" ")
    if kind.lower() != "basic":
        return "", ""
    try:
        name, _, secret = base64.b64decode(told, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, secret


def bearer(request: web.Request) -> str:
    """The bearer token of a request; empty without one."""
    return _token(request.headers)
