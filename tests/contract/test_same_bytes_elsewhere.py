"""The same batch with 1, 2 and 8 threads and on processors that can do less."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import hashlib
import numpy as np
from winnow.policy.model import parse_policy
from winnow.policy.inputs import SelectionInputs
from winnow.policy.select import propose

rng = np.random.Generator(np.random.PCG64(0))
n = 3000
ids = np.array([rng.bytes(16).hex() for _ in range(n)])
weights = rng.integers(1, 1000, (n, 4, 10)).astype(np.float64)
for strategy in ("k_center", "shortlist_k_center", "top_k", "random", "power", "softmax", "rank"):
    for acquisition in ("bald", "entropy", "margin", "least_confidence"):
        proposal = propose(SelectionInputs(
            policy=parse_policy(
                f"selection: {{batch_size: 100, strategy: {strategy}, acquisition: {acquisition}}}"
            ),
            seed=7, affordable_micros=10**12, frame_ids=ids, gates=np.full(n, ""),
            gate_details=np.full(n, ""), clusters=ids,
            embeddings_ND=rng.integers(-9, 10, (n, 64)).astype(np.float32) + np.float32(0.1),
            centers_LD=None, scored=np.ones(n, np.bool_),
            probs_NMC=(weights / weights.sum(axis=2, keepdims=True)).astype(np.float32),
        ))
        digest = hashlib.sha256()
        for array in (proposal.batch, proposal.scores, proposal.utilities, proposal.inclusion,
                      proposal.draw, proposal.pre_label_score):
            digest.update(array.tobytes())
        digest.update(repr((proposal.reasons, proposal.components)).encode())
        print(digest.hexdigest())
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
def test_every_record_has_the_same_bits(where: str, here: list[str]) -> None:
    assert len(here) == 28
    assert digests(ELSEWHERE[where]) == here
