"""What the doctor says of Slack: whether the tokens are good, what the bot may do, and how events come."""

from __future__ import annotations

from pydantic import SecretStr

from assistant_gateway.adapter import Finding
from assistant_gateway.errors import AdapterError
from assistant_gateway_slack.api import Api
from assistant_gateway_slack.identity import Identity
from assistant_gateway_slack.keys import FILE
from assistant_gateway_slack.manifest import scopes
from assistant_gateway_slack.oauth import OAuth
from assistant_gateway_slack.settings import INSTALL_PATH, PATH, REDIRECT_PATH, SlackSettings
from assistant_gateway_slack.web import Web

ESSENTIAL = frozenset({"chat:write"})
REMEDIES = {
    "invalid_auth": "the bot token is wrong; copy it anew from OAuth & Permissions",
    "not_authed": "the bot token is empty",
    "account_inactive": "the app was uninstalled; install it again",
    "token_revoked": "the token was revoked; install the app again",
    "token_expired": "the token has expired; turn token rotation off, or install the app again",
    "not_a_bot_token": "that is no bot token; it begins with xoxb-",
    "invalid_client_id": "copy client_id anew from Basic Information",
    "bad_client_secret": "copy client_secret anew from Basic Information",
}


async def findings(api: Api, home: Web | None, oauth: OAuth | None, settings: SlackSettings) -> list[Finding]:
    """What was found; Slack is only asked, nothing is posted and nothing installed."""
    found = [] if home is None else await _home(home, settings)
    if [each.state for each in found] == ["broken"]:
        return found  # with a token that is not taken the rest says little
    if oauth is not None:
        found += await _installing(oauth, settings)
    if settings.app_token is not None:
        found.append(await _socket(api, settings.app_token, settings.connections))
    if settings.signing_secret is not None:
        text = f"POST {PATH}; its public address is the app's Request URL for events and interactivity"
        found.append(Finding("ok", "slack over HTTP", text))
    return found


async def _home(web: Web, settings: SlackSettings) -> list[Finding]:
    try:
        me = await web.ask_identity()
    except AdapterError as error:
        return [Finding("broken", "slack", f"auth.test: {error}; {REMEDIES.get(str(error), 'try again')}")]
    known = Finding("ok", "slack", f"is {me.name or me.user_id} in {me.team or me.team_id}")
    return [known, *_scopes(me, settings)]


def _scopes(me: Identity, settings: SlackSettings) -> list[Finding]:
    if not me.scopes:
        return [Finding("note", "slack scopes", "Slack did not say what the bot may do")]
    missing = {scope: loss for scope, loss in scopes(settings).items() if scope not in me.scopes}
    if not missing:
        return [Finding("ok", "slack scopes", "the bot may do all that is asked of it")]
    return [
        Finding(
            "broken" if scope in ESSENTIAL else "note",
            "slack scopes",
            f"{scope} is missing: {loss}; add it and install the app again",
        )
        for scope, loss in missing.items()
    ]


async def _installing(oauth: OAuth, settings: SlackSettings) -> list[Finding]:
    about = "slack installation"
    found = [await _client(oauth)]
    if settings.public_url:
        text = f"begins at {settings.public_url}{INSTALL_PATH}; the app's Redirect URL has to be "
        found.append(Finding("ok", about, f"{text}{settings.public_url}{REDIRECT_PATH}"))
    else:
        text = (
            f"begins at {INSTALL_PATH}; set public_url, or Slack sends people to the app's first Redirect URL"
        )
        found.append(Finding("note", about, text))
    if settings.public_url and not settings.public_url.startswith("https://"):
        found.append(Finding("note", about, "public_url has no TLS; Slack's Redirect URLs have to have it"))
    if settings.teams is None:
        found.append(Finding("note", about, "is open to every workspace; name those that may in teams"))
    if settings.encryption_key is None:
        text = f"tokens are sealed with the key in {FILE}, beside the store: back it up with the store"
        found.append(Finding("note", about, text))
    return found


async def _client(oauth: OAuth) -> Finding:
    about = "slack client"
    try:
        objection = await oauth.objection()
    except AdapterError as error:
        return Finding("note", about, f"could not be asked about: oauth.v2.access: {error}")
    if objection:
        return Finding("broken", about, f"oauth.v2.access: {objection}; {REMEDIES[objection]}")
    return Finding("ok", about, "Slack has nothing against client_id and client_secret")


async def _socket(api: Api, app_token: SecretStr, connections: int) -> Finding:
    try:
        await api.open_socket(app_token)
    except AdapterError as error:
        remedy = "make an app-level token with connections:write, and turn Socket Mode on"
        return Finding("broken", "slack sockets", f"apps.connections.open: {error}; {remedy}")
    return Finding("ok", "slack sockets", f"can be opened; {connections} are kept")
