"""BatchBALD, and what a peer's does wrong."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from tests.unit.kernels.test_joint_information import joint_information, probs_of
from winnow.acquisition.bald import bald
from winnow.domain.errors import BadInput
from winnow.kernels.joint_information import JointInformation
from winnow.strategies.batchbald import BatchBALD
from winnow.strategies.protocol import Candidates, Floats, Positions


def pool_of(probs: Floats) -> Candidates:
    ids: npt.NDArray[np.str_] = np.array([f"{i:032x}" for i in range(len(probs))], dtype=np.str_)
    return Candidates(ids, probs_NMC=probs.astype(np.float32))


@pytest.mark.parametrize("seed", range(4))
def test_each_pick_is_the_one_that_all_joint_labels_call_best(seed: int) -> None:
    probs = probs_of(seed, 25, 5, 3).astype(np.float32).astype(np.float64)
    picks = BatchBALD().choose(pool_of(probs), 5, seed=0)
    chosen = list[int]()
    for pick in picks:
        held = joint_information(probs, chosen)
        gains = [
            -1.0 if pos in chosen else joint_information(probs, [*chosen, pos]) - held
            for pos in range(len(probs))
        ]
        assert pick.utility == pytest.approx(max(gains), abs=1e-6)
        assert gains[pick.pos] == pytest.approx(max(gains), abs=1e-6)
        chosen.append(pick.pos)


def test_diverse_questions_come_before_copies_of_the_best_one() -> None:
    same = [[0.95, 0.05], [0.95, 0.05], [0.05, 0.95], [0.05, 0.95]]
    across = [[0.9, 0.1], [0.1, 0.9], [0.9, 0.1], [0.1, 0.9]]
    probs = np.array([same, same, same, across])
    assert [pick.pos for pick in BatchBALD().choose(pool_of(probs), 2, seed=0)] == [0, 3]


def test_the_batch_is_full_when_nothing_more_can_be_told() -> None:
    """Baal stops once gains stay below 0.1 and chooses one more than asked."""
    rng = np.random.default_rng(0)
    probs = np.tile([[1.0, 0.0], [0.0, 1.0]], (30, 1, 1))
    probs[5:] = rng.dirichlet([5.0, 5.0], (25, 2))
    picks = BatchBALD().choose(pool_of(probs), 12, seed=0)
    assert len(picks) == 12
    assert [pick.pos for pick in picks[:5]] == [0, 1, 2, 3, 4]
    assert picks[0].utility == pytest.approx(np.log(2))
    assert all(pick.utility is None for pick in picks[1:])
    rest = [pick.pos for pick in picks[5:]]
    by_score = np.lexsort((np.arange(30), -bald(pool_of(probs).probs_NMC)))[5:12]  # type: ignore[arg-type]
    assert rest == by_score.tolist()


def test_memory_does_not_grow_with_frames_times_configurations() -> None:
    """Baal allocates frames x draws x members x classes: 2.4 GB here."""
    pool = pool_of(np.random.default_rng(1).dirichlet(np.full(10, 3.0), (3000, 10)))
    tracemalloc.start()
    picks = BatchBALD(configurations=1000).choose(pool, 6, seed=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(picks) == 6
    assert picks[-1].reason.startswith("its label tells about ")
    assert peak < 20e6


def test_many_classes_need_few_looks_with_all_joint_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at a frame with all of them costs configurations x members x classes."""
    looks = Counter[str]()

    def counting(name: str) -> Callable[[JointInformation, Positions], Floats]:
        of = getattr(JointInformation, name)

        def look(joint: JointInformation, pos_K: Positions) -> Floats:
            looks[name] += len(pos_K)
            found: Floats = of(joint, pos_K)
            return found

        return look

    for name in ("gains", "closer", "upper"):
        monkeypatch.setattr(JointInformation, name, counting(name))
    logits = np.random.default_rng(0).standard_normal((1500, 6, 37))
    probs = np.exp(2 * logits) / np.exp(2 * logits).sum(axis=2, keepdims=True)
    picks = BatchBALD().choose(pool_of(probs), 5, seed=0)
    assert all(pick.utility is not None for pick in picks)
    assert looks["upper"] > 1500
    assert looks["gains"] + looks["closer"] < 300


def test_no_seed_moves_the_estimates() -> None:
    pool = pool_of(probs_of(2, 200, 6, 6))
    chooser = BatchBALD(configurations=50)
    assert chooser.choose(pool, 8, seed=0) == chooser.choose(pool, 8, seed=1)


def test_more_configurations_come_closer_to_the_exact_batch() -> None:
    probs = probs_of(3, 60, 6, 4)
    exact = BatchBALD(configurations=1_000_000).choose(pool_of(probs), 6, seed=0)
    close = BatchBALD(configurations=500).choose(pool_of(probs), 6, seed=0)
    together = [joint_information(probs, [pick.pos for pick in p][:5]) for p in (exact, close)]
    assert together[1] == pytest.approx(together[0], abs=0.01)


def test_bad_probabilities_are_refused() -> None:
    probs = probs_of(4, 5, 2, 2)
    probs[3, 1] = [0.7, 0.7]
    with pytest.raises(BadInput, match="row 3, member 1"):
        BatchBALD().choose(pool_of(probs), 2, seed=0)
