"""YAML as people write it, and as nobody should: every value keeps its place."""

from __future__ import annotations

import pytest

from winnow.domain.errors import BadInput
from winnow.policy.model import parse_policy, stored_policy
from winnow.policy.reading import DEPTH_MAX, NODES_MAX, TEXT_BYTES_MAX, read_document


def told(text: str) -> list[str]:
    return [str(mistake) for mistake in read_document(text).mistakes]


def test_values_know_their_line_and_column() -> None:
    document = read_document("a: 1\nb:\n  - x\n  - {c: 2}\n")
    assert document.value == {"a": 1, "b": ["x", {"c": 2}]}
    assert document.place(("a",)) == (1, 4)
    assert document.place(("a",), of_key=True) == (1, 1)
    assert document.place(("b", 1, "c")) == (4, 9)
    assert document.place(("b", "a variant", 1, "missing")) == (4, 5)
    assert document.place(("nowhere",)) == (1, 1)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("~", None),
        ("1e-3", 0.001),
        ("1_000", 1000),
        ("1:30", "1:30"),
        ("0x1f", "0x1f"),
        ("2026-11-03", "2026-11-03"),
        ("'3'", "3"),
        ("!!str 3", "3"),
        (".inf", float("inf")),
        ("9" * 5000, "9" * 5000),
        ("|\n  two\n  lines\n", "two\nlines\n"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    assert read_document(f"k: {text}").value == {"k": value}


def test_keys_are_the_text_that_stands_there() -> None:
    assert read_document("no: 1\n3: 2\n1.50: 3").value == {"no": 1, "3": 2, "1.50": 3}


def test_a_key_that_is_given_twice_is_told_with_both_lines() -> None:
    assert told("a: 1\nb: 2\na: 3") == ["line 3, column 1: a: 'a' is already given in line 1"]


def test_anchors_and_merges_are_written_out_and_explicit_keys_win() -> None:
    text = "base: &b {x: 1, y: 2}\nmore: &m {y: 9, z: 3}\none: {<<: *b, y: 5}\ntwo: {<<: [*m, *b]}"
    document = read_document(text)
    assert document.value == {
        "base": {"x": 1, "y": 2},
        "more": {"y": 9, "z": 3},
        "one": {"x": 1, "y": 5},
        "two": {"x": 1, "y": 9, "z": 3},
    }
    assert document.place(("one", "y")) == (3, 18)
    assert document.place(("one", "x")) == (1, 14)
    assert told("a: {<<: 3}") == ["line 1, column 9: a: expected a mapping to merge"]


def test_what_is_no_plain_yaml_is_told_and_left_out() -> None:
    assert told("a: !foo 3\nb: !!python/name:os.system x\n? [1]\n: 2") == [
        "line 1, column 4: a: expected plain YAML, found the tag !foo",
        "line 2, column 4: b: expected plain YAML, found the tag tag:yaml.org,2002:python/name:"
        "os.system",
        "line 3, column 3: expected a text as key",
    ]
    assert told('a: "\\ud800"') == ["line 1, column 4: a: expected characters, found half of one"]


def test_a_stored_policy_may_hold_characters_that_json_writes_as_two_halves() -> None:
    policy = parse_policy(
        "description: '\U0001f697 and \U0001f6b2'\nlabel: {class_names: [\U0001f697]}"
    )
    assert stored_policy(policy.canonical()) == policy
    assert policy.label.class_names == ("\U0001f697",)


def test_an_anchor_around_itself_is_told() -> None:
    assert told("a: &x [*x]") == ["line 1, column 4: a.0: expected no anchor that contains itself"]


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [", "line 1, column 5: expected YAML"),
        ("a: b: c", "line 1, column 5: expected YAML"),
        ("a: 1\n--- \nb: 2", "line 2, column 1: expected YAML"),
        ("a: \x00", r"found the character U\+0000"),
        ("[" * 10_000, f"more than {DEPTH_MAX} levels"),
        ("- 1\n" * (NODES_MAX + 1), f"more than {NODES_MAX} values"),
        (LAUGHS, f"more than {NODES_MAX} values once the aliases are written out"),
        (b"a: \xff", "expected UTF-8 text, found other bytes at 3"),
        ("x" * (TEXT_BYTES_MAX + 1), f"expected at most {TEXT_BYTES_MAX} bytes"),
    ],
)
def test_a_text_that_is_broken_or_made_to_be_endless_is_refused(
    text: str | bytes, expected: str
) -> None:
    with pytest.raises(BadInput, match=expected):
        read_document(text, where="p.yaml")


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "\ufeff"])
def test_an_empty_text_has_no_value(text: str) -> None:
    assert read_document(text).value is None
