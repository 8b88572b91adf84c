"""The run loop: steps, functions, retries and ends, over a real store and through the whole gateway."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from assistant_gateway import items
from assistant_gateway.backend import Step
from assistant_gateway.errors import (
    BackendError,
    BackendRefused,
    BackendUnavailable,
    ContextOverflow,
    StreamCut,
)
from assistant_gateway.events import (
    AnnotationAdded,
    ItemDone,
    StepDone,
    StepEvent,
    TextDelta,
    ToolCallCreated,
    ToolCallDone,
    ToolCallProgress,
)
from assistant_gateway.handler import RunHandler
from assistant_gateway.runner import Stop
from assistant_gateway.testing.backend import Act, Gate, ScriptedBackend, begins, calls, says, thinks
from assistant_gateway.tools import Tool, ToolContext, tool
from assistant_gateway.values import (
    Conversation,
    Inbound,
    Lane,
    MessageState,
    Routed,
    RunStatus,
    Usage,
    User,
)
from fixtures.house import House, asked, outputs, reaches


class Adder:
    """A tool that adds, and remembers."""

    def __init__(self) -> None:
        self.sums: list[tuple[int, int]] = []

    @property
    def tool(self) -> Tool[..., object]:
        @tool
        async def add(a: int, b: int) -> int:
            """Add two numbers."""
            self.sums.append((a, b))
            return a + b

        return add


class Steps(RunHandler):
    """Counts the steps that handlers are told of."""

    def __init__(self) -> None:
        self.created: list[int] = []
        self.arguments: list[str] = []

    async def on_run_step_created(self, index: int) -> None:
        self.created.append(index)


ADD = {"a": 1, "b": 2}


# Functions


async def test_a_function_is_called_and_its_output_answered(tmp_path: Path) -> None:
    """A step that asks for 1 + 2, the call, and a step that is shown '3': one run, one answer, 30 tokens."""
    adder = Adder()
    backend = ScriptedBackend([calls("add", ADD), says("It is 3.")])

    async with House(tmp_path, backend, tools=[adder.tool]) as house:
        message = await house.ask("1 + 2?")
        bodies = await house.bodies(message)
        entries = await house.entries(message)

    assert adder.sums == [(1, 2)]
    assert [items.kind(body) for body in backend.steps[1].items] == [
        "message",
        "function_call",
        "function_call_output",
    ]
    assert [items.kind(body) for body in bodies] == [
        "message",
        "function_call",
        "function_call_output",
        "message",
    ]
    assert outputs(bodies) == {"call_0": "3"}
    assert house.adapter.shown == ["It is 3."]
    assert message.answer is not None
    assert (message.state, message.answer.usage) == (MessageState.DELIVERED, Usage(20, 10))
    assert [entry.event for entry in entries if entry.event != "text.delta"] == [
        "message.accepted",
        "run.created",
        "tool_call.created",
        "run.requires_action",
        "tool_call.done",
        "run.completed",
        "message.answered",
    ]


async def test_calls_of_one_step_run_at_the_same_time(tmp_path: Path) -> None:
    """Two functions that wait for each other both end: one after the other would hang."""
    barrier = asyncio.Barrier(2)

    @tool
    async def meet(name: str) -> str:
        """Meet somebody."""
        async with asyncio.timeout(10):
            await barrier.wait()
        return f"met {name}"

    both = [*calls("meet", {"name": "Ann"}, call_id="c1"), *calls("meet", {"name": "Bob"}, call_id="c2")]
    backend = ScriptedBackend([both, says("Done.")])

    async with House(tmp_path, backend, tools=[meet]) as house:
        message = await house.ask("Meet!")
        bodies = await house.bodies(message)

    assert outputs(bodies) == {"c1": "met Ann", "c2": "met Bob"}


async def test_handlers_are_told_one_thing_at_a_time(tmp_path: Path) -> None:
    """Of 2 functions that end at once, the second is told of when the callback about the first is over."""
    barrier = asyncio.Barrier(2)
    log: list[str] = []

    @tool
    async def meet(name: str, context: ToolContext) -> str:
        """Meet somebody."""
        async with asyncio.timeout(10):
            await barrier.wait()
        await context.progress(name)
        return name

    class Slow(RunHandler):
        async def on_tool_call_progress(self, progress: ToolCallProgress) -> None:
            await self._take_long("progress")

        async def on_tool_call_done(self, call: ToolCallDone) -> None:
            await self._take_long("done")

        async def _take_long(self, what: str) -> None:
            log.append(f"{what} begins")
            for _ in range(10):
                await asyncio.sleep(0)
            log.append(f"{what} ends")

    both = [*calls("meet", {"name": "Ann"}, call_id="c1"), *calls("meet", {"name": "Bob"}, call_id="c2")]
    backend = ScriptedBackend([both, says("Done.")])

    async with House(tmp_path, backend, tools=[meet], handlers=[Slow()]) as house:
        await house.ask("Meet!")

    assert 8 == len(log)
    assert all(
        ends == begins.replace("begins", "ends") for begins, ends in zip(log[::2], log[1::2], strict=True)
    )


async def test_a_call_that_comes_twice_is_made_once(tmp_path: Path) -> None:
    """Two calls with one id in one step are one call: one effect, one item, one output."""
    adder = Adder()
    backend = ScriptedBackend([[*calls("add", ADD), *calls("add", ADD)], says("3")])

    async with House(tmp_path, backend, tools=[adder.tool]) as house:
        bodies = await house.bodies(await house.ask("1 + 2?"))

    assert adder.sums == [(1, 2)]
    assert [items.kind(body) for body in bodies].count("function_call") == 1
    assert outputs(bodies) == {"call_0": "3"}


async def test_calls_over_the_limit_are_refused_to_the_model(tmp_path: Path) -> None:
    """With at most 2 calls in a run, the third gets a structured error, and the run goes on."""
    adder = Adder()
    three = [act for n in range(3) for act in calls("add", {"a": n, "b": n}, call_id=f"c{n}")]
    backend = ScriptedBackend([three, says("Enough.")])

    async with House(tmp_path, backend, tools=[adder.tool], assistant={"max_calls": 2}) as house:
        message = await house.ask("Go!")
        bodies = await house.bodies(message)

    assert sorted(adder.sums) == [(0, 0), (1, 1)]
    assert json.loads(outputs(bodies)["c2"])["error"]["type"] == "too_many_calls"
    assert house.adapter.shown == ["Enough."]


async def test_the_limit_of_calls_spans_the_steps(tmp_path: Path) -> None:
    """One call in each of 3 steps, and a limit of 2: the third step's call is refused."""
    adder = Adder()
    steps = [calls("add", {"a": n, "b": 0}, call_id=f"c{n}") for n in range(3)]
    backend = ScriptedBackend([*steps, says("Enough.")])

    async with House(tmp_path, backend, tools=[adder.tool], assistant={"max_calls": 2}) as house:
        bodies = await house.bodies(await house.ask("Go!"))

    assert adder.sums == [(0, 0), (1, 0)]
    assert json.loads(outputs(bodies)["c2"])["error"]["type"] == "too_many_calls"


async def test_a_run_ends_after_its_steps(tmp_path: Path) -> None:
    """A model that asks for functions for ever is asked 3 times; its words stand, no call is left open."""
    adder = Adder()

    def insist(step: Step) -> list[Act]:
        index = step.index
        return [*says(f"Step {index}.", item_id=f"m{index}"), *calls("add", ADD, call_id=f"c{index}")]

    backend = ScriptedBackend(insist)

    async with House(tmp_path, backend, tools=[adder.tool], assistant={"max_steps": 3}) as house:
        message = await house.ask("Go!")
        bodies = await house.bodies(message)

    assert len(backend.steps) == 3
    assert message.answer is not None
    assert (message.answer.status, message.answer.text) == (
        RunStatus.INCOMPLETE,
        "Step 0.\n\nStep 1.\n\nStep 2.",
    )
    assert house.adapter.shown[0].endswith("_Cut off: the assistant reached its limit of 3 steps._")
    assert message.state is MessageState.DELIVERED
    assert outputs(bodies).keys() == {"c0", "c1", "c2"}
    assert "interrupted" in outputs(bodies)["c2"]


async def test_an_unknown_function_is_an_error_for_the_model(tmp_path: Path) -> None:
    """A model that calls what it was never offered is told so, and answers."""
    backend = ScriptedBackend([calls("format_disk"), says("Sorry.")])

    async with House(tmp_path, backend) as house:
        bodies = await house.bodies(await house.ask("Go!"))

    assert json.loads(outputs(bodies)["call_0"])["error"]["type"] == "unknown_tool"
    assert house.adapter.shown == ["Sorry."]


async def test_a_function_knows_who_asks_and_tells_how_far_it_is(tmp_path: Path) -> None:
    """The context carries the verified user, the run and a key; its progress is in the journal."""
    seen: list[ToolContext] = []

    @tool
    async def look(context: ToolContext) -> str:
        """Look."""
        seen.append(context)
        await context.progress("half way")
        return "seen"

    backend = ScriptedBackend([calls("look"), says("Done.")])

    async with House(tmp_path, backend, tools=[look]) as house:
        message = await house.ask("Look!")
        entries = await house.entries(message)

    assert message.run is not None
    assert (seen[0].user.id, seen[0].run_id, len(seen[0].idempotency_key)) == ("U1", message.run.id, 32)
    assert [entry.data["text"] for entry in entries if entry.event == "tool_call.progress"] == ["half way"]


# Providers that fail


async def test_a_provider_that_was_away_is_asked_again(tmp_path: Path) -> None:
    """Two failures and a success are 3 calls, one step for the handlers, and no trace for people."""
    backend = ScriptedBackend([[BackendUnavailable("503")], [BackendUnavailable("503")], says("Hello.")])
    steps = Steps()

    async with House(tmp_path, backend, handlers=[steps]) as house:
        message = await house.ask("Hi")

    assert len(backend.steps) == 3
    assert steps.created == [0]
    assert [call.text for _, call in house.adapter.log][-1] == "Hello."
    assert message.answer is not None
    assert message.answer.status is RunStatus.COMPLETED


async def test_a_provider_that_stays_away_fails_the_run_visibly(tmp_path: Path) -> None:
    """After 3 calls the person reads why, with a short id, and the message is final."""
    backend = ScriptedBackend(lambda step: [BackendUnavailable("The provider is overloaded.")])

    async with House(tmp_path, backend) as house:
        message = await house.ask("Hi")

    assert len(backend.steps) == 3
    assert message.state is MessageState.FAILED_VISIBLE
    assert message.answer is not None
    error = message.answer.error
    assert error is not None
    assert (error.code, error.message) == ("provider_unavailable", "The provider is overloaded.")
    assert error.id.startswith("e-")
    assert house.adapter.shown == [f"⚠️ The provider is overloaded. (`{error.id}`)"]


async def test_a_step_of_which_something_was_seen_is_not_tried_again(tmp_path: Path) -> None:
    """A stream that is cut behind its first words fails the run after 1 call; the words stand."""
    backend = ScriptedBackend([[*begins("Once upon"), StreamCut("The stream was cut.")]])

    async with House(tmp_path, backend) as house:
        message = await house.ask("Tell!")
        bodies = await house.bodies(message)

    assert len(backend.steps) == 1
    assert message.answer is not None
    assert (message.answer.text, message.answer.status) == ("Once upon", RunStatus.FAILED)
    assert house.adapter.shown[0].startswith("Once upon\n\n⚠️ The stream was cut.")
    assert (items.text_of(bodies[-1]), bodies[-1]["status"]) == ("Once upon", "incomplete")


@pytest.mark.parametrize(
    "seen",
    [
        ToolCallCreated("c1", "add"),
        AnnotationAdded("msg_0", {"type": "url_citation"}),
    ],
)
async def test_a_call_that_was_shown_can_not_be_taken_back(tmp_path: Path, seen: StepEvent) -> None:
    """A step that failed behind something that handlers were told of is not tried again."""
    adder = Adder()
    backend = ScriptedBackend([[seen, StreamCut("cut")]])

    async with House(tmp_path, backend, tools=[adder.tool]) as house:
        message = await house.ask("1 + 2?")

    assert (len(backend.steps), adder.sums) == (1, [])
    assert message.state is MessageState.FAILED_VISIBLE


async def test_thoughts_alone_may_be_thought_again(tmp_path: Path) -> None:
    """A stream that is cut behind its reasoning is tried again: nobody has seen anything of the answer."""
    backend = ScriptedBackend([[*thinks("Hm."), StreamCut("cut")], [*thinks("Hm!"), *says("Hello.")]])

    async with House(tmp_path, backend) as house:
        message = await house.ask("Hi")
        bodies = await house.bodies(message)

    assert len(backend.steps) == 2
    assert house.adapter.shown == ["Hello."]
    assert [items.kind(body) for body in bodies] == ["message", "reasoning", "message"]


async def test_a_second_step_is_tried_again_without_the_first(tmp_path: Path) -> None:
    """A failure behind a function's output repeats the second step alone: the function is called once."""
    adder = Adder()
    backend = ScriptedBackend([calls("add", ADD), [BackendUnavailable("503")], says("3")])

    async with House(tmp_path, backend, tools=[adder.tool]) as house:
        await house.ask("1 + 2?")

    assert [step.index for step in backend.steps] == [0, 1, 1]
    assert adder.sums == [(1, 2)]


@pytest.mark.parametrize(
    "fault",
    [
        BackendRefused("The key was refused."),
        ContextOverflow("Too long."),
        BackendUnavailable("Come back tomorrow.", retry_after=3600),
    ],
)
async def test_what_no_repetition_mends_is_not_repeated(tmp_path: Path, fault: BackendError) -> None:
    """A refused key, an overflow, or an hour's wait ends the run after 1 call, with the provider's code."""
    backend = ScriptedBackend([[fault]])

    async with House(tmp_path, backend) as house:
        message = await house.ask("Hi")

    assert len(backend.steps) == 1
    assert message.answer is not None
    assert message.answer.error is not None
    assert message.answer.error.code == fault.code


@pytest.mark.parametrize("fault", [BackendUnavailable("503"), BackendRefused("401"), StreamCut("cut")])
async def test_a_fallback_answers_at_once(tmp_path: Path, fault: BackendError) -> None:
    """Whatever the first backend failed with, the second is asked once, with the same window."""
    first = ScriptedBackend([[fault]], name="first")
    second = ScriptedBackend([says("Hello.")], name="second")

    async with House(tmp_path, first, second) as house:
        await house.ask("Hi")

    assert (len(first.steps), len(second.steps)) == (1, 1)
    assert first.steps[0].items == second.steps[0].items
    assert house.adapter.shown == ["Hello."]


async def test_each_backend_of_a_long_chain_is_asked(tmp_path: Path) -> None:
    """Five backends are asked in their order although a step has 3 tries; the last one's failure is told."""
    backends = [ScriptedBackend([[BackendUnavailable(f"number {n}")]], name=f"b{n}") for n in range(5)]

    async with House(tmp_path, *backends) as house:
        message = await house.ask("Hi")

    assert [len(backend.steps) for backend in backends] == [1] * 5
    assert message.answer is not None
    assert message.answer.error is not None
    assert message.answer.error.message == "number 4"


async def test_a_sum_of_several_steps_teaches_nothing_about_one(tmp_path: Path) -> None:
    """1,000,000 tokens of many steps tell nothing of one window's length; those of a single step do."""
    ends = [StepDone(usage=Usage(1_000_000, 1), sums_up=True), StepDone(usage=Usage(1_000, 1))]
    backend = ScriptedBackend([[*says("Hello."), end] for end in ends])

    async with House(tmp_path, backend) as house:
        await house.ask("Hi " * 500)
        before = await house.store.note("calibration", "scripted/")
        await house.ask("Hi")
        after = await house.store.note("calibration", "scripted/")

    assert before is None
    assert after is not None


async def test_what_a_provider_says_of_a_request_is_not_logged(tmp_path: Path) -> None:
    """A refusal that quotes the question is told to the person; the log has its code and id alone."""
    backend = ScriptedBackend(
        [[BackendUnavailable("bad: 'my secret'")], [BackendRefused("bad: 'my secret'")]]
    )

    with capture_logs() as logs:
        async with House(tmp_path, backend) as house:
            message = await house.ask("my secret")

    loud = [entry for entry in logs if entry["log_level"] != "debug"]
    assert message.answer is not None
    assert message.answer.error is not None
    assert message.answer.error.message == "bad: 'my secret'"
    assert {"step.retried", "run.troubled"} <= {entry["event"] for entry in loud}
    assert "my secret" not in str(loud)


async def test_a_backend_that_keeps_failing_is_left_out(tmp_path: Path) -> None:
    """After 3 answers of the second the first is no longer asked; each is asked for its own model."""
    first = ScriptedBackend(lambda step: [BackendUnavailable("503")], name="first")
    second = ScriptedBackend(lambda step: says("Hello."), name="second")
    assistant = {"model": ["large", "small"]}

    async with House(tmp_path, first, second, assistant=assistant) as house:
        for _ in range(5):
            await house.ask("Hi")

    assert (3, 5) == (len(first.steps), len(second.steps))
    assert ({"large"}, {"small"}) == ({s.model for s in first.steps}, {s.model for s in second.steps})
    assert b'assistant_gateway_backend_up{backend="first"} 0.0' in house.telemetry.render()


async def test_a_fallback_does_not_repeat_what_was_seen(tmp_path: Path) -> None:
    """Words of the first backend are not said again by the second: the run fails with them."""
    first = ScriptedBackend([[*begins("Once upon"), StreamCut("cut")]], name="first")
    second = ScriptedBackend([says("Once upon a time")], name="second")

    async with House(tmp_path, first, second) as house:
        message = await house.ask("Tell!")

    assert second.steps == []
    assert message.answer is not None
    assert message.answer.text == "Once upon"


class Endless:
    """A backend whose stream ends without an outcome."""

    name = "endless"

    def __init__(self) -> None:
        self.asked = 0

    async def stream(self, step: Step) -> AsyncIterator[StepEvent]:
        self.asked += 1
        yield TextDelta("msg_0", "Well")

    async def check(self) -> str:
        return ""

    async def close(self) -> None: ...


async def test_a_stream_without_an_outcome_is_a_failure(tmp_path: Path) -> None:
    """A clean end without `StepDone` fails the run as 'stream_cut'; what was said stands."""
    backend = Endless()

    async with House(tmp_path, backend) as house:
        message = await house.ask("Hi")

    assert backend.asked == 1
    assert message.answer is not None
    assert message.answer.error is not None
    assert (message.answer.error.code, message.answer.text) == ("stream_cut", "Well")


# Other ends


async def test_an_answer_that_ran_out_of_tokens_is_delivered(tmp_path: Path) -> None:
    """An incomplete step is an incomplete run: delivered, with the reason below it."""
    backend = ScriptedBackend([[*says("Once upon"), StepDone("incomplete", reason="max_output_tokens")]])

    async with House(tmp_path, backend) as house:
        message = await house.ask("Tell!")

    assert message.state is MessageState.DELIVERED
    assert house.adapter.shown == ["Once upon\n\n_Cut off: the answer reached its longest length._"]


async def test_a_run_that_takes_too_long_expires(tmp_path: Path) -> None:
    """A model that hangs behind its first words is let go at the deadline; the words stand."""
    gate = Gate()
    backend = ScriptedBackend([[*begins("Once upon"), gate]])

    async with House(tmp_path, backend, assistant={"run_seconds": 0.2}) as house:
        message = await house.ask("Tell!")

    assert gate.reached.is_set()
    assert backend.closed == 1
    assert message.answer is not None
    assert message.answer.error is not None
    assert (message.answer.status, message.answer.error.code) == (RunStatus.EXPIRED, "expired")
    assert message.answer.text == "Once upon"
    assert message.state is MessageState.FAILED_VISIBLE


async def test_a_stop_keeps_what_was_said(tmp_path: Path) -> None:
    """Stopped in the middle of its words, a run is cancelled: the words stay, on screen and on the thread."""
    gate = Gate()
    backend = ScriptedBackend([[*begins("Once upon"), gate], says("As I said.")])

    async with House(tmp_path, backend) as house:
        receipt = await house.say("Tell!")
        assert receipt.message is not None
        await reaches(gate.reached)
        inbound = receipt.message.inbound
        stopped = await house.inbox.stop(inbound.conversation, inbound.user)
        message = await house.settled(receipt.message)
        await house.ask("Go on!")

    assert stopped
    assert message.state is MessageState.CANCELLED
    assert message.answer is not None
    assert (message.answer.status, message.answer.text) == (RunStatus.CANCELLED, "Once upon")
    assert house.adapter.shown == ["Once upon\n\n_Stopped._", "As I said."]
    assert items.said(backend.steps[1].items) == "Once upon"


async def test_a_stop_in_the_middle_of_functions_closes_their_calls(tmp_path: Path) -> None:
    """Of two calls one has ended, one hangs: the thread keeps the output of the one, and 'interrupted'."""
    hanging, ended = asyncio.Event(), asyncio.Event()

    @tool
    async def hang() -> None:
        """Hang."""
        hanging.set()
        await asyncio.Event().wait()

    class Ends(RunHandler):
        async def on_tool_call_done(self, call: object) -> None:
            ended.set()

    adder = Adder()
    both = [*calls("add", ADD, call_id="c1"), *calls("hang", call_id="c2")]
    backend = ScriptedBackend([both, says("Hello.")])

    async with House(tmp_path, backend, tools=[adder.tool, hang], handlers=[Ends()]) as house:
        receipt = await house.say("Go!")
        assert receipt.message is not None
        await reaches(hanging)
        await reaches(ended)
        inbound = receipt.message.inbound
        await house.inbox.stop(inbound.conversation, inbound.user)
        message = await house.settled(receipt.message)
        bodies = await house.bodies(message)

    assert message.state is MessageState.CANCELLED
    assert outputs(bodies)["c1"] == "3"
    assert json.loads(outputs(bodies)["c2"])["error"]["type"] == "interrupted"


async def test_a_stop_in_the_middle_of_a_call_leaves_no_half_call(tmp_path: Path) -> None:
    """A call that was complete before the stop, but never made, has its output on the thread all the same."""
    gate = Gate()
    adder = Adder()
    backend = ScriptedBackend([[*calls("add", ADD), gate]])

    async with House(tmp_path, backend, tools=[adder.tool]) as house:
        receipt = await house.say("Go!")
        assert receipt.message is not None
        await reaches(gate.reached)
        await house.inbox.stop(receipt.message.inbound.conversation, receipt.message.inbound.user)
        bodies = await house.bodies(await house.settled(receipt.message))

    assert adder.sums == []
    assert outputs(bodies).keys() == {"call_0"}


async def test_a_stop_before_the_run_begins_is_a_stop() -> None:
    """Who asks before the scope is entered ends it at once; the first reason counts."""
    stop = Stop()
    stop.request("stopped")
    stop.request("interrupted")

    with pytest.raises(TimeoutError):
        async with stop.scope(3600):
            await asyncio.sleep(3600)

    assert stop.reason == "stopped"


async def test_a_stop_after_the_end_comes_too_late() -> None:
    """A run that is over is not stopped, and asking for it is no error: its answer is being delivered."""
    stop = Stop()
    async with stop.scope(3600):
        pass

    stop.request("stopped")

    assert stop.reason == "stopped"


async def test_an_assistant_that_was_configured_away_is_a_visible_failure(tmp_path: Path) -> None:
    """A message that waits for an assistant which no longer exists is answered with that."""
    lane = Lane("fake", "T1", "C1")
    inbound = Inbound(Conversation("fake", "T1", "C1"), "m1", User("U1"), "Hi")

    async with House(tmp_path, ScriptedBackend([])) as house:
        receipt = await house.inbox.accept_routed(inbound, Routed(lane, "gone"))
        message = await house.settled(receipt.message)

    assert message.state is MessageState.FAILED_VISIBLE
    assert "'gone' is no longer configured" in house.adapter.shown[0]


# What a step is given


async def test_what_a_backend_wants_kept_comes_back(tmp_path: Path) -> None:
    """The state of a step is given to the thread's next step, in the next run; other threads have none."""
    backend = ScriptedBackend(
        [[*says("One."), StepDone(state={"response": "r1"})], says("Two."), says("Elsewhere.")]
    )

    async with House(tmp_path, backend) as house:
        await house.ask("1")
        await house.ask("2")
        await house.ask("3", channel="C2")

    assert [step.state for step in backend.steps] == [{}, {"response": "r1"}, {}]


async def test_instructions_are_joined(tmp_path: Path) -> None:
    """The assistant's and the message's own instructions are one system text, apart by a blank line."""
    backend = ScriptedBackend([says("Hello.")])

    async with House(tmp_path, backend, assistant={"instructions": "Be kind."}) as house:
        await house.ask("Hi", instructions="Be short.")

    assert backend.steps[0].instructions == "Be kind.\n\nBe short."


async def test_a_thread_is_remembered_and_channels_apart(tmp_path: Path) -> None:
    """The third message of a channel sees the first two; a message of another channel sees none of them."""
    backend = ScriptedBackend(lambda step: says("Yes."))

    async with House(tmp_path, backend) as house:
        for text in ("One?", "Two?", "Three?"):
            await house.ask(text)
        await house.ask("Other?", channel="C2")

    assert [asked(step) for step in backend.steps] == [
        ["One?"],
        ["One?", "Two?"],
        ["One?", "Two?", "Three?"],
        ["Other?"],
    ]


async def test_a_message_without_deltas_is_still_on_the_thread(tmp_path: Path) -> None:
    """What a backend completes goes onto the thread in its order, whatever was streamed of it."""
    backend = ScriptedBackend([[ItemDone({"type": "reasoning", "summary": []}), *says("Hello.")]])

    async with House(tmp_path, backend) as house:
        bodies = await house.bodies(await house.ask("Hi"))

    assert [items.kind(body) for body in bodies] == ["message", "reasoning", "message"]


async def test_handlers_are_told_of_each_step(tmp_path: Path) -> None:
    """Two steps have the indices 0 and 1."""
    adder, steps = Adder(), Steps()
    backend = ScriptedBackend([calls("add", ADD), says("3")])

    async with House(tmp_path, backend, tools=[adder.tool], handlers=[steps]) as house:
        await house.ask("1 + 2?")

    assert steps.created == [0, 1]
