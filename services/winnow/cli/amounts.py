"""Amounts as people type and read them, and the integers that the ledger keeps."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

from winnow.domain.errors import BadInput
from winnow.domain.money import Unit
from winnow.domain.units import CURRENCY

AMOUNT_MAX = 2**63 - 1
_FACTORS = {
    "bytes": {
        "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15,
        "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40, "PIB": 2**50,
    },
    "gpu_ms": {"MS": 1, "S": 1_000, "MIN": 60_000, "H": 3_600_000, "D": 86_400_000},
}  # fmt: skip
_EXAMPLES = {"bytes": "10GB", "gpu_ms": "5000000ms"}
_PATTERN = re.compile(r"([+-]?)(\d{1,25}(?:\.\d{1,25})?)\s*([A-Za-z]*)", re.ASCII)


def parse_amount(text: str, unit: Unit, *, signed: bool = False) -> int:
    """Give the exact integer behind a typed amount; never rounds.

    Parameters
    ----------
    text
        `100.00` (with or without its currency), `10GB`, `1.5GiB`, `5000000ms`, `2h`.
    signed
        Lets corrections be negative.

    Raises
    ------
    BadInput
        It is no amount of this unit, is negative, or finer than the smallest unit.

    Examples
    --------
    >>> parse_amount("100.00", Unit("currency:USD")), parse_amount("1.5KB", Unit("bytes"))
    (100000000, 1500)
    """
    match = _PATTERN.fullmatch(text.strip())
    if match is None:
        raise _bad(text, unit, "a plain number without thousands separators")
    sign, number, suffix = match.groups()
    if sign == "-" and not signed:
        msg = f"amount {text!r}: expected zero or more, found a negative amount"
        raise BadInput(msg)
    exact = Fraction(number) * _factor(text, unit, suffix)
    if exact.denominator != 1:
        msg = f"amount {text!r}: expected at most {_precision(unit)}, found a finer amount"
        raise BadInput(msg)
    if exact > AMOUNT_MAX:
        msg = f"amount {text!r}: expected at most {AMOUNT_MAX} of the smallest unit, found more"
        raise BadInput(msg)
    return -int(exact) if sign == "-" else int(exact)


def format_amount(amount: int, unit: Unit) -> str:
    """Give an amount for people, exact: what `parse_amount` reads back as the same integer.

    Examples
    --------
    >>> format_amount(8_000, Unit("currency:USD")), format_amount(10**10, Unit("bytes"))
    ('0.008 USD', '10 GB')
    """
    if unit.code.startswith(CURRENCY):
        whole, micros = divmod(abs(amount), 1_000_000)
        decimals = f"{micros:06d}".rstrip("0").ljust(2, "0")
        return f"{'-' if amount < 0 else ''}{whole}.{decimals} {_currency(unit)}"
    if unit.code == "bytes":
        for name, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
            if abs(amount) >= factor:
                return f"{(Decimal(amount) / factor).normalize():f} {name}"
        return f"{amount} B"
    return f"{amount} ms"


def _factor(text: str, unit: Unit, suffix: str) -> int:
    if unit.code.startswith(CURRENCY):
        if suffix and suffix.upper() != _currency(unit):
            raise _bad(text, unit, f"money in {_currency(unit)}")
        return 1_000_000
    factors = _FACTORS[unit.code]
    if suffix.upper() not in factors:
        raise _bad(text, unit, f"one of the units {', '.join(factors)}")
    return factors[suffix.upper()]


def _currency(unit: Unit) -> str:
    return unit.code.removeprefix(CURRENCY)


def _precision(unit: Unit) -> str:
    if unit.code.startswith(CURRENCY):
        return "six decimals (micros)"
    return "whole bytes" if unit.code == "bytes" else "whole GPU-milliseconds"


def _bad(text: str, unit: Unit, expected: str) -> BadInput:
    example = _EXAMPLES.get(unit.code, "100.00")
    return BadInput(f"amount {text!r}: expected {expected}, for example {example}")
