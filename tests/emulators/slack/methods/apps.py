"""Installing and connecting apps: `apps.connections.open`, `oauth.v2.access`, `auth.revoke`."""

from __future__ import annotations

import secrets

from emulators.slack.methods.caller import Caller, Method
from emulators.slack.refusal import Refusal
from emulators.slack.service import Service
from emulators.slack.shapes import Json
from emulators.slack.world import App, Installation, User

TOKEN_SECONDS = 43_200  # 12 h: docs.slack.dev, "Using token rotation", 2026-09-14


def install(service: Service, app: App, team_id: str, scopes: frozenset[str] | None = None) -> Installation:
    """Install *app* in a workspace; a second time gives a new token."""
    world = service.world
    found = next((each for each in world.installations if (each.app, each.team_id) == (app, team_id)), None)
    if found is None:
        user = User(world.mint("U"), team_id, app.name.lower(), app.name, is_bot=True)
        world.users[user.id] = user
        found = Installation(app, team_id, "", world.mint("B"), user.id, frozenset())
        world.installations.append(found)
    found.scopes = app.manifest.scopes if scopes is None else scopes
    found.ended = ""
    give_tokens(service, found)
    return found


def give_tokens(service: Service, installation: Installation) -> None:
    """New tokens, the same at each start; with rotation the old refresh token is used up."""
    prefix = "xoxe.xoxb-" if installation.app.manifest.rotates_tokens else "xoxb-"
    installation.bot_token = service.world.mint(f"{prefix}{installation.team_id}-")
    if installation.app.manifest.rotates_tokens:
        installation.refresh_token = service.world.mint("xoxe-1-")
        installation.expires_at = service.clock.now() + TOKEN_SECONDS


async def open_connection(caller: Caller) -> Json:
    """`apps.connections.open`: an address for one WebSocket."""
    if not caller.app.manifest.socket_mode:
        raise Refusal("socket_mode_disabled")  # assumed word
    ticket = secrets.token_hex(16)
    caller.service.sockets.ticket(caller.app, ticket)
    base = caller.service.base_url.replace("http", "ws", 1)
    return {"ok": True, "url": f"{base}/link/?ticket={ticket}&app_id={caller.app.id}"}


async def access(caller: Caller) -> Json:
    """`oauth.v2.access`: a code once, or a refresh token once."""
    arguments, service = caller.arguments, caller.service
    client_id, secret = caller.basic
    client_id, secret = client_id or arguments.text("client_id"), secret or arguments.text("client_secret")
    app = next((each for each in service.world.apps.values() if each.client_id == client_id), None)
    if app is None:
        raise Refusal("invalid_client_id")
    if not secrets.compare_digest(app.client_secret.encode(), secret.encode()):
        raise Refusal("bad_client_secret")
    if arguments.text("grant_type") == "refresh_token":
        return _told(service, _refreshed(service, app, arguments.required("refresh_token")))
    code = arguments.required("code", "invalid_code")
    known = service.oauth_codes.get(code)
    if known is None or known[0] != app.id:
        raise Refusal("invalid_code")
    if not known[1]:
        raise Refusal("code_already_used")
    if known[2] and arguments.text("redirect_uri", known[2]) != known[2]:
        raise Refusal("bad_redirect_uri")
    service.oauth_codes[code] = (app.id, "", "")
    return _told(service, install(service, app, known[1]))


def _refreshed(service: Service, app: App, token: str) -> Installation:
    for each in service.world.installations:
        if each.app is app and not each.ended and each.refresh_token == token:
            give_tokens(service, each)
            return each
    raise Refusal("invalid_refresh_token")


def _told(service: Service, installation: Installation) -> Json:
    workspace = service.world.workspaces[installation.team_id]
    told: Json = {
        "ok": True,
        "app_id": installation.app.id,
        "authed_user": {"id": ""},
        "scope": ",".join(sorted(installation.scopes)),
        "token_type": "bot",
        "access_token": installation.bot_token,
        "bot_user_id": installation.bot_user_id,
        "team": {"id": workspace.id, "name": workspace.name},
        "enterprise": None,
        "is_enterprise_install": False,
    }
    if installation.app.manifest.rotates_tokens:
        told |= {"refresh_token": installation.refresh_token, "expires_in": TOKEN_SECONDS}
    return told


def end(service: Service, installation: Installation, how: str) -> None:
    """Uninstall an app or revoke its token, and tell it."""
    if how == "uninstalled":
        event: Json = {"type": "app_uninstalled"}
        if "app_uninstalled" in installation.app.manifest.events:
            service.feed.event(installation, event)
    if "tokens_revoked" in installation.app.manifest.events:
        tokens = {"oauth": [], "bot": [installation.bot_user_id]}
        service.feed.event(installation, {"type": "tokens_revoked", "tokens": tokens})
    installation.ended = "uninstalled" if how == "uninstalled" else "revoked"
    service.changed()


async def revoke(caller: Caller) -> Json:
    """`auth.revoke`."""
    if not caller.arguments.flag("test"):
        end(caller.service, caller.bot, "revoked")
    return {"ok": True, "revoked": not caller.arguments.flag("test")}


METHODS = {
    "apps.connections.open": Method(open_connection, 3, token="app"),
    "oauth.v2.access": Method(access, token="none"),
    "auth.revoke": Method(revoke, 3),
}
