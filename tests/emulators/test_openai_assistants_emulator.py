"""The emulator refuses what OpenAI's Assistants API refused, and the SDK's own client understands it."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
import openai
import pytest

from emulators.openai import Call, Say, Silence
from emulators.openai_assistants import AssistantsEmulator
from emulators.openai_assistants_run import Play
from emulators.openai_hosted import RunCode

HELLO = {"role": "user", "content": "Hello"}
HEADERS = {"Authorization": "Bearer test-key", "OpenAI-Beta": "assistants=v2"}


class Client:
    """Plain requests; an answer is its status and its object."""

    def __init__(self, server: AssistantsEmulator, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session

    async def ask(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] = HEADERS
    ) -> tuple[int, dict[str, str]]:
        url = self.server.base_url + path
        async with self.session.request(method, url, json=body, headers=headers) as answer:
            told = await answer.json() if "json" in answer.content_type else {"text": await answer.text()}
            return answer.status, told.get("error", told)

    async def begin(self, *acts: object) -> tuple[str, str]:
        """A run of *acts* on a new thread, to its end; the ids of the thread and of the assistant."""
        _, assistant = await self.ask("POST", "/assistants", {"model": "gpt-6.1-sol"})
        _, thread = await self.ask("POST", "/threads", {"messages": [HELLO]})
        self.server.plays.append(Play(acts))  # type: ignore[arg-type]
        asked = {"assistant_id": assistant["id"], "stream": True}
        status, _ = await self.ask("POST", f"/threads/{thread['id']}/runs", asked)
        assert 200 == status
        return thread["id"], assistant["id"]


@asynccontextmanager
async def asking() -> AsyncIterator[Client]:
    async with AssistantsEmulator() as server, aiohttp.ClientSession() as session:
        yield Client(server, session)


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        (
            "/threads",
            {"messages": [HELLO] * 33},
            400,
            "Expected an array with maximum length 32, but got an array",
        ),
        ("/threads", {"messages": [{**HELLO, "content": "x" * 256_001}]}, 400, "with maximum length 256000"),
        (
            "/threads",
            {"messages": [{**HELLO, "role": "system"}]},
            400,
            "Supported values are: 'user' and 'assist",
        ),
        ("/threads", {"messages": [{**HELLO, "content": " "}]}, 400, "Message content must be non-empty."),
        (
            "/threads",
            {"messages": [{**HELLO, "sender": "Ann"}]},
            400,
            "Unknown parameter: 'messages[0].sender'.",
        ),
        ("/threads", {"mystery": 1}, 400, "Unknown parameter: 'mystery'."),
        (
            "/threads",
            {"tool_resources": {"web_search": {}}},
            400,
            "Unknown parameter: 'tool_resources.web_search'.",
        ),
        ("/assistants", {"model": "gpt-0"}, 400, "The requested model 'gpt-0' does not exist."),
        ("/threads/thread_x/messages", HELLO, 404, "No thread found with id 'thread_x'."),
        ("/threads/thread_x/runs", {}, 404, "No thread found with id 'thread_x'."),
    ],
)
async def test_it_refuses_in_openais_words(path: str, body: object, status: int, text: str) -> None:
    """Each request that OpenAI would not take is refused, and kept among the refusals."""
    async with asking() as client:
        found, told = await client.ask("POST", path, body)

    assert status == found
    assert text in told["message"]
    assert text in client.server.refused[0].message


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"assistant_id": "asst_x"}, 404, "No assistant found with id 'asst_x'."),
        ({"model": "gpt-0"}, 400, "The requested model 'gpt-0' does not exist."),
        ({"max_completion_tokens": 255}, 400, "Expected a value >= 256, but got 255"),
        ({"tools": [{"type": "web_search"}]}, 400, "Invalid value for 'tools[0].type'."),
        ({"tools": [{"type": "function", "name": "f"}]}, 400, "Unknown parameter: 'tools[0].name'."),
        ({"previous_response_id": "x"}, 400, "Unknown parameter: 'previous_response_id'."),
        ({"stream": False}, 400, "answers with streams alone"),
    ],
)
async def test_it_refuses_runs_in_openais_words(body: dict[str, object], status: int, text: str) -> None:
    """A run with one thing wrong is refused for that."""
    async with asking() as client:
        thread, assistant = await client.begin(Say("Hi"))
        asked = {"assistant_id": assistant, "stream": True, **body}
        found, told = await client.ask("POST", f"/threads/{thread}/runs", asked)

    assert (status, True) == (found, text in told["message"])


async def test_the_header_and_the_key_are_needed() -> None:
    """Without the version 400, without the key 401."""
    async with asking() as client:
        without = await client.ask("POST", "/threads", {}, {"Authorization": "Bearer test-key"})
        nobody = await client.ask("POST", "/threads", {}, {"OpenAI-Beta": "assistants=v2"})

    assert (400, "invalid_beta") == (without[0], without[1]["code"])
    assert 401 == nobody[0]


async def test_a_thread_has_one_run_and_takes_no_message_meanwhile() -> None:
    """While a run waits, messages and runs are refused; when it is cancelled, both are taken."""
    async with asking() as client:
        thread, assistant = await client.begin(Call("f", call_id="call_1"))
        run = client.server.threads[thread].runs[0].id
        asked = {"assistant_id": assistant, "stream": True}
        _, message = await client.ask("POST", f"/threads/{thread}/messages", HELLO)
        _, another = await client.ask("POST", f"/threads/{thread}/runs", asked)
        _, told = await client.ask("POST", f"/threads/{thread}/runs/{run}/cancel", {})
        _, again = await client.ask("POST", f"/threads/{thread}/runs/{run}/cancel", {})
        taken, _ = await client.ask("POST", f"/threads/{thread}/messages", HELLO)

    assert f"Can't add messages to {thread} while a run {run} is active." == message["message"]
    assert f"Thread {thread} already has an active run {run}." == another["message"]
    assert "cancelling" == told["status"]
    assert "Cannot cancel run with status 'cancelled'." == again["message"]
    assert 200 == taken


async def test_a_run_takes_exactly_its_outputs_and_expires() -> None:
    """Two calls: one output, a stranger's and none are refused; ten minutes later, so are the right ones."""
    async with asking() as client:
        thread, _ = await client.begin(Call("f", call_id="call_1"), Call("g", call_id="call_2"))
        run = client.server.threads[thread].runs[0].id
        path = f"/threads/{thread}/runs/{run}/submit_tool_outputs"
        outputs = [{"tool_call_id": f"call_{number}", "output": "1"} for number in (1, 2, 3)]
        refusals = [
            (await client.ask("POST", path, {"tool_outputs": given, "stream": True}))[1]["message"]
            for given in (outputs[:1], outputs[1:], [])
        ]
        client.server.now += 601
        _, late = await client.ask("POST", path, {"tool_outputs": outputs[:2], "stream": True})
        _, told = await client.ask("GET", f"/threads/{thread}/runs/{run}")

    wanted = "Expected tool outputs for call_ids ['call_1', 'call_2'], got "
    assert [wanted + "['call_1']", wanted + "['call_2', 'call_3']", wanted + "[]"] == refusals
    assert 'Runs in status "expired" do not accept tool outputs.' == late["message"]
    assert "expired" == told["status"]


@pytest.mark.parametrize(("orphans", "status"), [("end", "completed"), ("stay", "in_progress")])
async def test_a_run_goes_on_when_nobody_listens(orphans: str, status: str) -> None:
    """A client that goes leaves a run that ends by itself, or one that stays."""
    server = AssistantsEmulator(orphans=orphans)  # type: ignore[arg-type]
    async with server, aiohttp.ClientSession(headers=HEADERS) as session:
        client = Client(server, session)
        thread, assistant = await client.begin(Say("Hi"))
        server.plays.append(Play([Say("One"), Silence(), Say("Two")]))
        asked = {"assistant_id": assistant, "stream": True}
        async with session.post(f"{server.base_url}/threads/{thread}/runs", json=asked) as answer:
            await answer.content.readany()
        await server.gone.wait()
        _, told = await client.ask("GET", f"/threads/{thread}/runs/{server.threads[thread].runs[1].id}")

    assert status == told["status"]


LADDER = [
    "thread.run.created",
    "thread.run.queued",
    "thread.run.in_progress",
    "thread.run.step.created",
    "thread.run.step.in_progress",
    "thread.run.step.delta",
    "thread.run.step.delta",
    "thread.run.step.delta",
    "thread.run.step.completed",
    "thread.run.step.created",
    "thread.run.step.in_progress",
    "thread.message.created",
    "thread.message.in_progress",
    "thread.message.delta",
    "thread.message.delta",
    "thread.message.completed",
    "thread.run.step.completed",
    "thread.run.step.created",
    "thread.run.step.in_progress",
    "thread.run.step.delta",
    "thread.run.step.delta",
    "thread.run.requires_action",
    "thread.run.step.completed",
    "thread.run.queued",
    "thread.run.in_progress",
    "thread.run.step.created",
    "thread.run.step.in_progress",
    "thread.message.created",
    "thread.message.in_progress",
    "thread.message.delta",
    "thread.message.completed",
    "thread.run.step.completed",
    "thread.run.completed",
]


async def test_the_sdks_own_client_reads_the_ladder_as_documented() -> None:
    """Code, two words, a call, its output, a word: 33 events in their order, each of the SDK's own type."""
    async with AssistantsEmulator() as server:
        server.plays += [Play([RunCode("1+1", "2"), Say("One two"), Call("f")]), Play([Say("Done")])]
        client = openai.AsyncOpenAI(api_key="test-key", base_url=server.base_url, max_retries=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            threads = client.beta.threads
            assistant = await client.beta.assistants.create(model="gpt-6.1-sol")
            thread = await threads.create(messages=[{"role": "user", "content": "Hello"}])
            stream = await threads.runs.create(thread.id, assistant_id=assistant.id, stream=True)
            events = [event async for event in stream]
            waiting = events[-1]
            assert waiting.event == "thread.run.requires_action"
            assert waiting.data.required_action is not None
            (call,) = waiting.data.required_action.submit_tool_outputs.tool_calls
            stream = await threads.runs.submit_tool_outputs(
                waiting.data.id,
                thread_id=thread.id,
                tool_outputs=[{"tool_call_id": call.id, "output": "42"}],
                stream=True,
            )
            events += [event async for event in stream]
            messages = [message async for message in threads.messages.list(thread.id, order="asc")]
        await client.close()

    assert LADDER == [event.event for event in events]
    assert ["user", "assistant", "assistant"] == [message.role for message in messages]
    assert [("call", call.id, "f", "{}"), ("output", call.id, "42")] == server.threads[thread.id].entries[2:4]
