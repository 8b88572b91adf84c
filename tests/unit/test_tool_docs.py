"""The page about tools and the example module say what is true."""

from __future__ import annotations

import json
import re
import runpy
import tomllib
from pathlib import Path
from typing import get_args

from assistant_gateway.config import ToolSettings
from assistant_gateway.tools import Tool, Toolbox, ToolContext, ToolResult, load_tools, tool
from assistant_gateway.tools.arguments import MAX_DEPTH, MAX_SIZE
from assistant_gateway.tools.result import Failure
from assistant_gateway.tools.tool import MIN_OUTPUT
from assistant_gateway.values import Conversation, FunctionCall, User

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/tools.md").read_text()
CONTEXT = ToolContext(User("U1", "Ann"), Conversation("slack", "T1", "C1"), "run", "thread", "call", "key")


def snippets(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


async def test_every_python_snippet_of_the_page_runs(tmp_path: Path) -> None:
    """6 tools come out of the page, and calling 5 of them gives what the page says."""
    code = "def shop_pay(amount, idempotency_key):\n    return f'{amount} {idempotency_key}'\n\n"
    (tmp_path / "page.py").write_text(code + "\n".join(snippets("python")))

    tools = runpy.run_path(str(tmp_path / "page.py"), run_name="page")
    toolbox = Toolbox([value for value in tools.values() if isinstance(value, Tool)])

    async def call(name: str, arguments: str) -> str:
        call = FunctionCall("c", name, arguments)
        return (await toolbox.call(call, CONTEXT, offered=toolbox.names())).output

    assert ("weather", "book", "my_orders", "cancel_order", "crm_find", "pay") == toolbox.names()
    assert '{"city":"Oslo","days":3,"sky":"clear"}' == await call("weather", '{"city":"Oslo","days":null}')
    assert "2 in the front" == await call("book", '{"seats":2}')
    assert '["order of U1 in slack"]' == await call("my_orders", "{}")
    assert {"error": {"type": "tool_error", "message": "Order 7 has been shipped already."}} == json.loads(
        await call("cancel_order", '{"number":7}')
    )
    assert "500 key" == await call("pay", '{"amount":500}')


def test_the_page_names_every_failure_and_the_limits() -> None:
    """8 error types, and the numbers of the code."""
    rows = set(re.findall(r"^\| `(\w+)` \| ", PAGE, re.MULTILINE))
    defaults = ToolSettings()

    assert set(get_args(Failure)) <= rows
    assert f"larger than {MAX_SIZE // 1024} KiB, nested deeper than {MAX_DEPTH} levels" in PAGE
    assert f"[tools] timeout, {defaults.timeout:g}\n" in PAGE
    assert f"at least {MIN_OUTPUT}; else [tools] max_output, {defaults.max_output}\n" in PAGE


def test_the_configuration_of_the_page_is_valid() -> None:
    """The TOML snippet fits the settings."""
    (snippet,) = snippets("toml")

    assert ("tools.py", "bots.crm") == ToolSettings(**tomllib.loads(snippet)["tools"]).modules


async def test_the_example_tools_work() -> None:
    """4 tools load, all of them in strict mode, and do what they say."""
    tools = load_tools(["examples/tools.py"], base=ROOT, entry_points=False)
    toolbox = Toolbox(tools)

    async def call(name: str, arguments: str) -> ToolResult:
        call = FunctionCall("c", name, arguments)
        return await toolbox.call(call, CONTEXT, offered=toolbox.names())

    assert ("roll_dice", "current_time", "take_note", "count_down") == toolbox.names()
    assert all(spec.strict for spec in toolbox.specs(["*"], CONTEXT.user))
    dice = json.loads((await call("roll_dice", '{"count":20,"sides":2}')).output)
    assert 20 == len(dice)
    assert set(dice) <= {1, 2}
    assert (await call("current_time", '{"zone":"Europe/Berlin"}')).ok
    assert "There is no time zone" in (await call("current_time", '{"zone":"../../etc/passwd"}')).output
    assert '["Ann: milk"]' == (await call("take_note", '{"text":"milk"}')).output
    assert not (await call("count_down", '{"start":11}')).ok


def test_the_types_are_kept() -> None:
    """A type checker sees the decorated function's own signature."""

    @tool
    def add(a: int, b: int) -> int:
        return a + b

    total: int = add(1, b=2)

    assert 3 == total
