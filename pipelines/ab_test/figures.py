"""Pictures of a comparison: improvements as bars, and what the committee doubted in frames."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ab_test.comparison import Comparison
from ab_test.learning import maps_of
from ab_test.methods import COMMITTEE, MANUAL, METHODS, RANDOM
from ab_test.results import ALL_CLASSES, HOLDOUT, INTEREST, MANUAL_ONLY, TESTS, UNION, PlaceResult
from winnow.acquisition.map_information import cell_mutual_information
from winnow.tasks.map_decoding import BOX_CHANNELS, decode

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {COMMITTEE: "#1f77b4", MANUAL: "#d98c3f", RANDOM: "#9a9a9a"}
TITLES = {
    UNION: "tests of A and B together",
    MANUAL_ONLY: "the curator's own tests",
    HOLDOUT: "everyday holdout",
}
GALLERY_FRAMES = 6
SCORE_SHOWN = 0.3


def improvements_png(places: Sequence[PlaceResult]) -> bytes:
    """Give the relative improvements of each method as bars, one panel a test set.

    A bar is the mean over places, a dot one place.
    """
    return _png(drawn_improvements(places))


def drawn_improvements(places: Sequence[PlaceResult]) -> Figure:
    """Give the figure."""
    from matplotlib.patches import Patch

    interest = places[0].setting.interest
    groups = [*interest, INTEREST, ALL_CLASSES]
    figure = _figure(12, 4.2)
    axes = figure.subplots(1, len(TESTS), sharey=False)
    for axis, test in zip(axes, TESTS, strict=True):
        for place, method in enumerate(METHODS):
            _bars(axis, places, groups, test, method, offset=(place - 1) * 0.27)
        axis.axhline(0, color="black", linewidth=0.8)
        axis.set_xlim(-0.5, len(groups) - 0.5)
        axis.set_xticks(range(len(groups)), groups, rotation=20, ha="right")
        if not axis.containers:
            axis.set_yticks([])
            axis.text(
                0.5, 0.5, "the reference finds nothing", transform=axis.transAxes, ha="center"
            )  # fmt: skip
        axis.set_title(TITLES[test], fontsize=10)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("weighted AP against the reference, %")
    handles = [Patch(color=COLOURS[method], label=method) for method in METHODS]
    # Above the panels: beside bars of any height it would hide some.
    figure.legend(
        handles=handles, loc="outside upper right", ncols=len(METHODS), frameon=False, fontsize=9
    )
    return figure


def gallery_png(comparison: Comparison) -> bytes:
    """Draw the frames that the committee chose first, and where it doubted.

    Of each frame: boxes (true ones thin and white, the committee's in colour), then the mutual
    information of the members' maps for each class of interest, on one scale for all frames.
    """
    place, interest = comparison.place, comparison.setting.interest
    rows = comparison.chosen[COMMITTEE][:GALLERY_FRAMES]
    heat_RCHW = cell_mutual_information(maps_of(comparison.committee, place, rows))
    columns = [place.class_names.index(name) for name in interest]
    top = float(heat_RCHW[:, columns].max()) or 1.0
    figure = _figure(3.2 * (1 + len(columns)), 2.0 * len(rows))
    axes = figure.subplots(len(rows), 1 + len(columns), squeeze=False)
    for row, pos in enumerate(rows.tolist()):
        picture = place.examples.pixels[pos].transpose(1, 2, 0)
        _draw_boxes(axes[row, 0], comparison, pos, picture)
        for column, c in enumerate(columns, start=1):
            _draw_heat(axes[row, column], picture, heat_RCHW[row, c], top)
            if row == 0:
                axes[row, column].set_title(f"disagreement: {place.class_names[c]}", fontsize=9)
    axes[0, 0].set_title("true (white) and predicted boxes", fontsize=9)
    return _png(figure)


def _bars(
    axis: Axes,
    places: Sequence[PlaceResult],
    groups: Sequence[str],
    test: str,
    method: str,
    *,
    offset: float,
) -> None:
    for x, of in enumerate(groups):
        found = [place.improvement(method, test, of) for place in places]
        relative = [one.relative for one in found if one is not None]
        values = [100 * one for one in relative if one is not None]
        if not values:
            continue
        axis.bar(x + offset, np.mean(values), 0.25, color=COLOURS[method])
        axis.plot([x + offset] * len(values), values, ".", color="black", markersize=3, alpha=0.6)


def _draw_boxes(
    axis: Axes, comparison: Comparison, pos: int, picture: npt.NDArray[np.uint8]
) -> None:
    place = comparison.place
    axis.imshow(picture)
    for _, *box in place.examples.of(pos).tolist():
        _outline(axis, box, picture, "white", 0.8)
    said = comparison.committee[0].answers(place, np.array([pos]))
    (boxes,) = decode(said[:, :-BOX_CHANNELS], said[:, -BOX_CHANNELS:])
    for c, score, box in zip(
        boxes.classes_K.tolist(), boxes.scores_K.tolist(), boxes.boxes_K4.tolist(), strict=True
    ):
        if score >= SCORE_SHOWN:
            _outline(axis, box, picture, f"C{c + 1}", 1.2)
    axis.set_axis_off()


def _outline(
    axis: Axes,
    box: Sequence[float],
    picture: npt.NDArray[np.uint8],
    colour: str,
    line_width: float,
) -> None:
    from matplotlib.patches import Rectangle

    height, width = picture.shape[:2]
    x, y, w, h = box
    corner = (x * width - 0.5, y * height - 0.5)
    outline = Rectangle(
        corner, w * width, h * height, fill=False, edgecolor=colour, linewidth=line_width
    )
    axis.add_patch(outline)


def _draw_heat(
    axis: Axes, picture: npt.NDArray[np.uint8], heat_HW: npt.NDArray[np.float64], top: float
) -> None:
    height, width = picture.shape[:2]
    axis.imshow(picture.mean(axis=2), cmap="gray", vmin=0, vmax=255)
    axis.imshow(
        heat_HW,
        cmap="inferno",
        alpha=np.sqrt(np.clip(heat_HW / top, 0, 1)),
        vmin=0,
        vmax=top,
        extent=(-0.5, width - 0.5, height - 0.5, -0.5),
        interpolation="bilinear",
    )
    axis.set_axis_off()


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure as NewFigure

    return NewFigure(figsize=(width, height), layout="constrained")


def _png(figure: Figure) -> bytes:
    sink = io.BytesIO()
    figure.savefig(sink, format="png", dpi=110)
    return sink.getvalue()
