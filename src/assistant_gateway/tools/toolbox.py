"""
The registry of tools, and the one place where a model's calls are carried out.

`Toolbox.call` always comes back with text for the model. Whatever a function does, be it that
it raises, hangs, ends the interpreter or returns a hundred megabytes, the run goes on and the
process lives. What went wrong in detail is in the log, never in the answer.
"""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import time
import traceback
from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from functools import partial

import structlog

from assistant_gateway.errors import ConfigError, ToolError
from assistant_gateway.tools.arguments import InvalidArguments
from assistant_gateway.tools.context import ToolContext
from assistant_gateway.tools.result import InvalidResult, ToolResult, failure, render
from assistant_gateway.tools.threads import Threads
from assistant_gateway.tools.tool import AnyTool
from assistant_gateway.values import Conversation, FunctionCall, ToolSpec, User

MAX_THREADS = 64  # plain functions that run at the same time, abandoned ones included
FAILED = "The tool failed. The details are in the operator's log."
CANCEL_GRACE = 1.0  # seconds for an async function to clean up after it was cancelled


class Toolbox:
    """
    The tools of a gateway.

    Limits that a tool does not state itself come from here: *timeout* in seconds,
    *max_output* in characters. *max_parallel* is how many calls of one step the runner
    makes at the same time.

    Raises:
        ConfigError: Two tools have one name.
    """

    def __init__(
        self,
        tools: Iterable[AnyTool] = (),
        *,
        timeout: float = 60.0,
        max_output: int = 65_536,
        max_parallel: int = 8,
    ) -> None:
        self.max_parallel = max_parallel
        self._timeout = timeout
        self._max_output = max_output
        self._tools: dict[str, AnyTool] = {}
        self._threads = Threads(MAX_THREADS)
        self._abandoned: set[asyncio.Task[ToolResult]] = set()
        self._log = structlog.get_logger()
        for tool in tools:
            first = self._tools.setdefault(tool.name, tool)
            if first is not tool:
                raise ConfigError(
                    f"two tools are called {tool.name!r}: {first.source} and {tool.source}; "
                    "rename one with @tool(name=…)"
                )

    def names(self) -> tuple[str, ...]:
        """The names of all tools, in the order of registration."""
        return tuple(self._tools)

    def get(self, name: str) -> AnyTool | None:
        """The tool with this name."""
        return self._tools.get(name)

    def is_idempotent(self, name: str) -> bool:
        """Whether the same call may be made again under the same key; False for an unknown tool."""
        tool = self._tools.get(name)
        return tool is not None and tool.idempotent

    def specs(
        self, patterns: Collection[str], user: User, conversation: Conversation | None = None
    ) -> tuple[ToolSpec, ...]:
        """What the model is offered: the tools that match a pattern and that *user* may have called."""
        return tuple(
            tool.spec
            for tool in self._tools.values()
            if any(fnmatchcase(tool.name, pattern) for pattern in patterns)
            and self._is_allowed(tool, user, conversation)
        )

    async def call(self, call: FunctionCall, context: ToolContext, *, offered: Collection[str]) -> ToolResult:
        """
        Carry out one call of the model, which was offered the tools named in *offered*.

        Never raises for what the model or the tool does wrong; cancellation is let through.
        """
        tool = self._tools.get(call.name)
        if tool is None or call.name not in offered:
            self._log.warning("tool.refused", tool=tool.name if tool else None, reason="unknown_tool")
            return failure("unknown_tool", "No tool of that name is offered in this turn.")
        began = time.monotonic()
        result = await self._checked(tool, call, context)
        self._log.info(
            "tool.called", tool=tool.name, ok=result.ok, seconds=round(time.monotonic() - began, 3)
        )
        return result

    async def close(self) -> None:
        """Ask the calls that were given up to end; what does not ends with the process."""
        if self._abandoned:
            for task in self._abandoned:
                task.cancel()
            await asyncio.wait(self._abandoned, timeout=CANCEL_GRACE)

    async def _checked(self, tool: AnyTool, call: FunctionCall, context: ToolContext) -> ToolResult:
        """Every check, then the call."""
        if not self._is_allowed(tool, context.user, context.conversation):
            self._log.warning("tool.refused", tool=tool.name, reason="not_allowed")
            return failure("not_allowed", "The person who asks is not allowed to use this tool.")
        try:
            arguments = tool.arguments.parse(call.arguments)
        except InvalidArguments as error:
            self._log.info("tool.refused", tool=tool.name, reason="invalid_arguments")
            return failure("invalid_arguments", str(error))
        except BaseException as error:  # a validator of the tool's own types
            self._report(tool, error)
            return failure("invalid_arguments", "The arguments could not be checked.")
        if self._needs_approval(tool, context, arguments):
            self._log.warning("tool.refused", tool=tool.name, reason="approval_required")
            return failure("approval_required", "This call needs an approval, which is not available here.")
        return await self._timed(tool, arguments, context)

    async def _timed(self, tool: AnyTool, arguments: dict[str, object], context: ToolContext) -> ToolResult:
        """The result of the call, or the word that it took too long."""
        seconds = self._timeout if tool.timeout is None else tool.timeout
        live = True

        async def report(text: str) -> None:
            if live:  # a call that was given up has nothing to tell any more
                await context.report(text)

        if tool.context_parameter:
            arguments[tool.context_parameter] = dataclasses.replace(context, report=report)
        task = asyncio.create_task(self._attempt(tool, arguments), name=f"tool {tool.name}")
        try:
            await asyncio.wait({task}, timeout=seconds)
            if task.cancelled():
                self._log.error("tool.failed", tool=tool.name, error="CancelledError")
                return failure("tool_failed", FAILED)
            if task.done():
                return task.result()
            self._log.warning("tool.timed_out", tool=tool.name, seconds=seconds)
            return failure(
                "timeout",
                f"The tool did not finish within {seconds:g} s. It may or may not have had an effect.",
            )
        finally:
            live = False
            if not task.done():
                await self._give_up(tool, task)

    async def _give_up(self, tool: AnyTool, task: asyncio.Task[ToolResult]) -> None:
        """Cancel a call and let it clean up; one that does not end is left behind."""
        self._abandoned.add(task)
        task.add_done_callback(self._abandoned.discard)
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_GRACE)
        if not task.done():
            self._log.warning("tool.ignores_cancellation", tool=tool.name)

    async def _attempt(self, tool: AnyTool, arguments: Mapping[str, object]) -> ToolResult:
        """Call the function; whatever it raises becomes a result."""
        limit = self._max_output if tool.max_output is None else tool.max_output
        try:
            if inspect.iscoroutinefunction(tool.function):
                value = await tool.function(**arguments)
            else:
                value = await self._threads.run(f"tool {tool.name}", partial(tool.function, **arguments))
                if inspect.isawaitable(value):  # a plain function around an async one
                    value = await value
            return ToolResult(render(value, limit))
        except ToolError as error:
            return failure("tool_error", str(error))
        except InvalidResult as error:
            self._report(tool, error)
            return failure("invalid_result", str(error))
        except BaseException as error:  # a SystemExit that leaves a task ends the event loop
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task and task.cancelling():
                raise
            self._report(tool, error)
            return failure("tool_failed", FAILED)

    def _is_allowed(self, tool: AnyTool, user: User, conversation: Conversation | None) -> bool:
        try:
            return tool.is_allowed(user, conversation)
        except Exception as error:
            self._report(tool, error)
            return False

    def _needs_approval(self, tool: AnyTool, context: ToolContext, arguments: Mapping[str, object]) -> bool:
        try:
            return tool.needs_approval(context, arguments)
        except Exception as error:
            self._report(tool, error)
            return True

    def _report(self, tool: AnyTool, error: BaseException) -> None:
        """Log where it failed. An exception's message may quote people: it is told at debug level only."""
        frames = "".join(traceback.format_tb(error.__traceback__))
        self._log.error("tool.failed", tool=tool.name, error=type(error).__name__, frames=frames)
        self._log.debug("tool.failed", tool=tool.name, exception="".join(traceback.format_exception(error)))
