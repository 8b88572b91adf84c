"""
The control API: what a person or a test in another process does to the emulator.

`GET /control/truth`, `/control/calls`, `/control/setup` tell; `POST /control/{act}` with a JSON object does
what the method of `DiscordEmulator` with that name does: say, reply, edit, click, slash, fault … A `message`,
`target` or `interaction` is named by its id, a file is ``{"name": …, "text": …}``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from emulators.control import Control
from emulators.discord.faults import KINDS
from emulators.discord.interactions import Interaction
from emulators.discord.truth import call_truth, channel_truth, interaction_truth, message_truth
from emulators.discord.world import Channel, Guild, Message, Role, User
from emulators.faults import fault_of
from emulators.shapes import Json, records, string

if TYPE_CHECKING:
    from emulators.discord.emulator import DiscordEmulator


class DiscordControl(Control):
    """The endpoints under `/control/`."""

    def __init__(self, discord: DiscordEmulator) -> None:
        self._discord = discord
        tells = {
            "truth": discord.truth,
            "calls": lambda: [call_truth(each) for each in discord.calls()],
            "setup": lambda: setup(discord),
        }
        acts: Mapping[str, Callable[..., object]] = {
            "say": discord.say,
            "reply": discord.reply,
            "dm": discord.dm,
            "forward": discord.forward,
            "edit": discord.edit,
            "delete": discord.delete,
            "react": discord.react,
            "pin": discord.pin,
            "type_in": discord.type_in,
            "open_thread": discord.open_thread,
            "post": discord.post,
            "archive": discord.archive,
            "slash": discord.slash,
            "complete": discord.complete,
            "context_menu": discord.context_menu,
            "click": discord.click,
            "submit": discord.submit,
            "direct": discord.direct,
            "add_user": discord.add_user,
            "add_guild": discord.add_guild,
            "add_channel": discord.add_channel,
            "add_role": discord.add_role,
            "delete_channel": discord.delete_channel,
            "join": lambda **given: discord.join(**given).user_id,
            "kick": discord.kick,
            "forbid": discord.forbid,
            "time_out": discord.time_out,
            "advance": discord.advance,
            "cut_sockets": discord.cut_sockets,
            "close_sockets": discord.close_sockets,
            "ask_to_reconnect": discord.ask_to_reconnect,
            "invalidate_sessions": discord.invalidate_sessions,
            "forget_sessions": discord.forget_sessions,
            "ignore_heartbeats": discord.ignore_heartbeats,
            "mute_sockets": discord.mute_sockets,
            "send_garbage": discord.send_garbage,
            "fault": lambda **given: discord.fault(fault_of(given, KINDS)),
            "clear_faults": discord.faults.clear,
            "set_faults": self._set_faults,
        }
        super().__init__(tells, acts)

    def _set_faults(self, *, handshakes: int = 0, resumes: int = 0, repeats: int = 0) -> None:
        faults = self._discord.faults
        faults.refused_handshakes, faults.refused_resumes, faults.repeats = handshakes, resumes, repeats

    def meant(self, name: str, given: Json) -> Json:
        """*given* with what its ids stand for."""
        meant = dict(given)
        if "message" in given:
            meant["message"] = self._discord.message(string(given["message"]))
        if "interaction" in given:
            meant["interaction"] = self._discord.service.interactions[string(given["interaction"])]
        if name == "context_menu" and string(given.get("target")) not in self._discord.world.users:
            meant["target"] = self._discord.message(string(given.get("target")))
        if "files" in given:
            meant["files"] = [
                self._discord.file(string(each.get("name")), string(each.get("text")).encode())
                for each in records(given["files"])
            ]
        return meant

    def told(self, done: object) -> object:
        match done:
            case Message():
                return message_truth(done)
            case Interaction():
                return interaction_truth(done)
            case Channel():
                return channel_truth(self._discord.service, done)
            case User() | Guild() | Role():
                return {"id": done.id, "name": done.name}
        return super().told(done)


def setup(discord: DiscordEmulator) -> Json:
    """What a bot needs to connect, and the ids of who and what there is."""
    world = discord.world
    return {
        "api_url": discord.api_url,
        "gateway_url": discord.gateway_url,
        "cdn_url": discord.cdn_url,
        "bot_token": discord.bot_token,
        "application_id": discord.app.id,
        "bot_user": discord.bot_user,
        "guild": discord.guild,
        "users": {user.name: user.id for user in world.users.values()},
        "channels": {each.name: each.id for each in world.channels.values() if each.name},
    }
