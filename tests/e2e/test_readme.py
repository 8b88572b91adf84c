"""The README shows what really happens."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

from assistant_gateway.config import load_config
from e2e.served import clean_environment

README = (Path(__file__).parents[2] / "README.md").read_text()


async def test_the_transcript_is_what_chat_says(tmp_path: Path) -> None:
    """The question of the README's transcript brings its function call and its answer, to the letter."""
    transcript = re.search(r"```console\n(.*?)```", README, re.DOTALL)
    assert transcript is not None
    command, question, *answer = transcript[1].splitlines()

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *command.removeprefix("$ uv run ").replace("-", "_", 1).split(),
        cwd=tmp_path, env=clean_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    said, errors = await process.communicate(question.removeprefix("you> ").encode())

    assert process.returncode == 0, errors
    assert "\n".join(answer).strip() == said.decode().strip()


def test_the_configuration_of_the_readme_loads(tmp_path: Path) -> None:
    """The README's config.toml is accepted as it stands, beside the README's tools.py."""
    config = re.search(r"```toml\n(.*?)```", README, re.DOTALL)
    tools = re.search(r"```python\n(# tools.py\n.*?)```", README, re.DOTALL)
    assert config is not None
    assert tools is not None
    (tmp_path / "config.toml").write_text(config[1])
    (tmp_path / "tools.py").write_text(tools[1])

    loaded = load_config(tmp_path / "config.toml", {"OPENAI_API_KEY": "sk-unused"})

    assert loaded.assistants["default"].model == "gpt-6.1-sol"
    assert loaded.routes[0].busy == "merge"
