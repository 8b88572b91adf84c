"""
A server of the Assistants API that runs here, as strict as OpenAI's was: threads, messages, runs, files.

A thread has one run at a time and takes no message meanwhile; a run waits for exactly its calls'
outputs, expires after ten minutes and goes on when nobody listens. It says what plays tell it to;
without one it echoes, and calls a function when it is told ``call NAME {"a": 1}``. It serves Responses, too.

    PYTHONPATH=tests python -m emulators.openai_assistants --port 8083
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

from emulators.alone import run_alone
from emulators.openai import Failed, Http, OpenAIEmulator, Received, Say, Script, address, echo_of, options
from emulators.openai_assistants_rules import (
    LIVE,
    check_assistant,
    check_file,
    check_header,
    check_message,
    check_outputs,
    check_run,
    check_thread,
    missing,
)
from emulators.openai_assistants_run import Entry, Play, Playing, Run, RunAct, Thread, new_message
from emulators.openai_rules import Refused
from emulators.shapes import Json

EXPIRES = 600  # seconds after which a run is given up


@dataclass(frozen=True)
class Stored:
    """A file."""

    name: str
    data: bytes
    purpose: str


class AssistantsEmulator(OpenAIEmulator):
    """
    The server; use it as an async context.

    Args:
        orphans: What becomes of a run to which nobody listens any more: it goes on to its end, or it
            stays as it is until it is cancelled or expires.
        locks: A thread has one run at a time; False is a server that does not care.
        files: There are ``/files``.
        sees: The model sees pictures; a run on a thread with pictures fails otherwise.

    Attributes:
        plays: What happens in the next streams of runs, one for each.
        views: What the model saw each time it was asked, oldest first.
        threads: Those that exist, by id.
        asked: All requests that were taken, as method and path.
        cancelled: Ids of the runs that were cancelled by a request.
        now: Seconds that have passed.
    """

    def __init__(
        self,
        *,
        api_key: str = "test-key",
        models: Sequence[str] = ("gpt-6.1-sol", "gpt-6-luna"),
        orphans: Literal["end", "stay"] = "end",
        locks: bool = True,
        files: bool = True,
        sees: bool = True,
        context_tokens: int = 1_000_000,
        pace: float = 0.0,
    ) -> None:
        super().__init__(api_key=api_key, models=models, context_tokens=context_tokens, pace=pace)
        self.plays: deque[Play | Http] = deque()
        self.views: list[list[Entry]] = []
        self.threads: dict[str, Thread] = {}
        self.assistants: dict[str, Json] = {}
        self.files: dict[str, Stored] = {}
        self.asked: list[tuple[str, str]] = []
        self.cancelled: list[str] = []
        self.now = 0.0
        self._orphans = orphans
        self._locks = locks
        self._has_files = files
        self._sees = sees

    def add_routes(self, app: web.Application) -> None:
        for method, path, handle in (
            ("POST", "/assistants", self._make_assistant),
            ("GET", "/assistants", self._list_assistants),
            ("GET", "/assistants/{assistant}", self._tell_assistant),
            ("DELETE", "/assistants/{assistant}", self._delete_assistant),
            ("POST", "/threads", self._make_thread),
            ("GET", "/threads/{thread}", self._tell_thread),
            ("DELETE", "/threads/{thread}", self._delete_thread),
            ("POST", "/threads/{thread}/messages", self._add_message),
            ("GET", "/threads/{thread}/messages", self._list_messages),
            ("POST", "/threads/{thread}/runs", self._start_run),
            ("GET", "/threads/{thread}/runs", self._list_runs),
            ("GET", "/threads/{thread}/runs/{run}", self._tell_run),
            ("POST", "/threads/{thread}/runs/{run}/cancel", self._cancel_run),
            ("POST", "/threads/{thread}/runs/{run}/submit_tool_outputs", self._submit),
            ("POST", "/files", self._upload),
            ("GET", "/files/{file}", self._tell_file),
            ("GET", "/files/{file}/content", self._give_file),
            ("DELETE", "/files/{file}", self._delete_file),
        ):
            app.router.add_route(method, f"/v1{path}", self._guarded(handle))

    def play(self, *acts: RunAct) -> None:
        """Queue what happens in the next stream."""
        self.plays.append(Play(acts))

    def keep(self, data: bytes, name: str = "file", purpose: str = "assistants_output") -> str:
        """Have a file; its id."""
        id = self._give_id("file")
        self.files[id] = Stored(name, data, purpose)
        return id

    def echo_run(self, thread: Thread, body: Mapping[str, object]) -> Play:
        """What happens when nobody has told otherwise."""
        last = thread.entries[-1] if thread.entries else ("user", "")
        if last[0] == "output":
            return Play([Say(f"The function answered: {last[2]}")])
        told = body.get("tools") or []
        assert isinstance(told, list)
        tools = [tool["function"]["name"] for tool in told if "function" in tool]
        return Play([echo_of(last[1], tools)], pace=self.pace)

    # Requests

    def _guarded(
        self, handle: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                self._check_key(request)
                if "/files" not in request.path:
                    check_header(request.headers.get("OpenAI-Beta", ""))
                self.asked.append((request.method, request.path.removeprefix("/v1")))
                return await handle(request)
            except Refused as refused:
                self.refused.append(refused)
                return web.json_response(refused.body(), status=refused.status)

        return guarded

    async def _make_assistant(self, request: web.Request) -> web.StreamResponse:
        body = check_assistant(await self._body(request), self.models)
        made: Json = {"id": self._give_id("asst"), "object": "assistant", "instructions": None, **body}
        self.assistants[str(made["id"])] = made
        return web.json_response(made)

    async def _list_assistants(self, request: web.Request) -> web.StreamResponse:
        return _page(request, list(self.assistants.values()))

    async def _tell_assistant(self, request: web.Request) -> web.StreamResponse:
        id = request.match_info["assistant"]
        if id not in self.assistants:
            raise missing("assistant", id)
        return web.json_response(self.assistants[id])

    async def _delete_assistant(self, request: web.Request) -> web.StreamResponse:
        id = request.match_info["assistant"]
        if self.assistants.pop(id, None) is None:
            raise missing("assistant", id)
        return web.json_response({"id": id, "object": "assistant.deleted", "deleted": True})

    async def _make_thread(self, request: web.Request) -> web.StreamResponse:
        body = check_thread(await self._body(request), self.files)
        thread = Thread(self._give_id("thread"), body.get("tool_resources"))
        for message in body.get("messages", []):  # type: ignore[attr-defined]
            thread.add(new_message(self._give_id("msg"), thread.id, message["role"], message["content"]))
        self.threads[thread.id] = thread
        return web.json_response({"id": thread.id, "object": "thread"})

    async def _tell_thread(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"id": self._thread(request).id, "object": "thread"})

    async def _delete_thread(self, request: web.Request) -> web.StreamResponse:
        thread = self._thread(request)
        del self.threads[thread.id]
        for run in thread.runs:
            if run.status in LIVE:
                run.status = "cancelled"
                run.ended.set()
        return web.json_response({"id": thread.id, "object": "thread.deleted", "deleted": True})

    async def _add_message(self, request: web.Request) -> web.StreamResponse:
        thread = self._thread(request)
        live = self._live(thread)
        if live is not None and self._locks:
            raise Refused(f"Can't add messages to {thread.id} while a run {live.id} is active.")
        body = check_message(await self._body(request), self.files)
        message = new_message(self._give_id("msg"), thread.id, body["role"], body["content"])
        thread.add(message)
        return web.json_response(message)

    async def _list_messages(self, request: web.Request) -> web.StreamResponse:
        return _page(request, self._thread(request).messages)

    async def _start_run(self, request: web.Request) -> web.StreamResponse:
        thread = self._thread(request)
        told = await self._body(request)
        body = check_run(told, models=self.models, assistants=self.assistants, files=self.files)
        if not body.get("stream"):
            raise Refused("This server answers with streams alone.", "stream")
        live = self._live(thread)
        if live is not None and self._locks:
            raise Refused(f"Thread {thread.id} already has an active run {live.id}.")
        self.requests.append(Received(dict(body), dict(request.headers), request.transport))
        run = Run(self._give_id("run"), thread, body, int(self.now), self.now + EXPIRES)
        play = self._next_play(thread, body)
        if isinstance(play, Http):
            return play.response()
        thread.runs.append(run)
        return await self._perform(request, run, play)

    async def _list_runs(self, request: web.Request) -> web.StreamResponse:
        thread = self._thread(request)
        self._live(thread)
        return _page(request, [run.told() for run in thread.runs])

    async def _tell_run(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self._run(request).told())

    async def _cancel_run(self, request: web.Request) -> web.StreamResponse:
        run = self._run(request)
        if run.status not in LIVE or run.status == "cancelling":
            raise Refused(f"Cannot cancel run with status '{run.status}'.")
        told = {**run.told(), "status": "cancelling"}
        run.status = "cancelled"
        run.ended.set()
        self.cancelled.append(run.id)
        return web.json_response(told)

    async def _submit(self, request: web.Request) -> web.StreamResponse:
        run = self._run(request)
        wanted = [str(call["id"]) for call in run.waiting]
        outputs = check_outputs(await self._body(request), run.status, wanted)
        for id in wanted:
            run.thread.entries.append(("output", id, outputs[id]))
        assert run.open_step is not None
        details = run.open_step["step_details"]
        assert isinstance(details, dict)
        for call in details["tool_calls"]:
            call["function"] = {**call["function"], "output": outputs[call["id"]]}
        run.waiting = []
        self.requests.append(Received({"tool_outputs": outputs}, dict(request.headers), request.transport))
        play = self._next_play(run.thread, run.body)
        if isinstance(play, Http):
            return play.response()
        return await self._perform(request, run, play)

    # Files

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        if not self._has_files:
            return web.Response(status=404, text="not found")
        form = await request.post()
        file, purpose = form["file"], str(form["purpose"])
        assert isinstance(file, web.FileField)
        data = file.file.read()
        check_file(purpose, data)
        id = self.keep(data, file.filename, purpose)
        return web.json_response({"id": id, "object": "file", "bytes": len(data), "filename": file.filename})

    async def _tell_file(self, request: web.Request) -> web.StreamResponse:
        id, file = self._file(request)
        return web.json_response({"id": id, "object": "file", "filename": file.name, "purpose": file.purpose})

    async def _give_file(self, request: web.Request) -> web.StreamResponse:
        _, file = self._file(request)
        if file.purpose == "assistants":
            raise Refused("Not allowed to download files of purpose: assistants")
        return web.Response(body=file.data, content_type="application/octet-stream")

    async def _delete_file(self, request: web.Request) -> web.StreamResponse:
        id, _ = self._file(request)
        del self.files[id]
        return web.json_response({"id": id, "object": "file", "deleted": True})

    # Runs

    def _next_play(self, thread: Thread, body: Mapping[str, object]) -> Play | Http:
        self.views.append(list(thread.entries))
        if sum(len(text) for entry in thread.entries for text in entry) / 4 > self.context_tokens:
            return Play([Failed("invalid_prompt", "This model's maximum context length is exceeded.")])
        if not self._sees and any("[picture " in entry[-1] for entry in thread.entries):
            return Play([Failed("server_error", "The model does not support image input.")])
        return self.plays.popleft() if self.plays else self.echo_run(thread, body)

    async def _perform(self, request: web.Request, run: Run, play: Play) -> web.StreamResponse:
        playing = Playing(run, play, self._give_id, lambda data: self.keep(data, "image.png"))
        script = Script(split=play.split, pace=play.pace)
        try:
            return await self._stream(request, script, playing)
        finally:
            if self._orphans == "end":
                playing.go_on_alone()

    def _thread(self, request: web.Request) -> Thread:
        id = request.match_info["thread"]
        if id not in self.threads:
            raise missing("thread", id)
        return self.threads[id]

    def _run(self, request: web.Request) -> Run:
        thread, id = self._thread(request), request.match_info["run"]
        self._live(thread)
        for run in thread.runs:
            if run.id == id:
                return run
        raise missing("run", id)

    def _live(self, thread: Thread) -> Run | None:
        """The run that keeps a thread busy."""
        for run in thread.runs:
            if run.status in LIVE and self.now > run.expires_at:
                run.status = "expired"
                run.ended.set()
            if run.status in LIVE:
                return run
        return None

    def _file(self, request: web.Request) -> tuple[str, Stored]:
        id = request.match_info["file"]
        if id not in self.files:
            raise Refused(f"No such File object: {id}", "id", status=404)
        return id, self.files[id]

    def _give_id(self, prefix: str) -> str:
        return f"{prefix}_{next(self._numbers):024d}"


def _page(request: web.Request, data: Sequence[Json]) -> web.Response:
    limit, order = int(request.query.get("limit", "20")), request.query.get("order", "desc")
    told = list(reversed(data)) if order == "desc" else list(data)
    return web.json_response({"object": "list", "data": told[:limit], "has_more": len(told) > limit})


def main() -> None:
    given = options("Emulate a server of the Assistants API.", 8083).parse_args()
    run_alone(AssistantsEmulator(api_key=given.api_key, pace=given.pace), given.host, given.port, address)


if __name__ == "__main__":
    main()
