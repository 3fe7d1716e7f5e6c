"""Estimates for a whole pool from labels of which some were chosen and some were drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from winnow.domain.errors import BadInput
from winnow.estimation.poisson_sampling import NORMAL_975

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sample:
    """What is known of a pool after a batch.

    `values_n` are the known values (e.g. 1 where the label is a defect), one a frame;
    `certain_n` marks frames of the certainty stratum (inclusion probability 1), `drawn_n` those of
    the random arm; a frame may be both. `n_random` is the size of the random arm as drawn, also if
    some of its frames are not in the sample because they are in neither group.
    """

    values_n: Floats
    certain_n: npt.NDArray[np.bool_]
    drawn_n: npt.NDArray[np.bool_]
    n_population: int
    n_random: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimate of a pool's mean. What too few drawn frames leave unknown is NaN."""

    mean: float
    variance: float
    n_certain: int
    n_drawn: int
    """Drawn frames outside the certainty stratum: what the variance rests on."""

    def interval(self, z: float = NORMAL_975) -> tuple[float, float]:
        """Give the interval of +- z standard errors."""
        error = z * math.sqrt(self.variance) if self.variance >= 0 else math.nan
        return self.mean - error, self.mean + error


def horvitz_thompson(sample: Sample) -> Estimate:
    """Give the unbiased estimate of the pool's mean.

    Certain frames stand for themselves, each drawn frame outside the stratum for N/n_random.

    Notes
    -----
    The random arm is a simple random sample of z_i = value_i outside the stratum and 0 inside it,
    so Var = N²(1 - n/N) s²(z)/n, without approximation.

    References
    ----------
    Horvitz and Thompson 1952; Särndal, Swensson and Wretman 1992, results 2.8.1 and 3.3.2.

    Raises
    ------
    BadInput
        Shapes differ, or more drawn frames than `n_random`.

    Examples
    --------
    >>> s = Sample(np.array([1.0, 0, 1]), np.array([True, False, False]),
    ...     np.array([False, True, True]), n_population=5, n_random=2)
    >>> horvitz_thompson(s).mean
    0.7
    """
    outside_n = _check(sample)
    z_r = np.zeros(sample.n_random)  # zeros: drawn frames that are certain anyway
    z_r[: int(outside_n.sum())] = sample.values_n[outside_n]
    total = _sum(sample.values_n[sample.certain_n])
    variance = 0.0 if sample.n_population == int(sample.certain_n.sum()) else math.nan
    if sample.n_random:
        total += sample.n_population * (_sum(z_r) / sample.n_random)
    elif math.isnan(variance):
        total = math.nan  # nothing stands for the frames outside the stratum
    if sample.n_random > 1:
        left_out = 1.0 - sample.n_random / sample.n_population
        variance = left_out * _variance(z_r) / sample.n_random
    return _estimate(sample, total / sample.n_population, variance, outside_n)


def hajek(sample: Sample) -> Estimate:
    """Give the ratio estimate: the mean of the drawn frames stands for the rest of the pool.

    Not exactly unbiased only where no frame outside the stratum is drawn (then NaN); steadier than
    Horvitz-Thompson, because it uses that the size of the rest is known. It is the estimator to
    report; the other is the check.

    References
    ----------
    Hájek 1971; Särndal, Swensson and Wretman 1992, section 5.7 and 7.6 (here: poststratified on
    the certainty stratum).

    Raises
    ------
    BadInput
        Shapes differ, or more drawn frames than `n_random`.
    """
    outside_n = _check(sample)
    n_drawn, n_certain = int(outside_n.sum()), int(sample.certain_n.sum())
    n_rest = sample.n_population - n_certain
    certain = _sum(sample.values_n[sample.certain_n])
    if n_rest == 0:
        return _estimate(sample, certain / sample.n_population, 0.0, outside_n)
    drawn = sample.values_n[outside_n]
    rest_mean = _sum(drawn) / n_drawn if n_drawn else math.nan
    spread = _variance(drawn) if n_drawn > 1 else math.nan
    share = n_rest / sample.n_population
    variance = share * share * (1.0 - n_drawn / n_rest) * spread / n_drawn if n_drawn else math.nan
    mean = (certain + n_rest * rest_mean) / sample.n_population
    return _estimate(sample, mean, variance, outside_n)


def _check(sample: Sample) -> npt.NDArray[np.bool_]:
    """Give which frames of the sample count as drawn: those outside the certainty stratum."""
    shapes = {sample.values_n.shape, sample.certain_n.shape, sample.drawn_n.shape}
    if len(shapes) != 1 or sample.values_n.ndim != 1:
        msg = f"sample: expected three arrays of one length, found {sorted(shapes)}"
        raise BadInput(msg)
    if int(sample.drawn_n.sum()) > sample.n_random or sample.n_random > sample.n_population:
        msg = (
            f"sample: expected at most n_random={sample.n_random} drawn frames of "
            f"{sample.n_population}, found {int(sample.drawn_n.sum())}"
        )
        raise BadInput(msg)
    outside_n: npt.NDArray[np.bool_] = sample.drawn_n & ~sample.certain_n
    return outside_n


def _sum(values_n: Floats) -> float:
    return math.fsum(values_n.tolist())  # rounded once: the order changes no bit


def _variance(values_n: Floats) -> float:
    from_mean_n = values_n - _sum(values_n) / len(values_n)
    return _sum(from_mean_n * from_mean_n) / (len(values_n) - 1)


def _estimate(
    sample: Sample, mean: float, variance: float, outside_n: npt.NDArray[np.bool_]
) -> Estimate:
    return Estimate(mean, variance, int(sample.certain_n.sum()), int(outside_n.sum()))
