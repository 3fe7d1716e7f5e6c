"""Image classification, whatever the network: labels, temperature, probabilities.

Layout of outputs: float32 [N, C], logits; calibrated: probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from winnow.calibration.temperature import fit_temperature, negative_log_likelihood, softmax
from winnow.domain.errors import BadInput, SchemaMismatch
from winnow.tasks.examples import Examples, Values
from winnow.tasks.from_pixels import FromPixels
from winnow.tasks.task import Outputs, Said

PRIOR_STRENGTH = 5.0
"""Calibration splits of early rounds hold ten labels; five labels' worth of belief in T = 1."""
SUM_TOLERANCE = 1e-3


class ClassOutputs(FromPixels):
    """What every family of classification networks shares; see `winnow.tasks.task.Task`."""

    kind = "classification"

    def target(self, label: str, *, class_names: Sequence[str], size: tuple[int, int]) -> Values:
        """Give [[class index]].

        Raises
        ------
        BadInput
            No such class.
        """
        if label not in class_names:
            msg = f"label: expected one of {', '.join(class_names)}, found {label!r}"
            raise BadInput(msg)
        return np.array([[list(class_names).index(label)]], dtype=np.float32)

    def calibrate(self, outputs: Outputs, examples: Examples) -> tuple[float, ...]:
        """Fit one temperature for all classes."""
        labels_N = class_indices(examples)
        return (fit_temperature(outputs, labels_N, prior_strength=PRIOR_STRENGTH),)

    def calibration_loss(
        self, outputs: Outputs, examples: Examples, temperatures: Sequence[float]
    ) -> float:
        """Give the mean over frames."""
        if not len(examples):
            return float("nan")
        probs_NC = softmax(outputs, temperature=temperatures[0])
        return negative_log_likelihood(probs_NC, class_indices(examples))

    def calibrated(self, outputs: Outputs, temperatures: Sequence[float]) -> Outputs:
        """Give `probs_NC`, rows summing to one."""
        (temperature,) = temperatures
        return softmax(outputs, temperature=temperature).astype(np.float32)

    def valid(self, calibrated: Outputs) -> bool:
        """Tell whether each row sums to one."""
        return bool(np.all(np.abs(calibrated.sum(axis=1) - 1.0) <= SUM_TOLERANCE))

    def said(
        self,
        members: Sequence[Outputs],
        *,
        sizes_N2: npt.NDArray[np.int64],
        class_names: Sequence[str],
    ) -> Said:
        """Give `probs_NMC`."""
        return Said(probs_NMC=np.stack(members, axis=1))

    def maps(self, calibrated: Outputs) -> npt.NDArray[np.float32]:
        """Raise `SchemaMismatch`: classes have no place in the frame."""
        msg = "expected a committee of detection networks, found one of classification"
        raise SchemaMismatch(msg)


def class_indices(examples: Examples) -> npt.NDArray[np.int64]:
    """Give the class index of each frame, int64 [N]."""
    return examples.values[:, 0].astype(np.int64)
