"""How many frames of a batch go to each label task, modality, or slice: whole numbers, exactly."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from fractions import Fraction
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from winnow.domain.errors import BadInput

Name = TypeVar("Name", bound=Hashable)
Numbers = npt.NDArray[np.int64]

_DENOMINATOR_MAX: Final = 10**6
"""A share of 0.1 is a tenth, and not the binary number nearest to it."""


def allocate(
    n: int,
    budget_micros: Mapping[str, int],
    *,
    price_micros: Mapping[str, int] | None = None,
    least: Mapping[str, int] | None = None,
    most: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """Divide a batch over label tasks in proportion to what their budgets can pay.

    Parameters
    ----------
    n
        Frames to divide.
    budget_micros
        Task → money left for it.
    price_micros
        Task → price of one of its labels. With prices, a task's share is that of the labels that
        its budget pays, and it never gets more than those; without, that of its budget.
    least, most
        Task → frames it must and may get, as far as there are any.

    Returns
    -------
    dict
        Task → frames, every task; their sum is n, or less if caps, prices or empty budgets
        allow no more.

    Raises
    ------
    BadInput
        A number is negative, or a task has no price.

    Examples
    --------
    >>> allocate(10, {"detect": 900, "pose": 500}, least={"pose": 4})
    {'detect': 6, 'pose': 4}
    """
    weights = {task: Fraction(micros) for task, micros in budget_micros.items()}
    caps = dict(most or {})
    for task, micros in budget_micros.items() if price_micros is not None else ():
        price = (price_micros or {}).get(task, -1)
        if price < 0:
            msg = f"price_micros: expected 0 or more for task {task}, found {price}"
            raise BadInput(msg)
        weights[task] = Fraction(micros, max(price, 1))
        if price:
            caps[task] = min(caps.get(task, n), micros // price)
    return apportion(weights, n, least=least, most=caps)


def apportion(
    weights: Mapping[str, Fraction] | Mapping[str, int],
    n: int,
    *,
    least: Mapping[str, int] | None = None,
    most: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """Divide n places in proportion to weights, within floors and caps, by largest remainder.

    Floors that sum above n are themselves divided in proportion; a cap below a floor wins. Who has
    no weight gets its floor and no more. Equal remainders go to the smaller name. Costs K² exact
    fractions for K names at worst.

    Raises
    ------
    BadInput
        A weight, a floor, a cap or n is negative.

    References
    ----------
    Largest remainder: Hamilton's method, M. L. Balinski and H. P. Young, "Fair Representation",
    2nd ed. 2001, chapter 3.

    Examples
    --------
    >>> apportion({"a": 1, "b": 1, "c": 1}, 10)
    {'a': 4, 'b': 3, 'c': 3}
    """
    caps = {name: min((most or {}).get(name, n), n) for name in weights}
    floors = {name: min((least or {}).get(name, 0), caps[name]) for name in weights}
    _check({"n": n}, weights, least or {}, most or {})
    if sum(floors.values()) > n:
        weights, caps, floors = floors, floors, dict.fromkeys(floors, 0)
    exact = {name: Fraction(weight) for name, weight in weights.items()}
    shares = proportional(exact, n, floors, caps, dict.fromkeys(exact, 1))
    names = sorted(shares)
    numbers = rounded([shares[name] for name in names], np.arange(len(names)))
    return dict(zip(names, numbers.tolist(), strict=True))


def minimums_of(shares: Mapping[str, float], n: int) -> dict[str, int]:
    """Turn target shares into whole numbers of frames of a batch of n, by largest remainder.

    Parameters
    ----------
    shares
        Slice → part of the batch, 0 to 1; together at most 1. What is left is free.

    Raises
    ------
    BadInput
        A share is negative or they sum above 1.

    Examples
    --------
    >>> minimums_of({"night": 0.25, "rain": 0.25, "snow": 1 / 3}, 10)
    {'night': 3, 'rain': 2, 'snow': 3}
    """
    exact = {
        name: Fraction(share).limit_denominator(_DENOMINATOR_MAX) for name, share in shares.items()
    }
    total = sum(exact.values(), Fraction(0))
    if total > 1:
        msg = f"shares: expected a sum of at most 1, found {float(total):g}"
        raise BadInput(msg)
    return apportion(exact, int(n * total))


def proportional(
    weights: Mapping[Name, Fraction],
    n: int,
    floors: Mapping[Name, int],
    caps: Mapping[Name, int],
    counts: Mapping[Name, int],
) -> dict[Name, Fraction]:
    """Give real shares of n places: each in proportion, or at its floor or cap.

    A name may stand for several that are alike, as many as `counts` says: each gets the share.
    """

    def total_of(numbers: Mapping[Name, Fraction]) -> Fraction:
        return sum((counts[name] * number for name, number in numbers.items()), Fraction(0))

    settled: dict[Name, Fraction] = {}
    while loose := {k: weight for k, weight in weights.items() if k not in settled}:
        rest, total = n - total_of(settled), total_of(loose)
        shares = {k: rest * weight / total if total else Fraction(0) for k, weight in loose.items()}
        over = {k: share - caps[k] for k, share in shares.items() if share > caps[k]}
        under = {k: floors[k] - share for k, share in shares.items() if share < floors[k]}
        if not over and not under:
            return settled | shares
        # Settling the larger excess first is what keeps the others from being settled wrongly.
        at_cap = total_of(over) >= total_of(under)
        settled |= {k: Fraction(caps[k]) for k in over} if at_cap else {
            k: Fraction(floors[k]) for k in under
        }  # fmt: skip
    return settled


def rounded(shares: Sequence[Fraction], kind_S: Numbers) -> Numbers:
    """Round shares to whole numbers of the same sum (its whole part), by largest remainder.

    Parameters
    ----------
    shares
        Of each kind of names.
    kind_S
        Whole numbers [S]: the kind of each name. Of equal remainders the first names' are rounded
        up.
    """
    whole = [int(share) for share in shares]
    parts = [share - number for share, number in zip(shares, whole, strict=True)]
    place = {part: pos for pos, part in enumerate(sorted(set(parts), reverse=True))}
    numbers_S: Numbers = np.array(whole, dtype=np.int64)[kind_S]
    counts = np.bincount(kind_S, minlength=len(shares)).tolist()
    left = int(sum((part * n for part, n in zip(parts, counts, strict=True)), Fraction(0)))
    place_S = np.array([place[part] for part in parts], dtype=np.int64)[kind_S]
    numbers_S[np.argsort(place_S, kind="stable")[:left]] += 1
    return numbers_S


def _check(*numbers: Mapping[str, Fraction] | Mapping[str, int]) -> None:
    wrong = {name: str(n) for named in numbers for name, n in named.items() if n < 0}
    if wrong:
        msg = f"allocation: expected numbers of 0 or more, found {wrong}"
        raise BadInput(msg)
