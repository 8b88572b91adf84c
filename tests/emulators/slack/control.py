"""
The control API: what a person or a test in another process does to the emulator.

`GET /control/truth`, `/control/calls`, `/control/setup` tell; `POST /control/{act}` with a JSON object does
what the method of `SlackEmulator` with that name does: say, edit, click, command, press_stop, fault …
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from emulators.control import Control
from emulators.faults import fault_of
from emulators.shapes import Json
from emulators.slack.deliveries import Delivery
from emulators.slack.faults import KINDS
from emulators.slack.truth import call_truth, channel_truth, delivery_truth, file_truth, message_truth
from emulators.slack.world import Channel, File, Message, User, Workspace

if TYPE_CHECKING:
    from emulators.slack.emulator import SlackEmulator


class SlackControl(Control):
    """The endpoints under `/control/`."""

    def __init__(self, slack: SlackEmulator) -> None:
        self._slack = slack
        tells = {
            "truth": slack.truth,
            "calls": lambda: [call_truth(each) for each in slack.calls()],
            "setup": lambda: setup(slack),
        }
        acts: Mapping[str, Callable[..., object]] = {
            "say": slack.say,
            "edit": slack.edit,
            "delete": slack.delete,
            "react": slack.react,
            "join": slack.join,
            "archive": slack.archive,
            "open_home": slack.open_home,
            "open_assistant": slack.open_assistant,
            "look_at": slack.look_at,
            "press_stop": slack.press_stop,
            "rename_session": slack.rename_session,
            "click": slack.click,
            "command": slack.command,
            "shortcut": slack.shortcut,
            "submit": slack.submit,
            "deliver": slack.deliver,
            "consent": slack.consent,
            "uninstall": slack.uninstall,
            "revoke": slack.revoke,
            "direct": slack.direct,
            "add_workspace": slack.add_workspace,
            "add_user": slack.add_user,
            "add_channel": slack.add_channel,
            "use_request_url": slack.use_request_url,
            "advance": slack.advance,
            "cut_sockets": slack.cut_sockets,
            "refresh_sockets": slack.refresh_sockets,
            "fault": lambda **given: slack.fault(fault_of(given, KINDS)),
            "clear_faults": slack.faults.clear,
            "refuse_handshakes": self._refuse_handshakes,
        }
        super().__init__(tells, acts)

    def _refuse_handshakes(self, times: int) -> None:
        self._slack.faults.refused_handshakes = times

    def told(self, done: object) -> object:
        match done:
            case Message():
                return message_truth(done)
            case Delivery():
                return delivery_truth(done)
            case Channel():
                return channel_truth(done)
            case File():
                return file_truth(done)
            case User() | Workspace():
                return {"id": done.id, "name": done.name}
        return super().told(done)


def setup(slack: SlackEmulator) -> Json:
    """What a bot needs to connect, and the ids of the first workspace."""
    return {
        "api_url": slack.api_url,
        "bot_token": slack.bot_token,
        "app_token": slack.app_token,
        "signing_secret": slack.signing_secret,
        "client_id": slack.app.client_id,
        "client_secret": slack.app.client_secret,
        "app_id": slack.app.id,
        "team": slack.team,
        "bot_user": slack.bot_user,
        "users": {user.name: user.id for user in slack.world.users.values()},
        "channels": {channel.name: channel.id for channel in slack.world.channels.values() if channel.name},
    }
