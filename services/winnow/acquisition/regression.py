"""Uncertainty of predicted numbers: members disagree, or each of them is unsure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from winnow.acquisition.checked import Rows, numbers_of, row_blocks
from winnow.acquisition.reproducible import Floats, sum_last
from winnow.domain.errors import BadInput


def predictive_variance(means_NM: Rows) -> Floats:
    """Give how much the members' predictions of a number differ.

    Parameters
    ----------
    means_NM
        float [frames, members], finite: what each member (or pass of Monte-Carlo dropout)
        predicts for each frame.

    Returns
    -------
    numpy.ndarray
        `scores_N`, float64 in the squared unit of the prediction, at least 0 (all members say the
        same, or there is only one).

    Raises
    ------
    BadInput
        Wrong shape, no member, NaN, or an infinity; the text names the row.

    Notes
    -----
    Mean squared deviation from the members' mean, divided by M. Costs N·M time and a constant
    amount of memory beside the result.

    References
    ----------
    Krogh and Vedelsby, "Neural Network Ensembles, Cross Validation, and Active Learning",
    NeurIPS 1995 (their ambiguity, with equal weights).

    Examples
    --------
    >>> predictive_variance(np.array([[1.0, 3.0], [2.0, 2.0]])).tolist()
    [1.0, 0.0]
    """
    scores = np.empty(len(_predictions(means_NM, name="means_NM")))
    for rows, block in row_blocks(means_NM, name="means_NM", columns="members"):
        scores[rows] = _spread(block)
    return scores


@dataclass(frozen=True, slots=True)
class VarianceParts:
    """Predictive variance of each frame, in the squared unit of the prediction."""

    total_N: Floats
    """Sum of the other two."""
    aleatoric_N: Floats
    """Mean of the members' variances: noise that no label takes away."""
    epistemic_N: Floats
    """Variance of the members' means: what labels can teach."""


def variance_parts(means_NM: Rows, variances_NM: Rows) -> VarianceParts:
    """Give the predictive variance of members that tell their own, split by where it comes from.

    Parameters
    ----------
    means_NM
        float [frames, members], finite.
    variances_NM
        float [frames, members], finite, at least 0: what each member says about its own error.

    Raises
    ------
    BadInput
        Wrong or different shapes, no member, NaN, an infinity, or a negative variance; the text
        names the row.

    Notes
    -----
    Law of total variance for an even mixture of the members. Costs N·M time and a constant
    amount of memory beside the results.

    References
    ----------
    Kendall and Gal, "What Uncertainties Do We Need in Bayesian Deep Learning for Computer
    Vision?", NeurIPS 2017, arXiv 1703.04977, equation 9. Lakshminarayanan, Pritzel and Blundell,
    2017, arXiv 1612.01474, section 2.4.

    Examples
    --------
    >>> parts = variance_parts(np.array([[1.0, 3.0]]), np.array([[0.5, 1.5]]))
    >>> parts.total_N.tolist(), parts.aleatoric_N.tolist(), parts.epistemic_N.tolist()
    ([2.0], [1.0], [1.0])
    """
    means_NM = _predictions(means_NM, name="means_NM")
    variances_NM = _predictions(variances_NM, name="variances_NM")
    if means_NM.shape != variances_NM.shape:
        msg = f"variances_NM: expected shape {means_NM.shape}, found {variances_NM.shape}"
        raise BadInput(msg)
    aleatoric_N, epistemic_N = np.empty(len(means_NM)), predictive_variance(means_NM)
    for rows, block in row_blocks(variances_NM, name="variances_NM", columns="members"):
        _check_not_negative(block, first_row=rows.start)
        aleatoric_N[rows] = sum_last(block) / block.shape[1]
    return VarianceParts(aleatoric_N + epistemic_N, aleatoric_N, epistemic_N)


def heteroscedastic_variance(means_NM: Rows, variances_NM: Rows) -> Floats:
    """Give the whole predictive variance of each frame; see `variance_parts`.

    Examples
    --------
    >>> heteroscedastic_variance(np.array([[1.0, 3.0]]), np.array([[0.5, 1.5]])).tolist()
    [2.0]
    """
    return variance_parts(means_NM, variances_NM).total_N


def _predictions(values_NM: Rows, *, name: str) -> npt.NDArray[Any]:
    numbers_NM = numbers_of(values_NM, name=name, axes=("frames", "members"))
    if numbers_NM.shape[1] < 1:
        msg = f"{name}: expected at least one member, found shape {numbers_NM.shape}"
        raise BadInput(msg)
    return numbers_NM


def _check_not_negative(variances_NM: Floats, *, first_row: int) -> None:
    if (variances_NM < 0.0).any():
        row, member = (int(i) for i in np.argwhere(variances_NM < 0.0)[0])
        msg = (
            f"variances_NM: row {first_row + row}, member {member}: expected a variance of at "
            f"least 0, found {variances_NM[row, member]!s}"
        )
        raise BadInput(msg)


def _spread(means_NM: Floats) -> Floats:
    n_members = means_NM.shape[1]
    # Taken from the first member, so that equal predictions are exactly equal to their mean.
    shifted_NM = means_NM - means_NM[:, :1]
    deviation_NM = shifted_NM - (sum_last(shifted_NM) / n_members)[:, None]
    return sum_last(deviation_NM * deviation_NM) / n_members
