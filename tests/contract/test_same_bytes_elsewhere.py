"""The same batch with 1, 2 and 8 threads and on processors that can do less."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.test_strategies import OPTIONS
from winnow.policy.chosen_strategy import plain_names
from winnow.policy.score_section import SCORERS
from winnow.strategies.registry import strategy_of

ROOT = Path(__file__).parents[2]
PROGRAM = """
import hashlib, json, sys
import numpy as np
from winnow.policy.inputs import SelectionInputs
from winnow.policy.model import Policy
from winnow.policy.select import propose

rng = np.random.Generator(np.random.PCG64(0))
n, d = 600, 24
ids = np.array([rng.bytes(16).hex() for _ in range(n)])

def probs(*shape):
    weights = rng.integers(1, 1000, shape).astype(np.float64)
    return (weights / weights.sum(axis=-1, keepdims=True)).astype(np.float32)

def rows(n_rows):
    return rng.integers(-9, 10, (n_rows, d)).astype(np.float32) + np.float32(0.1)

known = dict(
    seed=7, affordable_micros=10**12, frame_ids=ids, gates=np.full(n, ""),
    gate_details=np.full(n, ""), clusters=ids, embeddings_ND=rows(n), centers_LD=rows(9),
    scored=np.ones(n, np.bool_), probs_NMC=probs(n, 4, 5), center_probs_LMC=probs(9, 4, 5),
    class_names=tuple("abcde"), labels=np.array(list("abcdeabcd")), examples_ED=rows(3),
    sessions=np.array([f"s{i % 40}" for i in range(n)]),
    captured_us=np.arange(n, dtype=np.int64) * 500_000,
    columns={"vehicle": np.array([f"v{i % 7}" for i in range(n)]),
             "site": np.array([f"site{i % 3}" for i in range(n)]),
             "speed": rng.integers(0, 30, n).astype(np.float64)},
)
for name, policy in json.loads(sys.argv[1]).items():
    proposal = propose(SelectionInputs(policy=Policy.model_validate(policy), **known))
    digest = hashlib.sha256()
    for array in (proposal.batch, proposal.scores, proposal.utilities, proposal.inclusion,
                  proposal.draw, proposal.pre_label_score):
        digest.update(array.tobytes())
    digest.update(repr((proposal.reasons, proposal.components)).encode())
    print(name, digest.hexdigest())
"""
SIZE = 40


def policies() -> dict[str, dict[str, object]]:
    """Every strategy, every acquisition function, and one policy that asks for everything."""
    found: dict[str, dict[str, object]] = {}
    for name in plain_names():
        chosen = {"name": name, **OPTIONS.get(name, {})}
        found[f"strategy {name}"] = {"selection": {"batch_size": SIZE, "strategy": chosen}}
    for name in SCORERS:
        selection = {"batch_size": SIZE, "strategy": "top_k", "acquisition": name}
        found[f"acquisition {name}"] = {"selection": selection}
    found["everything"] = {
        "selection": {"batch_size": SIZE, "strategy": "hybrid"},
        "scores": {
            "terms": [{"acquisition": "bald", "weight": 0.7}, {"column": "speed", "weight": 0.3}],
            "scale": "z",
            "density_beta": 1.5,
            "only": "speed > 3",
        },
        "risk": {"weights": [{"column": "speed", "points": [[0, 1], [29, 1.7]]}]},
        "constraints": {
            "gap_seconds": 30,
            "caps": {"vehicle": 9},
            "minimums": [{"column": "predicted_class", "share": 0.1}],
        },
    }
    return found


LESS = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR AVX2 FMA3"
ELSEWHERE = {
    "1 thread": {"OPENBLAS_NUM_THREADS": "1"},
    "8 threads": {"OPENBLAS_NUM_THREADS": "8"},
    "no AVX in NumPy": {"NPY_DISABLE_CPU_FEATURES": LESS},
    "an older BLAS kernel": {"OPENBLAS_CORETYPE": "Nehalem"},
}


def digests(environment: dict[str, str]) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, json.dumps(policies())],
        env={**os.environ, "PYTHONPATH": str(ROOT / "services"), **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    found: dict[str, str] = dict(line.rsplit(" ", 1) for line in done.stdout.splitlines())
    return found


@pytest.fixture(scope="module")
def here() -> dict[str, str]:
    return digests({"OPENBLAS_NUM_THREADS": "2"})


@pytest.mark.slow
@pytest.mark.parametrize("where", sorted(ELSEWHERE))
def test_every_record_has_the_same_bits(where: str, here: dict[str, str]) -> None:
    assert here.keys() == policies().keys()
    assert digests(ELSEWHERE[where]) == here


def test_every_registered_strategy_can_stand_there() -> None:
    """The program gives every input there is, so that a new strategy is in it by itself."""
    given = {"scores", "embeddings", "probs", "labels", "sessions", "times", "columns", "examples"}
    for name in plain_names():
        assert strategy_of(name, OPTIONS.get(name)).needs <= given, name
