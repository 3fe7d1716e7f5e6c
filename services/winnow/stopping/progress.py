"""How the loop went so far: what stopping rules look at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar

import numpy as np

from winnow.domain.errors import BadInput

T = TypeVar("T")
Series = tuple[float | None, ...]
Counts = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class ClassRecall:
    """How much of one class a committee finds on the holdout."""

    class_name: str
    recall: float
    n: int
    """Holdout frames of the class: what the recall rests on."""


@dataclass(frozen=True, slots=True)
class SliceRecall:
    """How much of one class a committee finds in one slice of the holdout."""

    class_name: str
    slice_name: str
    """E.g. `night` or `site=harbour`."""
    recall: float
    n: int
    """Holdout frames of the class in the slice."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How the loop went so far.

    Every series has one element a closed round, oldest first, None (or NaN) where the round
    measured nothing; a series that nobody measures is empty. Rules that lack a series say so and
    never stop. Lists and arrays are taken as tuples.

    Raises
    ------
    BadInput
        A series is neither empty nor as long as there are rounds.

    Examples
    --------
    >>> Progress(2, (0.5, 0.6), n_labels=(100, 200)).until(1).n_labels
    (100,)
    """

    n_rounds: int
    """Rounds closed, the one that just closed included."""
    accuracies: Series
    """Holdout accuracy after each of them; None without a labeled holdout."""
    accuracy_errors: Series = ()
    """Standard error of each accuracy over training seeds, from the spread of the members."""
    n_labels: Counts = ()
    """Labels that each round's committee learned from, those of earlier rounds included."""
    spent_micros: Counts = ()
    """Money that each round cost."""
    recalls: tuple[tuple[ClassRecall, ...], ...] = ()
    """Recall by class after each round; an empty element where it was not measured."""
    slice_recalls: tuple[SliceRecall, ...] = ()
    """Recall by class and slice of the newest committee; a frame may be in several slices."""
    kappas: Series = ()
    """Agreement of each round's committee with the one before it on a fixed stop set: Cohen's
    kappa of their predictions, -1 to 1; of detection F1 of their boxes, 0 to 1."""
    weight_changes: Series = ()
    """Relative change of the committee's weights against the one before it, a ratio from 0."""
    mean_entropies: Series = ()
    """Mean normalised entropy of the committee's predictions, 0 to 1."""
    n_unlabeled: int | None = None
    """Frames of the pool that may still be labeled."""
    available_micros: int | None = None
    """Annotation money that is left."""
    frame_price_micros: int | None = None
    """Price of one more label, all annotations of the frame together."""

    def __post_init__(self) -> None:
        """Take series as tuples; refuse those of another length than the number of rounds."""
        for name in SERIES:
            object.__setattr__(self, name, _as_tuple(getattr(self, name)))
            n_found = len(getattr(self, name))
            if n_found not in (0, self.n_rounds):
                msg = f"progress: {name}: expected {self.n_rounds} elements or 0, found {n_found}"
                raise BadInput(msg)

    def until(self, n_rounds: int) -> Self:
        """Give what was known after the first rounds; what has no series stays as it is."""
        heads = {name: getattr(self, name)[:n_rounds] for name in SERIES}
        return replace(self, n_rounds=n_rounds, **heads)


SERIES = (
    "accuracies", "accuracy_errors", "n_labels", "spent_micros", "recalls", "kappas",
    "weight_changes", "mean_entropies",
)  # fmt: skip
"""Fields with one element a round."""


def _as_tuple(series: Iterable[Any]) -> tuple[Any, ...]:
    given = series.tolist() if isinstance(series, np.ndarray) else series
    return tuple(None if value != value else value for value in given)  # only NaN is not itself


def newest(series: tuple[T | None, ...], n: int) -> tuple[T, ...] | None:
    """Give the last n elements, or none if there are not so many or one is not measured.

    Examples
    --------
    >>> newest((None, 0.8, 0.9), 2), newest((None, 0.8, 0.9), 3)
    ((0.8, 0.9), None)
    """
    tail = tuple(value for value in series[len(series) - n :] if value is not None)
    return tail if len(series) >= n and len(tail) == n else None
