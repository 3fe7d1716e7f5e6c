"""Learning curves as a picture: mean and one standard deviation over seeds."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.methods import BASELINE
from benchmark.statistics import Floats
from benchmark.tables import Found

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLES = {
    "plain": "pool as it is",
    "duplicated": "every frame with near-duplicates",
    "deduplicated": "the same, duplicates gated",
}
BAND = 0.10


def learning_curves(found: Found) -> bytes:
    """Give a PNG: accuracy above, points beside random below, one column for each pool."""
    sink = io.BytesIO()
    drawn(found).savefig(sink, dpi=120, metadata={"Software": ""})
    return sink.getvalue()


def drawn(found: Found) -> Figure:
    """Give the figure."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure as MatplotlibFigure

    pools = found.plan.pools
    figure = MatplotlibFigure(figsize=(4.6 * len(pools) + 1.8, 8.4), layout="constrained")
    axes = figure.subplots(2, len(pools), sharex=True, sharey="row", squeeze=False)
    colours = colormaps["tab10" if len(found.rivals) <= 10 else "tab20"]
    shares = 100 * np.array(found.plan.budgets)
    for column, pool in enumerate(pools):
        above, below = axes[0][column], axes[1][column]
        for place, method in enumerate([*found.rivals, BASELINE]):
            is_base = method == BASELINE
            style = {
                "color": "black" if is_base else colours(place),
                "linewidth": 2.6 if is_base else 1.6,
                "linestyle": "--" if is_base else "-",
            }
            _curve(above, shares, found.accuracy(pool, method), method, style)
            if not is_base:
                _curve(below, shares, found.gains(pool, method), method, style)
        below.axhline(0, color="black", linewidth=2.6, linestyle="--")
        above.set_title(TITLES[pool])
        below.set_xlabel("labels, % of the pool's distinct frames")
        for axis in (above, below):
            axis.set_xscale("log")
            axis.set_xticks(shares, [f"{share:g}" for share in shares])
            axis.minorticks_off()
            axis.grid(alpha=0.25)
    axes[0][0].set_ylabel("holdout accuracy, %")
    axes[1][0].set_ylabel("points above random, same seed")
    handles, names = axes[0][0].get_legend_handles_labels()
    # Beside the middle: a title may be as wide as the figure.
    figure.legend(handles, names, loc="outside right center", frameon=False)
    figure.suptitle(
        f"{found.source}\nmean of {found.plan.seeds} seeds, bands ±1 standard deviation",
        fontsize=11,
    )
    return figure


def _curve(axis: Axes, shares: Floats, values_SB: Floats, name: str, style: dict[str, Any]) -> None:
    mean = values_SB.mean(axis=0)
    std = values_SB.std(axis=0, ddof=1) if len(values_SB) > 1 else np.zeros_like(mean)
    axis.plot(shares, mean, marker="o", markersize=3.5, label=name, **style)
    axis.fill_between(shares, mean - std, mean + std, color=style["color"], alpha=BAND, linewidth=0)
