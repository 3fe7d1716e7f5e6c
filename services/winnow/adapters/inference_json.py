"""Bodies of the Open Inference Protocol over HTTP, as far as they are JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel, NonNegativeInt, ValidationError

from winnow.adapters.open_inference import Inferred
from winnow.adapters.raw_tensors import Tensor, dtype_of, objects
from winnow.domain.errors import SchemaMismatch


class _Tensor(BaseModel):
    name: str
    datatype: str
    shape: tuple[NonNegativeInt, ...]
    data: list[Any]


class _Tensors(BaseModel):
    tensors: list[_Tensor]


Body = bytes | Mapping[str, object]
"""As it was sent, or its JSON if that was read already."""


def inputs_in(body: Body, *, where: str) -> dict[str, Tensor]:
    """Read a request's tensors by name; BYTES are arrays of texts.

    Raises
    ------
    SchemaMismatch
        It is no JSON of this form, or a tensor does not fit the shape and type that it names. Also
        where tensors lie raw behind the JSON: a committee server neither takes images nor answers
        in that form.
    """
    return _tensors(_document(body, where), "inputs", where)


def inferred_in(body: Body, *, where: str) -> Inferred:
    """Read a response; BYTES are arrays of texts. Raises as `inputs_in` does."""
    document = _document(body, where)
    model, version = (str(document.get(name) or "") for name in ("model_name", "model_version"))
    return Inferred(model, version, _tensors(document, "outputs", where))


def _tensors(document: Mapping[str, object], side: str, where: str) -> dict[str, Tensor]:
    try:
        found = _Tensors.model_validate({"tensors": document.get(side)}).tensors
    except ValidationError as error:
        mistake = error.errors()[0]
        place = ".".join(map(str, (side, *mistake["loc"][1:])))
        msg = f"{where}: expected {side} of an inference, found {place}: {mistake['msg']}"
        raise SchemaMismatch(msg) from error
    return {one.name: _tensor(one, where=f"{where}, {one.name}") for one in found}


def _document(body: Body, where: str) -> Mapping[str, object]:
    if isinstance(body, Mapping):
        return body
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        msg = f"{where}: expected JSON without raw tensors, found {body[:20]!r}…: {error}"
        raise SchemaMismatch(msg) from error
    if not isinstance(document, dict):
        msg = f"{where}: expected a JSON object, found {type(document).__name__}"
        raise SchemaMismatch(msg)
    return document


def _tensor(one: _Tensor, *, where: str) -> Tensor:
    try:
        if one.datatype == "BYTES":
            found = objects(np.array(one.data, dtype=np.object_).ravel().tolist())
        else:
            dtype = dtype_of(one.datatype, one.shape, where=where)
            found = np.array(one.data, dtype=dtype).ravel()
    except (ValueError, TypeError, OverflowError) as error:
        msg = f"{where}: expected {one.datatype} {one.shape}, found: {error}"
        raise SchemaMismatch(msg) from error
    texts = one.datatype != "BYTES" or all(isinstance(item, str) for item in found)
    if not texts or len(found) != math.prod(one.shape):
        what = "values" if texts else "items that are no texts"
        msg = f"{where}: expected {one.datatype} {one.shape}, found {len(found)} {what}"
        raise SchemaMismatch(msg)
    return found.reshape(one.shape)
