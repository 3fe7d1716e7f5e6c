"""A head on frozen features: cheap, calibrated, and unsure where it should be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from winnow.acquisition.bald import bald
from winnow.calibration.temperature import negative_log_likelihood
from winnow.domain.errors import BadInput
from winnow.tasks.probe import Probe, ProbeConfig, fit_probe

Rows = npt.NDArray[np.float32]
BLOB_CENTRES = np.array([[3, 0, 0, 0], [0, 3, 0, 0], [0, 0, 3, 0]], dtype=np.float32)


def blobs(n: int, *, seed: int) -> tuple[Rows, npt.NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    labels_N = rng.integers(0, 3, n)
    rows = BLOB_CENTRES[labels_N] + rng.standard_normal((n, 4), dtype=np.float32)
    return rows * np.float32(50) + np.float32(1000), labels_N


def fitted(**changes: float) -> Probe:
    return fit_probe(*blobs(200, seed=0), n_classes=3, seed=7, config=ProbeConfig(**changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("hidden", [0, 32])
def test_it_learns_classes_from_features_of_any_scale(hidden: int) -> None:
    features_ND, labels_N = blobs(300, seed=1)
    probs_NMC = fitted(hidden=hidden).probs(features_ND)
    assert probs_NMC.shape == (300, 20, 3)
    assert probs_NMC.dtype == np.float32
    np.testing.assert_allclose(probs_NMC.sum(axis=2), 1.0, atol=1e-5)
    assert (probs_NMC.mean(axis=1).argmax(axis=1) == labels_N).mean() > 0.9


def test_the_gradients_are_those_of_the_loss() -> None:
    from winnow.tasks.probe import _gradients, _inputs

    rng = np.random.default_rng(3)
    inputs, labels = rng.standard_normal((6, 4)), rng.integers(0, 3, 6)
    weights = rng.random(6)
    shapes = [(4, 5), (5,), (5, 3), (3,)]
    parameters = [rng.standard_normal(shape) for shape in shapes]

    def loss() -> float:
        logits = _inputs(inputs, parameters) @ parameters[2] + parameters[3]  # type: ignore[arg-type]
        log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return float(-(weights * log_probs[np.arange(6), labels]).mean())

    found = _gradients(
        inputs,  # type: ignore[arg-type]
        labels,
        weights,  # type: ignore[arg-type]
        parameters,  # type: ignore[arg-type]
        ProbeConfig(hidden=5, dropout=0.0),
        np.random.default_rng(0),
    )
    for parameter, gradient in zip(parameters, found, strict=True):
        for place in np.ndindex(parameter.shape):
            kept = parameter[place]
            parameter[place] = kept + 1e-5
            above = loss()
            parameter[place] = kept - 1e-5
            below = loss()
            parameter[place] = kept
            assert gradient[place] == pytest.approx((above - below) / 2e-5, abs=1e-6)


def test_the_same_arguments_give_the_same_bits_and_another_seed_others() -> None:
    features_ND, labels_N = blobs(50, seed=2)
    first, again = (fit_probe(features_ND, labels_N, n_classes=3, seed=5) for _ in range(2))
    other = fit_probe(features_ND, labels_N, n_classes=3, seed=6)
    assert first.probs(features_ND).tobytes() == again.probs(features_ND).tobytes()
    assert first.probs(features_ND).tobytes() != other.probs(features_ND).tobytes()


def test_a_sample_is_the_same_head_for_every_frame_and_in_every_call() -> None:
    probe, (features_ND, _) = fitted(), blobs(30, seed=3)
    whole = probe.probs(features_ND, samples=6)
    np.testing.assert_allclose(probe.probs(features_ND[10:11], samples=6), whole[10:11], atol=1e-6)
    np.testing.assert_allclose(probe.probs(features_ND, samples=3), whole[:, :3], atol=1e-6)


def test_its_samples_disagree_most_between_the_classes() -> None:
    """Sixteen noisy views of each feature, as in an embedding: no class hangs on one of them."""
    rng = np.random.default_rng(9)
    features_ND, labels_N = blobs(300, seed=8)
    wide_ND = np.repeat(features_ND, 16, axis=1)
    wide_ND += 50 * rng.standard_normal(wide_ND.shape, dtype=np.float32)
    rows = np.stack([BLOB_CENTRES[:2].mean(axis=0), BLOB_CENTRES[0]]) * 50 + 1000
    asked = np.repeat(rows, 16, axis=1)
    probe, steady = (
        fit_probe(wide_ND, labels_N, n_classes=3, seed=0, config=ProbeConfig(dropout=dropout))
        for dropout in (0.3, 0.0)
    )
    unsure, sure = bald(probe.probs(asked))
    assert unsure > 2 * sure
    assert bald(steady.probs(asked)).tolist() == pytest.approx([0.0, 0.0], abs=1e-6)


def test_calibration_lowers_the_held_out_loss_and_moves_no_prediction_of_a_sample() -> None:
    probe, (features_ND, labels_N) = fitted(hidden=32), blobs(200, seed=4)
    calibrated = probe.calibrated(features_ND, labels_N)
    before, after = (
        negative_log_likelihood(p.probs(features_ND).mean(axis=1), labels_N)
        for p in (probe, calibrated)
    )
    assert calibrated.temperature != 1.0
    assert after <= before
    most = (p.probs(features_ND).argmax(axis=2).tolist() for p in (probe, calibrated))
    assert next(most) == next(most)


def test_weighted_frames_count_and_frames_of_weight_zero_do_not() -> None:
    features_ND, labels_N = blobs(60, seed=5)
    wrong_N = labels_N.copy()
    wrong_N[30:] = (wrong_N[30:] + 1) % 3
    weights_N = np.repeat([2.0, 0.0], 30)
    probe = fit_probe(features_ND, wrong_N, n_classes=3, seed=0, weights_N=weights_N)
    assert (probe.probs(features_ND).mean(axis=1).argmax(axis=1) == labels_N).mean() > 0.9


def test_features_are_read_from_a_file_as_from_memory_and_never_written(tmp_path: Path) -> None:
    features_ND, labels_N = blobs(40, seed=6)
    np.save(tmp_path / "features.npy", features_ND)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    from_file = fit_probe(mapped, labels_N, n_classes=3, seed=0).probs(mapped)
    from_memory = fit_probe(features_ND, labels_N, n_classes=3, seed=0).probs(features_ND)
    assert from_file.tobytes() == from_memory.tobytes()


def test_a_constant_feature_and_a_class_without_frames_do_no_harm() -> None:
    features_ND, labels_N = blobs(40, seed=7)
    features_ND[:, 3] = 7.0
    probe = fit_probe(features_ND, labels_N, n_classes=4, seed=0)
    probs_NC = probe.probs(features_ND).mean(axis=1)
    assert np.isfinite(probs_NC).all()
    assert probs_NC[:, 3].max() < 0.2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"labels_N": np.array([0, 1, 3])}, r"labels_N: expected 0…2, found 0…3"),
        ({"labels_N": np.array([0.0, 1.0, 2.0])}, r"labels_N: expected 3 whole numbers"),
        ({"features_ND": np.full((3, 2), np.nan)}, r"row 0: expected finite"),
        ({"features_ND": np.empty((0, 2))}, r"at least one, found \(0, 2\)"),
        ({"weights_N": np.array([1.0, -1.0, 1.0])}, r"weights_N: .* least -1"),
        ({"config": ProbeConfig(dropout=1.0)}, r"dropout from 0 to below 1, found 1.0"),
    ],
)
def test_what_cannot_be_learned_from_is_told(change: dict[str, object], told: str) -> None:
    asked: dict[str, object] = {"features_ND": np.eye(3)[:, :2], "labels_N": np.arange(3)} | change
    with pytest.raises(BadInput, match=told):
        fit_probe(**asked, n_classes=3, seed=0)  # type: ignore[arg-type]


def test_features_of_another_encoder_are_told() -> None:
    with pytest.raises(BadInput, match=r"expected \[frames, 4\], found \(2, 5\)"):
        fitted().probs(np.ones((2, 5)))
