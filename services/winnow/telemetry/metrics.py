"""The one metric registry and the rules that names and labels keep.

Labels come from closed sets only: an id as a label would make one time series for each round,
frame or version, and no monitoring system survives that.
"""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

PREFIX = "winnow_"
LABELS = frozenset(
    {
        "service", "topic", "outcome", "strategy", "acquisition", "verdict", "reason", "budget",
        "unit", "slice", "state", "committee_version",
    }
)  # fmt: skip
"""Every label that may be used; `committee_version` only on `winnow_committee_info`."""

REGISTRY = CollectorRegistry(auto_describe=True)
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
"""Buckets from one small transaction to training a member."""


def counter(name: str, documentation: str, labels: Sequence[str] = ()) -> Counter:
    """Give a counter in the registry; its name ends in `_total`.

    Raises
    ------
    ValueError
        The name or a label breaks the rules, or the name is taken.
    """
    _check(name, labels)
    if not name.endswith("_total"):
        msg = f"counter {name}: expected a name ending in _total"
        raise ValueError(msg)
    return Counter(name, documentation, labels, registry=REGISTRY)


def gauge(name: str, documentation: str, labels: Sequence[str] = ()) -> Gauge:
    """Give a gauge in the registry; raises as `counter` does."""
    _check(name, labels)
    return Gauge(name, documentation, labels, registry=REGISTRY)


def histogram(
    name: str, documentation: str, labels: Sequence[str] = (), buckets: Sequence[float] = SECONDS
) -> Histogram:
    """Give a histogram in the registry; raises as `counter` does."""
    _check(name, labels)
    return Histogram(name, documentation, labels, registry=REGISTRY, buckets=buckets)


def registered() -> tuple[str, ...]:
    """Give the names of all metrics in the registry, as dashboards query them, sorted.

    A histogram is listed without `_bucket`, `_sum` and `_count`.
    """
    families = REGISTRY.collect()
    return tuple(sorted(f"{f.name}_total" if f.type == "counter" else f.name for f in families))


def exposition() -> bytes:
    """Give the registry in Prometheus's text format."""
    return generate_latest(REGISTRY)


def _check(name: str, labels: Sequence[str]) -> None:
    if not name.startswith(PREFIX):
        msg = f"metric {name}: expected prefix {PREFIX}"
        raise ValueError(msg)
    unknown = set(labels) - LABELS
    if unknown:
        msg = f"metric {name}: expected labels among {sorted(LABELS)}, found {sorted(unknown)}"
        raise ValueError(msg)
