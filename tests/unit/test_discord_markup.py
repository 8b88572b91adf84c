"""Markdown as models write it, and what Discord is given; what people write, and what models are given."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant_gateway_discord.markup import shown
from assistant_gateway_discord.words import quotation, readable
from markdown_texts import documents

BREAK = "`\u200b``"  # a fence within a fence, broken by a space that nobody sees


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("# One\n## Two\n### Three", "# One\n## Two\n### Three"),
        ("#### Deep\n###### **Deeper** ##", "**Deep**\n**Deeper**"),
        ("a __bold__ b, `__init__` and __init__.py", "a **bold** b, `__init__` and \\_\\_init\\_\\_.py"),
        ("a\n\n---\n\nb\n\n* * *", "a\n\n────────────\n\nb\n\n────────────"),
        ("a\n---\n- b\n---", "a\n---\n- b\n---"),
        ("either || or || both", "either \\|\\| or \\|\\| both"),
        ("`a || b`", "`a || b`"),
        (
            "<@1> <@!2> <@&3> <#4> </ask:5> <:x:6> <a:x:7> <t:8:R> <id:home>",
            "\\<@1> \\<@!2> \\<@&3> \\<#4> \\</ask:5> \\<:x:6> \\<a:x:7> \\<t:8:R> \\<id:home>",
        ),
        ("`<@1>` a < b <https://x.y>", "`<@1>` a < b <https://x.y>"),
        ("\\<@1>", "\\<@1>"),
        ("![a cat](https://x.y/c.png)", "[a cat](https://x.y/c.png)"),
        ("![](https://x.y/c.png)", "<https://x.y/c.png>"),
        ("[docs](https://x.y/z_(w))", "[docs](https://x.y/z_(w))"),
        ("[https://bank.com](https://evil.com/x)", "https://bank.com (<https://evil.com/x>)"),
        ("[www.bank.com](https://evil.com)", "www.bank.com (<https://evil.com>)"),
        ("[bank.com](https://www.bank.com/login)", "[bank.com](https://www.bank.com/login)"),
        ("~~~py title\nx\n~~~", "```py\nx\n```"),
        ("````md\n```\n````", f"```md\n{BREAK}\n```"),
        ("- a\n  ```js\n  x\n  ```\n- b", "- a\n```js\nx\n```\n- b"),
        ("```\n# a __b__ <@1> || [x.y](https://z.w)\n```", "```\n# a __b__ <@1> || [x.y](https://z.w)\n```"),
        ("open\n```py\nx", "open\n```py\nx\n```"),
    ],
)
def test_what_discord_shows_otherwise_is_made_to_look_alike(written: str, expected: str) -> None:
    """Headings, strong text, spoilers, tokens, images, links and fences, each in and out of code."""
    assert expected == shown(written)


def test_a_table_becomes_aligned_text() -> None:
    """Columns are as wide as their widest cell, wide characters count as two, numbers go to the right."""
    table = "Before\n\n| Name | Price |\n|:-----|------:|\n| **Tea** | 5 |\n| 緑茶 | 1\\|2 |\n\nAfter"

    expected = "Before\n\n```\nName | Price\n-----+------\nTea  |     5\n緑茶 |   1|2\n```\n\nAfter"
    assert expected == shown(table)


def test_a_wide_table_becomes_a_list() -> None:
    """More than 80 columns would be broken anywhere: each row is a line, and links in it stay links."""
    link = "[docs](https://x.y/z)"
    table = (
        f"| Name | Use |\n|---|---|\n| **Tea** | {'warm ' * 20}<br>{link} |\n| Salt \\| pepper | |\n\nAfter"
    )

    told = shown(table)
    assert f"**Name · Use**\n- **Tea** · {'warm ' * 20}{link}\n- Salt | pepper\n\nAfter" == told


def test_a_table_at_the_limit_is_aligned() -> None:
    """80 columns are aligned, 81 are a list."""
    narrow, wide = (shown(f"| a | {'b' * width} |\n|---|---|\n| c | d |") for width in (76, 77))

    assert narrow.startswith("```\na |")
    assert wide.startswith("**a ·")


def test_a_line_with_pipes_is_no_table() -> None:
    """Without a row of dashes, or with one that does not fit, nothing changes."""
    assert "a | b\nc | d" == shown("a | b\nc | d")
    assert "a | b\n---" == shown("a | b\n---")


@given(documents)
def test_every_word_stays(markdown: str) -> None:
    """Whatever is written, its letters and digits are all there, in their order, and no others."""
    # A fence's title is no text: nobody shows it.
    written = markdown.replace("c++ title=x", "c++")

    assert _letters(written) == _letters(shown(markdown))


@given(st.text(alphabet="<@!&#:/>t1a |_*[](){}\\\n-", max_size=60))
def test_nothing_is_a_mention(text: str) -> None:
    """Where there is no code, every mention stands behind an odd number of backslashes."""
    made = shown(f"{text}<@123> and <@&456>")

    for token in ("<@123>", "<@&456>"):
        before = made.partition(token)[0]
        assert token in made
        assert (len(before) - len(before.rstrip("\\"))) % 2 == 1


def _letters(text: str) -> str:
    """What people read: no markup, no languages of fences, no targets of links."""
    return "".join(each for each in text if each.isalnum())


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("<@1> hello", "hello"),
        ("<@!1>, hello", "hello"),
        ("hello <@2> and <@3>", "hello @Bob and @3"),
        ("<@&9> hello <@&8>", "hello @role 8"),
        ("<#5> <:wave:6> </ask:7> <a:b:8>", "#5 :wave: /ask :b:"),
        ("at <t:1795365707:F>", "at 2026-11-22 16:41 UTC"),
        ("at <t:999999999999>", "at <t:999999999999>"),
        ("a < b > c <b>", "a < b > c <b>"),
    ],
)
def test_tokens_of_people_become_words(said: str, expected: str) -> None:
    """The bot's own mention goes, everybody else's becomes a name."""
    assert expected == readable(said, me="1", names={"2": "Bob"}, own_roles=("9",))


def test_a_quotation_names_its_author_and_ends() -> None:
    """Every line is quoted, 1,500 characters at most; what cannot be read is no quotation."""
    assert "Bob wrote:\n> a\n> b" == quotation("Bob", "a\nb", names={})
    assert 1500 == len(quotation("Bob", "x" * 9000, names={}).partition("> ")[2])
    assert "" == quotation("Bob", "  ", names={})
