"""Fixed features of small images, fitted without any label: whitened patches, pooled, then PCA."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.float32]
Rows = npt.NDArray[np.float64]

PATCH = 6
N_FILTERS = 200
N_PATCHES = 20_000
GRID = 2
"""Responses are averaged over GRID x GRID parts of the image."""


def patch_features(images: Images, *, seed: int, dimension: int) -> npt.NDArray[np.float32]:
    """Give rows [N, dimension] of images [N, height, width, channels] with values 0 to 1.

    References
    ----------
    Coates, Lee and Ng, "An Analysis of Single-Layer Networks in Unsupervised Feature Learning",
    AISTATS 2011: random whitened patches as filters, two-sided thresholds, sum pooling.
    """
    filters, mean, whiten = _filters(images, np.random.default_rng(seed))
    pooled = np.concatenate(
        [
            _pooled(images[start : start + 64], filters, mean, whiten)
            for start in range(0, len(images), 64)
        ]
    )
    pooled = (pooled - pooled.mean(axis=0)) / (pooled.std(axis=0) + 1e-6)
    _, _, axes = np.linalg.svd(pooled, full_matrices=False)
    rows = pooled @ axes[:dimension].T
    scaled: Images = (rows / np.sqrt((rows**2).sum(axis=1).mean())).astype(np.float32)
    return scaled


def _patches(images: Images) -> Rows:
    """Give every patch [N, rows, columns, PATCH·PATCH·channels], brightness and contrast evened."""
    windows = np.lib.stride_tricks.sliding_window_view(images, (PATCH, PATCH), axis=(1, 2))  # type: ignore[call-overload]
    flat = windows.reshape(*windows.shape[:3], -1).astype(np.float64)
    flat -= flat.mean(axis=-1, keepdims=True)
    evened: Rows = flat / np.sqrt(flat.var(axis=-1, keepdims=True) + 0.01)
    return evened


def _filters(images: Images, rng: np.random.Generator) -> tuple[Rows, Rows, Rows]:
    some = rng.permutation(len(images))[:400]
    patches = np.concatenate(
        [_patches(images[i : i + 1]).reshape(-1, PATCH**2 * images.shape[3]) for i in some]
    )
    patches = patches[rng.permutation(len(patches))[:N_PATCHES]]
    mean = patches.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(patches - mean, rowvar=False))
    whiten = vectors @ np.diag(1 / np.sqrt(values + 0.1)) @ vectors.T
    filters = (patches[:N_FILTERS] - mean) @ whiten
    return filters / np.linalg.norm(filters, axis=1, keepdims=True), mean, whiten


def _pooled(images: Images, filters: Rows, mean: Rows, whiten: Rows) -> Rows:
    patches = (_patches(images) - mean) @ (whiten @ filters.T)
    both = np.concatenate([np.maximum(patches - 0.25, 0), np.maximum(-patches - 0.25, 0)], axis=-1)
    parts = [
        part.mean(axis=(1, 2))
        for band in np.array_split(both, GRID, axis=1)
        for part in np.array_split(band, GRID, axis=2)
    ]
    return np.concatenate(parts, axis=1)
