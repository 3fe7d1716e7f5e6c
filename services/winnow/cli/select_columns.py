"""What `winnow select` reads of the frames' table: the columns that the policy needs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from winnow.acquisition.detection import CLASS_PREFIX, MAP_INFORMATION, is_detection_score
from winnow.acquisition.reproducible import sum_last
from winnow.contracts.frame_columns import TAGS, columns_of, missing_columns, texts_of
from winnow.domain.errors import BadInput
from winnow.policy.committee import strategy_columns
from winnow.policy.inputs import Strings
from winnow.policy.model import Policy
from winnow.policy.needs import Needs
from winnow.policy.selection_section import names_asked
from winnow.policy.switch import Standing, switch_of
from winnow.strategies.protocol import Column

CAPTURED_AT, CAPTURED_US = "captured_at", "captured_us"
_SHOWN: Final = 5


def column_names(file: pq.ParquetFile, needs: Needs) -> set[str]:
    """Give the columns to read; one at least, so that rows are counted.

    Raises
    ------
    BadInput
        One that the policy needs is not there, or is there twice.
    """
    names = file.schema_arrow.names
    there = set(names)
    wanted = {name for name in needs.columns if name in there}
    if _is_mean_asked(needs, there):
        by_class = {name for name in there if name.startswith(CLASS_PREFIX)}
        wanted |= by_class
        needs = replace(needs, columns=needs.columns - {MAP_INFORMATION} | by_class)
    if wanted != needs.columns:
        wanted |= {TAGS} if TAGS in there else needs.columns
    if "sessions" in needs.inputs or ("sessions" in needs.welcome and "session" in there):
        wanted.add("session")
    known = {CAPTURED_AT, CAPTURED_US} & there
    if "times" in needs.inputs or ("times" in needs.welcome and known):
        wanted.add(CAPTURED_US if known == {CAPTURED_US} else CAPTURED_AT)
    if "cluster" in there:
        wanted.add("cluster")
    missing = sorted(wanted - there)
    if missing:
        raise missing_columns(missing, sorted(there))
    twice = sorted(name for name in wanted if names.count(name) > 1)
    if twice:
        msg = f"frames: expected one column of each name, found several of {', '.join(twice)}"
        raise BadInput(msg)
    return wanted or {"frame_id"}


def refuse_silent_cold_start(policy: Policy, standing: Standing, there: Collection[str]) -> None:
    """Refuse a cold start whose only reason is that columns which the policy names are missing.

    The mean over the maps is what a policy of detection means where it names nothing: without it
    no committee has answered.

    Raises
    ------
    BadInput
        A column that only a committee of detectors gives is named, and there is none of any.
    """
    if standing.has_committee or switch_of(policy, replace(standing, has_committee=True)).cold:
        return
    functions, columns = names_asked(policy.scores, policy.selection)
    columns |= strategy_columns(policy.selection.strategy.strategy())
    named = sorted(filter(is_detection_score, columns | functions - {MAP_INFORMATION}))
    if named:
        hint = ", which the policy names (if no committee has answered yet: --round 0)"
        raise missing_columns(named, sorted(there), why=hint)


def needed_columns(table: pa.Table, needs: Needs, *, there: Collection[str]) -> dict[str, Column]:
    """Give all that is read of the frames, by the names that algorithms know.

    `there` are all columns of the file.
    """
    of_classes = sorted(name for name in table.column_names if name.startswith(CLASS_PREFIX))
    mean_asked = bool(of_classes) and _is_mean_asked(needs, set(table.column_names))
    names = needs.columns - ({MAP_INFORMATION} if mean_asked else set())
    found: dict[str, Column] = columns_of(table, names, there=there)
    if mean_asked:
        information = columns_of(table, of_classes)
        stacked = np.stack([information[name].astype(np.float64) for name in of_classes], axis=1)
        found[MAP_INFORMATION] = sum_last(stacked) / len(of_classes)
    for name in ("session", "cluster"):
        if name in table.column_names:
            found[name] = texts_of(_as_texts(table[name], name))
    for name in (CAPTURED_AT, CAPTURED_US):
        if name in table.column_names and needs.reads("times"):
            found[CAPTURED_US] = _micros(table[name], name)
    return found


def _is_mean_asked(needs: Needs, there: set[str]) -> bool:
    """Tell whether the mean over classes is asked for and only each class's own is there."""
    by_class = any(name.startswith(CLASS_PREFIX) for name in there)
    return by_class and MAP_INFORMATION in needs.columns and MAP_INFORMATION not in there


def _as_texts(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    kind = column.type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_floating(kind):
        column = column.cast(kind)
        column = pc.if_else(pc.is_nan(column), None, column)  # unknown, and no value of its own
    return column if pa.types.is_string(kind) else _cast(column, pa.string(), name)


def _micros(column: pa.ChunkedArray, name: str) -> npt.NDArray[np.int64]:
    """Give capture times; the smallest number where there is none."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        column = _cast(column, pa.timestamp("us", tz=kind.tz), name)
    elif name != CAPTURED_US or not pa.types.is_integer(kind):
        hint = f"; whole microseconds since 1970 belong into a column {CAPTURED_US}"
        msg = f"column {name}: expected timestamps, found {kind}{hint}"
        raise BadInput(msg)
    unknown = int(np.iinfo(np.int64).min)
    numbers = _cast(column, pa.int64(), name)
    micros: npt.NDArray[np.int64] = pc.fill_null(numbers, unknown).to_numpy()
    return micros


def _cast(column: pa.ChunkedArray, kind: pa.DataType, name: str) -> pa.ChunkedArray:
    """Give a column as another type; times that are finer than that are cut to its unit."""
    try:
        return column.cast(options=pc.CastOptions(kind, allow_time_truncate=True))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        msg = f"column {name}: expected what can be read as {kind}, found {column.type}: {error}"
        raise BadInput(msg) from error


def class_names_of(
    given: tuple[str, ...], n_classes: int | None, labels: Strings | None
) -> tuple[str, ...]:
    """Give the classes in the order of the probabilities.

    Raises
    ------
    BadInput
        Another number of names than of classes, a label that is no class, or labels whose place
        among the probabilities nobody told.
    """
    if given and n_classes is not None and len(given) != n_classes:
        msg = f"--class-names: expected {n_classes}, one for each probability, found {len(given)}"
        raise BadInput(msg)
    found = [] if labels is None else sorted(set(labels.tolist()))
    numbers = all(name.isascii() and name.isdecimal() for name in found)
    if not given and numbers and (n_classes is not None or found):
        n_known = max((int(name) + 1 for name in found), default=0)
        given = tuple(str(code) for code in range(n_classes or n_known))
    elif not given and n_classes is not None:
        msg = f"--class-names: expected the names of {n_classes} classes in the order of the "
        msg += f"probabilities, as the labels are {', '.join(found[:_SHOWN])}"
        raise BadInput(msg)
    names = given or tuple(found)
    strangers = [name for name in found if name not in names]
    if strangers:
        msg = f"labels: expected one of {', '.join(names)}, found {', '.join(strangers[:_SHOWN])}"
        raise BadInput(msg)
    return names
