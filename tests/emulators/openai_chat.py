"""
A server of Chat Completions that runs here: `POST /v1/chat/completions`, as strict as the real ones.

It speaks and refuses as the provider whose dialect it is given, says what a script tells it to, and
can break a stream in every way that was seen; it answers with streams alone. It serves Responses, too.
Without a script it echoes, and calls a function when it is told ``call NAME {"a": 1}``:

    PYTHONPATH=tests python -m emulators.openai_chat --port 8082 --dialect ollama
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from aiohttp import web

from emulators.alone import run_alone
from emulators.openai import Answer, Http, OpenAIEmulator, Received, Say, Script, address, echo_of, options
from emulators.openai_chat_rules import RULES, Rules, check_chat
from emulators.openai_chat_wire import SPEECHES, Completion, Speech
from emulators.openai_rules import Refused
from emulators.shapes import Json


class ChatEmulator(OpenAIEmulator):
    """
    The server; use it as an async context.

    Args:
        dialect: Whose speech and rules; each can be replaced.
    """

    def __init__(
        self,
        dialect: str = "openai",
        *,
        speech: Speech | None = None,
        rules: Rules | None = None,
        api_key: str = "test-key",
        models: Sequence[str] | None = None,
        context_tokens: int = 1_000_000,
        pace: float = 0.0,
    ) -> None:
        super().__init__(api_key=api_key, context_tokens=context_tokens, pace=pace)
        self.speech = speech or SPEECHES[dialect]
        self.rules = rules or RULES[dialect]
        self.dialect = dialect
        self._chat_models = models
        self._ids = (f"call_{number:024d}" for number in range(1, 1 << 62))

    def add_routes(self, app: web.Application) -> None:
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_post("/openai/deployments/{deployment}/chat/completions", self._complete_dated)

    def echo_chat(self, body: Json) -> Answer:
        """What is said when nobody has told otherwise."""
        told = body["messages"]
        assert isinstance(told, list)
        last = told[-1]
        content = last["content"]
        text = (
            content if isinstance(content, str) else " ".join(str(part.get("text", "")) for part in content)
        )
        if last["role"] == "tool":
            return [Say(f"The function answered: {text}")]
        tools = [tool["function"]["name"] for tool in body.get("tools", [])]  # type: ignore[attr-defined]
        return Script([echo_of(text, tools)], pace=self.pace)

    async def _complete_dated(self, request: web.Request) -> web.StreamResponse:
        """Azure's older address: a version must be named, and the key has a header of its own."""
        if not re.fullmatch(r"\d{4}-\d\d-\d\d(-preview)?", request.query.get("api-version", "")):
            return web.json_response({"error": {"code": "404", "message": "Resource not found"}}, status=404)
        if request.headers.get("api-key") != self.api_key or "Authorization" in request.headers:
            denied = {"code": "401", "message": "Access denied due to invalid subscription key."}
            return web.json_response({"error": denied}, status=401)
        return await self._answer(request)

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        try:
            self._check_key(request)
        except Refused as refused:
            return self._refuse(refused)
        return await self._answer(request)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        told = await self._body(request)
        try:
            body = check_chat(told, self.rules, models=self._chat_models, context_tokens=self.context_tokens)
            if not body.get("stream"):
                raise Refused("This server answers with streams alone.", "stream")
        except Refused as refused:
            return self._refuse(refused)
        self.requests.append(Received(body, dict(request.headers), request.transport))
        answer = self.scripts.popleft() if self.scripts else self.echo_chat(body)
        if isinstance(answer, Http):
            return answer.response()
        script = answer if isinstance(answer, Script) else Script(answer)
        return await self._stream(request, script, Completion(body, script, self.speech, self._ids))

    def _refuse(self, refused: Refused) -> web.Response:
        self.refused.append(refused)
        body: object = refused.body()
        if self.dialect == "gemini":
            body = [{"error": {"code": refused.status, "message": refused.message, "status": "INVALID"}}]
        if self.dialect == "mistral":
            body = {"object": "error", "message": {"detail": [{"msg": refused.message}]}, "code": None}
        return web.json_response(body, status=refused.status)


def main() -> None:
    parser = options("Emulate a server of Chat Completions.", 8082)
    parser.add_argument("--dialect", default="openai", choices=sorted(SPEECHES))
    given = parser.parse_args()
    emulator = ChatEmulator(given.dialect, api_key=given.api_key, pace=given.pace)
    run_alone(emulator, given.host, given.port, address)


if __name__ == "__main__":
    main()
