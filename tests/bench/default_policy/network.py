"""A committee of small convolutional networks, trained side by side on a CPU."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from tests.bench.default_policy.features import Images
from tests.bench.default_policy.learners import N_MEMBERS, Probs
from tests.bench.default_policy.pools import Labels, Pool

STEPS: Final = 150
BATCH: Final = 32
WIDTH: Final = 12
SIDE_MAX: Final = 16
"""Larger images are averaged down to it."""


class Committee(nn.Module):
    """Members are groups of channels: they share nothing but the pass."""

    def __init__(self, n_channels: int, side: int, n_classes: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(
            N_MEMBERS * n_channels, N_MEMBERS * WIDTH, 3, padding=1, groups=N_MEMBERS
        )
        self.second = nn.Conv2d(
            N_MEMBERS * WIDTH, N_MEMBERS * 2 * WIDTH, 3, padding=1, groups=N_MEMBERS
        )
        n_inputs = 2 * WIDTH * (side // 4) ** 2
        self.last = nn.Parameter(torch.randn(N_MEMBERS, n_inputs, n_classes) / n_inputs**0.5)

    def forward(self, images: Tensor) -> Tensor:
        """Give logits [N, M, C] of images [N, M·channels, side, side]."""
        hidden = nn.functional.max_pool2d(nn.functional.relu(self.first(images)), 2)
        hidden = nn.functional.max_pool2d(nn.functional.relu(self.second(hidden)), 2)
        rows = hidden.reshape(len(images), N_MEMBERS, -1)
        return torch.einsum("nmi,mic->nmc", rows, self.last)


class Network:
    """Trains from scratch each time; each member draws its own batches."""

    def __init__(self, pool: Pool, *, n_classes: int, seed: int) -> None:
        assert pool.images is not None
        assert pool.test_images is not None
        torch.set_num_threads(1)
        self._pool, self._test = _channels_first(pool.images), _channels_first(pool.test_images)
        self._n_classes, self._seed = n_classes, seed

    def fit(self, labeled: Labels, labels_L: Labels) -> None:
        """See `Learner.fit`."""
        torch.manual_seed(self._seed)
        images, labels = self._pool[labeled], torch.from_numpy(labels_L)
        self._model = Committee(images.shape[1], images.shape[2], self._n_classes)
        optimizer = torch.optim.AdamW(self._model.parameters(), lr=5e-3, weight_decay=1e-2)
        for _ in range(STEPS):
            rows = torch.randint(len(labels), (N_MEMBERS, min(BATCH, len(labels))))
            batch = torch.cat([images[rows[member]] for member in range(N_MEMBERS)], dim=1)
            logits = self._model(batch)
            loss = sum(
                nn.functional.cross_entropy(logits[:, m], labels[rows[m]]) for m in range(N_MEMBERS)
            )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[union-attr]
            optimizer.step()

    def pool_probs(self) -> Probs:
        """See `Learner.pool_probs`."""
        return self._probs(self._pool)

    def test_probs(self) -> Probs:
        """See `Learner.test_probs`."""
        return self._probs(self._test)

    def _probs(self, images: Tensor) -> Probs:
        with torch.no_grad():
            logits = [
                self._model(part.repeat(1, N_MEMBERS, 1, 1)) for part in torch.split(images, 512)
            ]
        probs: Probs = torch.cat(logits).softmax(dim=2).numpy().astype(np.float32)
        return probs


def _channels_first(images: Images) -> Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(np.moveaxis(images, 3, 1))) - 0.5
    return (
        nn.functional.avg_pool2d(tensor, images.shape[1] // SIDE_MAX)
        if images.shape[1] > SIDE_MAX
        else tensor
    )
