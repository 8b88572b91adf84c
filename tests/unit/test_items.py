"""Items: what people and the assistant said, in the shape of Open Responses."""

from __future__ import annotations

from assistant_gateway import items
from assistant_gateway.values import FileRef, FunctionCall, JsonObject

CALL = FunctionCall("c1", "add", '{"a": 1}')


def test_a_message_of_a_person_carries_text_files_and_a_sender() -> None:
    """Text comes first; pictures are `input_image`, everything else is `input_file`, with our ids."""
    picture = FileRef("file_1", "a.png", "image/png", 10)
    table = FileRef("file_2", "b.csv", "text/csv", 20)

    body = items.user_message("Look", [picture, table], sender="Ann")

    assert body["content"] == [
        {"type": "input_text", "text": "Look"},
        {
            "type": "input_image",
            "file_id": "file_1",
            "filename": "a.png",
            "content_type": "image/png",
            "size": 10,
        },
        {
            "type": "input_file",
            "file_id": "file_2",
            "filename": "b.csv",
            "content_type": "text/csv",
            "size": 20,
        },
    ]
    assert (items.role(body), body["sender"]) == ("user", "Ann")


def test_a_message_with_files_alone_has_no_empty_text() -> None:
    """A picture without words is one part; a message with neither is one empty text."""
    picture = FileRef("file_1", "a.png", "image/png", 10)

    assert [part["type"] for part in _content(items.user_message("", [picture]))] == ["input_image"]
    assert _content(items.user_message("")) == [{"type": "input_text", "text": ""}]


def test_text_is_read_from_every_form_of_a_message() -> None:
    """Parts, a plain string, a refusal and a message without a type all have their text; other items none."""
    assert items.text_of(items.assistant_message("Hello")) == "Hello"
    assert items.text_of({"role": "user", "content": "Hi"}) == "Hi"
    assert (
        items.text_of(
            {
                "type": "message",
                "role": "assistant",
                "content": [
                    {"type": "refusal", "refusal": "No."},
                    {"type": "output_text", "text": " Sorry."},
                ],
            }
        )
        == "No. Sorry."
    )
    assert items.text_of({"type": "message", "role": "assistant"}) == ""
    assert items.text_of(items.function_call(CALL)) == ""


def test_calls_and_their_outputs_pair_by_call_id() -> None:
    """A call is read back as it was written, and its output has the same `call_id`."""
    body = items.function_call(CALL)

    assert items.calls_of([items.user_message("1 + 2?"), body]) == (CALL,)
    assert items.function_call_output("c1", "3")["call_id"] == body["call_id"]
    assert (items.kind(body), items.role(body)) == ("function_call", "")


def test_what_was_said_is_joined_by_blank_lines() -> None:
    """Of three messages of the assistant, one of them empty, two are joined; people's words don't count."""
    bodies = [
        items.user_message("Hi"),
        items.assistant_message("One"),
        items.assistant_message(""),
        items.function_call(CALL),
        items.assistant_message("Two", id="msg_2", status="incomplete"),
    ]

    assert items.said(bodies) == "One\n\nTwo"


def _content(body: JsonObject) -> list[JsonObject]:
    content = body["content"]
    assert isinstance(content, list)
    return content
