"""What the numbers say, in sentences: every one of them comes from the finished runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmark.methods import BASELINE
from benchmark.statistics import ALPHA, holm, paired
from benchmark.tables import (
    GAIN_BUDGETS,
    Found,
    Row,
    cost_rows,
    gain_rows,
    needed_rows,
    repeat_rows,
)

LOW_MAX = 0.1
MIDDLE = (0.25, 0.5)
CORE_SET = "k_center"
REPEATS_MIN = 0.005
REPEAT_FIELDS = ("repeated_share", "points_beside_plain")
CHECKS = (
    "Is the pool too easy or nearly exhausted? Compare the first budget's accuracy with the last: "
    "where random is already within a point of all labels, nothing is left to gain.",
    "Are there enough seeds? See `detectable_points` in `tables/budget_gains.csv`: smaller gains "
    "cannot be found with these; `--seeds` adds some, finished runs are kept.",
    "Do the features separate the classes? With poor features doubt is noise: try another "
    "encoder, or the network as the learner.",
    "Are labels right? Doubtful frames are the ones whose labels are most often wrong; look at a "
    "hundred of the chosen ones.",
    "Are classes and slices balanced on the holdout as they are in use? Accuracy hides rare ones: "
    "see `tables/class_counts.csv`.",
    "Is the batch large for the pool? Later batches choose from what is left, and all methods "
    "end with the same frames.",
)


def places(found: Found, low: float, high: float) -> list[int]:
    """Give the places of the budgets between two shares."""
    return [b for b, share in enumerate(found.plan.budgets) if low <= share <= high]


def low_places(found: Found) -> list[int]:
    """Give the low budgets; the first, a cold start for all, only if it is the only one."""
    return places(found, 0, LOW_MAX)[1:] or [0]


def best(found: Found, pool: str, where: Sequence[int]) -> tuple[str, float, float]:
    """Give the method with the largest mean gain at some budgets, the gain, and its p.

    The p-value is corrected for the number of methods.
    """
    gains = {name: found.gains(pool, name)[:, where].mean(axis=1) for name in found.rivals}
    tests = {name: paired(values, step=found.step_points) for name, values in gains.items()}
    corrected = dict(zip(tests, holm([test.p for test in tests.values()]), strict=True))
    name = max(tests, key=lambda one: tests[one].mean)
    return name, tests[name].mean, corrected[name]


def told_budgets(found: Found, where: Sequence[int]) -> str:
    """Give budgets as text, e.g. `25 and 50 %`."""
    texts = [f"{100 * found.plan.budgets[b]:g}" for b in where]
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts) + " %"


def winner(found: Found, where: Sequence[int], what: str) -> str:
    """Say who wins at some budgets of the first pool, and how sure that is."""
    pool = found.plan.pools[0]
    name, gain, p = best(found, pool, where)
    at = f"At {what} budget ({told_budgets(found, where)} of the labels)"
    if gain <= 0:
        return (
            f"{at} no method has a higher mean than random; the nearest is `{name}` ({gain:+.2f})."
        )
    base = found.accuracy(pool, BASELINE)[:, where].mean()
    close = [
        other
        for other in found.rivals
        if other != name and _is_level(found, pool, name, other, where)
    ]
    text = (
        f"{at} **`{name}`** has the highest mean: {base + gain:.1f} % against {base:.1f} % of "
        f"random ({gain:+.2f} points, {_sure(p)})."
    )
    if close:
        text += f" Not to be told apart from it: {', '.join(f'`{one}`' for one in close)}."
    return text


def _is_level(found: Found, pool: str, one: str, other: str, where: Sequence[int]) -> bool:
    apart = found.accuracy(pool, one)[:, where] - found.accuracy(pool, other)[:, where]
    test = paired(apart.mean(axis=1), step=found.step_points)
    return not test.p < ALPHA


def full(found: Found) -> str:
    """Say what accuracy the methods are to come near."""
    largest = found.plan.budgets[-1]
    return "what all labels give" if largest == 1 else f"random with {100 * largest:g} % labeled"


def told_seeds(n: int) -> str:
    """Give a number of seeds as text."""
    return "one seed" if n == 1 else f"{n} seeds"


def _one_test(p: object) -> str:
    """Tell a p-value that was not corrected, as it answers one question alone."""
    return f"p = {p:.2g}, one test" if isinstance(p, float) and p == p else "one seed: no test"


def _sure(p: float) -> str:
    if np.isnan(p):
        return "one seed: no test"
    if p < ALPHA:
        return f"certain after correction, p = {p:.3g}"
    return f"not certain after correction, p = {p:.2g}"


def verdict(found: Found) -> tuple[str, bool]:
    """Say whether anything beats random anywhere, and whether the checks must be listed."""
    rows = [*gain_rows(found, 0, GAIN_BUDGETS[0] - 1e-9), *gain_rows(found, *GAIN_BUDGETS)]
    certain = [row for row in rows if row["verdict"] == "better"]
    worse = [row for row in rows if row["verdict"] == "worse"]
    higher = [row for row in rows if float(row["gain_points"] or 0) > 0]
    lost = f" {len(worse)} are certainly worse: {_named(worse)}." if worse else ""
    if certain:
        text = f"Certainly better than random in {len(certain)} of {len(rows)} comparisons"
        return f"{text} (paired t-test, Holm): {_named(certain)}.{lost}", False
    if not higher:
        return f"**No method beats random anywhere** in {len(rows)} comparisons.{lost}", True
    return (
        f"**No method certainly beats random anywhere**: of {len(rows)} comparisons none passes "
        f"the paired t-test after correction with {told_seeds(found.plan.seeds)}; {len(higher)} "
        f"have a higher mean.{lost}"
    ), True


def _named(rows: Sequence[Row]) -> str:
    shown = [f"`{r['method']}` at {100 * float(r['budget'] or 0):g} % ({r['pool']})" for r in rows]
    return ", ".join(shown[:6]) + (f" and {len(shown) - 6} more" if len(shown) > 6 else "")


def fewest_labels(found: Found) -> str:
    """Say who needs the fewest labels to come within a point of all of them."""
    rows = [row for row in needed_rows(found) if row["pool"] == found.plan.pools[0]]
    known = [row for row in rows if row["seeds_reached"] == row["seeds"]]
    base = next(row for row in rows if row["method"] == BASELINE)
    rivals = [row for row in known if row["method"] != BASELINE]
    if not rivals or base["labels"] is None:
        return f"No method comes within a point of {full(found)} in every seed."
    first = min(rivals, key=lambda row: float(row["labels"] or 0))
    share = float(first["saved_share"] or 0)
    if share <= 0:
        return (
            f"To come within one point of {full(found)}, random needs {base['labels']:.0f} "
            f"labels; no method needs fewer (`{first['method']}`: {first['labels']:.0f})."
        )
    return (
        f"To come within one point of {full(found)} ({found.full_accuracy.mean():.1f} %), "
        f"**`{first['method']}`** needs {first['labels']:.0f} labels and random "
        f"{base['labels']:.0f}: {share:.0%} fewer ({_one_test(first['p'])})."
    )


def core_set(found: Found) -> list[str]:
    """Say how core-set alone does, and what its batches look like beside the others'."""
    pool = found.plan.pools[0]
    if CORE_SET not in found.plan.methods:
        return ["`k_center` was not among the methods."]
    where = places(found, 0, MIDDLE[1])[1:] or [0]
    gain = found.gains(pool, CORE_SET)[:, where].mean()
    doubtful = [name for name in ("margin", "entropy", "bald", "badge") if name in found.rivals]
    texts = [f"Over {told_budgets(found, where)} core-set is {gain:+.2f} points beside random."]
    if doubtful:
        other = max(doubtful, key=lambda name: found.gains(pool, name)[:, where].mean())
        behind = gain - found.gains(pool, other)[:, where].mean()
        texts.append(
            f"It is {behind:+.2f} points beside `{other}`. Its frames lie "
            f"{_mean(found, CORE_SET, where, 'isolation'):.2f} times as far from their "
            f"neighbours as the pool's average frame (`{other}`: "
            f"{_mean(found, other, where, 'isolation'):.2f}, "
            f"random: {_mean(found, BASELINE, where, 'isolation'):.2f}), and their mean place by "
            f"doubt is {_mean(found, CORE_SET, where, 'doubt'):.2f} of 1 (`{other}`: "
            f"{_mean(found, other, where, 'doubt'):.2f}; chance is 0.5)."
        )
        loses = behind < 0
        texts.append(
            "So it pays for distance: outliers and frames of which the committee is sure already."
            if loses
            else "Here it does not lose: covering the pool was worth as much as doubt."
        )
    return texts


def _mean(found: Found, method: str, where: Sequence[int], field: str) -> float:
    pool = found.plan.pools[0]
    values = found.values(pool, method, lambda step: getattr(step, field))[:, where]
    there = values[~np.isnan(values)]  # a step that bought nothing has none
    return float(there.mean()) if there.size else float("nan")


def duplicates(found: Found) -> list[str]:
    """Say what near-duplicates cost, and what the gate gives back."""
    rows = [row for row in repeat_rows(found) if row["budget"] in shares_between(found, MIDDLE)]
    texts = []
    for pool in ("duplicated", "deduplicated"):
        part = [row for row in rows if row["pool"] == pool]
        if not part:
            continue
        by_name = {
            name: [_mean_of(part, name, field) for field in REPEAT_FIELDS]
            for name in found.plan.methods
        }
        most = max(by_name, key=lambda name: by_name[name][0])
        hurt = min(by_name, key=lambda name: by_name[name][1])
        what = "without a gate" if pool == "duplicated" else "behind the duplicate gate"
        if by_name[most][0] < REPEATS_MIN:
            texts.append(f"With near-duplicates {what} no method buys a frame again.")
            continue
        repeats, lost = by_name[BASELINE]
        of_random = "" if most == BASELINE else f" (random: {repeats:.0%})"
        lost_by_random = "" if hurt == BASELINE else f" (random: {lost:+.2f})"
        texts.append(
            f"With near-duplicates {what}, `{most}` buys the most repeats: {by_name[most][0]:.0%} "
            f"of its labels at {_told(found, MIDDLE)}{of_random}; "
            f"`{hurt}` loses the most beside its own curve on the plain pool: "
            f"{by_name[hurt][1]:+.2f} points{lost_by_random}."
        )
    if texts:
        return texts
    if {"duplicated", "deduplicated"} & set(found.plan.pools):
        asked = " to ".join(f"{100 * share:g}" for share in MIDDLE)
        return [f"No budget from {asked} % was measured, where repeats are counted."]
    return ["The run was not repeated with duplicated pools."]


def _mean_of(rows: Sequence[Row], method: str, field: str) -> float:
    return float(np.mean([float(row[field] or 0) for row in rows if row["method"] == method]))


def shares_between(found: Found, bounds: tuple[float, float]) -> list[float]:
    """Give the budgets between two shares."""
    return [found.plan.budgets[b] for b in places(found, *bounds)]


def _told(found: Found, bounds: tuple[float, float]) -> str:
    where = places(found, *bounds)
    return told_budgets(found, where) if where else "no budget"


def costs(found: Found) -> list[str]:
    """Say what changes when a label costs 10 and 100 times as much."""
    texts = []
    for factor in (1, 10, 100):
        rows = [row for row in cost_rows(found) if row["factor"] == factor]
        base = next(row for row in rows if row["method"] == BASELINE)
        known = [
            row
            for row in rows
            if row["money"] is not None and row["seeds_reached"] == found.plan.seeds
        ]
        if not known or base["money"] is None:
            return ["Not every seed came within a point: no money to compare."]
        cheapest = min(known, key=lambda row: float(row["money"] or 0))
        machine = (
            100 * float(cheapest["of_it_machine"] or 0) / max(1e-9, float(cheapest["money"] or 0))
        )
        texts.append(
            f"At {float(base['label_price'] or 0):g} a label (×{factor}) `{cheapest['method']}` is "
            f"cheapest: {cheapest['money']:,.2f} instead of random's {base['money']:,.2f}; "
            f"{machine:.2g} % of it is the machine."
        )
    return [*texts, *_same_money(found)]


def _same_money(found: Found) -> list[str]:
    """Say what the money for half of the pool buys where labels cost ten times as much."""
    texts = []
    shares = found.plan.budgets
    for factor in (10, 100):
        share = 0.5 / factor
        there = [b for b, one in enumerate(shares) if abs(one - share) < 1e-9]
        if there and there[0]:
            name, gain, _ = best(found, found.plan.pools[0], there)
            texts.append(
                f"Money for half of the pool buys {share:.1%} of it at ×{factor}: `{name}` is best "
                f"there ({gain:+.2f} points beside random)."
            )
        elif there:
            gain = max(found.gains(found.plan.pools[0], name)[:, 0].mean() for name in found.rivals)
            texts.append(
                f"Money for half of the pool buys {share:.0%} of it at ×{factor}. There is no "
                f"committee yet: all depends on the cold start ({gain:+.2f} points beside random)."
            )
        else:
            n = round(share * found.curves[0].n_distinct)
            labels = "label" if n == 1 else "labels"
            why = "below the least budget" if share < shares[0] else "none of the budgets"
            texts.append(
                f"At ×{factor} the same money buys {share:.1%} of the pool ({n} {labels}), {why} "
                "that was measured."
            )
    return texts


def cold_start(found: Found) -> str:
    """Say what the first batch by typicality gave."""
    if found.plan.budgets[0] > LOW_MAX:
        return "No low budget was measured."
    name = found.rivals[0] if found.rivals else BASELINE
    test = paired(found.gains(found.plan.pools[0], name)[:, 0], step=found.step_points)
    spread = "" if np.isnan(test.std) else f" ± {test.std:.2f}"
    return (
        f"Cold start: typical frames as the first {100 * found.plan.budgets[0]:g} % give "
        f"{test.mean:+.2f}{spread} points beside random ones ({_one_test(test.p)})."
    )
