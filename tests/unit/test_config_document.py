"""Where the keys of a TOML file stand, and what is said about a file that is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant_gateway.config.document import SIZE, dotted, read_document
from assistant_gateway.errors import ConfigError

AWKWARD = '''\
# a [comment] = "with" everything
title = "a # b" # 2
[server] # 3
listen = """
[not.a.header]
also = "not a key"
"""
"quoted.key" = 1 # 8
'literal' . dotted = 2 # 9
[[routes]] # 10
channel = 'C#1' # 11
tools = [ # 12
  "a", # 13

  # nothing
  "b]", # 16
]
  [routes.inner] # 18
  x = 1979-05-27 07:32:00 # 19
[[routes]] # 20
inline = { a = 1, b.c = [1, { d = "}" }], e = "\\"" } # 21
after = """a""""" # 22
last = \'\'\'b\'\'\' # 23
'''


def written(directory: Path, text: str | bytes) -> Path:
    path = directory / "config.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def refusal(directory: Path, text: str | bytes) -> str:
    path = written(directory, text)
    with pytest.raises(ConfigError) as refused:
        read_document(path)
    return str(refused.value).removeprefix(str(path))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_key_is_found_on_its_line(tmp_path: Path, newline: str) -> None:
    """Keys in tables, arrays, inline tables and behind long strings are all where they stand."""
    path = written(tmp_path, AWKWARD.replace("\n", newline))

    lines = read_document(path).lines

    expected = {
        ("title",): 2,
        ("server",): 3,
        ("server", "listen"): 4,
        ("server", "quoted.key"): 8,
        ("server", "literal"): 9,
        ("server", "literal", "dotted"): 9,
        ("routes",): 10,
        ("routes", 0): 10,
        ("routes", 0, "channel"): 11,
        ("routes", 0, "tools"): 12,
        ("routes", 0, "tools", 0): 13,
        ("routes", 0, "tools", 1): 16,
        ("routes", 0, "inner"): 18,
        ("routes", 0, "inner", "x"): 19,
        ("routes", 1): 20,
        ("routes", 1, "inline"): 21,
        ("routes", 1, "inline", "a"): 21,
        ("routes", 1, "inline", "b", "c", 1, "d"): 21,
        ("routes", 1, "inline", "e"): 21,
        ("routes", 1, "after"): 22,
        ("routes", 1, "last"): 23,
    }
    assert expected == {path: line for path, line in lines.items() if path in expected}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = 1\nb = [\n", ":2: "),
        ("a = 1\n[server]\nlisten = 'x'\nlisten = 'y'\n", ":4: "),
        ("a = 1\nb == 2\n", ":2: "),
        (b"\xef\xbb\xbfa = 1\n", ":1: begins with a byte order mark"),
        (b"\xff\xfea\x00", ":1: begins with a byte order mark"),
        (b"a = 1\nb = '\xff'\n", ":2: byte 0xff is no UTF-8"),
        ("a = 1\nb = '\x00'\n", ":2: "),
        ("a = " + "9" * 5000, ":1: "),
        ("a = " + "[" * 200_000, ": is nested too deeply"),
        ("#" * (SIZE + 1), f": is larger than {SIZE} bytes"),
    ],
)
def test_what_is_no_configuration_is_refused_with_its_line(
    tmp_path: Path, text: str | bytes, said: str
) -> None:
    """Ten broken files are each refused in one line that names the file and, where there is one, the line."""
    message = refusal(tmp_path, text)

    assert message.startswith(said)
    assert "\n" not in message


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A file that was named and does not exist is an error, not an empty configuration."""
    with pytest.raises(ConfigError, match="No such file"):
        read_document(tmp_path / "none.toml")


def test_a_key_is_shown_as_it_is_written() -> None:
    """Indices stand in brackets, and names with dots in quotes."""
    assert 'routes[1].options."a.b"' == dotted(("routes", 1, "options", "a.b"))
