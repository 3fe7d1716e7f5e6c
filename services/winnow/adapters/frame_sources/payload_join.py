"""Requests and responses of a log, brought together by their id in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

WINDOW = 1 << 16
"""So many requests are remembered, whole or half."""


class Half(Protocol):
    """One side of an inference."""

    @property
    def key(self) -> Hashable:
        """The same on both sides."""
        ...

    @property
    def is_request(self) -> bool:
        """Which side it is."""
        ...


H = TypeVar("H", bound=Half)


@dataclass(frozen=True, slots=True)
class Pair(Generic[H]):
    """Both sides of an inference."""

    request: H
    response: H


@dataclass(frozen=True, slots=True)
class Alone(Generic[H]):
    """A side whose other side did not come."""

    half: H


@dataclass(frozen=True, slots=True)
class Again(Generic[H]):
    """A side that came before: a log that is delivered at least once repeats itself."""

    half: H


def joined(halves: Iterable[H], *, window: int = WINDOW) -> Iterator[Pair[H] | Alone[H] | Again[H]]:
    """Bring halves together, in whatever order they come; each is told exactly once.

    Parameters
    ----------
    window
        So many keys are remembered; the one that came first is given up for a new one. Halves
        that lie further apart than so many others are told alone.
    """
    seen: OrderedDict[Hashable, dict[bool, H | None]] = OrderedDict()
    for half in halves:
        sides = seen.setdefault(half.key, {})
        if half.is_request in sides:
            yield Again(half)
            continue
        other = sides.get(not half.is_request)
        sides[half.is_request] = half
        if other is not None:
            yield Pair(half, other) if half.is_request else Pair(other, half)
            # Only that they came is remembered, not what they said.
            sides.update({True: None, False: None})
        if len(seen) > window:
            _, first = seen.popitem(last=False)
            yield from _alone(first)
    for sides in seen.values():
        yield from _alone(sides)


def _alone(sides: dict[bool, H | None]) -> Iterator[Alone[H]]:
    return (Alone(half) for half in sides.values() if half is not None)
