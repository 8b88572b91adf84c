"""A real `serve` process, an emulated OpenAI that runs code, and what people and programs get of it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from e2e.served import Served, ask, serve, state
from emulators.openai import OpenAIEmulator, Say, Wait
from emulators.openai_hosted import MakeImage, RunCode, SearchFiles, file_of_container, page
from emulators.slack import Manifest, SlackEmulator

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
PATIENCE = 60.0  # seconds; only what hangs needs more
ASSISTANT = """
[assistants.default]
hosted_tools = ["code_interpreter", "image_generation", { type = "file_search", vector_store_ids = ["vs_1"] }]
show_tools = true
show_code = true
"""
CITED = [page("https://w.example/rain", "Weather"), file_of_container("plot.png")]
BELOW = (
    "¹ [Weather](https://w.example/rain) · w.example\n\n"
    "🛠 file search, code interpreter · 2 calls\n\n```python\nplot(rain)\n```\n```\n42 mm\n```"
)


@asynccontextmanager
async def serving(directory: Path, openai: OpenAIEmulator, **environ: str) -> AsyncIterator[Served]:
    """A gateway whose assistant has hosted tools."""
    with (directory / "config.toml").open("a") as file:
        file.write(ASSISTANT)
    key = {"OPENAI_API_KEY": openai.api_key, "OPENAI_BASE_URL": openai.base_url}
    async with serve(directory, environ={**key, **environ}) as served:
        yield served


async def test_a_program_gets_files_and_sources_beside_the_text(tmp_path: Path) -> None:
    """The text is the model's; a drawn picture and a plot come as files, a page as a citation, also later."""
    async with OpenAIEmulator() as openai:
        openai.container_files[("cntr_1", "cfile_1")] = PNG
        openai.script(
            MakeImage(PNG + b"2"), RunCode("plot(rain)", "42 mm"), Say("It rains.", annotations=CITED)
        )
        openai.script(Say("As I said."))
        async with serving(tmp_path, openai) as served:
            status, told = await ask(served.url, "Rain?", id="m1")
            later = await state(served.url, "m1")
            _, again = await ask(served.url, "Really?", id="m2")

    assert (200, "It rains.") == (status, told["text"])
    assert [{"title": "Weather", "url": "https://w.example/rain"}] == told["citations"] == later["citations"]
    files = told["files"]
    assert isinstance(files, list)
    assert [("file.png", "image/png", PNG + b"2"), ("plot.png", "image/png", PNG)] == [
        (file["name"], file["content_type"], base64.b64decode(file["data"])) for file in files
    ]
    assert "As I said." == again["text"]
    assert [] == openai.refused


async def test_people_see_sources_tools_and_code_below_the_text(tmp_path: Path) -> None:
    """In Slack, where the answer grew while the code ran: one post with all of it, and the plot as a file."""
    gate = asyncio.Event()
    async with OpenAIEmulator() as openai, SlackEmulator(Manifest(view="none"), ack_deadline=2.0) as slack:
        (tmp_path / "config.toml").write_text(f'[slack]\nbase_url = "{slack.api_url}"\n')
        openai.container_files[("cntr_1", "cfile_1")] = PNG
        openai.script(
            SearchFiles("rain", {}),
            Say("Let me see."),
            RunCode("plot(rain)", "42 mm"),
            Wait(gate),
            Say("It rains.", annotations=CITED),
        )
        environ = {"SLACK_BOT_TOKEN": slack.bot_token, "SLACK_APP_TOKEN": slack.app_token}
        async with serving(tmp_path, openai, **environ) as served:
            await ready(served.url)
            question = await slack.say(slack.general, slack.ann, f"<@{slack.bot_user}> Rain?")
            await slack.until(lambda: slack.replies(question), PATIENCE)
            gate.set()
            answer = await slack.until(
                lambda: next((m for m in slack.replies(question) if "42 mm" in m.visible), None), PATIENCE
            )
            shared = await slack.until(
                lambda: [file for m in slack.replies(question) for file in m.files], PATIENCE
            )

    assert answer is not None
    # Buttons may follow.
    assert answer.visible.startswith(f"Let me see.\n\nIt rains.\n\n{BELOW}")
    assert not answer.unfurled
    assert ["plot.png"] == [file.name for file in shared or ()]


async def ready(url: str) -> None:
    """Return when the gateway says that it is ready."""
    async with asyncio.timeout(PATIENCE), aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{url}/readyz") as answer:
                if answer.status == 200:
                    return
            await asyncio.sleep(0.02)
