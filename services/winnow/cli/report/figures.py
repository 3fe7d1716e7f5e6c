"""The figures of the report, as SVG text in one style."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from winnow.cli.report.facts import BudgetFacts, RoundFacts, WorldFacts
from winnow.cli.report.paired import Comparison
from winnow.domain.labels import LabelState

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, GRID = "#22303c", "#dfe5ea"
CHOSEN, RANDOM, POOL = "#0b6e99", "#c2571a", "#c3ccd4"
ROUND_COLORS = ("#0b6e99", "#c2571a", "#4d8b31", "#8a4fa3", "#b08900", "#a33b52")
STATE_COLORS: Mapping[LabelState, str] = {
    LabelState.CANDIDATE: "#c3ccd4",
    LabelState.PRE_LABELED: "#8fb8cc",
    LabelState.HUMAN_LABELED: "#4f93b5",
    LabelState.QA_PASSED: "#8dbb6f",
    LabelState.APPROVED_FOR_TRAINING: "#4d8b31",
    LabelState.APPROVED_FOR_SAFETY_EVIDENCE: "#1f5c1a",
    LabelState.REJECTED: "#a33b52",
}
PANELS_IN_A_ROW = 4
LINEAR_FRAMES = 10
"""Bars of more frames grow with the logarithm."""
TIMES = (
    (2 * 86_400, 86_400, "days"),
    (2 * 3600, 3600, "hours"),
    (120, 60, "minutes"),
    (0, 1, "seconds"),
)
"""From so many seconds on, how many are one, and what it is called."""
SHOWN_LONGER = 1.05


def _figure(width: float, height: float, *, n: int = 1) -> tuple[Figure, list[Axes]]:
    """Give n panels of this size in inches, a few in a row: a page is as wide as these."""
    from matplotlib.figure import Figure as MatplotlibFigure

    columns = min(n, PANELS_IN_A_ROW)
    rows = -(-n // columns)
    figure = MatplotlibFigure(figsize=(width * columns, height * rows), layout="constrained")
    axes = [figure.add_subplot(rows, columns, pos + 1) for pos in range(n)]
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.spines[["left", "bottom"]].set_color(GRID)
        ax.grid(visible=True, color=GRID, linewidth=0.8)
        ax.set_axisbelow(True)
        ax.tick_params(colors=INK, labelsize=9, length=0)
    return figure, axes


def _svg(figure: Figure) -> str:
    import matplotlib as mpl

    # A fixed salt makes equal figures equal bytes; text as text keeps them searchable and small.
    with mpl.rc_context({"svg.hashsalt": "winnow", "svg.fonttype": "none"}):
        sink = io.StringIO()
        figure.savefig(sink, format="svg", metadata={"Date": None})
    text = sink.getvalue()
    return text[text.index("<svg") :]


def learning_curves(comparison: Comparison) -> str:
    """Draw a measure over labels: mean and 95 % band over seeds, and each seed thinly."""
    from matplotlib.ticker import FixedLocator, MaxNLocator

    figure, (ax,) = _figure(7.6, 3.9)
    pairs = [(comparison.chosen, CHOSEN, "chosen by the policy")]
    if comparison.control is not None:
        pairs.append((comparison.control, RANDOM, "random control"))
    for curves, color, name in pairs:
        labels, mean, low, high = curves.band()
        for labels_R, values_R in curves.runs:
            ax.plot(labels_R, values_R, color=color, alpha=0.25, linewidth=0.8)
        if len(curves.runs) > 1:
            ax.fill_between(labels, low, high, color=color, alpha=0.16, linewidth=0)
        ax.plot(labels, mean, color=color, linewidth=2, marker="o", markersize=4, label=name)
    counts = {round(n) for curves, _, _ in pairs for n in curves.band()[0].tolist()}
    ax.xaxis.set_major_locator(
        MaxNLocator(integer=True) if len(counts) > 1 else FixedLocator([*counts])
    )
    ax.set_xlabel("labels approved for training", color=INK)
    ax.set_ylabel(f"{comparison.measure.name}, holdout", color=INK)
    ax.set_ylim(bottom=max(0.0, ax.get_ylim()[0]))
    ax.legend(frameon=False, loc="best", fontsize=9)
    return _svg(figure)


def score_histograms(rounds: Sequence[RoundFacts]) -> str:
    """Draw, for each scored round, the pool's acquisition scores and those of the batch."""
    scored = [facts for facts in rounds if facts.scores_N.size]
    if not scored:
        return ""
    figure, axes = _figure(3.8, 2.9, n=len(scored))
    for ax, facts in zip(axes, scored, strict=True):
        bins = np.linspace(0, max(float(facts.scores_N.max()), 1e-9), 31)
        ax.hist(facts.scores_N, bins=list(bins), color=POOL, label="eligible pool")
        ax.hist(facts.scores_picked_B, bins=list(bins), color=CHOSEN, label="batch")
        ax.set_yscale("symlog", linthresh=LINEAR_FRAMES)
        highest = ax.get_ylim()[1]
        ticks = [n for n in (0, 2, 5, 10, *(10**e for e in range(2, 10))) if n <= highest]
        ax.set_yticks(ticks, [f"{n:,}" for n in ticks])
        ax.set_yticks([], minor=True)
        ax.set_title(f"round {facts.number}", fontsize=10, color=INK, loc="left")
        ax.set_xlabel("acquisition score", color=INK)
    axes[0].set_ylabel("frames", color=INK)
    axes[0].legend(frameon=False, fontsize=9)
    return _svg(figure)


def embedding_map(facts: WorldFacts) -> str:
    """Draw the pool in two dimensions, and each round's batch on it."""
    if len(facts.map_frame_ids) < 10:
        return ""
    points_N2 = project(facts.map_embeddings_ND)
    pos_of = {frame_id: pos for pos, frame_id in enumerate(facts.map_frame_ids)}
    figure, (ax,) = _figure(7.6, 5.6)
    ax.scatter(
        points_N2[:, 0],
        points_N2[:, 1],
        s=5,
        color=POOL,
        linewidths=0,
        label="pool",
        rasterized=True,
    )
    for number, round_facts in enumerate(facts.rounds):
        at = [pos_of[pick.frame_id] for pick in round_facts.picks if pick.frame_id in pos_of]
        color = ROUND_COLORS[number % len(ROUND_COLORS)]
        ax.scatter(
            points_N2[at, 0], points_N2[at, 1], s=20, color=color, edgecolors="white",
            linewidths=0.4,
            label=f"round {round_facts.number}",
        )  # fmt: skip
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    figure.legend(loc="outside lower center", ncols=8, frameon=False, fontsize=9)
    return _svg(figure)


def project(embeddings_ND: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Give points_N2 by t-SNE over the first 30 principal components; seeded."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    n_frames, width = embeddings_ND.shape
    components = min(30, n_frames, width)
    reduced = PCA(n_components=components, random_state=0).fit_transform(embeddings_ND)
    perplexity = min(30.0, (n_frames - 1) / 3)
    points = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(reduced)
    return np.asarray(points, dtype=np.float32)


def budget_burn(budgets: Sequence[BudgetFacts]) -> str:
    """Draw, for each budget that moved more than once, what was spent and reserved over time."""
    moved = [facts for facts in budgets if len(facts.committed_steps) > 2]
    if not moved:
        return ""
    figure, axes = _figure(3.4, 2.8, n=len(moved))
    start = min(facts.committed_steps[0][0] for facts in moved)
    end = max(facts.committed_steps[-1][0] for facts in moved)
    # What was true last is true until later: a step without a width would not be seen.
    shown = max(SHOWN_LONGER * (end - start).total_seconds(), 1.0)
    second, name_of_time = next(((one, name) for least, one, name in TIMES if shown >= least))
    for ax, facts in zip(axes, moved, strict=True):
        scale, unit = _unit(facts.budget.unit.code)
        for steps, color, name in (
            (facts.committed_steps, POOL, "reserved"),
            (facts.spent_steps, CHOSEN, "spent"),
        ):
            times = [(at - start).total_seconds() / second for at, _ in steps]
            amounts = [amount / scale for _, amount in steps]
            ax.fill_between(
                [*times, shown / second], [*amounts, amounts[-1]],
                step="post", color=color, linewidth=0, label=name,
            )  # fmt: skip
        ax.set_xlim(0, shown / second)
        ax.set_ylim(bottom=0)
        allocated = -facts.balances.funding / scale
        ax.set_title(
            f"{facts.budget.kind.value}\n{allocated:,.0f} {unit} allocated",
            fontsize=9, color=INK, loc="left",
        )  # fmt: skip
        ax.set_ylabel(unit, color=INK)
        ax.set_xlabel(f"{name_of_time} since the first reservation", color=INK)
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return _svg(figure)


def _unit(code: str) -> tuple[float, str]:
    if code.startswith("currency:"):
        return 1e6, code.removeprefix("currency:")
    return {"bytes": (1e6, "MB"), "gpu_ms": (1e3, "seconds of compute")}.get(code, (1.0, code))


def label_states(states: Mapping[int, Mapping[LabelState, int]]) -> str:
    """Draw where the labels of each round stand, as stacked bars."""
    if not states:
        return ""
    numbers = sorted(states)
    figure, (ax,) = _figure(7.6, 0.9 + 0.45 * len(numbers))
    left = np.zeros(len(numbers))
    for state in LabelState:
        counts = np.array([states[number].get(state, 0) for number in numbers], dtype=float)
        if counts.any():
            names = [f"round {number}" for number in numbers]
            name = state.value.replace("_", " ")
            ax.barh(names, counts, left=left, color=STATE_COLORS[state], label=name, height=0.6)
        left += counts
    ax.invert_yaxis()
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("frames", color=INK)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return _svg(figure)
