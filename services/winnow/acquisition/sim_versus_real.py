"""Disagreement between what a committee says about reality and about its simulation."""

from __future__ import annotations

from typing import Final, Literal, get_args

import numpy as np

from winnow.acquisition.checked import check_lengths
from winnow.acquisition.probabilities import (
    Probabilities,
    blocks_of,
    divergence_of,
    mean_of_members,
    probabilities_of,
)
from winnow.acquisition.reproducible import Floats
from winnow.domain.errors import BadInput

Divergence = Literal["jensen_shannon", "kullback_leibler"]
_KNOWN: Final[tuple[str, ...]] = get_args(Divergence)
_ROWS: Final = 1024


def sim_versus_real(
    real_NMC: Probabilities,
    simulated_NMC: Probabilities,
    *,
    divergence: Divergence = "jensen_shannon",
) -> Floats:
    """Give how differently the committee predicts a real frame and its simulated view.

    Parameters
    ----------
    real_NMC
        Calibrated class probabilities of real frames, float [frames, members, classes]; each row
        sums to one.
    simulated_NMC
        The same for the simulated views; row *i* shows the scene of real frame *i*. It may come
        from another number of members, but has the same classes.
    divergence
        `jensen_shannon` between the two mean predictions, the same from both sides; or
        `kullback_leibler` of the real one from the simulated one, which is no number where
        simulation rules out what reality shows.

    Returns
    -------
    numpy.ndarray
        `scores_N`, float64 in nats, 0 (both views say the same), for `jensen_shannon` up to ln 2
        (they share no class); larger = the simulation is further off, label sooner.

    Raises
    ------
    BadInput
        Wrong shape, different frames or classes, NaN, a row that does not sum to one, or an
        infinite `kullback_leibler`; the text names the row.

    Notes
    -----
    Divergence of the members' means, so that disagreement within the committee, which `bald`
    measures, is left out. Costs N·M·C time and a constant amount of memory beside the result.

    References
    ----------
    Lin, "Divergence Measures Based on the Shannon Entropy", IEEE Transactions on Information
    Theory 37, 1991 (with equal weights).

    Examples
    --------
    >>> real, simulated = np.array([[[0.9, 0.1]]]), np.array([[[0.1, 0.9]]])
    >>> sim_versus_real(real, simulated).round(10).tolist()
    [0.3680642072]
    """
    if divergence not in _KNOWN:
        msg = f"divergence: expected one of {', '.join(_KNOWN)}, found {divergence!r}"
        raise BadInput(msg)
    real_NMC = probabilities_of(real_NMC, name="real_NMC")
    simulated_NMC = probabilities_of(simulated_NMC, name="simulated_NMC")
    check_lengths({"real_NMC": len(real_NMC), "simulated_NMC": len(simulated_NMC)})
    if real_NMC.shape[2] != simulated_NMC.shape[2]:
        msg = f"simulated_NMC: expected {real_NMC.shape[2]} classes, found {simulated_NMC.shape[2]}"
        raise BadInput(msg)
    scores, measure = np.empty(len(real_NMC)), _MEASURES[divergence]
    reals = blocks_of(real_NMC, name="real_NMC", n_rows=_ROWS)
    views = blocks_of(simulated_NMC, name="simulated_NMC", n_rows=_ROWS)
    for (rows, real), (_, view) in zip(reals, views, strict=True):
        scores[rows] = measure(mean_of_members(real), mean_of_members(view))
    if np.isinf(scores).any():
        row = int(np.flatnonzero(np.isinf(scores))[0])
        msg = (
            f"simulated_NMC: row {row}: expected a probability above 0 wherever the real one is, "
            "found 0; jensen_shannon is finite there"
        )
        raise BadInput(msg)
    return scores


def _jensen_shannon(real_NC: Floats, view_NC: Floats) -> Floats:
    middle_NC = 0.5 * (real_NC + view_NC)
    # Half of the smallest number is zero, and a divergence from it no number.
    middle_NC = np.maximum(middle_NC, np.nextafter(0.0, 1.0))
    return 0.5 * (divergence_of(real_NC, middle_NC) + divergence_of(view_NC, middle_NC))


_MEASURES: Final = {"jensen_shannon": _jensen_shannon, "kullback_leibler": divergence_of}
