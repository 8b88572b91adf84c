"""
A Slack that runs here: Web API, Socket Mode, signed events, and people who write.

It is as strict as the real one where the documentation or a report says how it behaves, and says so where
a rule is an assumption. Alone:

    PYTHONPATH=tests python -m emulators.slack --http-port 8090
"""

from __future__ import annotations

from emulators.clock import Clock, HandClock, RunningClock
from emulators.slack.blocks import Piece
from emulators.slack.deliveries import Delivery
from emulators.slack.emulator import SlackEmulator
from emulators.slack.faults import EventFault, Fault
from emulators.slack.feed import signature
from emulators.slack.manifest import EVENTS, SCOPES, Manifest
from emulators.slack.service import Call
from emulators.slack.world import App, Channel, File, Frame, Installation, Message, User, Workspace

__all__ = [
    "EVENTS",
    "SCOPES",
    "App",
    "Call",
    "Channel",
    "Clock",
    "Delivery",
    "EventFault",
    "Fault",
    "File",
    "Frame",
    "HandClock",
    "Installation",
    "Manifest",
    "Message",
    "Piece",
    "RunningClock",
    "SlackEmulator",
    "User",
    "Workspace",
    "signature",
]
