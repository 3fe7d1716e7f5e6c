"""A query strategy as a policy names it: a name, or a name with options of that strategy.

`strategy: top_k` and `strategy: {name: hybrid, alpha: 0.7}` are both allowed; which options there
are, and their bounds, is read from the strategies themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, TypeAlias, Union, get_args

from pydantic import (
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    create_model,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from winnow.domain.errors import BadInput
from winnow.kernels.protocol import DistanceKernel
from winnow.policy.section import Section
from winnow.strategies.protocol import Strategy
from winnow.strategies.registry import STRATEGIES, options_of, strategy_of


class ChosenStrategy(Section):
    """A strategy's name and all of its options, defaults too: what a policy pins down."""

    name: str

    @model_validator(mode="after")
    def _options_agree(self) -> Self:
        try:
            self.strategy()
        except BadInput as error:
            raise PydanticCustomError("options", "{text}", {"text": str(error)}) from error
        return self

    def options(self) -> dict[str, object]:
        """Give the options by name."""
        return {key: getattr(self, key) for key in type(self).model_fields if key != "name"}

    def strategy(self, kernel: DistanceKernel | None = None) -> Strategy:
        """Give the strategy itself, on a backend if it measures distances."""
        return strategy_of(self.name, self.options(), kernel=kernel)

    def __str__(self) -> str:
        """Give name and options, e.g. `hybrid (alpha 0.7, beta 0.3)`."""
        told = [f"{key} {_listed(value)}" for key, value in self.options().items() if value != ()]
        return f"{self.name} ({', '.join(told)})" if told else self.name


def _listed(value: object) -> str:
    return " and ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _model_of(name: str) -> type[ChosenStrategy]:
    options = options_of(name)
    fields: dict[str, Any] = {
        key: (
            Annotated[known.annotation, *known.metadata, Field(description=known.description)],
            ... if known.is_required() else known.get_default(call_default_factory=True),
        )
        for key, known in options.model_fields.items()
    }
    title = options.__name__.removesuffix("Options")
    kind: Any = Literal[name]
    model: type[ChosenStrategy] = create_model(
        f"{title}Strategy", __base__=ChosenStrategy, name=(kind, ...), **fields
    )
    model.__doc__ = (STRATEGIES[name].__doc__ or "").strip().split("\n")[0]
    return model


CHOSEN: Final[dict[str, type[ChosenStrategy]]] = {name: _model_of(name) for name in STRATEGIES}


def chosen(name: str, **options: object) -> ChosenStrategy:
    """Give a strategy as a policy would name it.

    Examples
    --------
    >>> str(chosen("shortlist_k_center"))
    'shortlist_k_center (shortlist_factor 5.0)'
    """
    return CHOSEN[name].model_validate({"name": name, **options})


class _ByName:
    """Lets a bare name stand for a strategy with its default options, in the schema too."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string", "enum": list(plain_names())}, handler(schema)]}


def _asks_for_options(kind: type[ChosenStrategy]) -> bool:
    options = {key: known for key, known in kind.model_fields.items() if key != "name"}
    if any(known.is_required() for known in options.values()):
        return True
    try:
        strategy_of(str(get_args(kind.model_fields["name"].annotation)[0]))
    except BadInput:
        return True
    return False


def _expanded(found: object) -> object:
    return {"name": found} if isinstance(found, str) else _frozen(found)


def _frozen(found: object) -> object:
    """Give lists as tuples: what a validator of Python objects takes for one, strictly."""
    if isinstance(found, dict):
        return {key: _frozen(value) for key, value in found.items()}
    return tuple(_frozen(value) for value in found) if isinstance(found, list) else found


def plain_names() -> tuple[str, ...]:
    """Give the names of strategies that can do without options, sorted."""
    return tuple(name for name, kind in sorted(CHOSEN.items()) if not _asks_for_options(kind))


_kinds = tuple(CHOSEN[name] for name in sorted(CHOSEN))
_Variants: Any = Annotated[Union[_kinds], Field(discriminator="name")]  # noqa: UP007
if TYPE_CHECKING:
    AnyStrategy: TypeAlias = ChosenStrategy
else:
    AnyStrategy = Annotated[_Variants, BeforeValidator(_expanded), _ByName()]
