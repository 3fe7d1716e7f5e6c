"""Which unit a kind of budget is kept in."""

from __future__ import annotations

import re

from winnow.domain.errors import BadInput
from winnow.domain.money import BudgetKind, Unit

RESOURCES = {BudgetKind.UPLOAD: Unit("bytes"), BudgetKind.AUTO_LABEL_INFERENCE: Unit("gpu_ms")}
CURRENCY = "currency:"


def unit_of(kind: BudgetKind, currency: str) -> Unit:
    """Give the unit of this kind: bytes, GPU-milliseconds or, for people's work, money.

    Raises
    ------
    BadInput
        The currency is no ISO 4217 code.

    Examples
    --------
    >>> unit_of(BudgetKind.UPLOAD, "USD").code, unit_of(BudgetKind.LABEL_QA, "EUR").code
    ('bytes', 'currency:EUR')
    """
    if kind in RESOURCES:
        return RESOURCES[kind]
    if not re.fullmatch("[A-Z]{3}", currency):
        msg = f"currency: expected three capital letters (ISO 4217) such as USD, found {currency!r}"
        raise BadInput(msg)
    return Unit(f"{CURRENCY}{currency}")
