"""
What the demo says: fixed words, around what people and tools have given it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from assistant_gateway.backends.characters import label

WHAT_I_AM = "I am the demo backend of assistant-gateway: a few fixed rules, no language model, no network."

TO_TRY = """\
What I can do:

- solve a linear equation by a function call: *I need to solve the equation `3x + 11 = 14`. Can you help me?*
- tell a made-up weather by a function call: *What's the weather in Paris?*
- remember this conversation: *My name is Ann.* … *What is my name?* or *What did I say before?*
- write at length: *Write something long with code and a table* (or *very long*)

Set `OPENAI_API_KEY`, or configure a backend, and a real model answers here."""


def not_understood(said: str, instructions: str) -> str:
    """The honest echo."""
    quoted = f"You said “{label(said, 300)}”." if said.strip() else "You sent no text."
    given = f"\n\nI was given instructions, too ({len(instructions)} characters); I can't follow them."
    return f"{WHAT_I_AM} {quoted} I did not understand it.{given if instructions else ''}\n\n{TO_TRY}"


def no_tool(name: str) -> str:
    """A wish that needs a tool which this assistant does not offer."""
    return (
        f"For that I would call the function `{name}`, but this assistant does not offer it to me: "
        "look at its `tools` in the configuration, and at those of the route."
    )


def tutor(output: Mapping[str, object], equation: str, addressee: str) -> str:
    """The solution, in a tutor's voice."""
    steps = output.get("steps")
    listed = [str(step) for step in steps] if isinstance(steps, list) else []
    x = str(output.get("x", ""))
    greeting = f"Let's solve `{equation}` together{f', {addressee}' if addressee else ''}."
    lines = []
    for number, step in enumerate(listed, 1):
        what, colon, formula = step.partition(": ")
        lines.append(f"{number}. {what}: `{formula}`" if colon else f"{number}. {step}")
    if x in ("every number", "no number"):
        end = f"So **{x}** solves it." if x == "every number" else "So **no number** solves it."
    else:
        end = (
            f"So **x = {x}**. Check it: put {x} in the place of x in `{output.get('equation', equation)}`, "
            "and both sides are equal."
        )
    return "\n\n".join(part for part in (greeting, "\n".join(lines), end) if part)


def weather(output: Mapping[str, object], addressee: str) -> str:
    """The weather, with where it comes from."""
    return (
        f"In {output.get('city', 'that city')} it is {output.get('sky', 'hard to tell')} "
        f"at {output.get('temperature_celsius', '?')} °C{f', {addressee}' if addressee else ''}. "
        f"(This is {output.get('note', 'made up')}.)"
    )


def any_output(name: str, output: str) -> str:
    """The output of a tool that the demo knows nothing about."""
    return f"The function `{name}` answered: {label(output, 500) or 'nothing'}"


def failed_tool(name: str, output: Mapping[str, object]) -> str:
    """A tool that did not do its work."""
    error = output.get("error")
    kind, message = str(error or ""), ""
    if isinstance(error, Mapping):
        kind, message = str(error.get("type") or "error"), str(error.get("message") or "")
    said = label(message or kind, 300)
    if kind in ("unknown_outcome", "interrupted") or "may have run" in message:
        return (
            f"I asked for the function `{name}`, but nobody knows how it ended: it may have run. "
            f"I did not ask for it again. ({said})"
        )
    return f"The function `{name}` could not do it: {said}"


def files_seen(names: list[str]) -> str:
    """Which files came with the message."""
    listed = ", ".join(f"`{label(name, 120)}`" for name in names)
    return f"I got {'a file' if len(names) == 1 else f'{len(names)} files'}: {listed}. I can't read files."


def remembered(question: str, said: list[str], names: list[str]) -> str:
    """The answer to a question about what was *said* before, oldest first, or which *names* were told."""
    if question == "name":
        return (
            f"Your name is {names[-1]}; you told me in this conversation."
            if names
            else ("You have not told me your name in this conversation.")
        )
    if not said:
        return "This is the first thing that you say in this conversation."
    if question == "first":
        return f"The first thing that you said in this conversation was: “{label(said[0], 500)}”"
    told = f"Before this you said: “{label(said[-1], 500)}”"
    if len(said) > 1:
        told += f"\n\nThe first of your {len(said)} earlier messages was: “{label(said[0], 500)}”"
    return told


def long_text(chapters: int) -> str:
    """Markdown; each chapter has a heading, prose, code and a table, about 900 characters."""
    parts = [
        "# Numbers, one after another",
        f"{WHAT_I_AM} So I write about what a few rules can know: numbers.",
    ]
    for chapter in range(1, chapters + 1):
        first = chapter * 10 - 9
        numbers = range(first, first + 6)
        rows = "\n".join(f"| {n} | {n * n} | {n**3} | {_divisors(n)} |" for n in numbers)
        parts.append(
            f"## {chapter}. From {numbers[0]} to {numbers[-1]}\n\n"
            f"This chapter looks at the numbers from **{numbers[0]}** to **{numbers[-1]}**. Their sum is "
            f"*{sum(numbers)}*, the sum of their squares is *{sum(n * n for n in numbers)}*. A number with "
            "exactly two divisors is a prime; the table shows which of them are.\n\n"
            "```python\n"
            f"def divisors(n: int) -> list[int]:\n"
            f'    """All divisors of n; try it with {numbers[0]}."""\n'
            "    return [d for d in range(1, n + 1) if n % d == 0]\n\n\n"
            f"for n in range({numbers[0]}, {numbers[-1] + 1}):\n"
            "    print(n, n**2, n**3, divisors(n))\n"
            "```\n\n"
            f"| number | square | cube | divisors |\n|---:|---:|---:|:---|\n{rows}\n\n"
            f"> The next chapter begins with {first + 10}."
        )
    return "\n\n".join(parts) + "\n\nThat is all."


def parsed(output: str) -> Mapping[str, object] | None:
    """A tool's output as a JSON object, if it is one."""
    try:
        value = json.loads(output)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _divisors(number: int) -> str:
    return ", ".join(str(d) for d in range(1, number + 1) if number % d == 0)
