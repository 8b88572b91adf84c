"""
Find the tools of an installation: installed packages, and the modules that a person names.

Three places are looked at, each only when the gateway starts: entry points of the group
``assistant_gateway.tools``, files (``tools.py``, ``./bots/tools.py``) and modules
(``bots.tools``). Only what `tool` has made is taken; a name can never turn another
function into a tool. A relative file or a module beside the configuration can't lead out
of that directory, not even through a symbolic link; an absolute path may name any file.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import keyword
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import EntryPoint
from importlib.metadata import entry_points as installed
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from assistant_gateway.errors import ConfigError
from assistant_gateway.tools.tool import AnyTool, Tool

T = TypeVar("T")

GROUP = "assistant_gateway.tools"
MACHINERY = str(Path(importlib.__file__).parent)
REASON_LENGTH = 300  # characters of a foreign error's message


def load_tools(modules: Sequence[str], *, base: Path, entry_points: bool = True) -> list[AnyTool]:
    """
    The tools of the installed packages and of *modules*, each once, in this order.

    *base* is the configuration's directory: relative files and modules are looked up there,
    and it is put at the end of Python's path so that they may import their neighbours.

    Raises:
        ConfigError: A module can't be loaded or has no tools; says which, where and what to do.
    """
    importlib.invalidate_caches()
    found: dict[int, AnyTool] = {}
    points = sorted(installed(group=GROUP), key=lambda point: point.name) if entry_points else ()
    for point in points:
        for tool in _from_entry_point(point):
            found[id(tool)] = tool
    for name in modules:
        for tool in _from_module(name, base.resolve()):
            found[id(tool)] = tool
    return list(found.values())


def _from_entry_point(point: EntryPoint) -> Iterable[AnyTool]:
    where = f"entry point {point.name} = {point.value!r} of the group {GROUP}"
    loaded: object = _guarded(where, "", point.load)
    if isinstance(loaded, ModuleType):
        return _tools_of(loaded, where)
    tools = [loaded] if isinstance(loaded, Tool) else loaded
    if isinstance(tools, list | tuple | set | frozenset) and tools:
        made = [tool for tool in tools if isinstance(tool, Tool)]
        if len(made) == len(tools):
            return made
    raise ConfigError("names no module, no @tool function and no list of them", where)


def _from_module(name: str, base: Path) -> Iterable[AnyTool]:
    where = f"tools module {name!r}"
    try:
        return _tools_of(_find_module(name, base, where), where)
    except (OSError, ValueError, RuntimeError) as error:  # a name too long, NUL, a circle of links
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(f"can't be looked up: {reason}", where) from None


def _find_module(name: str, base: Path, where: str) -> ModuleType:
    if ":" in name:
        raise ConfigError("name a module or a file, without ':' and a function", where)
    if name.endswith(".py") or "/" in name or "\\" in name:
        file = _file(name, base, where)
        _let_neighbours_be_imported(base)
        return _load_file(file, where)
    if not all(part.isidentifier() and not keyword.iskeyword(part) for part in name.split(".")):
        raise ConfigError("this is no module's name; write 'bots.tools' or './bots/tools.py'", where)
    _let_neighbours_be_imported(base)
    return _load_module(name, base, where)


def _tools_of(module: ModuleType, where: str) -> list[AnyTool]:
    tools = [value for value in vars(module).values() if isinstance(value, Tool)]
    if not tools:
        place = getattr(module, "__file__", None) or module.__name__
        raise ConfigError(f"{place} has no @tool functions; decorate one with @tool", where)
    return tools


def _file(name: str, base: Path, where: str) -> Path:
    file = (base / name).resolve()
    if not Path(name).is_absolute():
        _stay_within(file, base, where)
    if not file.is_file() or file.suffix != ".py":
        raise ConfigError(f"there is no Python file {file}", where)
    return file


def _load_file(file: Path, where: str) -> ModuleType:
    # The name is made from the whole path: two files called tools.py are two modules.
    name = f"{file.stem}_{hashlib.sha256(str(file).encode(errors='surrogateescape')).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None:
        raise ConfigError(f"{file} can't be loaded as a Python module", where)
    return _execute(spec, where)


def _load_module(name: str, base: Path, where: str) -> ModuleType:
    """The module beside the configuration, else an installed one."""
    parts = name.split(".")
    package, file = base.joinpath(*parts, "__init__.py"), base.joinpath(*parts).with_suffix(".py")
    if package.is_file():
        file = package
    if not file.is_file():
        return _guarded(where, "", lambda: importlib.import_module(name))
    above = (base.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts)))
    for place in (file, *above):
        _stay_within(place.resolve(), base, where)
    if len(parts) == 1 and file is not package:
        return _load_file(file.resolve(), where)
    spec = PathFinder.find_spec(parts[0], [str(base)])
    loaded = sys.modules.get(parts[0])
    if loaded is None and spec is not None:
        _execute(spec, where)
    elif loaded is not None and _places(getattr(loaded, "__spec__", None)).isdisjoint(_places(spec)):
        raise ConfigError(f"another module is called {parts[0]!r} already; rename yours", where)
    return _guarded(where, str(file), lambda: importlib.import_module(name))


def _stay_within(file: Path, base: Path, where: str) -> None:
    if not file.is_relative_to(base):
        raise ConfigError(f"{file} is outside of {base}; if that is meant, write its absolute path", where)


def _places(spec: ModuleSpec | None) -> set[Path]:
    if spec is None:
        return set()
    origin = [spec.origin] if spec.has_location and spec.origin else []
    return {Path(place).resolve() for place in (*origin, *(spec.submodule_search_locations or ()))}


def _execute(spec: ModuleSpec, where: str) -> ModuleType:
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module

    def execute() -> ModuleType:
        if spec.loader is not None:  # a directory without __init__.py has none
            spec.loader.exec_module(module)
        return module

    try:
        return _guarded(where, spec.origin or "", execute)
    except ConfigError:
        sys.modules.pop(spec.name, None)
        raise


def _guarded(where: str, file: str, load: Callable[[], T]) -> T:
    """What *load* gives; whatever a foreign module raises becomes one sentence with a place."""
    try:
        return load()
    except (Exception, SystemExit) as error:
        reason = (str(error).splitlines() or [""])[0][:REASON_LENGTH]
        place = _place(error, file)
        raise ConfigError(f"{place}{type(error).__name__}: {reason}; {_advice(error)}", where) from None


def _place(error: BaseException, file: str) -> str:
    """``file:line: `` where loading failed: in *file* if it can be told, else where it was raised."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: "
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(("<frozen", MACHINERY)) and frame.filename != __file__
    ]
    own = [frame for frame in frames if frame.filename == file] or frames
    return f"{own[-1].filename}:{own[-1].lineno}: " if own else ""


def _advice(error: BaseException) -> str:
    match error:
        case ModuleNotFoundError():
            return "install it, or correct the name"
        case ImportError() if re.search("partially initialized|circular", str(error)):
            return "the modules import each other; move what both need into a third one"
        case SystemExit():
            return "a tools module must not end the program; guard it with if __name__ == '__main__'"
        case _:
            return "mend the module, or remove it from the configuration"


def _let_neighbours_be_imported(base: Path) -> None:
    # At the end: a file beside the configuration must never replace an installed module.
    if str(base) not in sys.path:
        sys.path.append(str(base))
