"""
A Discord that runs here: REST API, gateway, CDN, and people who write, click and send commands.

It is as strict as the real one where the documentation or a report says how it behaves, and says so where
a rule is an assumption. Alone:

    PYTHONPATH=tests python -m emulators.discord --http-port 8091

discord.py is led there by a connector, the one argument of `discord.Client` that decides where calls, the
gateway and files are (`emulators.discord_client`); or, for the whole process, by `discord.http.Route.BASE`,
`discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY` and `discord.asset.Asset.BASE`.
"""

from __future__ import annotations

from emulators.clock import Clock, HandClock, RunningClock
from emulators.discord.address import HOSTS, REAL, Addresses
from emulators.discord.buckets import Rule
from emulators.discord.emulator import DiscordEmulator
from emulators.discord.faults import EventFault, Fault
from emulators.discord.intents import PRIVILEGED, Intent
from emulators.discord.interactions import Interaction
from emulators.discord.kinds import ChannelType, InteractionType, MessageFlag, MessageType
from emulators.discord.permissions import Permission
from emulators.discord.service import Call
from emulators.discord.world import App, Attachment, Channel, Command, Frame, Guild, Message, Overwrite, User

__all__ = [
    "HOSTS",
    "PRIVILEGED",
    "REAL",
    "Addresses",
    "App",
    "Attachment",
    "Call",
    "Channel",
    "ChannelType",
    "Clock",
    "Command",
    "DiscordEmulator",
    "EventFault",
    "Fault",
    "Frame",
    "Guild",
    "HandClock",
    "Intent",
    "Interaction",
    "InteractionType",
    "Message",
    "MessageFlag",
    "MessageType",
    "Overwrite",
    "Permission",
    "Rule",
    "RunningClock",
    "User",
]
