"""
`chat`: talk to an assistant in the terminal, through the same inbox, runner and tools.

The conversation is kept in the store and goes on with the next `chat`. Input may be piped in:
then every line is one message, answered before the next is read.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections import deque

from assistant_gateway.cli.start import base_directory, configured
from assistant_gateway.cli.terminal import Lines, plain
from assistant_gateway.config.problems import suggestion
from assistant_gateway.errors import ConfigError, GatewayError, StoreRefused
from assistant_gateway.events import ToolCallDone, ToolCallProgress
from assistant_gateway.gateway import Gateway
from assistant_gateway.handler import RunHandler
from assistant_gateway.values import Answer, Run, RunStatus, Thread, User

HELP = """\
/reset  begin anew; what was said stays readable with: assistant-gateway threads
/stop   stop the answer (as Ctrl-C does)
/quit   leave (as Ctrl-D does)
/help   this"""
WIDTH = 160  # characters of a tool's arguments and result that are shown


def chat(arguments: argparse.Namespace) -> int:
    config = configured(arguments, level="error")
    if arguments.assistant not in config.assistants:
        hint = suggestion(arguments.assistant, config.assistants)
        raise ConfigError(f'there is no assistant "{arguments.assistant}"; {hint}', "--assistant")
    return asyncio.run(_chat(arguments, Gateway(config, base=base_directory(arguments), adapters={})))


async def _chat(arguments: argparse.Namespace, gateway: Gateway) -> int:
    try:
        async with gateway:
            thread = await gateway.threads.open(arguments.conversation)
            talk = Talk(gateway, thread, arguments.assistant, interactive=sys.stdin.isatty())
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGINT, talk.interrupt)
            loop.add_signal_handler(signal.SIGTERM, talk.quit)
            return await talk.run(Lines(sys.stdin.fileno()))
    except StoreRefused as error:
        advice = "to talk beside a running gateway, give the chat its own: --store sqlite:///chat.db"
        raise StoreRefused(f"{error}; {advice}") from error


class Talk:
    """One sitting at the terminal."""

    def __init__(self, gateway: Gateway, thread: Thread, assistant: str, *, interactive: bool) -> None:
        self._gateway = gateway
        self._thread = thread
        self._assistant = assistant
        self._interactive = interactive
        self._screen = Screen()
        self._answering: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._quit = asyncio.Event()
        self._typed: deque[str] = deque()
        self._failed = False

    def interrupt(self) -> None:
        """Ctrl-C: stop the answer; where none is running or it was stopped already, leave."""
        if self._answering is None or self._stopping is not None:
            self.quit()
        else:
            self._stop()

    def quit(self) -> None:
        """Leave; what is being answered is stopped."""
        self._quit.set()

    async def run(self, lines: Lines) -> int:
        """Talk until somebody has had enough; the exit code."""
        if self._interactive:
            print(f"{self._assistant} listens. /help says what else there is.")
        while (line := await self._next(lines)) is not None:
            match line.strip():
                case "":
                    continue
                case "/quit" | "/exit":
                    break
                case "/help":
                    print(HELP)
                case "/stop":
                    print("nothing is being answered")
                case "/reset":
                    self._thread = await self._gateway.threads.reset(self._thread)
                    print("a new thread begins")
                case text if text.startswith("/") and " " not in text:
                    print(f"there is no {plain(text)}; /help says what there is")
                case text:
                    await self._answer(text, lines)
        return 1 if self._failed and not self._interactive else 0

    async def _next(self, lines: Lines) -> str | None:
        """The next line; None when there are no more or somebody wants to leave."""
        if self._typed:
            return self._typed.popleft()
        if self._interactive:
            print("\n> ", end="", flush=True)
        return await self._unless_quit(lines)

    async def _unless_quit(self, lines: Lines) -> str | None:
        if self._quit.is_set():
            return None
        reading = asyncio.create_task(lines.next())
        leaving = asyncio.create_task(self._quit.wait())
        done, pending = await asyncio.wait({reading, leaving}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        return None if leaving in done else reading.result()

    async def _answer(self, text: str, lines: Lines) -> None:
        """Have one message answered. What is typed meanwhile waits, but for /stop and /quit."""
        self._screen = Screen()
        self._answering = asyncio.create_task(self._ask(text))
        leaving = asyncio.create_task(self._quit.wait())
        reading = asyncio.create_task(lines.next()) if self._interactive else None
        try:
            while not self._answering.done():
                waited = {task for task in (self._answering, leaving, reading) if task is not None}
                await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
                if leaving.done() and not self._answering.done():
                    self._stop()
                    await asyncio.wait({self._answering}, timeout=2.0)
                    return
                if reading is not None and reading.done():
                    reading = self._take(reading.result(), lines)
            self._answering.result()
        finally:
            for task in (leaving, reading, self._answering, self._stopping):
                if task is not None:
                    task.cancel()
            self._answering = self._stopping = None

    def _take(self, line: str | None, lines: Lines) -> asyncio.Task[str | None] | None:
        """Act on a line that was typed while an answer was running; the reading of the next one."""
        match line.strip() if line is not None else None:
            case None:
                return None
            case "/stop":
                self._stop()
            case "/quit" | "/exit":
                self.quit()
            case text:
                self._typed.append(text)
        return asyncio.create_task(lines.next())

    async def _ask(self, text: str) -> None:
        try:
            answer = await self._gateway.threads.run(
                self._thread,
                text=text,
                assistant=self._assistant,
                handler=self._screen,
                user=User("terminal"),
            )
        except GatewayError as error:
            self._failed = True
            print(f"✗ {plain(str(error))}", file=sys.stderr)
            return
        self._conclude(answer)

    def _conclude(self, answer: Answer) -> None:
        print(flush=True)
        if answer.status is RunStatus.CANCELLED:
            print("(stopped)")
        elif answer.error is not None:
            self._failed = True
            print(f"✗ {plain(answer.error.message)} ({plain(answer.error.id)})", file=sys.stderr)
        for file in answer.files:
            print(plain(f"📎 {file.name} ({file.size} bytes, {file.id})"))

    def _stop(self) -> None:
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop_when_begun())

    async def _stop_when_begun(self) -> None:
        # What was asked a moment ago may still wait for its turn; there is nothing to stop yet.
        await self._screen.begun.wait()
        await self._gateway.threads.stop(self._thread)


class Screen(RunHandler):
    """Shows a run as it goes."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    async def on_run_created(self, run: Run) -> None:
        self.begun.set()

    async def on_run_restarted(self, run: Run) -> None:
        self.begun.set()
        print("\n(interrupted; the answer begins again)")

    async def on_text_delta(self, delta: str, snapshot: str) -> None:
        print(plain(delta), end="", flush=True)

    async def on_text_done(self, text: str) -> None:
        print(flush=True)

    async def on_tool_call_progress(self, progress: ToolCallProgress) -> None:
        print(f"  … {plain(progress.text)}", flush=True)

    async def on_tool_call_done(self, call: ToolCallDone) -> None:
        print(f"⚙ {plain(call.name)}({_short(call.arguments)}) → {_short(call.output)}", flush=True)


def _short(text: str) -> str:
    line = plain(" ".join(text.split()))
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"
