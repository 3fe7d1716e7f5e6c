"""Two plots as SVG: no drawing library in the images, and nothing to load in the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from winnow.calibration.calibration_errors import accuracy_interval
from winnow.calibration.reliability import ReliabilityBin

SIDE = 260
MARGIN = 36
COLOURS = ("#0969da", "#bc4c00", "#1a7f37", "#8250df", "#bf3989", "#6e4a2f", "#9a6700", "#0a3069")
OTHERS = "#afb8c1"
NAMES_WIDE = 180
"""Pixels beside a plot for the names of classes."""


def reliability_plot(title: str, bins: Sequence[tuple[float, float, int]]) -> str:
    """Draw confidence against the share that was right, with the 95 % interval of independent ones.

    The area of a dot is the share of the answers.
    """
    total = sum(n for _, _, n in bins) or 1
    shapes = [f'<path d="M{_x(0)} {_y(0)}L{_x(1)} {_y(1)}" stroke="#afb8c1" stroke-dasharray="4"/>']
    for said, right, n in bins:
        low, high = accuracy_interval(ReliabilityBin(said, right, n))
        shapes += [
            f'<path d="M{_x(said)} {_y(low)}V{_y(high)}" stroke="#0969da"/>',
            f'<circle cx="{_x(said)}" cy="{_y(right)}" r="{2 + 14 * (n / total) ** 0.5:.1f}" '
            f'fill="#0969da" fill-opacity="0.6"><title>said {said:.3f}, right {right:.3f} '
            f"({low:.3f} – {high:.3f}), n = {n:,}</title></circle>",
        ]
    return _frame(title, "confidence", "share that was right", shapes)


def precision_recall_plot(curves: Mapping[str, Sequence[float]]) -> str:
    """Draw precision at recalls 0 to 1 of each class; of many the weakest are named."""
    weakest = sorted(curves, key=lambda name: sum(curves[name]))[: len(COLOURS)]
    named = [name for name in curves if name in weakest]
    shapes = [_curve(curves[name], OTHERS, name) for name in curves if name not in weakest]
    for pos, (name, colour) in enumerate(zip(named, COLOURS, strict=False)):
        shapes.append(_curve(curves[name], colour, name))
        place = f'x="{SIDE + MARGIN + 10}" y="{_y(0.97 - 0.07 * pos)}"'
        shapes.append(f'<text {place} fill="{colour}">{escape(name)}</text>')
    if len(named) < len(curves):
        place = f'x="{SIDE + MARGIN + 10}" y="{_y(0.97 - 0.07 * len(named))}"'
        others = f"{len(curves) - len(named)} stronger classes"
        shapes.append(f'<text {place} fill="{OTHERS}">{others}</text>')
    title = "precision at overlap 0.5"
    return _frame(title, "recall", "precision", shapes, beside=NAMES_WIDE)


def _curve(precisions: Sequence[float], colour: str, name: str) -> str:
    last = max(1, len(precisions) - 1)
    points = " ".join(f"{_x(n / last)},{_y(value)}" for n, value in enumerate(precisions))
    return (
        f'<polyline points="{points}" fill="none" stroke="{colour}">'
        f"<title>{escape(name)}</title></polyline>"
    )


def _frame(title: str, across: str, up: str, shapes: Sequence[str], *, beside: int = 0) -> str:
    size = SIDE + 2 * MARGIN
    ticks = [
        f'<text x="{_x(share)}" y="{_y(0) + 16}" text-anchor="middle">{share:g}</text>'
        f'<text x="{_x(0) - 6}" y="{_y(share) + 4}" text-anchor="end">{share:g}</text>'
        for share in (0.0, 0.5, 1.0)
    ]
    sides = f'x="{_x(0)}" y="{_y(1)}" width="{SIDE}" height="{SIDE}"'
    box = f'<rect {sides} fill="none" stroke="#d0d7de"/>'
    names = (
        f'<text x="{_x(0.5)}" y="{_y(1) - 12}" text-anchor="middle" font-weight="600">'
        f"{escape(title)}</text>"
        f'<text x="{_x(0.5)}" y="{_y(0) + 30}" text-anchor="middle">{across}</text>'
        f'<text transform="translate(10 {_y(0.5)}) rotate(-90)" text-anchor="middle">{up}</text>'
    )
    style = 'font-family="system-ui,sans-serif" font-size="11"'
    inside = "".join([box, *ticks, names, *shapes])
    return f'<svg width="{size + beside}" height="{size}" {style} role="img">{inside}</svg>'


def _x(share: float) -> float:
    return round(MARGIN + SIDE * share, 1)


def _y(share: float) -> float:
    return round(MARGIN + SIDE * (1.0 - share), 1)
