"""Set-function strategies: the same bits with other threads, instructions and BLAS kernels."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.test_same_bytes_elsewhere import ELSEWHERE

ROOT = Path(__file__).parents[2]
PROGRAM = """
import hashlib
import numpy as np
from winnow.strategies.protocol import Candidates
from winnow.strategies.registry import strategy_of

rng = np.random.Generator(np.random.PCG64(0))
n = 1500
weights = rng.integers(1, 1000, (n + 40, 4, 10)) ** 2.0
probs = (weights / weights.sum(axis=2, keepdims=True)).astype(np.float32)
rows = rng.integers(-9, 10, (n + 40, 96)).astype(np.float32) + np.float32(0.1)
rows[::7] = rows[0]
pool = Candidates(
    np.array([rng.bytes(16).hex() for _ in range(n)]), scores_N=rng.integers(0, 99, n) / 98.0,
    embeddings_ND=rows[40:], centers_LD=rows[:40], probs_NMC=probs[40:],
    center_probs_LMC=probs[:40],
)
for name, options in (
    ("facility_location", {}), ("facility_location", {"similarity": "distance"}),
    ("dpp", {}), ("dpp", {"labeled_max": 10}), ("dpp", {"similarity": "rbf", "theta": 0.0}),
    ("batchbald", {"configurations": 300}), ("bait", {"candidates_max": 600}),
    ("bait", {"features_max": 16, "classes_max": 4, "oversample": 1.0}),
):
    picks = strategy_of(name, options).choose(pool, 12 if name == "bait" else 120, seed=7)
    print(hashlib.sha256(repr(picks).encode()).hexdigest())
"""


def digests(environment: dict[str, str]) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": str(ROOT / "services"), **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    return done.stdout.split()


@pytest.fixture(scope="module")
def here() -> list[str]:
    return digests({"OPENBLAS_NUM_THREADS": "2"})


@pytest.mark.slow
@pytest.mark.parametrize("where", sorted(ELSEWHERE))
def test_every_pick_has_the_same_bits(where: str, here: list[str]) -> None:
    assert len(here) == 8
    assert digests(ELSEWHERE[where]) == here
