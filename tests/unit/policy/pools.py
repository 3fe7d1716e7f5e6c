"""Pools as arrays, for policies to choose from."""

from __future__ import annotations

from typing import Any

import numpy as np

from winnow.policy.inputs import SelectionInputs
from winnow.policy.model import Policy, parse_policy

CLASSES = ("car", "bike", "person")


def pool(policy: str | Policy, n: int = 60, *, data: int = 0, **changes: Any) -> SelectionInputs:
    """Give n scored frames in sessions of ten, a second apart, of five sites and three classes."""
    rng = np.random.default_rng(data)
    ids = np.array([rng.bytes(16).hex() for _ in range(n)], dtype="<U32")
    probs = rng.dirichlet(np.ones(3), (n, 2)).astype(np.float32)
    known: dict[str, Any] = {
        "policy": policy if isinstance(policy, Policy) else parse_policy(policy),
        "seed": 3,
        "affordable_micros": 10**12,
        "frame_ids": ids,
        "gates": np.zeros(n, dtype="<U1"),
        "gate_details": np.zeros(n, dtype="<U1"),
        "clusters": ids,
        "embeddings_ND": rng.standard_normal((n, 4)).astype(np.float32),
        "centers_LD": rng.standard_normal((3, 4)).astype(np.float32),
        "scored": np.ones(n, dtype=np.bool_),
        "probs_NMC": probs,
        "class_names": CLASSES,
        "labels": np.array(CLASSES),
        "center_probs_LMC": rng.dirichlet(np.ones(3), (3, 2)).astype(np.float32),
        "sessions": np.array([f"s{i // 10}" for i in range(n)], dtype="<U4"),
        "captured_us": np.arange(n, dtype=np.int64) * 1_000_000,
        "columns": {
            "site": np.array([f"site{i % 5}" for i in range(n)], dtype="<U5"),
            "vehicle": np.array([f"v{i % 4}" for i in range(n)], dtype="<U5"),
            "weather": np.array(["fog" if i % 12 == 0 else "sun" for i in range(n)], dtype="<U3"),
            "mi_person": rng.random(n),
            "mi_bike": rng.random(n),
            "speed": rng.random(n) * 30,
            "price": rng.integers(1, 10, n).astype(np.float64) * 10_000,
        },
    }
    return SelectionInputs(**(known | changes))
