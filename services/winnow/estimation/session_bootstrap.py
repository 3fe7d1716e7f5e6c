"""Intervals that respect that frames of one session are alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

DRAWS = 200
"""Enough for the ends of a 95 % interval to two digits."""
SESSIONS_MIN = 2
"""Of one session alone nothing can be said about others."""


def session_weights(
    sessions: Sequence[str], *, rng: np.random.Generator, draws: int = DRAWS
) -> Floats:
    """Draw sessions with replacement, as many as there are, again and again.

    Parameters
    ----------
    sessions
        Session of each of N frames.

    Returns
    -------
    numpy.ndarray
        float64 [draws, N]: how often each frame counts in each draw. Comparing two methods with
        the same weights gives paired intervals.

    Examples
    --------
    >>> weights = session_weights(["a", "a", "b"], rng=np.random.default_rng(0), draws=3)
    >>> weights.tolist()
    [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [0.0, 0.0, 2.0]]
    """
    names, session_N = np.unique(np.asarray(sessions, dtype=np.str_), return_inverse=True)
    shares = np.full(len(names), 1.0 / max(1, len(names)))
    counts = rng.multinomial(len(names), shares, size=draws)
    return counts[:, session_N].astype(np.float64)


def session_intervals(
    statistics: Callable[[Floats], dict[str, float]],
    sessions: Sequence[str],
    *,
    rng: np.random.Generator,
    draws: int = DRAWS,
    level: float = 0.95,
) -> dict[str, tuple[float, float]]:
    """Give percentile intervals of statistics by drawing whole sessions.

    Parameters
    ----------
    statistics
        Frames' weights, float64 [N] → statistics by name; NaN where one is not defined.
    level
        Share of the draws that lie inside.

    Returns
    -------
    dict
        Name → (low, high); only statistics that were defined in at least half of the draws;
        nothing with fewer than two sessions.

    References
    ----------
    Efron & Tibshirani: An Introduction to the Bootstrap, 1993, chapters 8 and 13: the unit that is
    drawn is the unit that was sampled, here the session.
    """
    if len(set(sessions)) < SESSIONS_MIN:
        return {}
    weights = session_weights(sessions, rng=rng, draws=draws)
    drawn = [statistics(one) for one in weights]
    tails = np.array([(1.0 - level) / 2, (1.0 + level) / 2])
    intervals = {}
    for name in drawn[0]:
        values = np.array([one[name] for one in drawn])
        values = values[~np.isnan(values)]
        if 2 * len(values) >= draws:
            low, high = np.quantile(values, tails).tolist()
            intervals[name] = (low, high)
    return intervals
