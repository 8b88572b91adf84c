"""The decorator: what the model gets to see of a function, and which functions are refused."""

from __future__ import annotations

import datetime
import decimal
import enum
import socket
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import FrozenInstanceError, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from assistant_gateway.tools import Tool, ToolContext, tool
from assistant_gateway.tools.docstring import read_docstring
from assistant_gateway.values import Conversation, User

if TYPE_CHECKING:
    from fractions import Fraction

HERE = Conversation("slack", "T1", "C1")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    x: float
    y: float


class Node(BaseModel):
    name: str
    child: Node | None = Field(default=None, description="deeper")


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Settings(BaseModel):
    depth: int = 3


@dataclass
class Carrier:
    context: ToolContext


def schema_of(function: Callable[..., object]) -> Any:
    return tool(function).spec.parameters


def refusal_of(decorate: Callable[[], object]) -> str:
    with pytest.raises(TypeError) as caught:
        decorate()
    return str(caught.value)


class TestWhatTheModelSees:
    def test_name_docstring_and_signature_become_the_schema(self) -> None:
        """A bare @tool gives a closed object in which all 3 parameters are required, 2 of them nullable."""

        @tool
        def weather(city: str, days: int = 3, unit: Literal["C", "F"] | None = None) -> str:
            """Tell the weather.

            Only for cities.

            Args:
                city: Name of the city,
                    in English.
                days: How far to look.
            """
            return city

        spec = weather.spec

        assert "weather" == spec.name
        assert "Tell the weather.\n\nOnly for cities." == spec.description
        assert spec.strict
        assert {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "Name of the city, in English."},
                "days": {
                    "anyOf": [{"type": "integer"}, {"type": "null"}],
                    "description": "How far to look. (default: 3)",
                },
                "unit": {"anyOf": [{"enum": ["C", "F"], "type": "string"}, {"type": "null"}]},
            },
            "required": ["city", "days", "unit"],
            "additionalProperties": False,
        } == spec.parameters

    def test_a_function_without_parameters_has_an_empty_closed_object(self) -> None:
        """Strict mode wants properties and required also where there are none."""

        def now() -> str:
            return ""

        assert {
            "type": "object",
            "properties": {},
            "required": [],
            "additionalProperties": False,
        } == schema_of(now)

    def test_a_tool_is_still_the_function_and_is_frozen(self) -> None:
        """Tests call it with 2 and 3 and get 5; nobody can change its timeout."""

        @tool(timeout=2.5, idempotent=True, max_output=300, name="plus", description="Adds.")
        def add(a: int, b: int) -> int:
            return a + b

        assert 5 == add(2, b=3)
        assert ("plus", "Adds.", 2.5, True, 300) == (
            add.name,
            add.description,
            add.timeout,
            add.idempotent,
            add.max_output,
        )
        assert "test_tool.py:" in add.source
        with pytest.raises(FrozenInstanceError):
            add.timeout = 1.0  # type: ignore[misc]

    def test_the_context_is_invisible(self) -> None:
        """Of 2 parameters the model sees 1, however the context is annotated."""

        def plain(text: str, context: ToolContext) -> str:
            return text

        def optional(text: str, context: ToolContext | None = None) -> str:
            return text

        def noted(text: str, context: Annotated[ToolContext, "who asks"]) -> str:
            return text

        for function in (plain, optional, noted):
            made = tool(function)

            assert ["text"] == list(made.spec.parameters["properties"])  # type: ignore[arg-type]
            assert "context" == made.context_parameter

    def test_descriptions_come_from_the_annotation_first(self) -> None:
        """Text in Annotated and Field both win over the docstring; 3 sources, 3 parameters."""

        def find(
            a: Annotated[str, "from text"], b: Annotated[int, Field(ge=1, description="from Field")], c: str
        ) -> None:
            """Find.

            Args:
                a: from the docstring
                b: from the docstring
                c: from the docstring
            """

        properties = schema_of(find)["properties"]

        assert {"a": "from text", "b": "from Field", "c": "from the docstring"} == {
            name: value["description"] for name, value in properties.items()
        }
        assert 1 == properties["b"]["minimum"]

    def test_a_parameter_may_have_any_name(self) -> None:
        """8 names that pydantic or JSON schema use themselves are ordinary parameters of a tool."""

        def odd(
            json: str,
            model_config: str,
            schema: str,
            copy: str,
            _private: str,
            p0: str,
            title: str,
            type: str,
        ) -> str:
            return json + model_config + schema + copy + _private + p0 + title + type

        made = tool(odd)
        names = ["json", "model_config", "schema", "copy", "_private", "p0", "title", "type"]
        text = "{" + ",".join(f'"{name}":"{name[0]}"' for name in names) + "}"

        assert names == list(schema_of(odd)["properties"])
        assert "jmsc_ptt" == made(**made.arguments.parse(text))  # type: ignore[arg-type]


class TestStrictMode:
    def test_rich_types_stay_strict(self) -> None:
        """Enums, dataclasses, recursion, tagged unions, sets, dates, decimals and ids all fit strict mode."""

        def rich(
            colour: Colour,
            point: Point,
            node: Node,
            pet: Annotated[Cat | Dog, Field(discriminator="kind")],
            days: set[datetime.date],
            price: decimal.Decimal,
            id: uuid.UUID,
        ) -> None: ...

        made = tool(rich)

        assert made.spec.strict
        assert {"anyOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]} == schema_of(rich)["properties"][
            "pet"
        ]
        assert ["name", "child"] == schema_of(rich)["$defs"]["Node"]["required"]
        assert only_strict_keywords(schema_of(rich))

    def test_limits_without_a_keyword_are_told_in_words(self) -> None:
        """minLength and a foreign format are no keywords of strict mode: they move into the description."""

        def name(
            nick: Annotated[str, Field(min_length=1, max_length=9)], n: Annotated[int, Field(le=5)]
        ) -> None: ...

        properties = schema_of(name)["properties"]

        assert {"type": "string", "description": "(maxLength: 9, minLength: 1)"} == properties["nick"]
        assert {"type": "integer", "maximum": 5} == properties["n"]

    def test_a_described_model_does_not_stand_beside_its_reference(self) -> None:
        """A $ref must stand alone: with a description it goes into an anyOf of one."""

        def put(point: Annotated[Point, "where"]) -> None: ...

        assert {"anyOf": [{"$ref": "#/$defs/Point"}], "description": "where"} == schema_of(put)["properties"][
            "point"
        ]

    @pytest.mark.parametrize(
        "annotation",
        [dict[str, Any], dict[str, int], Any, list, tuple[int, str], Settings, Literal[1, "a"]],
        ids=str,
    )
    def test_what_strict_mode_has_no_words_for_is_offered_without_it(self, annotation: Any) -> None:
        """7 types lead to strict=False and a schema that is still closed."""

        def loose(value: object) -> None: ...

        loose.__annotations__["value"] = annotation
        spec = tool(loose).spec

        assert not spec.strict
        assert spec.parameters["additionalProperties"] is False
        assert ["value"] == spec.parameters["required"]


def only_strict_keywords(schema: Any) -> bool:
    """An independent reading of the rules: every object closed and complete, no keyword outside the list."""
    allowed = {
        *("type", "properties", "required", "additionalProperties", "items", "anyOf", "enum", "const"),
        *("$ref", "$defs", "description", "format", "pattern", "minimum", "maximum", "minItems", "maxItems"),
    }
    assert set(schema) <= allowed, set(schema) - allowed
    if schema.get("type") == "object":
        assert schema["additionalProperties"] is False
        assert sorted(schema["properties"]) == sorted(schema["required"])
    below = [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values()]
    below += [*schema.get("anyOf", []), *([schema["items"]] if "items" in schema else [])]
    return all(only_strict_keywords(part) for part in below)


class TestRefusedFunctions:
    def test_a_parameter_without_a_type(self) -> None:
        """The message names the function and the parameter."""

        def bare(city) -> None: ...  # type: ignore[no-untyped-def]

        assert "bare, parameter 'city': has no type" in refusal_of(lambda: tool(bare))

    def test_arguments_that_have_no_name(self) -> None:
        """*args, **kwargs and positional-only parameters can't be given by a model."""

        def many(*words: str) -> None: ...
        def named(**words: str) -> None: ...
        def placed(word: str, /) -> None: ...

        for function in (many, named, placed):
            assert "a model gives arguments by name" in refusal_of(lambda made=function: tool(made))  # type: ignore[misc]

    def test_a_method_is_told_to_become_a_function(self) -> None:
        """'self' has no type; the hint says why."""
        said = []
        with pytest.raises(TypeError, match="make the tool a plain function"):

            class Weather:
                @tool
                def ask(self, city: str) -> None:
                    said.append(city)

    def test_types_that_no_model_can_write(self) -> None:
        """A socket, a function, and a context inside two other types have no schema."""

        def a(value: socket.socket) -> None: ...
        def b(value: Callable[[], None]) -> None: ...
        def c(value: list[ToolContext]) -> None: ...
        def d(value: Carrier) -> None: ...

        for function in (a, b, c, d):
            assert "parameter 'value': its type can't be described" in refusal_of(
                lambda made=function: tool(made)  # type: ignore[misc]
            )

    def test_a_type_that_is_imported_for_type_checkers_only(self) -> None:
        """A name under TYPE_CHECKING does not exist when the program runs."""

        def share(part: Fraction) -> None: ...

        assert "under TYPE_CHECKING" in refusal_of(lambda: tool(share))

    def test_a_return_type_may_be_unknown(self) -> None:
        """Only parameters are looked at: nothing that the model can't see is resolved."""

        def share() -> Fraction:
            raise NotImplementedError

        assert "share" == tool(share).name

    def test_a_default_inside_field(self) -> None:
        """A Field as the default value would reach the function when a person calls it."""

        def a(n: int = Field(default=3)) -> None: ...
        def b(n: Annotated[int, Field(default=3)]) -> None: ...

        assert "after '='" in refusal_of(lambda: tool(a))
        assert "after '='" in refusal_of(lambda: tool(b))

    def test_two_contexts(self) -> None:
        """One call has one context."""

        def twice(a: ToolContext, b: ToolContext) -> None: ...

        assert "only one parameter" in refusal_of(lambda: tool(twice))

    @pytest.mark.parametrize("name", ["", "a b", "wetter_für", "../x", "a" * 65, "os:system"])
    def test_names_that_no_provider_takes(self, name: str) -> None:
        """6 names outside of [a-zA-Z0-9_-]{1,64}."""

        def fine() -> None: ...

        assert "a model can't call" in refusal_of(lambda: tool(name=name)(fine))

    def test_what_is_no_function(self) -> None:
        """A class, a built-in, a lambda, a tool and generators can't be tools."""

        def one_by_one() -> Iterator[int]:
            yield 1

        async def one_by_one_later() -> AsyncIterator[int]:
            yield 1

        for wrong in (str, len, lambda: 1, tool(lambda_free), one_by_one, one_by_one_later):
            with pytest.raises(TypeError):
                tool(wrong)

    @pytest.mark.parametrize(
        "options",
        [
            {"timeout": 0},
            {"timeout": -1},
            {"timeout": float("nan")},
            {"max_output": 10},
            {"approval": "sometimes"},
            {"allowed_for": "U1"},
            {"allowed_for": [""]},
            {"allowed_for": [7]},
        ],
    )
    def test_options_out_of_range(self, options: dict[str, Any]) -> None:
        """8 wrong options are refused when the function is decorated."""
        with pytest.raises(TypeError):
            tool(**options)(lambda_free)


def lambda_free() -> None:
    """A function to decorate."""


class TestWhoMayHaveItCalled:
    def made(self, allowed: Any) -> Tool[..., object]:
        return tool(allowed_for=allowed)(lambda_free)

    def test_everybody_unless_it_is_said(self) -> None:
        """None is everybody, an empty list is nobody."""
        assert self.made(None).is_allowed(User("U1"), HERE)
        assert not self.made([]).is_allowed(User("U1"), HERE)

    def test_ids_and_roles_count_names_never(self) -> None:
        """10 look-alikes of an allowed person are refused."""
        made = self.made(["U1", "R9"])

        assert made.is_allowed(User("U1"), HERE)
        assert made.is_allowed(User("U2", roles=("R9",)), HERE)
        lookalikes = ["u1", "U1 ", "Ｕ1", "U1\x00", "", "U", "U11", "R9x", "*", "U1:U1"]
        assert not any(made.is_allowed(User(id, name="U1"), HERE) for id in lookalikes)

    def test_a_place_can_be_part_of_the_id(self) -> None:
        """slack:T1:U1 holds in that workspace only, and never where the place is unknown."""
        made = self.made(["slack:T1:U1"])

        assert made.is_allowed(User("U1"), HERE)
        assert not made.is_allowed(User("U1"), Conversation("slack", "T2", "C1"))
        assert not made.is_allowed(User("U1"), Conversation("webhook", "T1", "C1"))
        assert not made.is_allowed(User("slack:T1:U1"), Conversation("webhook", "default", "c"))
        assert not made.is_allowed(User("U1"), None)

    def test_a_function_must_say_true(self) -> None:
        """Anything but True is no."""
        assert self.made(lambda user: user.id == "U1").is_allowed(User("U1"), HERE)
        assert not self.made(lambda user: "yes").is_allowed(User("U1"), HERE)


class TestDocstrings:
    def test_three_styles_say_the_same(self) -> None:
        """Google, NumPy and Sphinx docstrings give one description and 2 parameters."""

        def google() -> None:
            """Sum up.

            Args:
                a (int, optional): first
                    number
                b: second

            Returns:
                A number.
            """

        def numpy() -> None:
            """Sum up.

            Parameters
            ----------
            a : int
                first
                number
            b
                second

            Returns
            -------
            int
                A number.
            """

        def sphinx() -> None:
            """Sum up.

            :param int a: first
                number
            :param b: second
            :returns: A number.
            """

        for function in (google, numpy, sphinx):
            said = read_docstring(function)

            assert "Sum up." == said.description
            assert {"a": "first number", "b": "second"} == said.parameters

    def test_an_example_stays(self) -> None:
        """Only sections about parameters and results are taken out."""

        def show() -> None:
            """Show it.

            Example:
                show it now

            Args:
                a: x
            """

        assert "Show it.\n\nExample:\n    show it now" == read_docstring(show).description
