"""The language of triggers: what it means, what it refuses, and one way to write it."""

from __future__ import annotations

import pickle

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from winnow.acquisition import Trigger, modalities_asked
from winnow.domain.errors import BadInput

Floats = npt.NDArray[np.float64]
N = 25
COLUMNS = {name: np.random.default_rng(i).normal(size=N) for i, name in enumerate("abcd")}


def numbers(depth: int) -> st.SearchStrategy[str]:
    leaf = st.one_of(
        st.sampled_from("abcd"),
        st.sampled_from(["0", "1", "0.5", ".25", "1e3", "2.50", "1_000", "1e-7", "1e17"]),
    )
    if depth == 0:
        return leaf
    inner = numbers(depth - 1)
    return st.one_of(
        leaf,
        st.builds("{} {} {}".format, inner, st.sampled_from("+-*/"), inner),
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner),
        st.builds("{}{}".format, st.sampled_from("+-"), inner),
        st.builds("{}({},{})".format, st.sampled_from(["min", "max"]), inner, inner),
        st.builds("abs({})".format, inner),
    )


def conditions(depth: int) -> st.SearchStrategy[str]:
    operator = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
    leaf = st.one_of(
        st.builds("{}{}{}".format, numbers(2), operator, numbers(2)),
        st.builds("{} {} {} {} {}".format, numbers(1), operator, numbers(1), operator, numbers(1)),
    )
    if depth == 0:
        return leaf
    inner = conditions(depth - 1)
    return st.one_of(
        leaf,
        st.builds("{} {} {}".format, inner, st.sampled_from(["and", "or"]), inner),
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner),
        st.builds("not {}".format, inner),
        st.builds("not({})".format, inner),
    )


def by_python(text: str) -> list[bool | None]:
    """Evaluate row by row with Python itself; none where it divides by zero or overflows."""
    code, rows = compile(text.strip(), "trigger", "eval"), list[bool | None]()
    for row in range(N):
        names = {name: float(column[row]) for name, column in COLUMNS.items()}
        try:
            rows.append(eval(code, {"min": min, "max": max, "abs": abs}, names))
        except (ZeroDivisionError, OverflowError):
            rows.append(None)
    return rows


@given(conditions(2))
def test_a_condition_means_what_it_means_in_python(text: str) -> None:
    assume(names_of(text))
    expected = by_python(text)
    trigger = Trigger.parse(text)
    if None in expected:
        with pytest.raises(BadInput, match=r"expected a divisor, found 0 in row|1\.8e308"):
            trigger.mask(COLUMNS)
    else:
        assert trigger.mask(COLUMNS).tolist() == expected


def names_of(text: str) -> set[str]:
    for word in ("abs", "and", "min", "max", "not", "or"):
        text = text.replace(word, " ")
    return {letter for letter in text if letter in "abcd"}


@given(conditions(3))
def test_the_canonical_text_is_the_same_trigger_and_stays_as_it_is(text: str) -> None:
    assume(names_of(text))
    trigger = Trigger.parse(text)
    again = Trigger.parse(trigger.text)
    assert again == trigger
    assert again.text == trigger.text
    assert hash(again) == hash(trigger)
    spaced = Trigger.parse(f"\n  ( {text} )\t")
    assert spaced == trigger
    assert pickle.loads(pickle.dumps(trigger)) == trigger
    if None not in by_python(text):
        assert by_python(trigger.text) == by_python(text)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("lidar>.8 and rgb<.50", "lidar > 0.8 and rgb < 0.5"),
        ("((a)) > (1.0)", "a > 1"),
        ("(a > 1 and b > 2) or c > 3", "a > 1 and b > 2 or c > 3"),
        ("a > 1 and (b > 2 or c > 3)", "a > 1 and (b > 2 or c > 3)"),
        ("not (a > 1)", "not a > 1"),
        ("not (a > 1 or b > 1)", "not (a > 1 or b > 1)"),
        ("a - (b - c) > 0", "a - (b - c) > 0"),
        ("(a - b) - c > 0", "a - b - c > 0"),
        ("-(a+b)*2 > +c", "-(a + b) * 2 > c"),
        ("max( a,b , 0x10)>1_0", "max(a, b, 16) > 10"),
        ("a\n  > 1\n and b > 2", "a > 1 and b > 2"),
        ("0 < a < 1 != b", "0 < a < 1 != b"),
        ("größe > 1e-3", "größe > 0.001"),
    ],
)
def test_canonical_texts(text: str, canonical: str) -> None:
    assert Trigger.parse(text).text == canonical


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a condition"),
        (
            "lidar",
            "column 1: expected a condition such as `score > 0.5`, found only the name lidar",
        ),
        ("a + 1", "column 1: expected a condition .* found a number"),
        ("a > 1 and b", "column 11: expected a condition .* found only the name b"),
        ("lidar > .8 & rgb < .5", "column 9: expected a number.* found & .write `and`"),
        ("a > 1 | b > 2", r"column 5: expected a number.* found \| .write `or`"),
        ("~(a > 1)", "found ~ .write `not`"),
        ("a > 1 and open('x') > 2", "column 11: .* found a call of open"),
        ("__import__('os').system('x') > 1", "column 1: .*found a call"),
        ("a.__class__ > 1", "column 1: .*found an attribute"),
        ("a[0] > 1", "column 1: .*found a subscript"),
        ("(lambda: 1) > a", "found lambda"),
        ("(1 if a else 2) > 1", "found if … else"),
        ("(a := 1) > 0", r"found an assignment \(:=\)"),
        ("a > 'x'", "column 5: .*found a text"),
        ("a > f'{a}'", "column 5: .*found a text"),
        ("a > b'x'", "column 5: .*found a text"),
        ("a > 1j", "found a complex number"),
        ("a > True", "column 5: .*found True"),
        ("a == None", "found None"),
        ("a ** 2 > 1", r"found \*\*"),
        ("a % 2 > 1", "found %"),
        ("a // 2 > 1", "found //"),
        ("a in b", "found in"),
        ("a is not b", "found is not"),
        ("(a > 1) > 0", "column 2: expected a number.* found a condition"),
        ("not a > 1 > not b", "expected a condition"),
        ("a, b", r"found a tuple \(,\)"),
        ("[a] > 1", "found a list"),
        ("[x for x in a] > 1", "found a comprehension"),
        ("min(a) > 1", r"expected at least two numbers in min\(\), found 1"),
        ("abs(a, b) > 1", r"expected one number in abs\(\), found 2"),
        ("max(a, b, key=abs) > 1", r"in max\(\), found a name or a star"),
        ("max(*a, b) > 1", r"in max\(\), found a name or a star"),
        ("min > 1", "found the function min"),
        ("1 < 2", "expected the name of a score, found only numbers"),
        ("a > 1e999", "column 5: expected a number below 1.8e308"),
        ("a > " + "9" * 400, "expected a number below 1.8e308"),
        ("a > 1 # and b > 2", "column 7: expected a condition .* found a #"),
        ("a > 1; b > 2", "column 6: expected a condition"),
        ("a > 1) and (b > 2", "column 6: expected a condition"),
        ("a >", "column [0-9]+: expected a condition"),
        ("a > \\\n 1", "expected a condition"),
        ("a > 1\x00", "expected a condition"),
        ("a > " + "(" * 500 + "1" + ")" * 500, "expected a condition"),
        ("not " * 300 + "a > 1", "expected at most 60 levels|expected a condition"),
        ("a > " + "-" * 1900 + "1", "expected at most 60 levels|expected a condition"),
        ("a > " + "+".join("b" * 200), "column [0-9]+: expected at most 60 levels"),
        ("a > 1 and " * 400 + "a > 1", "expected at most 2000 characters, found 4005"),
    ],
)
def test_anything_else_is_refused_and_the_place_is_told(text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Trigger.parse(text)


def test_columns_count_characters_from_the_beginning_of_the_text() -> None:
    with pytest.raises(BadInput, match=r"column 15: .*found an attribute"):
        Trigger.parse("  größe > 1\n+ b.c")


def test_names_are_listed_and_unknown_ones_answered_with_the_known() -> None:
    trigger = Trigger.parse("min(rgb, lidar) > 0.5 or rgb > abs(-1)")
    assert trigger.names == ("lidar", "rgb")
    trigger.check_names({"lidar", "rgb", "radar"})
    with pytest.raises(BadInput, match=r"column 10: expected one of radar, rgb, found lidar"):
        trigger.mask({"rgb": np.zeros(3), "radar": np.zeros(3)})
    with pytest.raises(BadInput, match="expected one of no scores, found lidar"):
        trigger.check_names([])


def test_nothing_is_asked_where_it_no_longer_decides() -> None:
    columns = {"has_lidar": np.array([1, 0, 1]), "lidar": np.array([0.9, np.nan, 0.1])}
    assert Trigger.parse("has_lidar == 1 and lidar > 0.8").mask(columns).tolist() == [
        True,
        False,
        False,
    ]
    assert Trigger.parse("has_lidar == 0 or lidar > 0.8").mask(columns).tolist() == [
        True,
        True,
        False,
    ]
    assert Trigger.parse("0.5 < has_lidar < lidar + 0.5").mask(columns).tolist() == [
        True,
        False,
        False,
    ]
    guarded = Trigger.parse("a != 0 and 1 / a > 2")
    assert guarded.mask({"a": np.array([0.0, 0.25, 4.0])}).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("a > 1", [0.0, np.nan], "column 1: expected a finite number, found nan in row 1 of a"),
        ("a > 1", [np.inf, 0.0], "found inf in row 0 of a"),
        ("1 / a > 1", [1.0, 0.0], "column 5: expected a divisor, found 0 in row 1"),
        ("a / (2 - 2) > 1", [1.0], "column 6: expected a divisor, found 0 in row 0"),
        ("a * a > 1", [1e200], "column 1: expected a result below 1.8e308, found inf in row 0"),
        ("a > 1", [["x"]], r"a: expected numbers, found <U1"),
        ("a > 1", [[1.0]], r"a: expected shape \[frames\], found \(1, 1\)"),
    ],
)
def test_bad_columns_are_named(text: str, column: list[float], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Trigger.parse(text).mask({"a": np.array(column)})


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(BadInput, match="b: expected 3 rows as in a, found 2"):
        Trigger.parse("a > b").mask({"a": np.zeros(3), "b": np.zeros(2)})


def test_columns_of_whole_numbers_flags_and_single_precision_count_as_numbers() -> None:
    columns = {
        "flag": np.array([True, False]),
        "count": np.array([3, 1], dtype=np.int32),
        "score": np.array([0.5, 0.5], dtype=np.float32),
    }
    assert Trigger.parse("flag * count > score").mask(columns).tolist() == [True, False]
    assert Trigger.parse("flag == 1").mask({"flag": np.empty(0)}).shape == (0,)


def test_frames_permute_and_inputs_stay() -> None:
    order = np.random.default_rng(9).permutation(N)
    trigger = Trigger.parse("a > b or (c < 0 and abs(d) / (abs(a) + 1) < 0.5)")
    before = {name: column.copy() for name, column in COLUMNS.items()}
    moved = {name: column[order] for name, column in COLUMNS.items()}
    np.testing.assert_array_equal(trigger.mask(moved), trigger.mask(COLUMNS)[order])
    for name, column in COLUMNS.items():
        np.testing.assert_array_equal(column, before[name])


def test_modalities_are_asked_frame_by_frame() -> None:
    triggers = {
        "lidar": Trigger.parse("lidar_entropy > 0.8 and rgb_entropy < 0.5"),
        "rgb": Trigger.parse("rgb_entropy >= 0.5"),
    }
    scores = {
        "lidar_entropy": np.array([0.9, 0.9, 0.1]),
        "rgb_entropy": np.array([0.1, 0.9, 0.1]),
    }
    asked = modalities_asked(triggers, scores)
    assert asked.modalities == ("lidar", "rgb")
    assert asked.asked_NK.tolist() == [[True, False], [False, True], [False, False]]
    assert [asked.of(pos) for pos in range(3)] == [("lidar",), ("rgb",), ()]


def test_a_modality_whose_condition_fails_is_named() -> None:
    with pytest.raises(
        BadInput, match="modality rgb: trigger 'x > 1': column 1: expected one of y"
    ):
        modalities_asked({"rgb": Trigger.parse("x > 1")}, {"y": np.zeros(2)})
    with pytest.raises(BadInput, match="triggers: expected at least one modality"):
        modalities_asked({}, {"y": np.zeros(2)})
