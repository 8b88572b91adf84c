"""`tools list` and `tools call`: the registered functions, as a model sees and calls them."""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import sys

from assistant_gateway.cli.start import base_directory, configured
from assistant_gateway.config.problems import suggestion
from assistant_gateway.errors import ConfigError
from assistant_gateway.gateway import Gateway
from assistant_gateway.tools import Toolbox, ToolContext
from assistant_gateway.values import Conversation, FunctionCall, User


def tools(arguments: argparse.Namespace) -> int:
    toolbox = Gateway(configured(arguments), base=base_directory(arguments)).toolbox
    if arguments.action == "list":
        return _list(toolbox)
    if toolbox.get(arguments.name) is None:
        raise ConfigError(
            f'there is no tool "{arguments.name}"; {suggestion(arguments.name, toolbox.names())}'
        )
    return asyncio.run(_call(toolbox, arguments.name, arguments.arguments))


def _list(toolbox: Toolbox) -> int:
    for name in toolbox.names():
        tool = toolbox.get(name)
        if tool is not None:
            print(f"{name}\n  {tool.description or '(no description)'}\n  {tool.source}")
            print(f"  {json.dumps(tool.spec.parameters, ensure_ascii=False)}\n")
    if not toolbox.names():
        print(
            "no tools: name a file or module in [tools] modules or ASSISTANT_GATEWAY_TOOLS", file=sys.stderr
        )
    return 0


async def _call(toolbox: Toolbox, name: str, text: str) -> int:
    async def report(progress: str) -> None:
        print(f"… {progress}", file=sys.stderr)

    call = FunctionCall(f"call_{secrets.token_hex(8)}", name, text)
    context = ToolContext(
        user=User("cli"),
        conversation=Conversation("python", "", "cli"),
        run_id=f"run_{secrets.token_hex(8)}",
        thread_id="",
        call_id=call.call_id,
        idempotency_key=call.call_id,
        report=report,
    )
    try:
        result = await toolbox.call(call, context, offered=(name,))
    finally:
        await toolbox.close()
    print(result.output)
    return 0 if result.ok else 1
