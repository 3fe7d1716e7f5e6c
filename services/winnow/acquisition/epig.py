"""Information that a label gives about predictions that matter."""

from __future__ import annotations

from typing import Final

import numpy as np

from winnow.acquisition.interpolated import entropy_terms_of
from winnow.acquisition.probabilities import (
    Probabilities,
    blocks_of,
    mean_of_members,
    probabilities_of,
)
from winnow.acquisition.reproducible import Floats, sum_last
from winnow.domain.errors import BadInput

BLOCK_VALUES: Final = 1 << 15
"""Joint probabilities held at once: 256 KiB of float64, a few temporaries stay in the cache."""


def epig(probs_NMC: Probabilities, targets_TMC: Probabilities) -> Floats:
    """Give how much the label of each frame would tell about the labels of the target frames.

    Parameters
    ----------
    probs_NMC
        Calibrated class probabilities of the pool, float [frames, members, classes]; each row
        sums to one.
    targets_TMC
        The same members' probabilities of T frames drawn from the distribution that the model is
        for (a sample of deployment, of the unlabeled pool, of the holdout's world), never of the
        frames that are labeled already: what one has is not what one wants to know.

    Returns
    -------
    numpy.ndarray
        `scores_N`, float64 in nats, 0 to `bald` of the frame; element *i* belongs to row *i*.

    Raises
    ------
    BadInput
        No target, other members or classes than the pool's, wrong shape, NaN, or a row that does
        not sum to one.

    Notes
    -----
    Mean over the targets of I(y; y*) under the joint mean_m p_m(y|x) p_m(y*|x*), within 1e-11.
    Members of both arguments are the same models in the same order. Costs N·T·C²·M multiply-adds
    and memory for T·M·C numbers and one block, at least T + C² numbers, beside the result; draw
    some hundred targets.

    References
    ----------
    Bickford Smith, Kirsch, Farquhar, Gal, Foster and Rainforth, "Prediction-Oriented Bayesian
    Active Learning", AISTATS 2023, arXiv 2304.08151.

    Examples
    --------
    >>> committee = np.array([[[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1]]])
    >>> epig(committee, committee).round(8).tolist()
    [0.0412523]
    """
    targets_TMC = _checked_targets(probs_NMC, targets_TMC)
    n_targets, _, n_classes = targets_TMC.shape
    target_entropy_T = _entropy_of_mean(targets_TMC)
    targets_MCT = np.ascontiguousarray(targets_TMC.transpose(1, 2, 0))
    targets_at_once = max(1, BLOCK_VALUES // n_classes**2)
    frames_at_once = max(1, BLOCK_VALUES // (min(n_targets, targets_at_once) * n_classes**2))
    scores = np.empty(len(probs_NMC))
    for rows, block in blocks_of(probs_NMC, n_rows=frames_at_once):
        information_NT = np.empty((len(block), n_targets))
        for start in range(0, n_targets, targets_at_once):
            some = slice(start, start + targets_at_once)
            information_NT[:, some] = -_joint_entropy(block, targets_MCT[:, :, some])
        information_NT += _entropy_of_mean(block)[:, None] + target_entropy_T
        scores[rows] = sum_last(np.maximum(information_NT, 0.0)) / n_targets
    return scores


def _checked_targets(probs_NMC: Probabilities, targets_TMC: Probabilities) -> Floats:
    probs_NMC = probabilities_of(probs_NMC)
    targets_TMC = probabilities_of(targets_TMC, name="targets_TMC")
    if len(targets_TMC) == 0 or targets_TMC.shape[1:] != probs_NMC.shape[1:]:
        msg = (
            f"targets_TMC: expected at least one target, and the pool's members and classes "
            f"{probs_NMC.shape[1:]}, found shape {targets_TMC.shape}"
        )
        raise BadInput(msg)
    blocks = [block for _, block in blocks_of(targets_TMC, name="targets_TMC")]
    return np.concatenate(blocks)


def _entropy_of_mean(probs_NMC: Floats) -> Floats:
    return sum_last(entropy_terms_of(mean_of_members(probs_NMC)))


def _joint_entropy(probs_NMC: Floats, targets_MCT: Floats) -> Floats:
    """Give [N, T] the entropy of the labels of a frame and a target together."""
    n_frames, n_members, n_classes = probs_NMC.shape
    # Targets come last, so that even two classes make long inner loops.
    joint = np.zeros((n_frames, n_classes, n_classes, targets_MCT.shape[2]))
    product = np.empty_like(joint)
    for member, targets_CT in enumerate(targets_MCT):
        np.multiply(probs_NMC[:, member, :, None, None], targets_CT, out=product)
        joint += product
    joint /= n_members
    terms = entropy_terms_of(joint).reshape(n_frames, n_classes**2, -1)
    return sum_last(np.moveaxis(terms, 1, -1))
