"""Frames: what people see of an answer at one moment, case by case."""

from __future__ import annotations

import pytest

from assistant_gateway.replies.frames import Frame, Framer, frame


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**bold", "**bold**"),
        ("**bold ", "**bold**"),
        ("**bold*", "**bold**"),
        ("_it", "_it_"),
        ("***both", "***both***"),
        ("*a **b", "*a **b***"),
        ("**a _b ~~c", "**a _b ~~c~~_**"),
        ("~~gone", "~~gone~~"),
        ("||hidden", "||hidden||"),
        ("||hid|", "||hid||"),
        ("**Note:", "**Note:**"),
        ("这是**重要", "这是**重要**"),
        ("> a **b\n> c", "> a **b\n> c**"),
        ("- one **two", "- one **two**"),
        ("# Title *x", "# Title *x*"),
    ],
)
def test_open_emphasis_is_closed(text: str, shown: str) -> None:
    """Emphasis, strikethrough and spoilers are closed inside out, behind the last letter."""
    assert shown == frame(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a **", "a"),
        ("a *", "a"),
        ("a `", "a"),
        ("a ``", "a"),
        ("a ~~", "a"),
        ("a ||", "a"),
        ("a \\", "a"),
        ("a &", "a"),
        ("a &am", "a"),
        ("a &#82", "a"),
        ("a <", "a"),
        ("a <@U01", "a"),
        ("a <!cha", "a"),
        ("a <#C01|gene", "a"),
        ("a <:wav", "a"),
        ("a <https://exam", "a"),
        ("a [the do", "a"),
        ("a [the docs](", "a"),
        ("a [the docs](https://exa", "a"),
        ('a [the docs](https://example.com "The ti', "a"),
        ("a [the docs](https://example.com/a_(b)", "a"),
        ("a ![an image](https://exa", "a"),
        ("a ![an image]", "a"),
        ("**[the do", ""),
        ("**a** [b", "**a**"),
    ],
)
def test_half_a_token_is_held_back(text: str, shown: str) -> None:
    """Markers without text, half escapes and entities, half links and mentions are not shown."""
    assert shown == frame(text)


@pytest.mark.parametrize(
    "text",
    [
        "R&D",
        "AT&T and",
        "2 * 3 = 6",
        "2*3 = 6",
        "a < b and c",
        "x<y",
        "snake_case",
        "I <3 it",
        "see [1]",
        "[x](see below",
        "wow!",
        "5 [sic] and",
        "array[0] = 1",
        "~5 minutes",
        "either | or",
        "if a || b then",
        "[the docs](https://example.com/a_(b)) <@U01> &amp; \\* `code` **bold**",
        "1984",
        "#hashtag",
        "text\n\n---",
        "Title\n===",
        "- [ ] task",
        "| a | b |\n|---|---|",
        "```py\nx\n```",
        "trailing blanks \n\n",
    ],
)
def test_what_is_complete_is_shown_as_it_is(text: str) -> None:
    """A text in which nothing is open is its own frame."""
    assert text == frame(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("say `co", "say `co`"),
        ("say ``co ` de", "say ``co ` de``"),
        ("say ``code`", "say ``code``"),
        ("say `a **b", "say `a **b`"),
        ("**say `co", "**say `co`**"),
    ],
)
def test_open_code_is_closed_by_as_many_backticks(text: str, shown: str) -> None:
    """What is in code is no markup."""
    assert shown == frame(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\n```", "a"),
        ("a\n```py", "a"),
        ("a\n```py\n", "a"),
        ("a\n```py\n  ", "a"),
        ("```py\nx", "```py\nx\n```"),
        ("```py\nx\n", "```py\nx\n```"),
        ("```py\nx\n`", "```py\nx\n```"),
        ("```py\nx\n``", "```py\nx\n```"),
        ("````\n```\nx", "````\n```\nx\n````"),
        ("````\n```\nx\n```", "````\n```\nx\n````"),
        ("~~~ c++ title\nx ``` y", "~~~ c++ title\nx ``` y\n~~~"),
        ("  ```\n  x", "  ```\n  x\n```"),
        ("- a\n  ```\n  x", "- a\n  ```\n  x\n  ```"),
        ("- ```\n  x", "- ```\n  x\n  ```"),
        ("1. a\n   - b\n     ```\n     x", "1. a\n   - b\n     ```\n     x\n     ```"),
        ("> ```\n> x", "> ```\n> x\n> ```"),
        ("> ```\n> x\n>", "> ```\n> x\n> ```"),
        ("> ```\n> x\nout **b", "> ```\n> x\nout **b**"),
        ("```x``` is **co", "```x``` is **co**"),
        ("```\n**a", "```\n**a\n```"),
    ],
)
def test_open_fences_are_closed_where_they_are(text: str, shown: str) -> None:
    """With their own marker, in their own quote or list, and not before there is code in them."""
    assert shown == frame(text)


def test_a_fence_in_a_list_is_not_ended_by_missing_indentation() -> None:
    """Models forget to indent code in lists: the fence goes on to its closing marker, then text is text."""
    text = "1. Install:\n   ```sh\npip install x\n```\nThen **run"

    assert text + "**" == frame(text)
    assert "1. Install:\n   ```sh\npip\n   ```" == frame(text[: text.index(" install x")])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\n\n|", "a"),
        ("a\n\n| b | c", "a"),
        ("a\n\n| b | c |\n", "a"),
        ("a\n\n| b | c |\n|--", "a"),
        ("a\n\n| b | c |\n|---|", "a"),
        ("a\n\n| b | c |\n|---|---|", "a\n\n| b | c |\n|---|---|"),
        ("a\n\n| b | c |\nd", "a\n\n| b | c |\nd"),
        ("| b | c |\n|---|---|\n|", "| b | c |\n|---|---|"),
        ("| b | c |\n|---|---|\n| on", "| b | c |\n|---|---|\n| on | |"),
        ("| b | c |\n|---|---|\n| one |", "| b | c |\n|---|---|\n| one | |"),
        ("| b | c |\n|---|---|\n| one | **tw", "| b | c |\n|---|---|\n| one | **tw** |"),
        ("| b | c |\n|---|---|\n| one | [tw", "| b | c |\n|---|---|\n| one | |"),
        ("| b | c |\n|---|---|\n| one | two |", "| b | c |\n|---|---|\n| one | two |"),
        ("| b | c |\n|---|---|\n| one | two |\n\n**d", "| b | c |\n|---|---|\n| one | two |\n\n**d**"),
        ("b | c\n--- | -", "b | c"),
        ("b | c\n--- | ---\none | *tw", "b | c\n--- | ---\none | *tw*"),
        ("||spoiler|| and", "||spoiler|| and"),
    ],
)
def test_a_table_shows_with_its_dashes_and_its_rows_are_whole(text: str, shown: str) -> None:
    """Header and dashes come together; a half row has all its cells."""
    assert shown == frame(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\n-", "a"),
        ("a\n- ", "a"),
        ("a\n--", "a"),
        ("a\n=", "a"),
        ("a\n\n*", "a"),
        ("a\n\n1.", "a"),
        ("a\n\n- - ", "a"),
        ("a\n\n##", "a"),
        ("a\n\n> ", "a"),
        ("a\n\n> - ", "a"),
        ("a\n\n***", "a"),
        ("a\n\n-#", "a"),
        ("**a\n-", "**a**"),
        ("> **a\n>", "> **a**"),
        ("- a\n- [", "- a"),
    ],
)
def test_a_mark_at_the_beginning_of_a_line_waits_for_its_text(text: str, shown: str) -> None:
    """Marks of lists, headings, quotes and rules that are not settled yet are held back."""
    assert shown == frame(text)


def test_emphasis_that_its_paragraph_left_open_stays_as_it_is() -> None:
    """The stray marker of an ended paragraph is as stray in the complete text."""
    assert "a **b\n\nc *d*" == frame("a **b\n\nc *d")


def test_a_bracket_waits_for_eighty_characters_at_most() -> None:
    """What looks like a link and does not close is shown as text when 81 characters of it have come."""
    text = "at [" + "word " * 20

    assert "at" == frame(text[: 3 + 80])
    assert text[: 3 + 81] == frame(text[: 3 + 81])


def test_a_frame_tells_what_is_kept_and_what_closes_it() -> None:
    """Where text can only be appended, the first 6 of 8 characters are safe, and two stars close them."""
    assert Frame(6, "**") == Framer().read("**bold *")


def test_an_empty_text_has_an_empty_frame() -> None:
    """Nothing is nothing."""
    assert "" == frame("")


def test_a_framer_takes_another_text() -> None:
    """A text that does not go on from the one before, as after a restarted run, is framed from its start."""
    framer = Framer()
    framer.frame("```\ncode\nmore")

    assert "**new**" == framer.frame("**new")


def test_a_line_that_only_looks_like_a_fence_opens_none() -> None:
    """Three backticks with a fourth in their line are no fence, also while that one is held back."""
    assert frame("*```\n```*`") == ""
    assert frame("See *```\n```*` b") == "See *```\n```*` b`"
    assert frame("See\n```a`") == "See\n```a```"
