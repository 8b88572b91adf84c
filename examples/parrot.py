"""
A model provider of your own in forty lines: it says what it hears.

Installed in a package with the entry point

    [project.entry-points."assistant_gateway.backends"]
    parrot = "my_package.parrot:plugin"

it is used by ``[backends.bird] kind = "parrot"``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from pydantic import BaseModel, ConfigDict, Field

from assistant_gateway import items
from assistant_gateway.backend import BackendPlugin, Step
from assistant_gateway.events import ItemDone, StepDone, StepEvent, TextCreated, TextDelta, TextDone


class ParrotSettings(BaseModel):
    """The table ``[backends.NAME]``, without ``kind``. Unknown keys are refused with their line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    times: int = Field(default=1, ge=1, le=10, description="how often everything is said")


class Parrot:
    """Says what was said last."""

    def __init__(self, name: str, settings: ParrotSettings) -> None:
        self.name = name
        self._times = settings.times

    async def stream(self, step: Step) -> AsyncGenerator[StepEvent, None]:
        words = " ".join([items.text_of(step.items[-1])] * self._times).split(" ")
        yield TextCreated("said")
        for number, word in enumerate(words):
            yield TextDelta("said", word if number == 0 else f" {word}")
        yield TextDone("said", " ".join(words))
        yield ItemDone(items.assistant_message(" ".join(words)))
        yield StepDone()

    async def check(self) -> str:
        return "the parrot is awake"

    async def close(self) -> None:
        """It holds nothing."""


plugin = BackendPlugin(settings=ParrotSettings, build=Parrot)
