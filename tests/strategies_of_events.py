"""Hypothesis strategies for the twelve facts and their envelopes."""

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from typing import get_type_hints

from hypothesis import strategies as st

from winnow.domain.blob_ref import BlobRef
from winnow.domain.events import Envelope, Event

INT32 = st.integers(-(2**31), 2**31 - 1)
INT64 = st.integers(-(2**63), 2**63 - 1)
SEEDS = st.integers(0, 2**64 - 1)
TEXTS = st.text(max_size=20)
KEYS = st.text(min_size=1, max_size=20)
TIMES = st.datetimes(timezones=st.just(UTC))
NUMBERS = st.floats(allow_nan=False)
BLOBS = st.builds(BlobRef, TEXTS, TEXTS, TEXTS, INT64, TEXTS, INT32)

_WIDTHS = {
    "seed": SEEDS,
    "slot": INT32,
    "attempt": INT32,
    "revision": INT32,
    "schema_version": INT32,
}
_BY_TYPE: dict[object, st.SearchStrategy[object]] = {
    int: INT64,
    BlobRef: BLOBS,
    BlobRef | None: st.none() | BLOBS,
    datetime: TIMES,
    tuple[str, ...]: st.lists(TEXTS, max_size=4).map(tuple),
    tuple[tuple[str, int], ...]: st.lists(st.tuples(TEXTS, INT64), max_size=4).map(tuple),
    tuple[tuple[str, str], ...]: st.lists(st.tuples(TEXTS, TEXTS), max_size=4).map(tuple),
    tuple[tuple[str, float], ...]: st.lists(st.tuples(TEXTS, NUMBERS), max_size=4).map(tuple),
}


def events_of(kind: type[Event]) -> st.SearchStrategy[Event]:
    """Give facts of one kind with every value that the contract allows."""
    hints = {field.name: get_type_hints(kind)[field.name] for field in dataclasses.fields(kind)}
    fields = {name: _field(name, hint) for name, hint in hints.items()}
    make: Callable[..., Event] = kind
    return st.fixed_dictionaries(fields).map(lambda values: make(**values))


def envelopes_of(kind: type[Event]) -> st.SearchStrategy[Envelope]:
    """Give envelopes around facts of one kind."""
    return st.builds(Envelope, st.uuids(), KEYS, TIMES, events_of(kind), TEXTS, TEXTS)


def _field(name: str, hint: object) -> st.SearchStrategy[object]:
    if name in _WIDTHS:
        return _WIDTHS[name]
    plain = getattr(hint, "__supertype__", hint)
    if plain is str:
        return KEYS if name.endswith(("_id", "committee_version")) else TEXTS
    found = _BY_TYPE.get(plain)
    return found if found is not None else st.sampled_from(list(plain))  # type: ignore[call-overload]
