"""Parts of the frames that are looked at on their own: night, rain, one site."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

VALUES_MAX = 12
"""Values of one column that get a slice, the most frequent ones."""


def slices_of(
    columns: Mapping[str, Sequence[str]], *, tags: Sequence[str] = (), frames_min: int = 5
) -> dict[str, npt.NDArray[np.bool_]]:
    """Give the frames of each slice.

    Parameters
    ----------
    columns
        Name → value of each of N frames; empty values are no slice.
    tags
        Of each frame a JSON object; each of its names is a further column.
    frames_min
        Slices of fewer frames say nothing.

    Returns
    -------
    dict
        `column=value` → bool [N], sorted by name; a column with one value only gives none, as that
        slice is everything.

    Examples
    --------
    >>> tags = ['{"night":true}', "{}", "{}"]
    >>> found = slices_of({"site": ["a", "a", "b"]}, tags=tags, frames_min=1)
    >>> {name: rows.sum().item() for name, rows in found.items()}
    {'night=true': 1, 'site=a': 2, 'site=b': 1}
    """
    slices = {}
    for name, values in sorted({**columns, **_tag_columns(tags)}.items()):
        values_N = np.asarray(values, dtype=np.str_)
        known, counts = np.unique(values_N, return_counts=True)
        if len(known) < 2:
            continue
        frequent = known[np.argsort(-counts, kind="stable")[:VALUES_MAX]]
        for value in sorted(frequent.tolist()):
            rows = values_N == value
            if value and rows.sum() >= frames_min:
                slices[f"{name}={value}"] = rows
    return slices


def _tag_columns(tags: Sequence[str]) -> dict[str, list[str]]:
    read = [json.loads(text) if text else {} for text in tags]
    names = sorted({name for one in read for name in one})
    return {name: [_text(one[name]) if name in one else "" for one in read] for name in names}


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
