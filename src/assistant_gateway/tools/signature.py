"""
From a function's signature to the arguments that a model may give it.

Every mistake in the signature is found when the function is decorated, and is told with
the function, the parameter and what to do about it.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Union

from pydantic import BaseModel, ConfigDict, Field, PydanticUserError, TypeAdapter, create_model
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, SchemaError, to_json

from assistant_gateway.tools.arguments import Arguments
from assistant_gateway.tools.context import ToolContext
from assistant_gateway.tools.schema import Inexpressible, admits_null, closed, strict
from assistant_gateway.values import JsonObject

SIGNED = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
NOT_NAMED = (
    inspect.Parameter.VAR_POSITIONAL,
    inspect.Parameter.VAR_KEYWORD,
    inspect.Parameter.POSITIONAL_ONLY,
)


@dataclass(frozen=True, slots=True)
class Signature:
    """
    What a function takes.

    Attributes:
        arguments: What the model gives.
        context: The parameter that receives the `ToolContext`; empty when there is none.
    """

    arguments: Arguments
    context: str


def read_signature(function: Callable[..., object], described: dict[str, str]) -> Signature:
    """
    The signature of *function*; *described* has the docstring's words for its parameters.

    Raises:
        TypeError: A model can't call a function with this signature.
    """
    context = ""
    fields: dict[str, Any] = {}
    optional: set[str] = set()
    for parameter in inspect.signature(function).parameters.values():
        name = parameter.name
        annotation = _annotation(function, parameter)
        if _is_context(annotation):
            if context:
                raise TypeError(f"{_where(function, name)}: only one parameter can receive the ToolContext")
            context = name
            continue
        schema = _schema(function, name, annotation)
        description = _description(annotation) or described.get(name, "")
        default: Any = ...
        if parameter.default is not inspect.Parameter.empty:
            default = None
            description = f"{description} {_default(parameter.default)}".strip()
            if not admits_null(schema, _definitions(schema)):
                optional.add(name)
                annotation = Union[annotation, None]  # noqa: UP007 - the annotation is a value here
        # A field has a name of our own: pydantic refuses some that a parameter may have.
        fields[f"p{len(fields)}"] = (
            annotation,
            Field(default, alias=name, validation_alias=name, description=description or None),
        )
    model = create_model(function.__name__, __config__=SIGNED, **fields)
    schema, is_strict = _said(model)
    return Signature(Arguments(schema, is_strict, model, frozenset(optional)), context)


def _annotation(function: Callable[..., object], parameter: inspect.Parameter) -> object:
    """The parameter's type; a type that is written as text is looked up in the function's module."""
    where = _where(function, parameter.name)
    if parameter.kind in NOT_NAMED:
        raise TypeError(f"{where}: a model gives arguments by name; no *, ** or / in the signature of a tool")
    if parameter.annotation is inspect.Parameter.empty:
        hint = "; make the tool a plain function" if parameter.name in ("self", "cls") else ""
        raise TypeError(f"{where}: has no type; annotate it, for example '{parameter.name}: str'{hint}")
    if isinstance(parameter.default, FieldInfo):
        raise TypeError(f"{where}: write Annotated[…, Field(…)] and put the default value after '='")
    stand_in = types.SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    names = getattr(inspect.unwrap(function), "__globals__", {})
    try:
        return typing.get_type_hints(stand_in, globalns=names, include_extras=True)[parameter.name]
    except NameError as error:
        raise TypeError(
            f"{where}: the type '{parameter.annotation}' is unknown ({error}); "
            "define or import it at the top of the module, not under TYPE_CHECKING"
        ) from None
    except (TypeError, SyntaxError, AttributeError) as error:
        raise TypeError(f"{where}: '{parameter.annotation}' is no type ({error})") from None


def _is_context(annotation: object) -> bool:
    """``ToolContext``, also within ``Annotated`` or ``ToolContext | None``."""
    if typing.get_origin(annotation) in (Annotated, Union, types.UnionType):
        members = [member for member in typing.get_args(annotation) if member is not types.NoneType]
        return members[0] is ToolContext and (len(members) == 1 or typing.get_origin(annotation) is Annotated)
    return annotation is ToolContext


def _schema(function: Callable[..., object], name: str, annotation: Any) -> JsonObject:
    for note in _notes(annotation):
        if isinstance(note, FieldInfo) and (note.default is not PydanticUndefined or note.default_factory):
            raise TypeError(f"{_where(function, name)}: put the default value into the signature, after '='")
    try:
        schema: JsonObject = TypeAdapter(annotation).json_schema()
    except (PydanticUserError, SchemaError, NameError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise TypeError(
            f"{_where(function, name)}: its type can't be described to a model ({reason}); "
            "use JSON-like types, dataclasses or pydantic models"
        ) from None
    return schema


def _description(annotation: object) -> str:
    """What ``Annotated[…, "text"]`` or a `Field` in it says; the last one counts."""
    said = ""
    for note in _notes(annotation):
        said = (note if isinstance(note, str) else getattr(note, "description", "")) or said
    return said


def _notes(annotation: object) -> Iterable[object]:
    return getattr(annotation, "__metadata__", ()) if typing.get_origin(annotation) is Annotated else ()


def _default(value: object) -> str:
    """Strict mode has no keyword for a default: the model is told in words."""
    if value is None:
        return ""
    try:
        return f"(default: {to_json(value).decode()})"
    except ValueError:
        return ""


def _said(model: type[BaseModel]) -> tuple[JsonObject, bool]:
    schema = closed(model.model_json_schema())
    try:
        return strict(schema), True
    except Inexpressible:
        return schema, False


def _definitions(schema: JsonObject) -> JsonObject:
    definitions = schema.get("$defs", {})
    return definitions if isinstance(definitions, dict) else {}


def _where(function: Callable[..., object], parameter: str) -> str:
    return f"@tool {function.__qualname__}, parameter '{parameter}'"
