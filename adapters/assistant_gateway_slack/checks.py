"""What the doctor says of Slack: whether the tokens are good, what the bot may do, and how events come."""

from __future__ import annotations

from assistant_gateway.adapter import Finding
from assistant_gateway.errors import AdapterError
from assistant_gateway_slack.identity import Identity
from assistant_gateway_slack.manifest import SCOPES
from assistant_gateway_slack.settings import PATH, SlackSettings
from assistant_gateway_slack.web import Web

ESSENTIAL = frozenset({"chat:write"})
REMEDIES = {
    "invalid_auth": "the bot token is wrong; copy it anew from OAuth & Permissions",
    "not_authed": "the bot token is empty",
    "account_inactive": "the app was uninstalled; install it again",
    "token_revoked": "the token was revoked; install the app again",
    "token_expired": "the token has expired; turn token rotation off, or install the app again",
    "not_a_bot_token": "that is no bot token; it begins with xoxb-",
}


async def findings(web: Web, settings: SlackSettings) -> list[Finding]:
    """What was found; Slack is only asked, nothing is posted."""
    try:
        me = await web.ask_identity()
    except AdapterError as error:
        return [Finding("broken", "slack", f"auth.test: {error}; {REMEDIES.get(str(error), 'try again')}")]
    found = [Finding("ok", "slack", f"is {me.name or me.user_id} in {me.team or me.team_id}")]
    found += _scopes(me)
    if settings.app_token is not None:
        found.append(await _socket(web, settings))
    if settings.signing_secret is not None:
        text = f"POST {PATH}; its public address is the app's Request URL for events and interactivity"
        found.append(Finding("ok", "slack over HTTP", text))
    return found


def _scopes(me: Identity) -> list[Finding]:
    if not me.scopes:
        return [Finding("note", "slack scopes", "Slack did not say what the bot may do")]
    missing = [scope for scope in SCOPES if scope not in me.scopes]
    if not missing:
        return [Finding("ok", "slack scopes", "the bot may do all that is asked of it")]
    return [
        Finding(
            "broken" if scope in ESSENTIAL else "note",
            "slack scopes",
            f"{scope} is missing: {SCOPES[scope]}; add it and install the app again",
        )
        for scope in missing
    ]


async def _socket(web: Web, settings: SlackSettings) -> Finding:
    assert settings.app_token is not None
    try:
        await web.open_socket(settings.app_token)
    except AdapterError as error:
        remedy = "make an app-level token with connections:write, and turn Socket Mode on"
        return Finding("broken", "slack sockets", f"apps.connections.open: {error}; {remedy}")
    return Finding("ok", "slack sockets", f"can be opened; {settings.connections} are kept")
