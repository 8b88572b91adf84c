"""
Markdown as Slack keeps it.

A markdown block is stored only as its translation: header, rich text, table and divider blocks, several
from one, without its `block_id` (docs.slack.dev, "Markdown block", 2026-08-20; reported 2026-06-11). A
stream ends as mrkdwn text and one rich text block (Socket Mode capture, 2026-09-26).
"""

from __future__ import annotations

import re

from emulators.shapes import Json

HEADING = re.compile(r"#{1,6}\s+(.*)")
DIVIDER = re.compile(r"\s*(?:-{3,}|\*{3,}|_{3,})\s*")
ROW = re.compile(r"\s*\|.*\|\s*")
RULE = re.compile(r"[\s|:-]+")


def mrkdwn(markdown: str) -> str:
    """*markdown* in Slack's own dialect; fences keep their content."""
    parts = re.split(r"(```.*?(?:```|\Z)|`[^`\n]*`)", markdown, flags=re.DOTALL)
    return "".join(part if index % 2 else _inline(part) for index, part in enumerate(parts))


def _inline(text: str) -> str:
    text = re.sub(r"!?\[([^\]\n]*)\]\((https?://[^)\s]+)\)", r"<\2|\1>", text)
    text = re.sub(r"(?<!\*)\*(?![*\s])([^*\n]+)(?<!\s)\*(?!\*)", r"_\1_", text)
    text = re.sub(r"\*\*([^*\n]+)\*\*|__([^_\n]+)__", lambda m: f"*{m[1] or m[2]}*", text)
    text = re.sub(r"~~([^~\n]+)~~", r"~\1~", text)
    return re.sub(r"(?m)^#{1,6}\s+(.*)$", r"*\1*", text)


def rich_text(text: str, block_id: str) -> Json:
    """One rich text block that says *text*."""
    section = {"type": "rich_text_section", "elements": [{"type": "text", "text": text}]}
    return {"type": "rich_text", "block_id": block_id, "elements": [section]}


def stored_blocks(blocks: list[Json], prefix: str) -> list[Json]:
    """*blocks* as Slack keeps them; those without a `block_id` get one that begins with *prefix*."""
    kept: list[Json] = []
    for block in blocks:
        if block.get("type") == "markdown":
            kept += _translated(str(block.get("text", "")), f"{prefix}{len(kept)}")
        else:
            kept.append({"block_id": f"{prefix}{len(kept)}", **block})
    return kept


def _translated(markdown: str, prefix: str) -> list[Json]:
    kept: list[Json] = []
    lines: list[str] = []
    rows: list[str] = []
    fenced = False

    def close() -> None:
        if rows:
            kept.append({"type": "table", "block_id": f"{prefix}.{len(kept)}", "rows": _cells(rows)})
            rows.clear()
        if "".join(lines).strip():
            kept.append(rich_text("\n".join(lines), f"{prefix}.{len(kept)}"))
        lines.clear()

    for line in markdown.split("\n"):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        if not fenced and (heading := HEADING.fullmatch(line)):
            close()
            text = {"type": "plain_text", "text": heading[1]}
            kept.append({"type": "header", "block_id": f"{prefix}.{len(kept)}", "text": text})
        elif not fenced and DIVIDER.fullmatch(line):
            close()
            kept.append({"type": "divider", "block_id": f"{prefix}.{len(kept)}"})
        elif not fenced and ROW.fullmatch(line):
            if not rows:
                close()
            rows.append(line)
        else:
            if rows:
                close()
            lines.append(line)
    close()
    return kept


def _cells(rows: list[str]) -> list[list[Json]]:
    return [
        [{"type": "raw_text", "text": cell.strip()} for cell in row.strip().strip("|").split("|")]
        for row in rows
        if not RULE.fullmatch(row)
    ]
