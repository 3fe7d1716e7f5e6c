"""`make bench-default DATA=…`: the default policy beside every single strategy, seed by seed.

Results are kept run by run in `build/default-policy`, so a run that was cut off goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from tests.bench.default_policy.entrants import DEFAULT, entrants
from tests.bench.default_policy.learners import Learner, Linear
from tests.bench.default_policy.loop import curve_of
from tests.bench.default_policy.measures import Curves, Measured, measured
from tests.bench.default_policy.pools import CACHE, KINDS, UNTOUCHED, Pool, pool_of

OUT = Path("build/default-policy.md")


def main() -> int:
    """Run what is not there yet, print the table and write it."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--data", type=Path, default=Path("data"), help="Folder of the data sets.")
    asked.add_argument("--pools", default=",".join(KINDS), help="Names, apart by commas.")
    asked.add_argument("--seeds", type=int, default=10, help="How many.")
    asked.add_argument("--first-seed", type=int, default=0)
    asked.add_argument("--peers", action="store_true", help="Peers' implementations, too.")
    options = asked.parse_args()
    found = {}
    for name in options.pools.split(","):
        needs = KINDS[name].needs
        if needs and not (options.data / needs).is_dir():
            print(f"{name}: left out, there is no {options.data / needs}", file=sys.stderr)
            continue
        seeds = range(options.first_seed, options.first_seed + options.seeds)
        found[name] = curves_of(name, seeds, options.data, peers=options.peers)
    text = report(found)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(text, encoding="utf-8")
    print(text)
    return 0


def curves_of(name: str, seeds: range, data: Path, *, peers: bool) -> Curves:
    """Give the accuracy of every entrant in points, [seeds, budgets]."""
    found: dict[str, list[list[float]]] = {}
    for seed in seeds:
        print(f"{name}, seed {seed}", file=sys.stderr)
        for entrant in entrants(peers=peers):
            kept = CACHE / "runs" / f"{name}, {entrant.name}, {seed}.json"
            if not kept.exists():
                pool = pool_of(name, seed, data)
                n_classes = int(pool.labels_N.max()) + 1
                curve = curve_of(pool, entrant, _learner(pool, n_classes, seed), seed=seed)
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_text(json.dumps({"accuracy": curve.accuracy, "seconds": curve.seconds}))
            found.setdefault(entrant.name, []).append(json.loads(kept.read_text())["accuracy"])
    return {entrant: 100 * np.array(curve) for entrant, curve in found.items()}


def _learner(pool: Pool, n_classes: int, seed: int) -> Learner:
    if KINDS[pool.name].learner == "linear":
        return Linear(pool, n_classes=n_classes, seed=seed)
    from tests.bench.default_policy.network import Network

    return Network(pool, n_classes=n_classes, seed=seed)


def report(found: dict[str, Curves]) -> str:
    """Give the summary, then each pool's table, as Markdown."""
    rows = {name: measured(curves, KINDS[name].budgets) for name, curves in found.items()}
    lines = [
        "| pool | mean regret | 95 % upper | cross-fitted | worst budget "
        "| labels, of random's | best single | ratio, cross-fitted |",
        "|---|---|---|---|---|---|---|---|",
        *(_summary(name, row) for name, row in rows.items()),
        "",
        f"Accuracy in points; nothing was tuned on {UNTOUCHED}.",
    ]
    for name, curves in found.items():
        lines += ["", *_table(name, curves)]
    return "\n".join(lines) + "\n"


def _summary(name: str, row: Measured) -> str:
    worst = int(row.regret.argmax())
    at = f"{row.regret[worst]:.1f} at {KINDS[name].budgets[worst]}"
    return (
        f"| {name} | {row.regret.mean():+.2f} | {row.regret_upper:+.2f} | {row.cross_fitted:+.2f} "
        f"| {at} | {row.labels:.2f} | {row.labels_best:.2f} | {row.labels_ratio:.2f} |"
    )


def _table(name: str, curves: Curves) -> list[str]:
    budgets = KINDS[name].budgets
    means = {entrant: curve.mean(axis=0) for entrant, curve in curves.items()}
    order = sorted(means, key=lambda entrant: -means[entrant].mean())
    head = [f"| {name} | {' | '.join(map(str, budgets))} |", "|---" * (len(budgets) + 1) + "|"]
    return head + [
        f"| {'**default**' if entrant == DEFAULT else entrant} | "
        + " | ".join(f"{value:.1f}" for value in means[entrant]) + " |"
        for entrant in order
    ]  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
