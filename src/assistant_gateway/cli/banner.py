"""
What `serve` prints when it is ready: where it listens, who answers, and how to try it at once.

The printed lines can be pasted into a shell as they are. They read the webhook's secret where it
is kept; the secret itself is not printed.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from importlib import resources
from importlib.metadata import version
from pathlib import Path

from assistant_gateway.config import Config, Reference

SOURCE = "default"
EQUATION = "I need to solve the equation 3x + 11 = 14. Can you help me?"
MADE = f"webhook-{SOURCE}.secret"  # beside the store, where the configuration gives the source none


def banner(config: Config, url: str, environ: Mapping[str, str]) -> str:
    """The text for people."""
    lines = [f"assistant-gateway {version('assistant-gateway')} is ready on {url}", ""]
    lines += [f"  {name:<10} {what}" for name, what in _facts(config)]
    lines += _how_to_try(config, url, environ)
    lines += ["", "Or talk in a terminal: assistant-gateway chat --store sqlite:///chat.db", "Ctrl-C stops."]
    return "\n".join(lines)


def _facts(config: Config) -> list[tuple[str, str]]:
    facts = []
    for name, assistant in config.assistants.items():
        backends = [f"{backend} ({config.backends[backend]['kind']})" for backend in assistant.backends]
        named = ", ".join(dict.fromkeys(filter(None, assistant.models.values())))
        model = f", model {named}" if named else ""
        facts.append(("assistant", f"{name}: {', then '.join(backends)}{model}"))
    if _is_demo(config):
        facts.append(("", "the demo backend: no model answers; set OPENAI_API_KEY for a real one"))
    facts.append(("adapters", ", ".join(config.adapters) or "none"))
    facts.append(("store", config.store.shown_url))
    return facts


def _how_to_try(config: Config, url: str, environ: Mapping[str, str]) -> list[str]:
    """A shell function that asks the webhook source `default`; nothing where there is no such source."""
    if SOURCE not in config.adapters.get("webhooks", {}):
        return []
    found = _credential(config, environ)
    if found is None:
        return []
    script, reference = found
    read = f'"${reference.name}"' if reference.kind == "env" else f'"$(cat {_quoted(reference.name)})"'
    text = resources.files(__package__).joinpath(script).read_text("utf-8")
    text = text.replace("@SECRET@", read).replace("@URL@", shlex.quote(f"{url}/webhooks/{SOURCE}"))
    questions = [EQUATION, "What is the weather in Paris?", "Tell me something long."]
    asked = [f"  ask {shlex.quote(question)}" for question in questions]
    return ["", "Try it. Paste this into another terminal:", "", text, "and ask, for example:", "", *asked]


def _credential(config: Config, environ: Mapping[str, str]) -> tuple[str, Reference] | None:
    """The script that proves who asks, and where it finds what it needs for that."""
    for key, script in (("secret", "ask_signed.sh"), ("token", "ask_with_token.sh")):
        if reference := config.references.get(f"webhooks.{SOURCE}.{key}"):
            return script, reference
    if environ.get("WEBHOOK_SECRET", "").strip():
        return "ask_signed.sh", Reference(kind="env", name="WEBHOOK_SECRET")
    made = Path(config.store.url.removeprefix("sqlite:///")).parent / MADE
    return ("ask_signed.sh", Reference(kind="file", name=str(made))) if made.exists() else None


def _is_demo(config: Config) -> bool:
    return any(config.backends[name]["kind"] == "demo" for name in config.assistants["default"].backends)


def _quoted(name: str) -> str:
    return shlex.quote(str(Path(name).absolute()))
