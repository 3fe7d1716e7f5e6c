"""Backends round differently and give the same picks."""

from __future__ import annotations

import numpy as np
import pytest

from winnow.domain.errors import BadInput
from winnow.kernels.backend import kernel_of
from winnow.kernels.faiss_kernel import FaissKernel
from winnow.kernels.protocol import Centers, DistanceKernel
from winnow.kernels.torch_kernel import TorchKernel
from winnow.strategies.badge import Badge
from winnow.strategies.k_center import KCenter
from winnow.strategies.protocol import Candidates


def pool() -> Candidates:
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((600, 12)).astype(np.float32)
    rows[300:] = rows[:300]  # ties
    return Candidates(
        np.array([f"{i:032x}" for i in range(600)], dtype=np.str_),
        embeddings_ND=rows,
        centers_LD=rows[:4],
        probs_NMC=rng.dirichlet(np.ones(3), (600, 2)).astype(np.float32),
    )


@pytest.mark.parametrize("strategy", [KCenter, Badge])
@pytest.mark.parametrize("kernel", [TorchKernel("cpu"), FaissKernel()], ids=lambda k: k.name)
def test_every_backend_gives_the_picks_of_numpy(
    kernel: DistanceKernel, strategy: type[KCenter | Badge]
) -> None:
    expected = strategy().choose(pool(), 200, seed=1)
    assert strategy(kernel=kernel).choose(pool(), 200, seed=1) == expected


def test_distances_are_those_of_the_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("winnow.kernels.torch_kernel.BLOCK_VALUES", 64)
    monkeypatch.setattr("winnow.kernels.torch_kernel.UPLOAD_ROWS", 7)
    rng = np.random.default_rng(4)
    parts = tuple(rng.standard_normal((30, d)).astype(np.float32) for d in (3, 5))
    dense = np.einsum("nc,nd->ncd", *parts).reshape(30, -1)
    expected = ((dense[:, None] - dense[None, :9]) ** 2).sum(axis=2)
    for kernel in (TorchKernel("cpu"), kernel_of("faiss"), kernel_of("cpu")):
        held, centers = kernel.hold(parts), Centers.of(*(part[:9] for part in parts))
        np.testing.assert_allclose(held.distances(centers), expected, atol=1e-3)
        np.testing.assert_allclose(held.nearest(centers), expected.min(axis=1), atol=1e-3)
        np.testing.assert_allclose(held.squares, (dense**2).sum(axis=1), rtol=1e-5)
        some = held.take(np.array([5, 2]))
        np.testing.assert_allclose(some.distances(centers), expected[[5, 2]], atol=1e-3)


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(BadInput, match="expected one of cpu, cuda, faiss, auto, found 'tpu'"):
        kernel_of("tpu")
    rows = np.eye(3, dtype=np.float32)
    found = kernel_of("faiss").hold((rows,)).nearest(Centers.of(rows[:2]))
    np.testing.assert_allclose(found, [0, 0, 2], atol=1e-5)
    assert kernel_of("auto").name in ("numpy", "torch")
