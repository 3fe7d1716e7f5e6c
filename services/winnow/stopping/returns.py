"""What labels bring: accuracy for each hundred of them, with how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from winnow.domain.errors import BadInput
from winnow.stopping.progress import Progress
from winnow.stopping.verdict import Numbers, Verdict, not_measurable

PER: Final = 100
_T_975: Final = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
)  # fmt: skip
_NORMAL_975: Final = 1.95996


@dataclass(frozen=True, slots=True)
class Return:
    """Gain in accuracy for each 100 labels."""

    mean: float
    low: float | None
    """End of the two-sided 95 % interval; none with a single gain."""
    high: float | None
    n_gains: int


def gain_per_100_labels(n_labels: Sequence[int], accuracies: Sequence[float]) -> Return:
    """Give what 100 more labels brought.

    Parameters
    ----------
    n_labels
        Labels in all at each measurement, oldest first.
    accuracies
        Accuracy at each.

    Raises
    ------
    BadInput
        Fewer than two measurements, unequal lengths, or no more labels at the end than before.

    Notes
    -----
    All gains over all labels; the interval is that of a ratio of sums, by how the gains scatter
    about it. It takes a decay of the gains for scatter too, so it is rather too wide.

    References
    ----------
    Cochran, "Sampling Techniques", 1977, section 6.4 (variance of a ratio).

    Examples
    --------
    >>> found = gain_per_100_labels([100, 200, 400], [0.5, 0.75, 1.0])
    >>> round(found.mean, 4), round(found.low, 2), found.n_gains
    (0.1667, -0.54, 2)
    >>> gain_per_100_labels([100, 300], [0.5, 0.75])
    Return(mean=0.125, low=None, high=None, n_gains=1)
    """
    if len(n_labels) != len(accuracies) or len(n_labels) < 2:
        msg = (
            "return: expected at least two pairs of labels and accuracy, found "
            f"{len(n_labels)} and {len(accuracies)}"
        )
        raise BadInput(msg)
    total = n_labels[-1] - n_labels[0]
    if total <= 0:
        msg = f"return: expected more labels at the end, found {n_labels[0]} and {n_labels[-1]}"
        raise BadInput(msg)
    rate = (accuracies[-1] - accuracies[0]) / total
    gains = [b - a for a, b in pairwise(accuracies)]
    counts = [b - a for a, b in pairwise(n_labels)]
    mean, n = PER * rate, len(gains)
    if n == 1:
        return Return(mean, None, None, n)
    left = [gain - rate * count for gain, count in zip(gains, counts, strict=True)]
    scatter = math.fsum(value * value for value in left)
    error = PER * math.sqrt(scatter * n / (n - 1)) / total
    reach = _t_975(n - 1) * error
    return Return(mean, mean - reach, mean + reach, n)


@dataclass(frozen=True, slots=True)
class ReturnOnLabels:
    """Report what 100 labels brought in the last rounds; stop below a floor, if one is set."""

    gain_min: float | None = None
    window: int = 3
    """Newest gains that are looked at."""

    def decide(self, progress: Progress) -> Verdict:
        """Give the verdict after the newest round."""
        points = [
            (n, accuracy)
            for n, accuracy in zip(progress.n_labels, progress.accuracies, strict=False)
            if n is not None and accuracy is not None
        ][-self.window - 1 :]
        if len(points) < 2 or points[-1][0] <= points[0][0]:
            why = "fewer than two rounds with accuracy and growing labels"
            return not_measurable("return_on_labels", why, (("n_measured", len(points)),))
        found = gain_per_100_labels([n for n, _ in points], [accuracy for _, accuracy in points])
        numbers: Numbers = (
            ("gain_per_100_labels", found.mean),
            ("low", found.low),
            ("high", found.high),
            ("n_gains", found.n_gains),
            ("gain_min", self.gain_min),
        )
        stop = self.gain_min is not None and found.mean < self.gain_min
        return Verdict("return_on_labels", stop, _told(found, self.gain_min), numbers)


def _told(found: Return, gain_min: float | None) -> str:
    sure = "one gain" if found.low is None else f"95 % {found.low:+.4f} to {found.high:+.4f}"
    floor = "" if gain_min is None else f", expected {gain_min:.4f}"
    return f"100 labels brought {found.mean:+.4f} ({sure}){floor}"


def _t_975(df: int) -> float:
    """Give the 97.5 % quantile of Student's t.

    Beyond the table: Fisher's expansion z + (z³ + z)/4df + (5z⁵ + 16z³ + 3z)/96df² about the
    normal quantile, within 0.001.
    """
    if df <= len(_T_975):
        return _T_975[df - 1]
    return _NORMAL_975 + 2.3724 / df + 2.8227 / (df * df)
