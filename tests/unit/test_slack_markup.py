"""Slack's tokens become words on the way in, and nothing of the model's becomes a token on the way out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant_gateway_slack.markup import (
    MARKDOWN_LENGTH,
    SUMMARY_LENGTH,
    inert,
    inert_piece,
    mentioned,
    mentions,
    message,
    readable,
    summary,
)
from emulators.slack import markup as slack_reads

BOT = "U0BOT"
NAMES = {"U2": "Bob", "U3": "Zoë"}


@pytest.mark.parametrize(
    ("came", "read"),
    [
        ("<@U0BOT> hello", "hello"),
        ("<@U0BOT>: hello", "hello"),
        ("<@U0BOT>, hello", "hello"),
        ("<@U0BOT|bot> hello", "hello"),
        ("hey <@U0BOT> what is it?", "hey what is it?"),
        ("one\n<@U0BOT> two", "one\n two"),
        ("<@U0BOT>", ""),
        ("ask <@U2> and <@U3>", "ask @Bob and @Zoë"),
        ("ask <@U9>", "ask @U9"),
        ("ask <@U9|nina>", "ask @nina"),
        ("in <#C1|general>", "in #general"),
        ("in <#C1>", "in #C1"),
        ("<!here> <!channel>", "@here @channel"),
        ("<!subteam^S1|@devs> <!subteam^S2>", "@devs @S2"),
        ("<!date^1392734382^{date}|Feb 18>", "Feb 18"),
        ("<https://a.example/x?a=1&amp;b=2>", "https://a.example/x?a=1&b=2"),
        ("<https://a.example|the docs>", "[the docs](https://a.example)"),
        ("<http://a.example|a.example>", "http://a.example"),
        ("<mailto:a@b.example|a@b.example>", "a@b.example"),
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2"),
        ("&amp;lt; is an entity", "&lt; is an entity"),
        ("say &lt;@U2&gt;", "say <@U2>"),
        ("a < b", "a < b"),
    ],
)
def test_what_a_person_wrote_is_readable(came: str, read: str) -> None:
    """Tokens become words, entities are read once, and the bot's own mention goes."""
    assert read == readable(came, me=BOT, names=NAMES)


def test_only_mentions_are_mentions() -> None:
    """Two people are named, the bot is; an escaped token and a longer id are not."""
    text = "<@U0BOT> <@U2> <@U2> <@U3|zoe> &lt;@U4&gt;"

    assert ["U0BOT", "U2"] == mentioned(text)
    assert mentions(text, BOT)
    assert not mentions("&lt;@U0BOT&gt; U0BOT <@U0BOTX>", BOT)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("<!channel> <@U1>", "&lt;!channel&gt; &lt;@U1&gt;"),
        ("a && b", "a && b"),
        ("[x](https://a.example/?a=1&b=2)", "[x](https://a.example/?a=1&b=2)"),
        ("write &lt; in HTML", "write &amp;lt; in HTML"),
        ("> quoted\n>> twice > and more", "> quoted\n>> twice &gt; and more"),
        ("  > <!here>", "  > &lt;!here&gt;"),
        ("`a > b`", "`a &gt; b`"),
    ],
)
def test_model_text_is_inert(said: str, shown: str) -> None:
    """Nothing opens a token; addresses and quotations stay what they are."""
    assert shown == inert(said)


@given(st.text(alphabet="<>!@#&;ltgamphereUC1|^ \n`*", max_size=60), st.integers(0, 60), st.integers(0, 60))
def test_no_cut_of_any_text_is_alive(text: str, start: int, end: int) -> None:
    """Whatever the model says and wherever it is cut, no mention is in it; people read the text itself."""
    shown = message(text)
    blocks = shown["blocks"]
    assert isinstance(blocks, list)
    block = blocks[0]["text"]

    assert "<" not in inert(text)
    assert () == slack_reads.mentions(block[start:end])
    assert () == slack_reads.mentions(str(shown["text"]))
    assert text == slack_reads.readable(inert(text))


def test_a_notification_is_short() -> None:
    """Of 12,000 characters a notification has 200 and no line breaks; of none it has a sign."""
    long = summary("word\n" * 2400)

    assert SUMMARY_LENGTH == len(long)
    assert "\n" not in long
    assert "…" == summary(" \n ")


def test_a_message_carries_every_flag_and_its_text_once() -> None:
    """Posts and edits forbid previews and names, and hold the answer in one markdown block."""
    shown = message("**Hi** @here")

    assert [{"type": "markdown", "text": "**Hi** @here"}] == shown["blocks"]
    assert {"parse": "none", "link_names": False, "unfurl_links": False, "unfurl_media": False}.items() <= (
        shown.items()
    )
    assert 12_000 == MARKDOWN_LENGTH


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("[good.com](https://evil.example/a)", "[good.com](https://evil.example/a) (evil.example)"),
        (
            "[https://good.com](https://evil.example)",
            "[https://good.com](https://evil.example) (evil.example)",
        ),
        ("[www.good.com/x](https://good.com/y)", "[www.good.com/x](https://good.com/y)"),
        ("[the docs](https://good.com)", "[the docs](https://good.com)"),
        ("`[good.com](https://evil.example)`", "`[good.com](https://evil.example)`"),
        ("<https://evil.example|https://good.com>", "&lt;https://evil.example|https://good.com&gt;"),
    ],
)
def test_a_link_can_not_pretend_to_lead_elsewhere(written: str, shown: str) -> None:
    """Words that name another host are followed by the real one; other words, and code, are left alone."""
    assert shown == inert(written)


@given(st.lists(st.text("<>&amplgt;!@ \n#a", max_size=6), max_size=8))
def test_no_token_and_no_entity_is_born_of_two_pieces(pieces: list[str]) -> None:
    """However a text is streamed: joined, nothing in it is alive, and every character is its own."""
    sent = [inert_piece(piece, begins=not number) for number, piece in enumerate(pieces)]

    joined = "".join(sent)
    assert "<" not in joined
    assert not slack_reads.mentions(joined)
    assert "".join(pieces) == joined.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
