"""Acquisition functions by their policy name. A new one is a new file and a line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from winnow.acquisition.bald import bald
from winnow.acquisition.entropy import entropy
from winnow.acquisition.least_confidence import least_confidence
from winnow.acquisition.margin import margin
from winnow.acquisition.probabilities import Probabilities
from winnow.acquisition.reproducible import Floats
from winnow.domain.errors import BadInput


@dataclass(frozen=True, slots=True)
class Acquisition:
    """An acquisition function and how its scores are told to people."""

    score: Callable[[Probabilities], Floats]
    word: str
    """What a score is called in a reason, e.g. `disagreement`."""
    unit: str
    """`nats`, or empty for a ratio."""

    def told(self, score: float) -> str:
        """Give a score in words, e.g. `disagreement 0.41 nats`."""
        return f"{self.word} {score:.2f} {self.unit}".rstrip()


ACQUISITIONS: Final[dict[str, Acquisition]] = {
    "entropy": Acquisition(entropy, "uncertainty", "nats"),
    "margin": Acquisition(margin, "closeness of the two best classes", ""),
    "least_confidence": Acquisition(least_confidence, "lack of confidence", ""),
    "bald": Acquisition(bald, "disagreement", "nats"),
}


def acquisition_names() -> tuple[str, ...]:
    """Give the names of all acquisition functions, sorted."""
    return tuple(sorted(ACQUISITIONS))


def acquisition_of(name: str) -> Acquisition:
    """Give an acquisition function.

    Raises
    ------
    BadInput
        There is none of this name; the text lists those there are.
    """
    try:
        return ACQUISITIONS[name]
    except KeyError:
        msg = f"acquisition: expected one of {', '.join(acquisition_names())}, found {name!r}"
        raise BadInput(msg) from None
