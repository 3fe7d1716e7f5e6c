"""Acquisition functions by their policy name. A new one is a new file and a line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from winnow.acquisition.bald import bald
from winnow.acquisition.checked import Rows
from winnow.acquisition.entropy import entropy
from winnow.acquisition.epig import epig
from winnow.acquisition.expected_gradient_length import expected_gradient_length
from winnow.acquisition.information_density import information_density
from winnow.acquisition.kl_to_consensus import kl_to_consensus
from winnow.acquisition.least_confidence import least_confidence
from winnow.acquisition.margin import margin
from winnow.acquisition.probabilities import Probabilities
from winnow.acquisition.reproducible import Floats
from winnow.acquisition.variation_ratio import variation_ratio
from winnow.acquisition.vote_entropy import vote_entropy
from winnow.domain.errors import BadInput

Need = Literal["targets", "embeddings"]


@dataclass(frozen=True, slots=True)
class Acquisition:
    """An acquisition function and how its scores are told to people."""

    score: Callable[..., Floats]
    """Takes `probs_NMC`, then what it needs beside them, in the order of their names."""
    word: str
    """What a score is called in a reason, e.g. `disagreement`."""
    unit: str
    """`nats`, or empty for a ratio."""
    needs: frozenset[Need] = frozenset()
    """`targets`: probabilities of a sample of the frames that the model is for, `targets_TMC`;
    `embeddings`: `embeddings_ND`."""

    def told(self, score: float) -> str:
        """Give a score in words, e.g. `disagreement 0.41 nats`."""
        return f"{self.word} {score:.2f} {self.unit}".rstrip()


ACQUISITIONS: Final[dict[str, Acquisition]] = {
    "entropy": Acquisition(entropy, "uncertainty", "nats"),
    "margin": Acquisition(margin, "closeness of the two best classes", ""),
    "least_confidence": Acquisition(least_confidence, "lack of confidence", ""),
    "bald": Acquisition(bald, "disagreement", "nats"),
    "variation_ratio": Acquisition(variation_ratio, "share of votes against the majority", ""),
    "vote_entropy": Acquisition(vote_entropy, "spread of votes", "nats"),
    "kl_to_consensus": Acquisition(kl_to_consensus, "distance from the consensus", "nats"),
}
"""Those that need nothing but probabilities."""

ACQUISITIONS_WITH_MORE: Final[dict[str, Acquisition]] = {
    "epig": Acquisition(epig, "information about the targets", "nats", frozenset({"targets"})),
    "expected_gradient_length": Acquisition(
        expected_gradient_length, "expected gradient", "", frozenset({"embeddings"})
    ),
}
"""Those that need something beside them, see `Acquisition.needs`."""

MODIFIERS: Final[dict[str, Callable[..., Floats]]] = {"information_density": information_density}
"""Turn scores and embeddings into scores: `(scores_N, embeddings_ND, *, beta) -> scores_N`."""

RECORDED: Final = ("bald", "entropy", "least_confidence", "margin")
"""Whose scores every candidate record holds, whatever the policy asks for: new functions are no
reason for records to grow."""


def acquisition_names() -> tuple[str, ...]:
    """Give the names of all acquisition functions that need nothing but probabilities, sorted."""
    return tuple(sorted(ACQUISITIONS))


def recorded_names(asked: str) -> tuple[str, ...]:
    """Give whose scores a candidate record holds if the policy asks for this function, sorted.

    Examples
    --------
    >>> recorded_names("vote_entropy")
    ('bald', 'entropy', 'least_confidence', 'margin', 'vote_entropy')
    """
    return tuple(sorted({*RECORDED, asked}))


def acquisition_of(name: str) -> Acquisition:
    """Give an acquisition function, also one that needs more than probabilities.

    Raises
    ------
    BadInput
        There is none of this name; the text lists those there are.
    """
    known = ACQUISITIONS | ACQUISITIONS_WITH_MORE
    if name not in known:
        msg = f"acquisition: expected one of {', '.join(sorted(known))}, found {name!r}"
        raise BadInput(msg)
    return known[name]


def score_of(
    name: str,
    probs_NMC: Probabilities,
    *,
    targets_TMC: Probabilities | None = None,
    embeddings_ND: Rows | None = None,
) -> Floats:
    """Give a function's scores, with what it needs beside probabilities; the rest is not used.

    Raises
    ------
    BadInput
        There is no function of this name, what it needs is missing, or see the function.

    Examples
    --------
    >>> import numpy as np
    >>> score_of("least_confidence", np.array([[[0.75, 0.25]]])).tolist()
    [0.25]
    """
    acquisition = acquisition_of(name)
    given = {"embeddings": embeddings_ND, "targets": targets_TMC}
    for need in sorted(acquisition.needs):
        if given[need] is None:
            msg = f"acquisition {name}: expected {need} beside the probabilities, found none"
            raise BadInput(msg)
    return acquisition.score(probs_NMC, *(given[need] for need in sorted(acquisition.needs)))
