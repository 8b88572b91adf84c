"""Continued posts: one long answer over several pages, case by case."""

from __future__ import annotations

import pytest

from assistant_gateway.replies.continued import Page, Pager, pages
from assistant_gateway.replies.split import Unit, measure
from markdown_texts import FAMILY, open_fence


def shown(text: str, limit: int, unit: Unit = "characters", *, growing: bool = False) -> list[str]:
    return [page.shown for page in pages(text, limit, unit, growing=growing)]


def test_a_text_that_fits_is_one_page_as_it_is() -> None:
    """2,000 characters with trailing blanks and open emphasis are one page of 2,000, unchanged."""
    text = "a **b" + "c" * 1993 + " \n"

    assert [Page(text, text)] == pages(text, 2000)


def test_an_empty_text_has_no_page() -> None:
    """Nothing to say is no post."""
    assert [] == pages("", 100)


def test_a_page_ends_before_a_block_else_a_line_else_a_word() -> None:
    """With at most 40 characters a page, the best boundary of its second half is taken."""
    assert ["one two three four five six", "seven eight nine ten"] == shown(
        "one two three four five six\n\nseven eight nine ten", 40
    )
    assert ["one two three four\nfive six seven", "eight nine ten eleven"] == shown(
        "one two three four\nfive six seven\neight nine ten eleven", 40
    )
    assert ["one two three four five six seven eight", "nine ten"] == shown(
        "one two three four five six seven eight nine ten", 40
    )
    assert ["x" * 40, "x" * 10] == shown("x" * 50, 40)


def test_words_in_scripts_without_spaces_end_at_their_punctuation() -> None:
    """A page of 30 Chinese characters ends behind the last comma of its second half."""
    text = "我们的网关保存对话的记忆，" * 4

    assert [text[:26], text[26:]] == shown(text, 30)


def test_a_heading_stays_with_what_it_heads() -> None:
    """A heading that would be the last line of a page begins the next one."""
    text = "word " * 10 + "\n\n" + "more " * 8 + "\n\n## Title\n\n" + "text " * 12

    first, second = shown(text, 110)

    assert first.endswith("more")
    assert second.startswith("## Title\n\ntext")


def test_a_fence_goes_on_with_its_marker_and_language() -> None:
    """60 lines of Python over pages of 300 characters: each page is a whole block of code."""
    text = "Look:\n\n````python\n" + "".join(f"value_{n} = {n}\n" for n in range(60)) + "````\n\nDone."

    found = shown(text, 300)

    assert 3 == len(found)
    assert all(page.endswith("\n````") for page in found[:-1])
    assert all(page.startswith("````python\nvalue_") for page in found[1:])
    assert found[-1].endswith("````\n\nDone.")


def test_a_fence_that_goes_on_leaves_its_list() -> None:
    """On the next page the code of a list item stands at the margin, and so does its closing marker."""
    code = "".join(f"     value_{n} = {n}\n" for n in range(12))
    text = f"1. one\n   - two\n     ```py\n{code}     ```\n   - three"

    first, second, third = shown(text, 120)

    assert first.endswith("\n     ```")
    assert second.startswith("```py\nvalue_")
    assert second.endswith("\n```")
    assert third.startswith("```py\nvalue_")
    assert third.endswith("\n```\n   - three")
    assert not any(open_fence(page) for page in (first, second, third))


def test_a_fence_in_a_quote_stays_in_it() -> None:
    """Marker, language and closing marker are quoted as the code is."""
    text = "> ```py\n" + "".join(f"> value_{n} = {n}\n" for n in range(12)) + "> ```"

    first, second = shown(text, 120)

    assert first.endswith("\n> ```")
    assert second.startswith("> ```py\n> value_")


def test_no_page_has_an_empty_block_of_code() -> None:
    """The closing marker stays with its code, and the opening marker with its first line."""
    for length in range(40, 80):
        text = "word " * (length // 5) + "\n\n```py\nx = 1\ny = 2\n```\n\n" + "more " * 20
        for page in shown(text, 80):
            assert "```py\n```" not in page
            assert page.count("```") in (0, 2)


def test_a_table_gets_its_header_again() -> None:
    """40 rows over pages of 300 characters: each page has header and dashes, no row is lost or cut."""
    rows = [f"| row {n} | value {n} |" for n in range(40)]
    text = "| name | value |\n|:---|---:|\n" + "\n".join(rows)

    found = shown(text, 300)

    assert 4 == len(found)
    assert all(page.startswith("| name | value |\n|:---|---:|\n| row ") for page in found)
    assert rows == [line for page in found for line in page.split("\n")[2:]]


def test_emphasis_that_crosses_pages_is_closed_and_opened_again() -> None:
    """A bold paragraph of 40 words is bold on each of its pages."""
    found = shown("**" + " ".join(["word"] * 40) + "**", 100)

    assert ["**" + " ".join(["word"] * count) + "**" for count in (19, 19, 2)] == found


@pytest.mark.parametrize(
    "token",
    [
        "[the docs of it](https://example.com/a)",
        "<#C012|general talk>",
        "**bold words here**",
        "`some code here`",
    ],
)
def test_what_fits_on_the_next_page_is_not_cut(token: str) -> None:
    """Links, mentions, short emphasis and code at the end of a page go to the next one as a whole."""
    for before in range(70, 100):
        text = ("word " * 20)[:before] + " " + token + " and more words that follow"
        assert any(token in page for page in shown(text, 100)), before


def test_graphemes_stay_whole() -> None:
    """A page of 100 units of UTF-16 has 9 families of 11 units."""
    assert [FAMILY * 9, FAMILY * 3] == shown(FAMILY * 12, 100, "utf16")


def test_units_are_what_the_platform_counts() -> None:
    """100 globes make 1 page of 100 characters, 2 of UTF-16, 4 of bytes."""
    text = "🌍" * 100

    assert [1, 2, 4] == [len(pages(text, 100, unit)) for unit in ("characters", "utf16", "bytes")]


def test_lists_and_indentation_are_untouched() -> None:
    """A nested list over 3 pages is on them as it was written, but for blanks at the ends."""
    text = "".join(f"- item {n}\n    - below {n}\n" for n in range(12))

    found = pages(text, 120)

    assert 3 == len(found)
    assert [page.source.rstrip() for page in found[:-1]] == [page.shown for page in found[:-1]]


def test_pages_stay_few() -> None:
    """10,000 characters of words need 5 pages of 2,000, and 50,000 need 26."""
    assert 6 == len(pages("word " * 2000 + "!", 2000))
    assert 5 == len(pages("word " * 2000, 2000))
    assert 26 >= len(pages("words " * 8333, 2000))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a" * 50_000, id="one word"),
        pytest.param("```\n" + "x" * 12_001 + "\n```", id="12,001 characters of code"),
        pytest.param("🎉" * 4_000, id="4,000 emoji"),
        pytest.param("text\n\n```py\n" + "x = 1\n" * 3000, id="a fence that is never closed"),
        pytest.param("| a | b |\n|---|---|\n| 1 | 2 |\n\n" * 200, id="200 tables"),
        pytest.param("> " * 3000 + "x", id="3,000 quotes"),
        pytest.param("**a " * 3000, id="3,000 openings"),
        pytest.param("\n" * 5000 + "x", id="5,000 blank lines"),
        pytest.param("`" * 400 + "\n" + "x = 1\n" * 3000, id="a marker of 400 backticks"),
    ],
)
@pytest.mark.parametrize("unit", ["characters", "utf16", "bytes"])
def test_hostile_lengths_keep_the_limit(text: str, unit: Unit) -> None:
    """Pages of at most 2,000 units, closed fences, nothing lost."""
    found = pages(text, 2000, unit)

    assert text == "".join(page.source for page in found)
    assert all(measure(page.shown, unit) <= 2000 for page in found)
    assert not any(open_fence(page.shown) for page in found)


def test_a_growing_page_is_a_frame_within_the_limit() -> None:
    """Where the closers would be too long, the last words wait: no post of 101 characters."""
    text = "**" + "word " * 30

    for end in range(len(text)):
        assert all(len(page) <= 100 for page in shown(text[:end], 100, growing=True))


def test_a_growing_fence_is_closed_on_every_page() -> None:
    """The last page of a growing text opens the fence again and closes it below what is there."""
    text = "```py\n" + "x = 1\n" * 20 + "y"

    assert "```py\n" + "x = 1\n" * 5 + "y\n```" == shown(text, 100, growing=True)[-1]


def test_a_complete_text_with_an_open_fence_ends_closed() -> None:
    """An answer that was cut off in its code still ends it."""
    assert ["```py\nx = 1\n```"] == shown("```py\nx = 1", 100)


def test_a_fence_with_nothing_in_it_is_not_opened_again_yet() -> None:
    """A page of which nothing can be shown is empty until there is something."""
    text = "word " * 19 + "\n\n```py\n"

    assert ["word " * 18 + "word", ""] == shown(text, 100, growing=True)


def test_a_small_limit_gives_up_repetition_not_text() -> None:
    """With 12 characters a page there is no room for markers, header or language: the text is all there."""
    text = "```python\nfirst = 1\nsecond = 2\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |"

    found = pages(text, 12)

    assert text == "".join(page.source for page in found)
    assert all(len(page.shown) <= 12 for page in found)


def test_a_pager_takes_another_text() -> None:
    """A text that does not go on from the one before is laid out from its start."""
    pager = Pager(100)
    pager.pages("word " * 50, growing=True)

    assert [Page("new", "new")] == pager.pages("new")
