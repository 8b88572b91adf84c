"""
Where Discord is: on this machine, or under its own names.

A bot that cannot be told other addresses is run against the names themselves: serve TLS, and let DNS (or the
client's resolver) lead them here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Addresses:
    """
    What the emulator calls its parts in what it tells.

    Attributes:
        site: Of the REST API, without ``/api/v10``.
        gateway: Of the WebSocket.
        resume: Of the WebSocket for sessions that go on.
        cdn: Of attachments and avatars.
    """

    site: str
    gateway: str
    resume: str
    cdn: str

    @property
    def api(self) -> str:
        """Of the REST API, as libraries want it."""
        return f"{self.site}/api/v10"


REAL = Addresses(
    site="https://discord.com",
    gateway="wss://gateway.discord.gg",
    resume="wss://gateway-us-east1-b.discord.gg",
    cdn="https://cdn.discordapp.com",
)
HOSTS = (
    "discord.com",
    "gateway.discord.gg",
    "gateway-us-east1-b.discord.gg",
    "cdn.discordapp.com",
)
"""The names in `REAL`, for a certificate and for DNS."""


def local(host: str, port: int, *, secure: bool) -> Addresses:
    """All parts behind one port of this machine."""
    mark = "s" if secure else ""
    site, socket = f"http{mark}://{host}:{port}", f"ws{mark}://{host}:{port}"
    return Addresses(site, f"{socket}/gateway", f"{socket}/gateway/resume", site)
