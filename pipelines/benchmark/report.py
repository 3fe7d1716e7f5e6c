"""The report of a benchmark: what a manager reads first, tables behind it."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark import answers
from benchmark.blocks import Block, Figure, Heading, Paragraph, Points, Table
from benchmark.methods import BASELINE, method_named
from benchmark.tables import (
    GAIN_BUDGETS,
    Found,
    Row,
    cost_rows,
    gain_rows,
    mining_rows,
    needed_rows,
    repeat_rows,
    time_rows,
)
from benchmark.worst_slice import SLICE_MIN

FIGURE = "figures/learning_curves.png"


def report_of(found: Found, png: bytes) -> list[Block]:
    """Give the report's parts."""
    text, check = answers.verdict(found)
    low, middle = answers.low_places(found), answers.places(found, *answers.MIDDLE)
    short = [text, answers.winner(found, low, "low")]
    short += [answers.winner(found, middle, "middle")] if middle else []
    short += [answers.fewest_labels(found), answers.cold_start(found)]
    blocks: list[Block] = [
        Heading(1, f"Which frames earn a label: {found.source}"),
        Paragraph(_what(found)),
        Heading(2, "In short"),
        Points(short),
    ]
    if check:
        blocks += [
            Heading(2, "Random was not certainly beaten: what to check"),
            Points(answers.CHECKS),
        ]
    blocks += [
        Figure(f"{FIGURE}", png, "learning curves"),
        Paragraph(
            "Dashed: random. Bands: ±1 standard deviation over seeds. Below: difference to random "
            "with the same split and training seed."
        ),
        *_gains(found),
        Heading(2, f"Labels to come within one point of {answers.full(found)}"),
        _needed(found),
        Heading(2, "Why core-set alone may lose"),
        Paragraph(" ".join(answers.core_set(found))),
        Heading(2, "What near-duplicates do"),
        Points(answers.duplicates(found)),
        *_repeats(found),
        Heading(2, "What labels cost: 1×, 10×, 100×"),
        Points(answers.costs(found)),
        _costs(found),
        *_mining(found),
        Heading(2, "How long choosing takes"),
        _times(found),
        Heading(2, "How it was measured"),
        Points(_how(found)),
    ]
    return blocks


def _what(found: Found) -> str:
    run = found.curves[0]
    left_out = f" Left out as no images: {found.n_unreadable} frames."
    return (
        f"{len(found.plan.methods)} methods, {answers.told_seeds(found.plan.seeds)}, budgets of "
        f"{', '.join(f'{100 * share:g}' for share in found.plan.budgets)} % of {run.n_distinct} "
        f"frames, {len(found.class_names)} classes; accuracy on {run.n_holdout} frames that were "
        f"held out. Learner: {found.plan.learner}, features: `{found.encoder}`."
        + (left_out if found.n_unreadable else "")
    )


def _how(found: Found) -> list[str]:
    plan = found.plan
    return [
        f"{plan.holdout_share:.0%} of the frames are the holdout: whole sessions, or whole "
        "duplicate clusters of each class; another for each seed. No choice sees its embeddings.",
        "Rounds are cumulative; the learner is trained from scratch at each on all labels so far. "
        + (
            "It is a linear head on frozen features; 20 samples of dropout answer as a committee."
            if plan.learner == "probe"
            else f"It is a committee of {plan.network_members} small networks."
        ),
        f"{plan.random_arm:.0%} of each batch is the random arm. A class below "
        f"{plan.starvation_share:g} of an even share of the labels is promised that share of the "
        "next batch, by what the committee takes frames for. Random itself has neither.",
        "Methods: "
        + "; ".join(f"`{name}`: {method_named(name).told}" for name in plan.methods)
        + ". `random_warm` shows what the cold start alone gives.",
        "Paired t-test over seeds, two-sided; Holm's correction over all methods and budgets of "
        "one pool. With all labels every method has the same frames, and the same accuracy.",
        f"Money: a label costs {plan.label_price_micros / 1e6:g}, an hour of the machine "
        f"{plan.machine_hour_micros / 1e6:g}. Times are wall times of one core on the machine that "
        "ran this, other work on it included.",
        "Tables: `tables/*.csv`; this page as `report.html`.",
    ]


def _gains(found: Found) -> list[Block]:
    blocks: list[Block] = [Heading(2, "Gain over random, points")]
    pool = found.plan.pools[0]
    rows = [*gain_rows(found, 0, GAIN_BUDGETS[0] - 1e-9), *gain_rows(found, *GAIN_BUDGETS)]
    rows = [row for row in rows if row["pool"] == pool]
    shares = list(dict.fromkeys(row["budget"] for row in rows))
    at = {(row["method"], row["budget"]): row for row in rows}
    table = [
        [f"`{name}`", *(_gain_text(at[name, share]) for share in shares)] for name in found.rivals
    ]
    head = [f"{pool} pool", *(f"{100 * float(share or 0):g} %" for share in shares)]
    text = "Mean ± standard deviation of the differences over seeds. \\* certain after correction."
    return [*blocks, Table(head, table), Paragraph(text.replace("\\*", "★"))]


def _gain_text(row: Row) -> str:
    star = "" if row["verdict"] == "undecided" else " ★"
    spread = "" if row["gain_std"] is None else f" ± {row['gain_std']:.2f}"
    return f"{row['gain_points']:+.2f}{spread}{star}"


def _needed(found: Found) -> Table:
    rows = needed_rows(found)
    by_name = {(row["pool"], row["method"]): row for row in rows}
    body = [
        [f"`{name}`", *(_needed_text(by_name[pool, name]) for pool in found.plan.pools)]
        for name in found.plan.methods
    ]
    return Table(["labels (seeds that got there)", *found.plan.pools], body)


def _needed_text(row: Row) -> str:
    if row["labels"] is None:
        return "never"
    spread = "" if row["labels_std"] is None else f" ± {row['labels_std']:.0f}"
    return f"{row['labels']:.0f}{spread} ({row['seeds_reached']}/{row['seeds']})"


def _repeats(found: Found) -> list[Block]:
    rows = [
        row
        for row in repeat_rows(found)
        if row["budget"] in answers.shares_between(found, (0.25, 0.5))
    ]
    if not rows:
        return []
    keys = list(dict.fromkeys((row["pool"], row["budget"]) for row in rows))
    at = {(row["method"], row["pool"], row["budget"]): row for row in rows}
    head = ["repeats bought; points beside the plain pool"]
    head += [f"{pool}, {100 * float(share or 0):g} %" for pool, share in keys]
    body = [
        [f"`{name}`", *(_repeat_text(at[name, pool, share]) for pool, share in keys)]
        for name in found.plan.methods
    ]
    return [Table(head, body)]


def _repeat_text(row: Row) -> str:
    return f"{float(row['repeated_share'] or 0):.0%}; {row['points_beside_plain']:+.2f}"


def _costs(found: Found) -> Table:
    rows = cost_rows(found)
    factors = list(dict.fromkeys(row["factor"] for row in rows))
    at = {(row["method"], row["factor"]): row for row in rows}
    head = ["money to within one point (saved beside random)", *(f"×{one}" for one in factors)]
    body = [
        [f"`{name}`", *(_cost_text(at[name, one], name) for one in factors)]
        for name in found.plan.methods
    ]
    return Table(head, body)


def _cost_text(row: Row, name: str) -> str:
    if row["money"] is None:
        return "never"
    saved = "" if name == BASELINE else f" ({row['saved']:+,.2f})"
    return f"{row['money']:,.2f}{saved}"


def _mining(found: Found) -> list[Block]:
    if not found.plan.mining:
        return []
    rows = mining_rows(found)
    blocks: list[Block] = [Heading(2, "Mining the worst slice by known failures, beside BADGE")]
    if not rows:
        nothing = (
            f"No slice has {SLICE_MIN} frames in each half of the holdout and a failure among "
            "them: nothing to mine."
        )
        return [*blocks, Paragraph(nothing)]
    mining = rows[0]
    apart = float(mining["beside_badge_points"] or 0)
    p = mining["p_beside_badge"]
    told = "one seed: no test" if p is None else f"paired over seeds, p = {p}"
    body = [
        [
            f"`{row['method']}`",
            f"{row['slice_change_points']:+.1f} ± {row['slice_change_std'] or 0:.1f}",
            f"{row['beside_badge_points']:+.1f}",
            f"{row['overall_change_points']:+.1f}",
            f"{row['slice_frames_in_batch']:.0f}",
        ]
        for row in rows
    ]
    head = ["one batch of 10 % after 10 % at random", "change of the slice, points"]
    head += ["beside BADGE", "change of all", "its frames in the batch"]
    text = (
        f"On {mining['slices']} worst slices (about {mining['mean_failures_shown']:.0f} known "
        f"failures, {mining['mean_frames_measured']:.0f} frames measured, none of which named the "
        f"slice) mining changes the slice {apart:+.1f} points beside BADGE ({told})."
    )
    return [*blocks, Paragraph(text), Table(head, body)]


def _times(found: Found) -> Table:
    rows = [row for row in time_rows(found) if row["pool"] == found.plan.pools[0]]
    shares = [f"select_s_at_{share:g}" for share in found.plan.budgets]
    head = ["seconds to choose, by budget"]
    head += [*(f"{100 * share:g} %" for share in found.plan.budgets), "all", "worst", "learning"]
    body = [
        [f"`{row['method']}`", *(f"{row[name]:.3g}" for name in _columns(shares))] for row in rows
    ]
    return Table(head, body)


def _columns(shares: Sequence[str]) -> list[str]:
    return [*shares, "select_s_total", "select_s_worst", "learn_s_total"]
