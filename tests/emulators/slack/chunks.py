"""
The pieces of a stream: text, cards of tasks, a plan, blocks.

docs.slack.dev, "chat.appendStream", 2026-08-20. `status` on the wire is `pending`, `in_progress`,
`complete` or `error` (slack_sdk 3.47); the guide's prose says "completed". The same `id` is the same card:
title and status replace, details and output are appended (reported openclaw#143882).
"""

from __future__ import annotations

from emulators.shapes import Json, records, string
from emulators.slack import sizes
from emulators.slack.blocks import Piece, check_message_blocks, seen
from emulators.slack.refusal import Refusal, pointed
from emulators.slack.world import Stream, Task

STATUSES = ("pending", "in_progress", "complete", "error")


def check_chunks(chunks: list[Json]) -> None:
    """
    Check the chunks of one call.

    Raises:
        Refusal: `invalid_chunks` or one of `invalid_blocks`.
    """
    for index, chunk in enumerate(chunks):
        where = f"/chunks/{index}"
        match chunk.get("type"):
            case "markdown_text":
                _check_field(chunk, "text", where, sizes.MARKDOWN)
            case "plan_update":
                _check_field(chunk, "title", where, sizes.TASK_FIELD)
            case "task_update":
                _check_field(chunk, "id", where, sizes.TASK_FIELD)
                _check_field(chunk, "title", where, sizes.TASK_FIELD)
                for name in ("details", "output"):
                    if chunk.get(name) is not None:
                        _check_field(chunk, name, where, sizes.TASK_FIELD, least=0)
                if chunk.get("status") not in STATUSES:
                    raise pointed(
                        "invalid_chunks", f"{where}/status", f"must be one of {', '.join(STATUSES)}"
                    )
            case "blocks":
                if not isinstance(chunk.get("blocks"), list):
                    raise pointed("invalid_chunks", f"{where}/blocks", "must provide an array")
                check_message_blocks(
                    records(chunk["blocks"])[: sizes.BLOCKS], parameter=f"chunks/{index}/blocks"
                )
            case kind:
                raise pointed("invalid_chunks", f"{where}/type", f"unsupported type: {kind}")


def _check_field(chunk: Json, name: str, where: str, limit: int, *, least: int = 1) -> None:
    value = chunk.get(name)
    if not isinstance(value, str) or not least <= len(value) <= limit:
        if name == "text" and isinstance(value, str) and len(value) > limit:
            raise Refusal("msg_too_long")
        raise pointed("invalid_chunks", f"{where}/{name}", f"must be between {least} and {limit} characters")


def apply_chunks(stream: Stream, chunks: list[Json]) -> list[str]:
    """Append *chunks*, which were checked; tells warnings."""
    warnings: list[str] = []
    for chunk in chunks:
        match chunk["type"]:
            case "markdown_text":
                stream.body += string(chunk["text"])
            case "plan_update":
                stream.plan = string(chunk["title"])
            case "task_update":
                task = stream.tasks.setdefault(string(chunk["id"]), Task(string(chunk["id"]), "", ""))
                task.title, task.status = string(chunk["title"]), string(chunk["status"])
                task.details += string(chunk.get("details"))
                task.output += string(chunk.get("output"))
            case "blocks":
                room = sizes.BLOCKS - len(stream.blocks)
                new = records(chunk["blocks"])
                if len(new) > room:
                    warnings.append(
                        "blocks_truncated"
                    )  # the surplus is dropped with a warning; its word is assumed
                stream.blocks += new[:room]
    return warnings


def is_too_long(stream: Stream) -> bool:
    """
    Whether the message as a whole is over its size.

    Weighted UTF-8 bytes: body and titles once, details and output twice, counted once there is body text
    (reported openclaw#143882); text alone is counted in characters (reported CopilotKit#6064).
    """
    if not stream.tasks and not stream.plan:
        return len(stream.body) > sizes.STREAM_TEXT
    if not stream.body:
        return False
    weight = len(stream.body.encode()) + len(stream.plan.encode())
    for task in stream.tasks.values():
        weight += len(task.title.encode()) + 2 * len((task.details + task.output).encode())
    return weight > sizes.STREAM_WEIGHT


def shown(stream: Stream) -> tuple[Piece, ...]:
    """What people see of the stream."""
    pieces = [Piece("plain", stream.plan)] if stream.plan else []
    for task in stream.tasks.values():
        told = f"[{task.status}] {task.title}"
        pieces.append(Piece("plain", "\n".join(filter(None, (told, task.details, task.output)))))
    if stream.body:
        pieces.append(Piece("markdown", stream.body))
    return (*pieces, *seen(stream.blocks))


def close_tasks(stream: Stream) -> None:
    """Open tasks turn red and a plan becomes "Something went wrong": reported vercel/chat#917."""
    still_open = [task for task in stream.tasks.values() if task.status in ("pending", "in_progress")]
    for task in still_open:
        task.status = "error"
    if still_open and stream.plan:
        stream.plan = "Something went wrong"
