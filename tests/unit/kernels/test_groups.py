"""Groups are those of a dictionary, whatever the texts and numbers are."""

from __future__ import annotations

import copy
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from winnow.domain.errors import BadInput
from winnow.kernels import groups as groups_module
from winnow.kernels.groups import Groups, alone_if_unknown, crossed, groups_of

TEXTS = st.lists(st.text("ab\u00e9\U0001f697", max_size=3), max_size=20)


def by_value(groups: Groups) -> dict[object, list[int]]:
    values = groups.values_N[groups.first_K].tolist()
    return {value: groups.members(groups.code_of(value)).tolist() for value in values}


def expected(values: list[object]) -> dict[object, list[int]]:
    found: dict[object, list[int]] = defaultdict(list)
    for pos, value in enumerate(values):
        found[value].append(pos)
    return {value: members for value, members in found.items() if value != "" and value == value}


@given(texts=TEXTS, collide=st.booleans())
def test_groups_of_texts_are_those_of_a_dictionary_even_if_hashes_collide(
    texts: list[str], collide: bool
) -> None:
    column = np.array(texts, dtype=np.str_)
    with pytest.MonkeyPatch.context() as patch:
        if collide:
            patch.setattr(
                groups_module, "_hashes", lambda letters: np.zeros(len(letters), dtype=np.uint64)
            )
        groups = groups_of(column)
    assert by_value(groups) == expected(list(column.tolist()))
    assert groups.sizes().tolist() == [len(groups.members(code)) for code in range(len(groups))]
    assert groups.code_of("not there") == -1


@given(st.lists(st.one_of(st.integers(-3, 3).map(float), st.just(np.nan)), max_size=20))
def test_groups_of_numbers_leave_out_those_that_are_none(numbers: list[float]) -> None:
    assert by_value(groups_of(np.array(numbers, dtype=np.float64))) == expected(list(numbers))


@given(texts=TEXTS, data=st.data())
def test_the_order_of_the_input_changes_no_group(texts: list[str], data: st.DataObject) -> None:
    order = np.array(data.draw(st.permutations(range(len(texts)))), dtype=np.intp)
    column = np.array(texts, dtype=np.str_)
    turned = groups_of(column[order])
    assert np.array_equal(turned.code_N, groups_of(column).code_N[order])


def test_unknown_frames_may_stand_alone() -> None:
    groups = alone_if_unknown(groups_of(np.array(["", "a", "", "a"])))
    assert sorted(groups.sizes().tolist()) == [1, 1, 2]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2), st.booleans()), max_size=20))
def test_combinations_of_columns_are_those_of_tuples(rows: list[tuple[str, int, bool]]) -> None:
    columns = [groups_of(np.array(column)) for column in zip(*rows, strict=True)] or [
        groups_of(np.array([], dtype="U1"))
    ]
    code_N = crossed(columns)
    assert len(set(code_N.tolist())) == len(set(rows))
    assert len(set(zip(code_N.tolist(), rows, strict=True))) == len(set(rows))


def test_a_copy_is_the_thing_itself_and_other_columns_are_refused() -> None:
    groups = groups_of(np.array(["a"]))
    assert copy.deepcopy(groups) is groups
    with pytest.raises(BadInput, match="expected one of texts or numbers"):
        groups_of(np.array([["a"]]))
    with pytest.raises(BadInput, match="object"):
        groups_of(np.array(["a", None], dtype=object))
