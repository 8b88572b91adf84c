"""Sources and tools of an answer: what is kept of them, whatever a provider or a stranger's page says."""

from __future__ import annotations

import pytest

from assistant_gateway import items
from assistant_gateway.credits import (
    CODE_LENGTH,
    MOST_CITATIONS,
    MOST_TOOLS,
    URL_LENGTH,
    Credits,
    address,
    citation,
)
from assistant_gateway.events import AnnotationAdded, ToolCallDone
from assistant_gateway.values import Citation, FunctionCall, JsonObject, ToolUse


def page(url: str, title: str = "A page") -> JsonObject:
    return {"type": "url_citation", "url": url, "title": title, "start_index": 0, "end_index": 9}


def test_sources_are_kept_once_and_in_their_order() -> None:
    """Two pages and a file, named five times by events and items, are three sources."""
    credits = Credits()
    file: JsonObject = {"type": "file_citation", "file_id": "file-1", "filename": "a.pdf", "index": 3}
    message = {**items.assistant_message("Hi")}
    message["content"] = [
        {"type": "output_text", "text": "Hi", "annotations": [page("https://b.example/"), file]}
    ]

    credits.hear(AnnotationAdded("m", page("https://a.example/x", "First")))
    credits.hear(AnnotationAdded("m", file))
    credits.hear(AnnotationAdded("m", page("https://a.example/x", "Again")))
    credits.recall(message)

    assert (
        Citation("First", "https://a.example/x"),
        Citation("a.pdf"),
        Citation("A page", "https://b.example/"),
    ) == credits.citations


def test_sources_are_bounded() -> None:
    """Of a thousand pages ten are kept."""
    credits = Credits()

    for number in range(1000):
        credits.hear(AnnotationAdded("m", page(f"https://a.example/{number}")))

    assert 10 == MOST_CITATIONS == len(credits.citations)


def test_chat_completions_put_the_particulars_one_level_lower() -> None:
    """Both shapes of a url citation give the same source."""
    nested: JsonObject = {"type": "url_citation", "url_citation": {"url": "https://a.example", "title": "T"}}

    assert Citation("T", "https://a.example") == citation(nested)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://a.example/x?y=1&z=%20#f", "https://a.example/x?y=1&z=%20#f"),
        ("HTTP://A.Example:8080/", "http://a.example:8080/"),
        (
            "https://a.example/a b(c)[d]<e>`|\\\"'",
            "https://a.example/a%20b%28c%29%5Bd%5D%3Ce%3E%60%7C%5C%22%27",
        ),
        ("https://a.example/ä", "https://a.example/%C3%A4"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://a.example/\ud800", "https://a.example/%EF%BF%BD"),
        ("https://аpple.example/", "https://xn--pple-43d.example/"),
        ("https://bank.example@evil.example/", ""),
        ("https://user:pw@evil.example/", ""),
        ("javascript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("file:///etc/passwd", ""),
        ("sandbox:/mnt/data/x.csv", ""),
        ("//evil.example/", ""),
        ("https://", ""),
        ("https://[::1", ""),
        ("https://a.example:99999/", ""),
        ("https://a b.example/", ""),
        ("https://a.example/" + "x" * URL_LENGTH, ""),
        ("", ""),
    ],
)
def test_addresses_are_plain_and_show_their_host(url: str, kept: str) -> None:
    """Only http and https, in ASCII, without anything that ends a link or hides the host."""
    assert kept == address(url)


@pytest.mark.parametrize(
    "annotation",
    [
        {},
        {"type": None},
        {"type": ["url_citation"]},
        {"type": "url_citation"},
        {"type": "url_citation", "url": 7, "title": {}},
        {"type": "url_citation", "url_citation": "x"},
        {"type": "file_citation", "filename": ""},
        {"type": "file_citation", "filename": "\u202e\x00"},
        {"type": "file_path", "file_id": "file-1"},
        {"type": "container_file_citation", "container_id": "c", "file_id": "f", "filename": "a.png"},
    ],
)
def test_other_annotations_are_no_sources(annotation: JsonObject) -> None:
    """Malformed ones and those about made files give nothing, and break nothing."""
    assert citation(annotation) is None


def test_titles_are_labels() -> None:
    """A title is one line of 80 characters without directions; one that is missing is the host."""
    found = citation(page("https://a.example/", "Two\nlines \u202e\x1b[31m" + "x" * 500))

    assert found is not None
    assert "Two lines [31m" + "x" * 66 == found.title
    assert Citation("a.example", "https://a.example/") == citation(page("https://a.example/", " \n"))


def test_tools_are_kept_where_they_are_shown() -> None:
    """Neither names nor code without a setting; names alone; the code of the code interpreter alone."""
    events = [
        ToolCallDone("c1", "get_weather", arguments="{}", output="sunny"),
        ToolCallDone("c2", "code_interpreter", "code_interpreter", "print(1)", "1"),
    ]
    found = []
    for tools, code in ((False, False), (True, False), (False, True), (True, True)):
        credits = Credits(tools=tools, code=code)
        for event in events:
            credits.hear(event)
        found.append(credits.tools)

    ran = ToolUse("code_interpreter", "print(1)", "1")
    assert [
        (),
        (ToolUse("get_weather"), ToolUse("code_interpreter")),
        (ran,),
        (ToolUse("get_weather"), ran),
    ] == found


def test_tools_of_an_earlier_attempt_are_counted() -> None:
    """From its items the same is known as from its events."""
    credits = Credits(tools=True, code=True)

    credits.recall(items.function_call(FunctionCall("c1", "get_weather", "{}")))
    credits.recall(items.function_call_output("c1", "sunny"))
    credits.recall(
        {
            "type": "code_interpreter_call",
            "code": "print(1)",
            "outputs": [{"type": "logs", "logs": "1"}, {"type": "image", "url": "x"}, 7],
        }
    )
    credits.recall({"type": "reasoning", "summary": []})

    assert (ToolUse("get_weather"), ToolUse("code_interpreter", "print(1)", "1")) == credits.tools


def test_tools_are_bounded() -> None:
    """Of 10,000 calls with 1 MB of code each, 64 are kept, with 2,000 characters each."""
    credits = Credits(tools=True, code=True)
    code = "x" * 1_000_000

    for number in range(10_000):
        credits.hear(ToolCallDone(f"c{number}", "n" * 1000, "code_interpreter", code, code))

    assert 64 == MOST_TOOLS == len(credits.tools)
    assert {(80, CODE_LENGTH, CODE_LENGTH)} == {
        (len(use.name), len(use.code), len(use.output)) for use in credits.tools
    }
