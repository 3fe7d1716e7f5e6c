"""Who runs: the default as a policy without settings gives it, every strategy, and peers."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np

from tests.bench.default_policy.loop import Chooser, Entrant
from winnow.policy.selection_section import SelectionSection
from winnow.strategies.protocol import Candidates, Pick
from winnow.strategies.registry import strategy_of

DEFAULT = "default"
SINGLE = (
    "random", "k_center", "kmeans", "typiclust", "probcover", "top_k", "shortlist_k_center",
    "cluster_margin", "hybrid", "power", "badge", "dpp",
)  # fmt: skip
"""Strategies that stand alone on these pools, each with its default options."""


class Default:
    """What the default policy does: its cold start until a committee has answered."""

    needs: frozenset[str] = frozenset()

    def choose(self, candidates: Candidates, n: int, *, seed: int) -> Sequence[Pick]:
        """See `Chooser.choose`."""
        cold = candidates.scores_N is None
        strategy = SelectionSection().chosen_strategy(cold=cold).strategy()
        return strategy.choose(candidates, n, seed=seed)


class Peer:
    """scikit-activeml's TypiClust, ProbCover or CoreSet."""

    needs: frozenset[str] = frozenset()

    def __init__(self, name: str) -> None:
        self._name = name

    def choose(self, candidates: Candidates, n: int, *, seed: int) -> Sequence[Pick]:
        """See `Chooser.choose`."""
        from skactiveml import pool

        assert candidates.embeddings_ND is not None
        assert candidates.centers_LD is not None
        rows_ND = np.concatenate([candidates.embeddings_ND, candidates.centers_LD])
        labels_N = np.full(len(rows_ND), np.nan)
        if candidates.labels_L is not None:
            labels_N[len(candidates) :] = candidates.labels_L
        query = getattr(pool, self._name)(random_state=seed).query
        return [Pick(int(pos), None, self._name) for pos in query(rows_ND, labels_N, batch_size=n)]


def entrants(*, peers: bool) -> list[Entrant]:
    """Give all of them; acquisition functions differ only where they are all that differs."""
    found: list[tuple[str, Chooser, str]] = [(DEFAULT, Default(), SelectionSection().acquisition)]
    found += [(name, strategy_of(name), "margin") for name in SINGLE]
    found += [(f"top_k, {name}", strategy_of("top_k"), name) for name in ("entropy", "bald")]
    found += [("shortlist_k_center, bald", strategy_of("shortlist_k_center"), "bald")]
    if peers and find_spec("skactiveml"):
        found += [
            (f"scikit-activeml {name}", Peer(name), "margin") for name in ("TypiClust", "ProbCover")
        ]
    return [Entrant(*row) for row in found]
