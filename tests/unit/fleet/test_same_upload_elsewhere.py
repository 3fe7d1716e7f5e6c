"""The same upload and labels, to the bit, with other threads and on processors that can do less."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.contract.test_same_bytes_elsewhere import ELSEWHERE, ROOT

PROGRAM = """
import hashlib
import numpy as np
from winnow.strategies.fleet import FLEET_POLICIES, Fleet
from winnow.strategies.protocol import Candidates
from winnow.strategies.segments import segments_of
from winnow.strategies.upload import choose_uploads
from winnow.strategies.upload_limits import UploadLimits

rng = np.random.Generator(np.random.PCG64(0))
n = 1500
candidates = Candidates(
    np.array([rng.bytes(16).hex() for _ in range(n)]),
    embeddings_ND=rng.integers(-9, 10, (n, 64)).astype(np.float32) + np.float32(0.1),
    centers_LD=rng.integers(-9, 10, (40, 64)).astype(np.float32),
    scores_N=rng.integers(1, 100, n) / 7.0,
)
sizes = rng.integers(100, 900, n)
segments = segments_of(
    np.repeat(["a", "b", "c"], n // 3), np.arange(n) * 10**6, sizes, frames_max=7, gap_us=10**9
)
limits = UploadLimits(budget_bytes=60_000, storage_bytes=400_000, now_us=0, next_window_us=10**6)
print(hashlib.sha256(repr(choose_uploads(candidates, segments, limits)).encode()).hexdigest())
fleet = Fleet(
    candidates=candidates, vehicle_N=np.arange(n) % 5, size_bytes_N=sizes,
    budget_bytes_V=np.full(5, 9_000), budget_micros=20,
)
for name, policy in FLEET_POLICIES.items():
    print(name, hashlib.sha256(repr(policy(fleet, seed=1)).encode()).hexdigest())
"""


def choices(environment: dict[str, str]) -> str:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": str(ROOT / "services"), **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout


@pytest.fixture(scope="module")
def here() -> str:
    return choices({"OPENBLAS_NUM_THREADS": "2"})


@pytest.mark.slow
@pytest.mark.parametrize("where", sorted(ELSEWHERE))
def test_every_choice_has_the_same_bits(where: str, here: str) -> None:
    assert len(here.splitlines()) == 6
    assert choices(ELSEWHERE[where]) == here
