"""The link that brings the bot into a server, with what it needs there and nothing else."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import urlencode

ADDRESS = "https://discord.com/oauth2/authorize"
# developers/topics/permissions.mdx, 2026-08-06
PERMISSIONS = {
    "View Channels": 1 << 10,
    "Send Messages": 1 << 11,
    "Attach Files": 1 << 15,
    "Read Message History": 1 << 16,
    "Create Public Threads": 1 << 35,
    "Send Messages in Threads": 1 << 38,
}


def invite(application: str) -> str:
    """The link for an application's id."""
    query = {
        "client_id": application,
        "scope": "bot applications.commands",
        "permissions": str(sum(PERMISSIONS.values())),
    }
    return f"{ADDRESS}?{urlencode(query)}"


def application_of(token: str) -> str:
    """The application's id, which a bot's token begins with; empty where it is not in it."""
    first = token.strip().partition(".")[0]
    try:
        id = base64.urlsafe_b64decode(first + "=" * (-len(first) % 4)).decode("ascii")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""
    return id if id.isdigit() and len(id) <= 20 else ""
