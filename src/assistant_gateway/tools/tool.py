"""
`@tool`: a Python function that the assistant may call.

The name, the docstring and the signature are all that the model gets to see. A function
whose signature can't be told to a model is refused when it is decorated.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, ParamSpec, TypeAlias, TypeVar, overload

from assistant_gateway.tools.arguments import Arguments
from assistant_gateway.tools.context import ToolContext
from assistant_gateway.tools.docstring import read_docstring
from assistant_gateway.tools.signature import read_signature
from assistant_gateway.values import Conversation, ToolSpec, User

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)

Approval: TypeAlias = Literal["never", "always"] | Callable[[ToolContext, Mapping[str, object]], bool]
"""Whether a person must agree to a call; a function decides by context and arguments."""

AllowedFor: TypeAlias = Collection[str] | Callable[[User], bool] | None
"""Who may have the tool called: ids of users or roles, or a function; None is everybody."""

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")  # OpenAI API reference, "Create chat completion", tools, 2026-08
MIN_OUTPUT = 256  # characters: room for the note that says what was cut


@dataclass(frozen=True, slots=True, eq=False)
class Tool(Generic[P, R_co]):
    """
    A function that a model may call, and how. Calling it calls the function.

    Attributes:
        source: Where the function is written, as ``module.name (file:line)``.
        arguments: What the model gives it.
        context_parameter: The parameter that receives the `ToolContext`; empty when there is none.
        timeout: Seconds that a call may take; None leaves it to the toolbox.
        idempotent: The same call with the same key may be repeated after a crash.
        max_output: Characters of the result that the model is given; None leaves it to the toolbox.
    """

    function: Callable[P, R_co]
    name: str
    description: str
    source: str
    arguments: Arguments
    context_parameter: str = ""
    timeout: float | None = None
    idempotent: bool = False
    approval: Approval = "never"
    allowed_for: tuple[str, ...] | Callable[[User], bool] | None = None
    max_output: int | None = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        return self.function(*args, **kwargs)

    @property
    def spec(self) -> ToolSpec:
        """The tool as the model sees it."""
        return ToolSpec(self.name, self.description, self.arguments.schema, self.arguments.strict)

    def is_allowed(self, user: User, conversation: Conversation | None) -> bool:
        """
        Whether *user* may have the tool called.

        An entry ``adapter:tenant:id`` holds in that one place only, and never where the
        place is unknown; a bare id holds on every platform.
        """
        if self.allowed_for is None:
            return True
        if callable(self.allowed_for):
            return self.allowed_for(user) is True
        place = (conversation.adapter, conversation.tenant) if conversation else None
        ids = {user.id, *user.roles}
        return any(
            entry[-1] in ids and (len(entry) == 1 or entry[:2] == place)
            for entry in map(_entry, self.allowed_for)
        )

    def needs_approval(self, context: ToolContext, arguments: Mapping[str, object]) -> bool:
        """Whether a person must agree to this call."""
        if callable(self.approval):
            return self.approval(context, arguments) is not False
        return self.approval != "never"


AnyTool: TypeAlias = Tool[..., object]


@overload
def tool(function: Callable[P, R_co], /) -> Tool[P, R_co]: ...


@overload
def tool(
    *,
    timeout: float | None = None,
    idempotent: bool = False,
    approval: Approval = "never",
    allowed_for: AllowedFor = None,
    max_output: int | None = None,
    name: str | None = None,
    description: str | None = None,
) -> Callable[[Callable[P, R_co]], Tool[P, R_co]]: ...


def tool(
    function: Callable[P, R_co] | None = None,
    /,
    *,
    timeout: float | None = None,
    idempotent: bool = False,
    approval: Approval = "never",
    allowed_for: AllowedFor = None,
    max_output: int | None = None,
    name: str | None = None,
    description: str | None = None,
) -> Tool[P, R_co] | Callable[[Callable[P, R_co]], Tool[P, R_co]]:
    """
    Make a plain or async function a tool.

    Times are in seconds, sizes in characters; name and description default to the function's
    own. A call that needs an approval is refused as long as nobody can be asked.

    Raises:
        TypeError: The signature or an option is wrong; says which and what to do.
    """

    def decorate(function: Callable[P, R_co]) -> Tool[P, R_co]:
        if not inspect.isfunction(function):
            raise TypeError(f"@tool decorates a function, written with def or async def; not {function!r}")
        where = f"@tool {function.__qualname__}"
        called = function.__name__ if name is None else name
        if not NAME.fullmatch(called):
            raise TypeError(
                f"{where}: a model can't call {called!r}; "
                "give a name=… of 1 to 64 characters out of a-z, A-Z, 0-9, _ and -"
            )
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{where}: a tool has one result; return a list instead of yielding")
        said = read_docstring(function)
        signature = read_signature(function, said.parameters)
        return Tool(
            function=function,
            name=called,
            description=said.description if description is None else description,
            source=_source(function),
            arguments=signature.arguments,
            context_parameter=signature.context,
            timeout=_seconds(where, timeout),
            idempotent=idempotent,
            approval=_approval(where, approval),
            allowed_for=_allowed(where, allowed_for),
            max_output=_characters(where, max_output),
        )

    return decorate if function is None else decorate(function)


def _seconds(where: str, timeout: float | None) -> float | None:
    if timeout is not None and not (math.isfinite(timeout) and timeout > 0):
        raise TypeError(f"{where}: timeout is a number of seconds above 0, not {timeout!r}")
    return timeout


def _characters(where: str, max_output: int | None) -> int | None:
    if max_output is not None and max_output < MIN_OUTPUT:
        raise TypeError(f"{where}: max_output is at least {MIN_OUTPUT} characters, not {max_output!r}")
    return max_output


def _approval(where: str, approval: Approval) -> Approval:
    if (approval not in ("never", "always") and not callable(approval)) or inspect.iscoroutinefunction(
        approval
    ):
        raise TypeError(f"{where}: approval is 'never', 'always' or a plain function, not {approval!r}")
    return approval


def _allowed(where: str, allowed: AllowedFor) -> tuple[str, ...] | Callable[[User], bool] | None:
    if allowed is None:
        return None
    if callable(allowed) and not inspect.iscoroutinefunction(allowed):
        return allowed
    if callable(allowed) or isinstance(allowed, str) or not all(map(_is_id, allowed)):
        raise TypeError(f"{where}: allowed_for is a list of ids or a plain function, not {allowed!r}")
    return tuple(allowed)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _entry(entry: str) -> tuple[str, ...]:
    """``adapter:tenant:id`` in three parts, or a bare id in one."""
    parts = entry.split(":", 2)
    return tuple(parts) if len(parts) == 3 else (entry,)


def _source(function: Callable[..., object]) -> str:
    code = inspect.unwrap(function).__code__
    return f"{function.__module__}.{function.__qualname__} ({code.co_filename}:{code.co_firstlineno})"
