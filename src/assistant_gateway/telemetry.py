"""
The gateway's numbers, for Prometheus.

Every number belongs to one `Telemetry`, so that two gateways in one process do not mix theirs.
Labels come from the configuration or from a bounded set: a model that invents tool names, or
a stranger who does, can't make the series grow.
"""

from __future__ import annotations

import asyncio
import re

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from assistant_gateway.adapter import Verdict
from assistant_gateway.store import Counts
from assistant_gateway.values import MessageState, Rating, RunStatus, Usage

SERIES = 200  # different values of one label; whatever comes later is counted as "other"
_ACCEPT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0)
_TEXT = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
_RUN = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0)
_LABEL = re.compile(r"[A-Za-z0-9_.:@-]{1,64}")


class Telemetry:
    """
    Counts what happens. Every method only adds to a number in memory.

    Args:
        lag_every: Seconds between two looks at the event loop.
    """

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, *, lag_every: float = 1.0) -> None:
        self._lag_every = lag_every
        self._registry = registry = CollectorRegistry()
        self._labels: dict[str, set[str]] = {}
        prefix = "assistant_gateway"
        self._messages = Counter(
            f"{prefix}_messages", "Messages at the door", ["adapter", "verdict"], registry=registry
        )
        self._accept = Histogram(
            f"{prefix}_accept_seconds",
            "From a message at the door to its being on disk",
            ["adapter"],
            buckets=_ACCEPT,
            registry=registry,
        )
        self._runs = Counter(f"{prefix}_runs", "Ended runs", ["assistant", "status"], registry=registry)
        self._run_seconds = Histogram(
            f"{prefix}_run_seconds", "Length of a run", ["assistant"], buckets=_RUN, registry=registry
        )
        self._first_text = Histogram(
            f"{prefix}_first_text_seconds",
            "From the start of a run to the first words of its text",
            ["assistant"],
            buckets=_TEXT,
            registry=registry,
        )
        self._started = Counter(f"{prefix}_runs_started", "Runs that began", ["assistant"], registry=registry)
        self._live = Gauge(f"{prefix}_runs_live", "Runs under way in this process", registry=registry)
        self._steps = Counter(f"{prefix}_steps", "Model calls that ended", ["assistant"], registry=registry)
        self._tokens = Counter(
            f"{prefix}_tokens",
            "Tokens that providers reported; cached ones are input too",
            ["assistant", "direction"],
            registry=registry,
        )
        self._cost = Counter(
            f"{prefix}_cost_usd",
            "What model calls cost by the configured prices, in US dollars",
            ["assistant"],
            registry=registry,
        )
        self._backends = Gauge(
            f"{prefix}_backend_up", "0 while a backend is left alone", ["backend"], registry=registry
        )
        self._tools = Counter(
            f"{prefix}_tool_calls", "Tool calls that ended", ["tool", "ok"], registry=registry
        )
        self._posts = Counter(f"{prefix}_posts", "Posts that were sent", ["adapter"], registry=registry)
        self._edits = Counter(f"{prefix}_edits", "Edits that were sent", ["adapter"], registry=registry)
        self._limited = Counter(
            f"{prefix}_rate_limited",
            "Calls that a platform answered with 429",
            ["adapter"],
            registry=registry,
        )
        self._dead = Counter(
            f"{prefix}_dead_letters",
            "Messages that were set aside unanswered",
            ["adapter"],
            registry=registry,
        )
        self._ratings = Counter(
            f"{prefix}_feedback", "What people thought of answers", ["rating"], registry=registry
        )
        self._states = Gauge(
            f"{prefix}_messages_in_state", "Messages in the store by state", ["state"], registry=registry
        )
        self._oldest = Gauge(
            f"{prefix}_oldest_waiting_seconds", "Age of the oldest unfinished message", registry=registry
        )
        self._deliveries = Gauge(
            f"{prefix}_deliveries", "Outgoing deliveries that are not done", ["state"], registry=registry
        )
        self._lag = Gauge(
            f"{prefix}_event_loop_lag_seconds", "How late the event loop runs", registry=registry
        )
        self._store_up = Gauge(f"{prefix}_store_up", "1 while the store writes", registry=registry)

    # The door

    def accepted(self, adapter: str, verdict: Verdict, seconds: float) -> None:
        """A message was judged at the door within *seconds*."""
        adapter = self._bounded("adapter", adapter)
        self._messages.labels(adapter, verdict.value).inc()
        if verdict is Verdict.ACCEPTED:
            self._accept.labels(adapter).observe(seconds)

    def rated(self, rating: Rating) -> None:
        """Somebody said what he thinks of an answer."""
        self._ratings.labels(rating.value).inc()

    def dead_lettered(self, adapter: str) -> None:
        """A message was set aside unanswered."""
        self._dead.labels(self._bounded("adapter", adapter)).inc()

    # Runs

    def run_started(self, assistant: str) -> None:
        """A run began, here."""
        self._started.labels(self._bounded("assistant", assistant)).inc()

    def first_text(self, assistant: str, seconds: float) -> None:
        """The first words of a run's text came *seconds* after its start."""
        self._first_text.labels(self._bounded("assistant", assistant)).observe(seconds)

    def step_done(self, assistant: str, usage: Usage | None, cost: int) -> None:
        """A model call ended; None when the provider reported no tokens. *cost* in millionths of a dollar."""
        assistant = self._bounded("assistant", assistant)
        self._steps.labels(assistant).inc()
        if usage is not None:
            self._tokens.labels(assistant, "input").inc(max(0, usage.input_tokens))
            self._tokens.labels(assistant, "output").inc(max(0, usage.output_tokens))
            self._tokens.labels(assistant, "cached").inc(max(0, usage.cached_tokens))
            self._cost.labels(assistant).inc(cost / 1_000_000)

    def backend_health(self, backend: str, healthy: bool) -> None:
        """A backend has answered, or is left alone for a while."""
        self._backends.labels(self._bounded("backend", backend)).set(1 if healthy else 0)

    def tool_called(self, name: str, ok: bool) -> None:
        """A tool call ended."""
        self._tools.labels(self._bounded("tool", name), "true" if ok else "false").inc()

    def run_done(self, assistant: str, status: RunStatus, seconds: float) -> None:
        """A run that began here ended after *seconds*."""
        assistant = self._bounded("assistant", assistant)
        self._runs.labels(assistant, status.value).inc()
        self._run_seconds.labels(assistant).observe(seconds)

    # Platforms

    def posted(self, adapter: str) -> None:
        """A new post was sent."""
        self._posts.labels(self._bounded("adapter", adapter)).inc()

    def edited(self, adapter: str) -> None:
        """A post was edited."""
        self._edits.labels(self._bounded("adapter", adapter)).inc()

    def rate_limited(self, adapter: str) -> None:
        """A platform asked us to wait."""
        self._limited.labels(self._bounded("adapter", adapter)).inc()

    # The house

    def live_runs(self, runs: int) -> None:
        """How many runs are under way now."""
        self._live.set(runs)

    def store_counts(self, counts: Counts) -> None:
        """What the store holds now."""
        for state in MessageState:
            self._states.labels(state.value).set(counts.messages.get(state, 0))
        self._oldest.set(counts.oldest_waiting)
        self._deliveries.labels("pending").set(counts.deliveries_pending)
        self._deliveries.labels("dead").set(counts.deliveries_dead)

    async def watch_loop(self) -> None:
        """Note how late the event loop runs, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._lag_every
            await asyncio.sleep(self._lag_every)
            self._lag.set(max(0.0, loop.time() - due))

    def store_wrote(self, ok: bool) -> None:
        """The store was asked to write, and did or did not."""
        self._store_up.set(1 if ok else 0)

    def render(self) -> bytes:
        """All numbers in Prometheus' text format."""
        return generate_latest(self._registry)

    def _bounded(self, label: str, value: str) -> str:
        known = self._labels.setdefault(label, set())
        if value in known:
            return value
        if len(known) >= SERIES or not _LABEL.fullmatch(value):
            return "other"
        known.add(value)
        return value
