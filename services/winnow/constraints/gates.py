"""What blocks a frame before any money is reserved for it, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from winnow.constraints.pixels import Frame, Grey, area_resize, luma

SHARPNESS_SIDE = 256
"""Sharpness is measured at this resolution, so that one threshold fits all cameras."""
SAMPLED_PIXELS = 65_536


class Gate(StrEnum):
    """The gates, in the order in which they are asked; a frame counts under its first."""

    PRIVACY = "privacy"
    UNREADABLE = "unreadable"
    CALIBRATION_MISSING = "calibration_missing"
    TINY = "tiny"
    DARK = "dark"
    BLURRED = "blurred"
    HOLDOUT = "holdout"
    """Same bytes as a frame that measures the committee."""
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class GateThresholds:
    """When a frame is too poor. Defaults block only what nobody could label."""

    side_pixels_min: int = 8
    luma_p99_min: float = 16.0
    """The brightest hundredth of the pixels lies below this: nothing can be seen."""
    sharpness_min: float = 2.0
    """Variance of the Laplacian of the luma at no more than 256 pixels a side."""
    calibration_required: bool = True


@dataclass(frozen=True, slots=True)
class Finding:
    """What a frame's gates say; `gate` is empty if none blocks it."""

    gate: str = ""
    detail: str = ""


PASSED = Finding()


def flag_gate(*, privacy_blocked: bool) -> Finding:
    """Tell whether the frame may be looked at; a blocked one is not even decoded."""
    if privacy_blocked:
        return Finding(Gate.PRIVACY, "blocked for privacy by its source")
    return PASSED


def quality_gate(frame: Frame, *, calibrated: bool, thresholds: GateThresholds) -> Finding:
    """Give the first gate that blocks a decoded frame.

    Parameters
    ----------
    frame
        RGB, uint8 [height, width, 3].
    calibrated
        Whether the calibration of its sensor is known.

    Returns
    -------
    Finding
        The gate, with the measured number and the threshold it missed; empty if it passes.
    """
    if thresholds.calibration_required and not calibrated:
        return Finding(Gate.CALIBRATION_MISSING, "its sensor has no calibration")
    height, width = frame.shape[:2]
    if min(height, width) < thresholds.side_pixels_min:
        return Finding(
            Gate.TINY, f"{width}x{height}, expected {thresholds.side_pixels_min} pixels a side"
        )
    grey = luma(frame)
    brightest = luma_p99(grey)
    if brightest < thresholds.luma_p99_min:
        return Finding(
            Gate.DARK, f"brightest 1 % at {brightest:.1f}, expected {thresholds.luma_p99_min:g}"
        )
    sharp = sharpness(grey)
    if sharp < thresholds.sharpness_min:
        return Finding(
            Gate.BLURRED, f"sharpness {sharp:.2f}, expected {thresholds.sharpness_min:g}"
        )
    return PASSED


def luma_p99(grey: Grey) -> float:
    """Give the 99th percentile of the luma (0 to 255), over a regular subsample of large frames.

    Not the mean: a night scene with one street lamp is dark and still worth a label.
    """
    step = max(1, int(np.sqrt(grey.size / SAMPLED_PIXELS)))
    return float(np.percentile(grey[::step, ::step], 99))


def sharpness(grey: Grey) -> float:
    """Give the variance of the Laplacian at no more than 256 pixels a side.

    References
    ----------
    J. L. Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", ICPR 2000 (LAPV).
    """
    height, width = grey.shape
    scale = min(1.0, SHARPNESS_SIDE / max(height, width))
    small = area_resize(
        grey, height=max(3, round(height * scale)), width=max(3, round(width * scale))
    )
    middle = small[1:-1, 1:-1]
    around = small[:-2, 1:-1] + small[2:, 1:-1] + small[1:-1, :-2] + small[1:-1, 2:]
    return float(np.var(around - 4 * middle, dtype=np.float64))
