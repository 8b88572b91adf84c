"""The files of an answer, made ready to go with its message: as many, and as large, as Discord takes."""

from __future__ import annotations

from collections.abc import Sequence

from assistant_gateway.adapter import Intake
from assistant_gateway.platforms.files import label
from assistant_gateway.values import FileRef
from assistant_gateway_discord.web import Upload

# developers/reference.mdx, "Uploading Files", 2026-08-06.
MOST = 10  # files of one message
LARGEST = 10 * 1024 * 1024  # bytes of one file, where a server has no boosts
ALL = 24 * 1024 * 1024  # bytes of one message, below the 25 MiB of a request


async def uploads(intake: Intake, files: Sequence[FileRef]) -> tuple[list[Upload], list[str]]:
    """What is sent, and the names of the files that can't be."""
    sent: list[Upload] = []
    left_out: list[str] = []
    room = ALL
    for file in files:
        name = label(file.name)
        if len(sent) >= MOST or file.size > min(LARGEST, room):
            left_out.append(name)
            continue
        try:
            data = await intake.file(file)
        except LookupError:
            left_out.append(name)
            continue
        sent.append(Upload(name, file.content_type.partition(";")[0] or "application/octet-stream", data))
        room -= len(data)
    return sent, left_out


def note(names: Sequence[str]) -> str:
    """What stands below an answer whose files could not all be sent; empty where they could."""
    return f"\n\n_These files could not be put here: {', '.join(names)}._" if names else ""
