"""What stands below an answer that leans on sources and tools."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from assistant_gateway.credits import citation
from assistant_gateway.replies.ending import as_file, with_ending
from assistant_gateway.replies.footnotes import shown_name, sources, used
from assistant_gateway.values import Answer, Citation, FileRef, RunStatus, ToolUse

MARKDOWN = MarkdownIt("commonmark")


def links(text: str) -> list[str]:
    """The addresses that *text* leads to."""
    return [
        str(child.attrs["href"])
        for token in MARKDOWN.parse(text)
        for child in token.children or ()
        if child.type == "link_open"
    ]


def done(text: str, *citations: Citation, tools: tuple[ToolUse, ...] = ()) -> Answer:
    return Answer(text, RunStatus.COMPLETED, citations=citations, tools=tools)


def test_sources_are_numbered_below_the_text() -> None:
    """Each on a line of its own, with its host; a file is a name and leads nowhere."""
    shown = with_ending(
        done("It rains.", Citation("Weather", "https://w.example/a"), Citation("report_2024.md"))
    )

    assert "It rains.\n\n¹ [Weather](https://w.example/a) · w.example  \n² `report_2024.md`" == shown


def test_the_tenth_source_has_two_digits() -> None:
    """Numbers are written in full."""
    told = sources([Citation("T", f"https://a.example/{n}") for n in range(10)])

    assert "¹⁰ [T](https://a.example/9) · a.example" == told.splitlines()[-1]


def test_a_title_that_looks_like_another_address_stands_beside_its_real_host() -> None:
    """`bank.example` over a link to `evil.example` does not hide where it leads."""
    assert "¹ [bank.example](https://evil.example/) · evil.example" == sources(
        [Citation("bank.example", "https://evil.example/")]
    )
    assert "¹ [a.example](https://a.example/)" == sources([Citation("a.example", "https://a.example/")])


@pytest.mark.parametrize(
    "title",
    [
        "x](https://evil.example) [y",
        "![x](https://evil.example/p.png)",
        "<https://evil.example>",
        "<@U123> <!channel> @everyone",
        "`code` **bold** __under__ ~~gone~~ ||spoiler||",
        "# heading\n\n```\nfence",
        "\\](https://evil.example)",
        "&lt;@U1&gt;",
    ],
)
def test_titles_are_inert(title: str) -> None:
    """One link, to the source alone; no mention, no markup, no second line."""
    told = sources([Citation(title, "https://a.example/x")])

    assert ["https://a.example/x"] == links(told)
    assert "\n" not in told
    assert not re.search(r"[<>@`*~|]", told)


@given(st.text(), st.text())
def test_whatever_a_provider_cites_is_one_link_or_none(url: str, title: str) -> None:
    """No title and no address of a citation makes another link than its own."""
    for address in (url, f"https://a.example/{url}", f"https://{url}"):
        found = citation({"type": "url_citation", "url": address, "title": title})
        if found is not None:
            told = sources([found])

            assert [found.url] == links(told)
            assert "\n" not in told


def test_tools_are_one_line() -> None:
    """Names once, calls counted; six names at most."""
    some = [ToolUse("get_weather"), ToolUse("get_weather"), ToolUse("code_interpreter")]
    many = [ToolUse(f"t{number}") for number in range(9)]

    assert "🛠 get_weather, code interpreter · 3 calls" == used(some)
    assert "🛠 t0, t1, t2, t3, t4, t5 +3 · 9 calls" == used(many)
    assert "🛠 a · 1 call" == used([ToolUse("a")])
    assert "" == used([])


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("file_search", "file search"),
        ("get_weather", "get_weather"),
        ("_private_", "private"),
        ("@everyone", "everyone"),
        ("<!channel>", "channel"),
        ("a\n\n# b", "a b"),
        ("**x**", "x"),
        ("__", "a tool"),
        ("", "a tool"),
        ("x" * 1000, "x" * 40),
    ],
)
def test_names_of_tools_are_inert(name: str, shown: str) -> None:
    """A model may call whatever it makes up: what is shown is a word of at most 40 characters."""
    assert shown == shown_name(name)


def test_code_is_fenced_whatever_is_in_it() -> None:
    """Code that holds a fence gets a longer one; its output stands below it."""
    told = used([ToolUse("code_interpreter", "print('```')\n", "```\n")])

    assert "🛠 code interpreter · 1 call\n\n````python\nprint('```')\n````\n````\n```\n````" == told


def test_nothing_below_is_part_of_code_that_was_cut_off() -> None:
    """An answer cut off in a block of code has it closed above what follows; alone it stays as it is."""
    cut = "See:\n```py\nx = 1"
    error = Answer(cut, RunStatus.CANCELLED)

    assert "See:\n```py\nx = 1\n```\n\n_Stopped._" == with_ending(error)
    assert "a ```b\n\n_Stopped._" == with_ending(Answer("a ```b", RunStatus.CANCELLED))
    assert cut == with_ending(done(cut))


def test_a_file_without_a_word_is_an_answer() -> None:
    """Who only makes a picture has not said nothing."""
    answer = Answer("", RunStatus.COMPLETED, files=(FileRef("f", "a.png", "image/png", 1),))

    assert "_The assistant made a file._" == with_ending(answer)


def test_a_long_answer_takes_its_sources_into_the_file() -> None:
    """The file holds the text as it was said, and the sources below it."""
    assert "Long." == as_file(done("Long."))
    assert "Long.\n\n¹ `a.pdf`" == as_file(done("Long.", Citation("a.pdf")))
