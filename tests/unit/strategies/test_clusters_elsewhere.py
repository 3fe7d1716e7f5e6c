"""Clusters and covers with other threads and on processors that can do less: the same picks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAM = """
import hashlib
import numpy as np
from winnow.strategies.protocol import Candidates
from winnow.strategies.registry import strategy_of

rng = np.random.Generator(np.random.PCG64(0))
n = 3000
rows = rng.integers(-9, 10, (n, 48)) + rng.integers(-40, 40, (30, 48))[rng.integers(0, 30, n)]
pool = Candidates(
    np.array([rng.bytes(16).hex() for _ in range(n)]),
    scores_N=rng.integers(0, 1000, n) / 1000,
    embeddings_ND=(rows + 100.1).astype(np.float32),
    centers_LD=(rows[:20] + 100.2).astype(np.float32),
)
for name, options in (
    ("kmeans", {}), ("kmeans", {"weight": "score", "pick": "highest_score"}), ("typiclust", {}),
    ("probcover", {}), ("probcover", {"delta": 40.0}), ("hybrid", {}),
    ("hybrid", {"distance_min": 45.0}), ("cluster_margin", {}),
    ("cluster_margin", {"leaves_max": 300}),
):
    picks = strategy_of(name, options).choose(pool, 80, seed=7)
    print(hashlib.sha256(repr(picks).encode()).hexdigest())
"""
LESS = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR AVX2 FMA3"
ELSEWHERE = {
    "1 thread": {"OPENBLAS_NUM_THREADS": "1"},
    "8 threads": {"OPENBLAS_NUM_THREADS": "8"},
    "no AVX in NumPy": {"NPY_DISABLE_CPU_FEATURES": LESS},
    "an older BLAS kernel": {"OPENBLAS_CORETYPE": "Nehalem"},
}


def digests(environment: dict[str, str]) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": str(ROOT / "services"), **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout.split()


@pytest.fixture(scope="module")
def here() -> list[str]:
    return digests({"OPENBLAS_NUM_THREADS": "2"})


@pytest.mark.slow
@pytest.mark.parametrize("where", sorted(ELSEWHERE))
def test_the_picks_their_utilities_and_reasons_are_the_same(where: str, here: list[str]) -> None:
    assert len(set(here)) == 9
    assert digests(ELSEWHERE[where]) == here
