"""The examples run as they stand."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from assistant_gateway.config import load_config
from assistant_gateway.gateway import Gateway
from e2e.served import clean_environment

EXAMPLES = Path(__file__).parents[2] / "examples"


async def test_the_embedded_gateway_solves_the_equation(tmp_path: Path) -> None:
    """examples/embedded.py streams the tutor's answer, shows its function call and ends completed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLES / "embedded.py"), cwd=tmp_path, env=clean_environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    said, errors = await process.communicate()

    assert process.returncode == 0, errors
    assert b"[solve_linear_equation(" in said
    assert b"x = 1" in said
    assert b"completed, 0 tokens" in said


async def test_the_parrot_says_what_it_hears(tmp_path: Path) -> None:
    """examples/parrot.py is a backend: twice 'Hello there' is its answer to 'Hello there'."""
    spec = spec_from_file_location("parrot", EXAMPLES / "parrot.py")
    assert spec is not None
    assert spec.loader is not None
    parrot = module_from_spec(spec)
    sys.modules["parrot"] = parrot
    spec.loader.exec_module(parrot)
    bird = parrot.plugin.build("demo", parrot.ParrotSettings(times=2))
    config = load_config(None, {"ASSISTANT_GATEWAY_STORE": f"sqlite:///{tmp_path}/gateway.db"})

    async with Gateway(config, backends={"demo": bird}, adapters={}) as gateway:
        thread = await gateway.threads.open("parrot")
        answer = await gateway.threads.run(thread, text="Hello there")

    assert "Hello there Hello there" == answer.text
