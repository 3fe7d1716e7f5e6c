"""What every section of a policy is made of."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

NAME_LENGTH_MAX: Final = 200
ALIKE: Final = 0.7
"""Similarity (0 to 1) from which a wrong name is taken for a misspelt one."""
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Name = Annotated[str, Field(min_length=1, max_length=NAME_LENGTH_MAX)]
"""Of a column, a tag, a value of either."""


class Section(BaseModel):
    """Base: no unknown keys, nothing changes after loading."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def did_you_mean(names: str | Iterable[str], known: Iterable[str]) -> str:
    """Give a hint at the known names that are most alike, or nothing.

    Examples
    --------
    >>> did_you_mean("bold", ["bald", "margin"])
    '; did you mean bald?'
    >>> did_you_mean(["sesion", "tme", "x"], ["time", "session"])
    '; did you mean session, time?'
    >>> did_you_mean("K-Center", ["badge", "k_center"])
    '; did you mean k_center?'
    """
    by_folded = {one.casefold(): one for one in known}
    found = [
        by_folded[one]
        for name in ([names] if isinstance(names, str) else names)
        for one in difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=ALIKE)
    ]
    return f"; did you mean {', '.join(dict.fromkeys(found))}?" if found else ""


def hint_at(name: str, known: Iterable[str], elsewhere: Mapping[str, Collection[str]]) -> str:
    """Say of an unknown name where it belongs, or which known one is most alike, or nothing.

    Parameters
    ----------
    elsewhere
        What names of another kind are, and where they stand → the names.

    Examples
    --------
    >>> hint_at("bald", ["badge"], {"an acquisition function: selection.acquisition": ["bald"]})
    '; bald is an acquisition function: selection.acquisition'
    """
    for what, names in elsewhere.items():
        if name in names:
            return f"; {name} is {what}"
    return did_you_mean(name, known)


def one_of(
    names: Iterable[str], elsewhere: Mapping[str, Collection[str]] = MappingProxyType({})
) -> AfterValidator:
    """Give a validator that lists the known names to whoever writes another; see `hint_at`."""
    known = sorted(names)

    def check(name: str) -> str:
        if name not in known:
            msg = "expected one of {names}{hint}"
            context = {"names": ", ".join(known), "hint": hint_at(name, known, elsewhere)}
            raise PydanticCustomError("unknown_name", msg, context)
        return name

    return AfterValidator(check)
