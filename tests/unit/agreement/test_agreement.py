import math

import numpy as np
import pytest

from winnow.agreement.lots import acceptance, acceptance_number, zero_defect_size
from winnow.agreement.majority import majority_vote
from winnow.agreement.nominal import MISSING, codes_of, cohen_kappa, krippendorff_alpha
from winnow.domain.errors import BadInput

# Krippendorff's own example: four coders, twelve units, a dot for a missing value.
CODERS = (
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
)


def test_alpha_of_the_published_example() -> None:
    rows = [line.replace(".", "").split(" ") for line in CODERS]
    codes_NA = codes_of(list(zip(*rows, strict=True)))
    assert int((codes_NA != MISSING).sum()) == 41, "40 of them pairable"
    assert krippendorff_alpha(codes_NA) == pytest.approx(0.743421, abs=1e-6)


def test_alpha_does_not_depend_on_names_or_order() -> None:
    rng = np.random.Generator(np.random.Philox(5))
    codes_NA = rng.integers(-1, 4, size=(60, 5))
    expected = krippendorff_alpha(codes_NA)
    assert krippendorff_alpha(codes_NA[::-1, [3, 1, 4, 0, 2]]) == pytest.approx(expected)
    renamed = np.where(codes_NA == MISSING, MISSING, 3 - codes_NA)
    assert krippendorff_alpha(renamed) == pytest.approx(expected)


def test_alpha_of_perfect_agreement_is_one_and_of_one_class_undefined() -> None:
    assert krippendorff_alpha(np.array([[0, 0], [1, 1]])) == 1.0
    assert math.isnan(krippendorff_alpha(np.array([[0, 0], [0, 0]])))
    assert math.isnan(krippendorff_alpha(np.array([[0, MISSING], [MISSING, 1]])))
    assert math.isnan(krippendorff_alpha(np.empty((0, 3), dtype=np.int64)))


def test_kappa_of_the_table_20_5_10_15() -> None:
    first = np.repeat([0, 0, 1, 1], [20, 5, 10, 15])
    second = np.repeat([0, 1, 0, 1], [20, 5, 10, 15])
    assert cohen_kappa(first, second) == pytest.approx(0.4)


def test_kappa_wants_the_same_frames() -> None:
    with pytest.raises(BadInput):
        cohen_kappa(np.array([0, 1]), np.array([0]))


def test_a_majority_needs_a_label() -> None:
    with pytest.raises(BadInput):
        majority_vote([])


@pytest.mark.parametrize(
    ("rate", "endless", "of_500"), [(0.05, 59, 56), (0.02, 149, 129), (0.01, 299, 225),
                                    (0.005, 598, 316)]
)  # fmt: skip
def test_zero_defect_sizes(rate: float, endless: int, of_500: int) -> None:
    assert zero_defect_size(rate) == endless
    assert zero_defect_size(rate, lot_size=500) == of_500


def test_a_plan_that_protects_the_producer_lets_bad_lots_pass() -> None:
    # Level II, AQL 1.0: 50 of 500 with at most one defect lets a lot with 5 % pass in 26 %.
    assert acceptance(500, 25, n_inspected=50, n_accepted=1) == pytest.approx(0.26, abs=0.01)


def test_the_acceptance_number_is_the_largest_that_rules_the_rate_out() -> None:
    assert acceptance_number(500, 55, defect_rate=0.05) is None
    assert acceptance_number(500, 56, defect_rate=0.05) == 0
    number = acceptance_number(500, 200, defect_rate=0.05)
    assert number is not None
    assert acceptance(500, 25, n_inspected=200, n_accepted=number) <= 0.05
    assert acceptance(500, 25, n_inspected=200, n_accepted=number + 1) > 0.05
