"""Amounts that people type: exact both ways, or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.cli.amounts import AMOUNT_MAX, format_amount, parse_amount
from winnow.domain.errors import BadInput
from winnow.domain.money import BudgetKind, Unit
from winnow.domain.units import unit_of

USD, BYTES, GPU_MS = Unit("currency:USD"), Unit("bytes"), Unit("gpu_ms")
units = st.sampled_from([USD, BYTES, GPU_MS])
amounts = st.integers(min_value=0, max_value=AMOUNT_MAX)


@given(amount=st.integers(-AMOUNT_MAX, AMOUNT_MAX), unit=units)
def test_what_is_shown_reads_back_as_the_same_integer(amount: int, unit: Unit) -> None:
    assert parse_amount(format_amount(amount, unit), unit, signed=True) == amount


@given(whole=st.integers(0, 10**9), micros=st.integers(0, 999_999))
def test_money_is_exact_to_the_micro(whole: int, micros: int) -> None:
    assert parse_amount(f"{whole}.{micros:06d}", USD) == whole * 1_000_000 + micros


@given(text=st.text(max_size=40), unit=units)
def test_any_text_is_an_amount_in_range_or_a_clear_refusal(text: str, unit: Unit) -> None:
    try:
        amount = parse_amount(text, unit)
    except BadInput as refusal:
        amount, said = 0, str(refusal)
    else:
        said = "expected"
    assert 0 <= amount <= AMOUNT_MAX
    assert "expected" in said


@given(amount=st.integers(1, AMOUNT_MAX), unit=units)
def test_a_negative_amount_is_refused_unless_asked_for(amount: int, unit: Unit) -> None:
    with pytest.raises(BadInput, match="negative"):
        parse_amount("-" + format_amount(amount, unit), unit)


@pytest.mark.parametrize(
    ("text", "unit", "amount"),
    [
        ("100.00", USD, 100_000_000),
        ("0", USD, 0),
        ("0.000001", USD, 1),
        ("12 usd", USD, 12_000_000),
        ("10GB", BYTES, 10**10),
        ("1.5 GiB", BYTES, 3 * 2**29),
        ("5000000ms", GPU_MS, 5_000_000),
        ("1.5h", GPU_MS, 5_400_000),
    ],
)
def test_examples(text: str, unit: Unit, amount: int) -> None:
    assert parse_amount(text, unit) == amount


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("0.0000001", USD, "six decimals"),
        ("0.5B", BYTES, "whole bytes"),
        ("0.1ms", GPU_MS, "whole GPU-milliseconds"),
        ("10", BYTES, "one of the units B, KB"),
        ("10GB", GPU_MS, "one of the units MS"),
        ("5 EUR", USD, "money in USD"),
        ("1,000", USD, "without thousands separators"),
        ("1e3", USD, "money in USD|plain number"),
        ("nan", USD, "plain number"),
        ("99999999999999999999", USD, "found more"),
    ],
)
def test_unclear_amounts_are_refused_with_what_was_expected(
    text: str, unit: Unit, expected: str
) -> None:
    with pytest.raises(BadInput, match=expected):
        parse_amount(text, unit)


def test_units_follow_the_kind_of_budget() -> None:
    found = {kind.value: unit_of(kind, "EUR").code for kind in BudgetKind}
    assert found == {
        "upload": "bytes",
        "auto_label_inference": "gpu_ms",
        "human_annotation": "currency:EUR",
        "expert_review": "currency:EUR",
        "label_qa": "currency:EUR",
    }
    with pytest.raises(BadInput, match="three capital letters"):
        unit_of(BudgetKind.LABEL_QA, "dollars")
