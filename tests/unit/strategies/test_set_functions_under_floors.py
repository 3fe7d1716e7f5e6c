"""Places kept for frames that would starve, inside the loops of set-function strategies."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from tests.contract.test_strategies import candidates, strategy

Flags = npt.NDArray[np.bool_]


class KeepPlaces:
    """The last places are for some frames until enough of them are in."""

    def __init__(self, wanted: Flags, count: int) -> None:
        self.wanted, self.left, self.free = wanted, count, np.ones(len(wanted), dtype=np.bool_)

    def lost(self, positions: npt.NDArray[np.intp]) -> None:
        self.free[positions] = False

    def took(self, pos: int) -> None:
        self.left -= int(self.wanted[pos])

    def only(self, n_places: int) -> Flags | None:
        return self.wanted if self.left > 0 and n_places <= self.left else None


@pytest.mark.parametrize("name", ["facility_location", "dpp", "batchbald", "bait"])
@pytest.mark.parametrize("seed", range(3))
def test_kept_places_are_filled_and_the_others_stay_as_they_were(name: str, seed: int) -> None:
    pool = candidates(40, seed=seed)
    free = [pick.pos for pick in strategy(name).choose(pool, 12, seed=0)]
    wanted = np.zeros(40, dtype=np.bool_)
    wanted[[pos for pos in range(40) if pos not in free][:6]] = True
    picks = strategy(name).choose(pool, 12, seed=0, floors=[KeepPlaces(wanted, 4)])
    chosen = [pick.pos for pick in picks]
    assert len(set(chosen)) == 12
    assert wanted[chosen].sum() == 4
    assert chosen[:8] == free[:8]
