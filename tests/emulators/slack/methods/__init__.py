"""All methods of the Web API that are emulated, by name."""

from __future__ import annotations

from collections.abc import Mapping

from emulators.slack.methods import agents, apps, chat, conversations, files, people, streams, views
from emulators.slack.methods.caller import Method

METHODS: Mapping[str, Method] = {
    **chat.METHODS,
    **streams.METHODS,
    **agents.METHODS,
    **conversations.METHODS,
    **people.METHODS,
    **files.METHODS,
    **views.METHODS,
    **apps.METHODS,
}
