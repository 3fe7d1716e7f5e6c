"""A head on frozen features, trained in seconds, that knows what it does not know.

Monte Carlo dropout: what is dropped before the last layer is dropped in prediction too, and each
of the K ways to drop is one sample of the posterior over heads (Gal & Ghahramani, ICML 2016). One
head thus answers as a committee does, and the acquisition functions of committees apply.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from winnow.calibration.temperature import fit_sample_temperature
from winnow.domain.errors import BadInput

Features = npt.NDArray[np.floating]
Labels = npt.NDArray[np.integer]
Singles = npt.NDArray[np.float32]

SAMPLES = 20
"""Ways to drop that are averaged; K of the published curves with dropout."""
STD_MIN = 1e-6
"""A feature that varies less is constant: it is centred, not blown up."""
BLOCK_ROWS = 4096
_WEIGHTS, _ORDER, _DROP, _SAMPLE = range(4)  # what a random stream is for


@dataclass(frozen=True, slots=True)
class ProbeConfig:
    """How a head is shaped and trained."""

    hidden: int = 0
    """Units of the one hidden layer; 0: the head is linear."""
    dropout: float = 0.3
    """Share of the last layer's inputs that are dropped, 0 to below 1; 0: all samples agree."""
    epochs: int = 30
    steps_min: int = 300
    """With few frames the epochs are repeated up to this many steps."""
    batch_size: int = 128
    learning_rate: float = 0.01
    weight_decay: float = 0.01
    """Decoupled, per step times the learning rate."""


DEFAULT_CONFIG = ProbeConfig()


@dataclass(frozen=True, slots=True)
class Probe:
    """A trained head."""

    config: ProbeConfig
    mean_D: Singles
    std_D: Singles
    weights: tuple[Singles, ...]
    """Last layer [D or hidden, C] and its bias [C]; before them those of the hidden layer."""
    seed: int
    temperature: float = 1.0

    @property
    def n_classes(self) -> int:
        """Length C of an answer."""
        return len(self.weights[-1])

    def probs(self, features_ND: Features, *, samples: int = SAMPLES) -> Singles:
        """Give class probabilities of every sample of the head.

        Parameters
        ----------
        features_ND
            Finite, [N, D]; may be memory-mapped, is read in blocks.
        samples
            K, at least 1; sample *k* drops the same units of every frame, so that samples may be
            compared over frames (BatchBALD needs it), and it is the same in every call.

        Returns
        -------
        numpy.ndarray
            `probs_NMC` float32 [N, samples, C], rows summing to one; calibrated if the probe is.

        Raises
        ------
        BadInput
            Features of another width, or not finite.

        Notes
        -----
        One matrix product of [N, D] with [D, K C] a block: a mask is folded into the weights.
        """
        logits_NMC = self.logits(features_ND, samples=samples)
        logits_NMC /= np.float32(self.temperature)
        return _softmax(logits_NMC)

    def logits(self, features_ND: Features, *, samples: int = SAMPLES) -> Singles:
        """Give uncalibrated logits float32 [N, samples, C]; see `probs`."""
        _check_features(features_ND, width=len(self.mean_D))
        last_DC, bias_C = self.weights[-2:]
        masks_KD = _sample_masks(self.config.dropout, len(last_DC), samples, seed=self.seed)
        folded = (masks_KD.T[:, :, None] * last_DC[:, None, :]).reshape(len(last_DC), -1)
        logits_NMC = np.empty((len(features_ND), samples, self.n_classes), dtype=np.float32)
        for rows, inputs in self._blocks(features_ND):
            logits_NMC[rows] = (inputs @ folded).reshape(-1, samples, self.n_classes) + bias_C
        return logits_NMC

    def representation(self, features_ND: Features) -> Singles:
        """Give what the last layer sees with nothing dropped, float32 [N, D or hidden]."""
        _check_features(features_ND, width=len(self.mean_D))
        width = len(self.weights[-2])
        inputs_ND = np.empty((len(features_ND), width), dtype=np.float32)
        for rows, inputs in self._blocks(features_ND):
            inputs_ND[rows] = inputs
        return inputs_ND

    def calibrated(
        self, features_ND: Features, labels_N: Labels, *, samples: int = SAMPLES
    ) -> Probe:
        """Give the probe with the temperature that fits held-out labels best.

        One temperature serves all samples; it is fitted to the mean of their probabilities, as
        that is the prediction.
        """
        _check_labels(labels_N, len(features_ND), self.n_classes)
        logits_NMC = self.logits(features_ND, samples=samples)
        return replace(self, temperature=fit_sample_temperature(logits_NMC, labels_N))

    def _blocks(self, features_ND: Features) -> Iterator[tuple[slice, Singles]]:
        for start in range(0, len(features_ND), BLOCK_ROWS):
            rows = slice(start, start + BLOCK_ROWS)
            yield rows, _inputs(self._standardised(features_ND[rows]), self.weights)

    def _standardised(self, block: Features) -> Singles:
        return (np.asarray(block, dtype=np.float32) - self.mean_D) / self.std_D


def fit_probe(
    features_ND: Features,
    labels_N: Labels,
    *,
    n_classes: int,
    seed: int,
    config: ProbeConfig = DEFAULT_CONFIG,
    weights_N: Features | None = None,
) -> Probe:
    """Train a head on frozen features.

    Parameters
    ----------
    features_ND
        Finite, [N, D], N at least 1; standardised inside. May be memory-mapped: rows are read
        batch by batch.
    labels_N
        Class index of each, 0 … n_classes-1; a class may have none.
    seed
        Decides weights, order, what is dropped in training and in the samples.
    weights_N
        Importance of each frame's loss, not negative, mean near 1; none: all 1.

    Returns
    -------
    Probe
        With temperature 1; the same arguments give the same bits on one machine.

    Raises
    ------
    BadInput
        Shapes that do not fit, no frames, a label that is no class, features or weights that are
        not finite, a dropout outside [0, 1).

    Notes
    -----
    Cross-entropy, AdamW (Loshchilov & Hutter, ICLR 2019), half a cosine from the learning rate to
    zero. Linear: 6 N D C multiply-adds an epoch; 5000 frames, D = 512 and 10 classes take about a
    second on one core.

    References
    ----------
    Gal & Ghahramani: Dropout as a Bayesian Approximation, ICML 2016, arXiv 1506.02142.

    Examples
    --------
    >>> rows = np.array([[-1.0, 0.0], [1.0, 0.0]] * 8)
    >>> probe = fit_probe(rows, np.array([0, 1] * 8), n_classes=2, seed=0)
    >>> probe.probs(rows[:2], samples=4).mean(axis=1).argmax(axis=1).tolist()
    [0, 1]
    """
    weights = _checked(features_ND, labels_N, n_classes, config, weights_N)
    mean_D, std_D = _moments(features_ND)
    parameters = _initial(config, len(mean_D), n_classes, _rng(seed, _WEIGHTS, 0))
    moments = [(np.zeros_like(p), np.zeros_like(p)) for p in parameters]
    n_batches = math.ceil(len(labels_N) / config.batch_size)
    n_steps = max(config.epochs, math.ceil(config.steps_min / n_batches)) * n_batches
    order: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)
    for step in range(n_steps):
        epoch, batch = divmod(step, n_batches)
        if batch == 0:
            order = _rng(seed, _ORDER, epoch).permutation(len(labels_N))
        rows = np.sort(order[batch * config.batch_size : (batch + 1) * config.batch_size])
        inputs = (np.asarray(features_ND[rows], dtype=np.float32) - mean_D) / std_D
        gradients = _gradients(
            inputs, labels_N[rows], weights[rows], parameters, config, _rng(seed, _DROP, step)
        )
        rate = config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * step / n_steps))
        _adamw(parameters, gradients, moments, step=step, rate=rate, decay=config.weight_decay)
    return Probe(config, mean_D, std_D, tuple(parameters), seed)


def _initial(
    config: ProbeConfig, n_features: int, n_classes: int, rng: np.random.Generator
) -> list[Singles]:
    """Give a hidden layer drawn He-normal, if any, and a last layer of zeros."""
    parameters: list[Singles] = []
    if config.hidden:
        drawn = rng.standard_normal((n_features, config.hidden), dtype=np.float32)
        parameters += [drawn * np.float32(math.sqrt(2.0 / n_features))]
        parameters += [np.zeros(config.hidden, dtype=np.float32)]
    width = config.hidden or n_features
    return [
        *parameters,
        np.zeros((width, n_classes), dtype=np.float32),
        np.zeros(n_classes, dtype=np.float32),
    ]


def _inputs(standardised: Singles, parameters: tuple[Singles, ...] | list[Singles]) -> Singles:
    """Give what the last layer sees."""
    if len(parameters) == 2:
        return standardised
    hidden: Singles = np.maximum(standardised @ parameters[0] + parameters[1], np.float32(0))
    return hidden


def _gradients(
    standardised: Singles,
    labels: Labels,
    weights: Singles,
    parameters: list[Singles],
    config: ProbeConfig,
    rng: np.random.Generator,
) -> list[Singles]:
    """Give the gradient of the weighted mean cross-entropy by each parameter."""
    last_DC, bias_C = parameters[-2:]
    inputs = _inputs(standardised, parameters)
    mask = _drawn_mask(rng, inputs.shape, config.dropout)
    dropped: Singles = inputs * mask
    logits: Singles = dropped @ last_DC + bias_C
    residual = _softmax(logits)
    residual[np.arange(len(labels)), labels] -= 1
    residual *= weights[:, None] / np.float32(len(labels))
    gradients = [dropped.T @ residual, residual.sum(axis=0)]
    if not config.hidden:
        return gradients
    of_hidden = (residual @ last_DC.T) * mask * (inputs > 0)
    return [standardised.T @ of_hidden, of_hidden.sum(axis=0), *gradients]


def _adamw(
    parameters: list[Singles],
    gradients: list[Singles],
    moments: list[tuple[Singles, Singles]],
    *,
    step: int,
    rate: float,
    decay: float,
) -> None:
    """Take one step, in place; biases do not decay."""
    beta1, beta2, epsilon = 0.9, 0.999, 1e-8
    unbias1, unbias2 = 1.0 - beta1 ** (step + 1), 1.0 - beta2 ** (step + 1)
    for parameter, gradient, (first, second) in zip(parameters, gradients, moments, strict=True):
        first += (gradient - first) * np.float32(1.0 - beta1)
        second += (gradient * gradient - second) * np.float32(1.0 - beta2)
        if parameter.ndim == 2:
            parameter *= np.float32(1.0 - rate * decay)
        scale = np.sqrt(second / np.float32(unbias2)) + np.float32(epsilon)
        parameter -= np.float32(rate / unbias1) * first / scale


def _sample_masks(dropout: float, width: int, samples: int, *, seed: int) -> Singles:
    if samples < 1:
        msg = f"probe: expected at least 1 sample, found {samples}"
        raise BadInput(msg)
    drawn = [_drawn_mask(_rng(seed, _SAMPLE, k), (width,), dropout) for k in range(samples)]
    return np.stack(drawn)


def _drawn_mask(rng: np.random.Generator, shape: tuple[int, ...], dropout: float) -> Singles:
    """Give 0 with the probability of dropping, else what keeps the expectation."""
    kept = rng.random(shape, dtype=np.float32) >= np.float32(dropout)
    return kept.astype(np.float32) / np.float32(1.0 - dropout)


def _rng(seed: int, stream: int, count: int) -> np.random.Generator:
    """Give a generator for one use, whatever was drawn before."""
    counter = np.array([0, 0, count, stream], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=seed, counter=counter))


def _moments(features_ND: Features) -> tuple[Singles, Singles]:
    """Give mean and deviation of each feature; a constant one has deviation 1."""
    sums = np.zeros(features_ND.shape[1])
    squares = np.zeros_like(sums)
    shift = np.asarray(features_ND[0], dtype=np.float64)  # keeps squares of far values precise
    for start in range(0, len(features_ND), BLOCK_ROWS):
        block = np.asarray(features_ND[start : start + BLOCK_ROWS], dtype=np.float64) - shift
        sums += block.sum(axis=0)
        squares += np.square(block).sum(axis=0)
    mean = sums / len(features_ND)
    std = np.sqrt(np.maximum(squares / len(features_ND) - mean**2, 0.0))
    std[std < STD_MIN] = 1.0
    return (mean + shift).astype(np.float32), std.astype(np.float32)


def _softmax(logits: Singles) -> Singles:
    """Give probabilities over the last axis, written over the logits."""
    logits -= logits.max(axis=-1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=-1, keepdims=True)
    return logits


def _checked(
    features_ND: Features,
    labels_N: Labels,
    n_classes: int,
    config: ProbeConfig,
    weights_N: Features | None,
) -> Singles:
    """Give each frame's weight, after a look at everything."""
    if features_ND.ndim != 2 or 0 in features_ND.shape:
        msg = f"features_ND: expected frames x features, at least one, found {features_ND.shape}"
        raise BadInput(msg)
    _check_features(features_ND, width=features_ND.shape[1])
    _check_labels(labels_N, len(features_ND), n_classes)
    if not 0 <= config.dropout < 1:
        msg = f"probe: expected a dropout from 0 to below 1, found {config.dropout}"
        raise BadInput(msg)
    if weights_N is None:
        return np.ones(len(features_ND), dtype=np.float32)
    weights = np.asarray(weights_N, dtype=np.float32)
    if weights.shape != (len(features_ND),) or not (np.isfinite(weights) & (weights >= 0)).all():
        msg = f"weights_N: expected {len(features_ND)} finite numbers not below 0, found "
        raise BadInput(msg + f"{weights.shape}, least {weights.min(initial=0)}")
    return weights


def _check_features(features_ND: Features, *, width: int) -> None:
    if features_ND.ndim != 2 or features_ND.shape[1] != width:
        msg = f"features_ND: expected [frames, {width}], found {features_ND.shape}"
        raise BadInput(msg)
    for start in range(0, len(features_ND), BLOCK_ROWS):
        finite = np.isfinite(features_ND[start : start + BLOCK_ROWS]).all(axis=1)
        if not finite.all():
            row = start + int(np.argmin(finite))
            msg = f"features_ND: row {row}: expected finite numbers, found NaN or infinity"
            raise BadInput(msg)


def _check_labels(labels_N: Labels, n_frames: int, n_classes: int) -> None:
    if labels_N.shape != (n_frames,) or not np.issubdtype(labels_N.dtype, np.integer):
        msg = f"labels_N: expected {n_frames} whole numbers, found {labels_N.dtype}"
        raise BadInput(msg + f" {labels_N.shape}")
    if n_frames and (labels_N.min() < 0 or labels_N.max() >= n_classes):
        msg = f"labels_N: expected 0…{n_classes - 1}, found {labels_N.min()}…{labels_N.max()}"
        raise BadInput(msg)
