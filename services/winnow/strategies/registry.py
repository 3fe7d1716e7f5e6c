"""Query strategies by their policy name. A new one is a new file and a line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from winnow.domain.errors import BadInput
from winnow.strategies.k_center import KCenter, ShortlistKCenter
from winnow.strategies.protocol import Strategy
from winnow.strategies.simple_random import Random
from winnow.strategies.top_k import TopK


@dataclass(frozen=True, slots=True)
class Options:
    """What the policy may set on strategies; each takes what it knows."""

    shortlist_factor: float = 5.0


STRATEGIES: Final[dict[str, Callable[[Options], Strategy]]] = {
    "random": lambda options: Random(),
    "top_k": lambda options: TopK(),
    "k_center": lambda options: KCenter(),
    "shortlist_k_center": lambda options: ShortlistKCenter(factor=options.shortlist_factor),
}


def strategy_of(name: str, options: Options | None = None) -> Strategy:
    """Give a query strategy.

    Raises
    ------
    BadInput
        There is none of this name; the text lists those there are.
    """
    try:
        make = STRATEGIES[name]
    except KeyError:
        msg = f"strategy: expected one of {', '.join(sorted(STRATEGIES))}, found {name!r}"
        raise BadInput(msg) from None
    return make(options or Options())
