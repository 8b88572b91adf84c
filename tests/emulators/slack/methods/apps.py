"""Installing and connecting apps: `apps.connections.open`, `oauth.v2.access`, `auth.revoke`."""

from __future__ import annotations

import secrets

from emulators.shapes import Json
from emulators.slack.methods.caller import Caller, Method
from emulators.slack.refusal import Refusal
from emulators.slack.service import Service
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


def give_tokens(service: Service, installation: Installation, *, refreshed: bool = False) -> None:
    """
    New tokens, the same at each start.

    When they are *refreshed*, the token before the newest stays good until it expires, and no older one:
    "2 active token limit" (docs.slack.dev, "Using token rotation", 2026-09-14).
    """
    rotates = installation.app.manifest.rotates_tokens
    if installation.older is not None:
        installation.revoked.add(installation.older[0])
        installation.older = None
    if refreshed and installation.expires_at is not None:
        installation.older = (installation.bot_token, installation.expires_at)
    elif installation.bot_token:
        installation.revoked.add(installation.bot_token)
    prefix = "xoxe.xoxb-" if rotates else "xoxb-"
    installation.bot_token = service.world.mint(f"{prefix}{installation.team_id}-")
    if rotates:
        if refreshed:
            installation.spent[installation.refresh_token] = service.clock.now() + service.refresh_grace
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
    grant_type = arguments.text("grant_type", "authorization_code")
    if grant_type == "refresh_token":
        return _told(service, _refreshed(service, app, arguments.required("refresh_token")))
    if grant_type != "authorization_code":
        raise Refusal("invalid_grant_type")
    code = arguments.required("code", "invalid_code")
    if code not in service.oauth_codes:
        raise Refusal("invalid_code")
    known = service.oauth_codes[code]
    if known is None:
        raise Refusal("code_already_used")
    if known.app_id != app.id or known.until < service.clock.now():
        raise Refusal("invalid_code")
    # Needed again where it was given to the install page: docs.slack.dev, `oauth.v2.access`, 2026-08-20.
    if arguments.text("redirect_uri") != known.redirect_uri:
        raise Refusal("bad_redirect_uri")
    service.oauth_codes[code] = None
    if known.organisation:
        return _told_of_all(install(service, app, known.organisation, known.scopes))
    return _told(service, install(service, app, known.team, known.scopes))


def _refreshed(service: Service, app: App, token: str) -> Installation:
    now = service.clock.now()
    for each in service.world.installations:
        if (
            each.app is app
            and not each.ended
            and (each.refresh_token == token or each.spent.get(token, 0.0) > now)
        ):
            give_tokens(service, each, refreshed=True)
            return each
    raise Refusal("invalid_refresh_token")


def _told(service: Service, installation: Installation) -> Json:
    workspace = service.world.workspaces[installation.team_id]
    told: Json = {
        "ok": True,
        "app_id": installation.app.id,
        "authed_user": {"id": _somebody(service, installation)},
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


def _told_of_all(installation: Installation) -> Json:
    """For a whole organisation: docs.slack.dev, "Installing with OAuth", 2026-09-14."""
    return {
        "ok": True,
        "app_id": installation.app.id,
        "authed_user": {"id": ""},
        "scope": ",".join(sorted(installation.scopes)),
        "token_type": "bot",
        "access_token": installation.bot_token,
        "bot_user_id": installation.bot_user_id,
        "team": None,
        "enterprise": {"id": installation.team_id, "name": "Acme"},
        "is_enterprise_install": True,
    }


def _somebody(service: Service, installation: Installation) -> str:
    """A person of the workspace, who agreed."""
    people = service.world.users.values()
    team = installation.team_id
    return next((each.id for each in people if each.team_id == team and not each.is_bot), "")


def end(service: Service, installation: Installation, how: str) -> None:
    """Uninstall an app or revoke its tokens, and tell it."""
    if installation.team_id in service.world.workspaces:
        if how == "uninstalled" and "app_uninstalled" in installation.app.manifest.events:
            service.feed.event(installation, {"type": "app_uninstalled"})
        _tell_revoked(service, installation)
    installation.ended = "uninstalled" if how == "uninstalled" else "revoked"
    service.changed()


def _tell_revoked(service: Service, installation: Installation) -> None:
    if "tokens_revoked" in installation.app.manifest.events:
        tokens = {"oauth": [], "bot": [installation.bot_user_id]}
        service.feed.event(installation, {"type": "tokens_revoked", "tokens": tokens})


async def revoke(caller: Caller) -> Json:
    """
    `auth.revoke`: the end of the installation, but with token rotation of one token only.

    docs.slack.dev, "Using token rotation", 2026-09-14; that the app is told then, too, is assumed.
    """
    bot = caller.bot
    if caller.arguments.flag("test"):
        return {"ok": True, "revoked": False}
    if bot.app.manifest.rotates_tokens:
        bot.revoked.add(caller.token)
        _tell_revoked(caller.service, bot)
    else:
        end(caller.service, bot, "revoked")
    return {"ok": True, "revoked": True}


METHODS = {
    "apps.connections.open": Method(open_connection, 3, token="app"),
    "oauth.v2.access": Method(access, token="none"),
    "auth.revoke": Method(revoke, 3),
}
