"""Where tools come from: entry points, files and modules, and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant_gateway.errors import ConfigError
from assistant_gateway.tools import Toolbox, load_tools

TOOL = "from assistant_gateway.tools import tool\n\n@tool\ndef {name}() -> str:\n    return '{name}'\n"


@pytest.fixture(autouse=True)
def _python_as_it_was() -> Iterator[None]:
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """The directory of a configuration file."""
    directory = tmp_path / "etc"
    directory.mkdir()
    return directory


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def names(base: Path, *modules: str) -> list[str]:
    return [tool.name for tool in load_tools(modules, base=base, entry_points=False)]


def refusal(base: Path, *modules: str, entry_points: bool = False) -> str:
    """The message of the refusal: one line, with the module's name, without a traceback."""
    with pytest.raises(ConfigError) as caught:
        load_tools(modules, base=base, entry_points=entry_points)
    message = str(caught.value)
    assert 1 == len(message.splitlines())
    assert "Traceback" not in message
    assert all(repr(module) in message for module in modules)
    return message


class TestFilesAndModules:
    def test_a_file_and_a_module_beside_the_configuration(self, base: Path) -> None:
        """5 spellings of one file are one module and one tool."""
        write(base / "tools.py", TOOL.format(name="one"))

        spellings = ["tools.py", "./tools.py", "tools", "sub/../tools.py", str(base / "tools.py")]

        assert ["one"] == names(base, *spellings)

    @pytest.mark.parametrize("marker", ["__init__.py", "README"])
    def test_a_package_beside_the_configuration(self, base: Path, marker: str) -> None:
        """bots.tools may import its neighbours, absolutely and relatively, with and without __init__.py."""
        write(base / "bots" / marker, "")
        write(base / "bots" / "words.py", "HELLO = 'hello'\n")
        write(base / "shared_words.py", "BYE = 'bye'\n")
        write(
            base / "bots" / "tools.py",
            "from .words import HELLO\nfrom shared_words import BYE\n" + TOOL.format(name="greet"),
        )

        assert ["greet"] == names(base, "bots.tools")

    def test_the_configuration_wins_over_an_installed_module(self, base: Path) -> None:
        """A file json.py is loaded as the tools, and Python's json stays what it is."""
        import json

        write(base / "json.py", TOOL.format(name="mine"))

        assert ["mine"] == names(base, "json")
        assert sys.modules["json"] is json

    def test_an_installed_module(self, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is not beside the configuration is imported as Python finds it."""
        write(tmp_path / "site" / "my_company_tools.py", TOOL.format(name="crm"))
        monkeypatch.syspath_prepend(str(tmp_path / "site"))

        assert ["crm"] == names(base, "my_company_tools")

    def test_future_annotations_and_types_of_the_module(self, base: Path) -> None:
        """A module with annotations as text and a dataclass of its own is understood."""
        write(
            base / "tools.py",
            "from __future__ import annotations\nfrom dataclasses import dataclass\n"
            "from assistant_gateway.tools import tool, ToolContext\n"
            "@dataclass\nclass Order:\n    id: int\n"
            "@tool\ndef cancel(order: Order, context: ToolContext, note: str | None = None) -> None: ...\n",
        )

        (cancel,) = load_tools(["tools.py"], base=base, entry_points=False)

        assert cancel.spec.strict
        assert "context" == cancel.context_parameter

    def test_only_what_the_decorator_made_is_taken(self, base: Path) -> None:
        """Of 4 functions, a class and an import, 1 is a tool."""
        write(
            base / "tools.py",
            "import os\nfrom os import system\n"
            + TOOL.format(name="one")
            + "def helper(): ...\nclass Fake:\n    name = 'fake'\nalias = one\nrun = system\n",
        )

        assert ["one"] == names(base, "tools.py")

    def test_nothing_happens_before_it_is_asked_for(self, base: Path) -> None:
        """A module is executed once, at the first load, not at the second."""
        write(
            base / "tools.py",
            "import pathlib\nwith pathlib.Path(__file__).with_name('ran').open('a') as f:\n    f.write('x')\n"
            + TOOL.format(name="one"),
        )

        names(base, "tools.py")
        names(base, "tools.py")

        assert "x" == (base / "ran").read_text()

    def test_two_files_of_one_name_are_two_modules(self, base: Path) -> None:
        """a/tools.py and b/tools.py do not hide each other."""
        write(base / "a" / "tools.py", TOOL.format(name="one"))
        write(base / "b" / "tools.py", TOOL.format(name="two"))

        assert ["one", "two"] == names(base, "a/tools.py", "b/tools.py")

    def test_one_name_in_two_files_is_told_with_both(self, base: Path) -> None:
        """The toolbox's refusal names both files and lines."""
        write(base / "a.py", TOOL.format(name="same"))
        write(base / "b.py", TOOL.format(name="same"))

        tools = load_tools(["a.py", "b.py"], base=base, entry_points=False)

        with pytest.raises(ConfigError, match=r"a\.py:3.*b\.py:3"):
            Toolbox(tools)


class TestRefusals:
    @pytest.mark.parametrize("name", ["os:system", "subprocess:run", "tools.py:one", "bots.tools:greet", ":"])
    def test_a_function_can_not_be_named(self, base: Path, name: str) -> None:
        """5 references to an attribute: none is followed."""
        write(base / "tools.py", TOOL.format(name="one"))

        assert "without ':'" in refusal(base, name)

    @pytest.mark.parametrize("name", ["os", "assistant_gateway.values"])
    def test_a_module_without_tools(self, base: Path, name: str) -> None:
        """Its functions are not taken in their place."""
        assert "has no @tool functions" in refusal(base, name)

    @pytest.mark.parametrize("name", ["", "a b", "1tools", "a..b", ".tools", "class", "tools.", "-c", "a;b"])
    def test_what_is_no_module_name(self, base: Path, name: str) -> None:
        """9 texts that are neither a file nor a module."""
        assert "no module's name" in refusal(base, name)

    def test_a_relative_path_can_not_lead_out(self, base: Path) -> None:
        """'..' and a symbolic link to the outside are refused; the absolute path is a clear wish."""
        outside = write(base.parent / "elsewhere" / "tools.py", TOOL.format(name="far"))
        (base / "link.py").symlink_to(outside)
        (base / "linked").symlink_to(outside.parent)
        write(outside.parent / "__init__.py", "")

        for name in (
            "../elsewhere/tools.py",
            "link.py",
            "./link.py",
            "link",
            "linked/tools.py",
            "linked.tools",
        ):
            assert "is outside of" in refusal(base, name)
        assert ["far"] == names(base, str(outside))

    def test_a_link_within_the_directory_is_fine(self, base: Path) -> None:
        """Where it leads counts, not that it is a link."""
        write(base / "v2" / "tools.py", TOOL.format(name="one"))
        (base / "tools.py").symlink_to("v2/tools.py")

        assert ["one"] == names(base, "tools.py", "tools")

    def test_files_that_can_not_be_loaded(self, base: Path) -> None:
        """Missing, a directory, another suffix."""
        (base / "dir.py").mkdir()
        write(base / "tools.txt", TOOL.format(name="one"))

        for name in ("missing.py", "dir.py", "./tools.txt", "~/tools.py"):
            assert "there is no Python file" in refusal(base, name)

    def test_names_that_no_file_system_takes(self, base: Path) -> None:
        """NUL, 5,000 characters and a link to itself are told like any other mistake."""
        (base / "loop.py").symlink_to("loop.py")

        for name in ("a\x00.py", "x" * 5000 + ".py", "x" * 5000, "loop.py", "loop"):
            refusal(base, name)

    def test_a_mistake_is_told_with_file_and_line(self, base: Path) -> None:
        """7 kinds of broken modules; each message has the place and what to do."""
        broken = {
            "syntax": ("x = 1\ndef (:\n", 2, "SyntaxError"),
            "missing": ("\n\nimport not_installed_anywhere\n", 3, "install it"),
            "raises": ("x = 1\n1 / 0\n", 2, "ZeroDivisionError"),
            "exits": ("import sys\n\n\n\nsys.exit(0)\n", 5, "must not end the program"),
            "signature": (
                "from assistant_gateway.tools import tool\n@tool\ndef f(city): ...\n",
                2,
                "parameter 'city': has no type",
            ),
            "null": ("x = 1\x00\n", None, "null bytes"),
            "latin": ("x = '\udcff'\n", None, "utf-8"),
        }
        for name, (text, line, told) in broken.items():
            (base / f"{name}.py").write_bytes(text.encode(errors="surrogateescape"))

            message = refusal(base, f"{name}.py")

            assert told in message
            assert line is None or f"{name}.py:{line}: " in message

    def test_a_failed_module_is_not_half_loaded(self, base: Path) -> None:
        """The second try executes it again, and works once it is mended."""
        file = write(base / "tools.py", "1 / 0\n")
        assert "ZeroDivisionError" in refusal(base, "tools.py")
        write(file, TOOL.format(name="one") + "# mended\n")

        assert ["one"] == names(base, "tools.py")

    @pytest.mark.parametrize("name", ["pkg.a", "pkg/a.py", "circle_a"])
    def test_modules_that_import_each_other(self, base: Path, name: str) -> None:
        """A circle of two: refused, with the place, for packages, files and plain modules."""
        write(base / "pkg" / "__init__.py", "")
        write(base / "pkg" / "a.py", "from pkg.b import y\nx = 1\n" + TOOL.format(name="one"))
        write(base / "pkg" / "b.py", "from pkg.a import x\ny = 1\n")
        write(base / "circle_a.py", "from circle_b import y\nx = 1\n")
        write(base / "circle_b.py", "from circle_a import x\ny = 1\n")

        message = refusal(base, name)

        assert "circular" in message
        assert "import each other" in message

    def test_a_package_whose_name_is_taken(self, base: Path) -> None:
        """A package called like one that is loaded already is refused instead of mixed up."""
        write(base / "email" / "__init__.py", "")
        write(base / "email" / "tools.py", TOOL.format(name="one"))
        import email  # noqa: F401

        assert "another module is called 'email'" in refusal(base, "email.tools")


class TestEntryPoints:
    @pytest.fixture
    def site(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A place for installed distributions."""
        monkeypatch.syspath_prepend(str(tmp_path / "site"))
        return tmp_path / "site"

    def install(self, site: Path, **points: str) -> None:
        lines = "\n".join(f"{name} = {value}" for name, value in points.items())
        write(
            site / "weather-1.0.dist-info" / "METADATA",
            "Metadata-Version: 2.1\nName: weather\nVersion: 1.0\n",
        )
        write(site / "weather-1.0.dist-info" / "entry_points.txt", f"[assistant_gateway.tools]\n{lines}\n")

    def test_a_module_a_tool_and_a_list(self, site: Path, base: Path) -> None:
        """Three kinds of entry points give 4 tools, each once."""
        write(site / "weather_tools.py", TOOL.format(name="one") + TOOL.format(name="two"))
        write(
            site / "more_tools.py",
            TOOL.format(name="three") + TOOL.format(name="four") + "every = [three, four]\n",
        )
        self.install(site, a="weather_tools", b="more_tools:three", c="more_tools:every")
        write(base / "tools.py", TOOL.format(name="mine"))

        found = load_tools(["tools.py"], base=base)

        assert ["one", "two", "three", "four", "mine"] == [tool.name for tool in found]

    @pytest.mark.parametrize(
        "value", ["os:system", "os:environ", "os:sep", "weather_tools:empty", "weather_tools:mixed"]
    )
    def test_anything_else_is_refused(self, site: Path, base: Path, value: str) -> None:
        """A function, a mapping, a text, an empty list and a list with something else in it."""
        write(site / "weather_tools.py", TOOL.format(name="one") + "empty = []\nmixed = [one, print]\n")
        self.install(site, odd=value)

        message = refusal(base, entry_points=True)

        assert f"entry point odd = '{value}'" in message
        assert "no list of them" in message

    def test_one_that_can_not_be_loaded(self, site: Path, base: Path) -> None:
        """A missing module and a missing name are told with the entry point."""
        for value in ("nowhere_at_all", "os:no_such_thing"):
            self.install(site, gone=value)

            assert f"entry point gone = '{value}'" in refusal(base, entry_points=True)

    def test_they_can_be_left_out(self, site: Path, base: Path) -> None:
        """With entry_points=False nothing installed is looked at."""
        self.install(site, odd="os:system")

        assert [] == load_tools([], base=base, entry_points=False)
