"""Bodies of the Open Inference Protocol over HTTP: JSON, perhaps with raw tensors behind it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, NonNegativeInt, ValidationError

from winnow.adapters.raw_tensors import Tensor, dtype_of, objects, tensor_of
from winnow.domain.errors import SchemaMismatch


class _Parameters(BaseModel):
    binary_data_size: NonNegativeInt | None = None
    """The tensor's bytes follow the JSON, after those of the tensors before it."""


class _Tensor(BaseModel):
    name: str
    datatype: str
    shape: tuple[NonNegativeInt, ...]
    data: list[Any] = []
    parameters: _Parameters = _Parameters()


class _Tensors(BaseModel):
    tensors: list[_Tensor]


@dataclass(frozen=True, slots=True)
class Body:
    """A request or a response."""

    model: str
    """Empty in a request, whose address names it."""
    version: str
    tensors: Mapping[str, Tensor]
    """BYTES are texts where they came as JSON, byte strings where they came raw."""


def read_body(
    body: bytes | Mapping[str, object], side: Literal["inputs", "outputs"], *, where: str
) -> Body:
    """Read one side's tensors.

    Parameters
    ----------
    body
        As it was sent, or its JSON if that was read already.

    Raises
    ------
    SchemaMismatch
        It is no JSON of this form, or a tensor does not fit the shape and type that it names.
    """
    document, raw = (body, b"") if isinstance(body, Mapping) else _split(body, where)
    try:
        found = _Tensors.model_validate({"tensors": document.get(side)}).tensors
    except ValidationError as error:
        mistake = error.errors()[0]
        place = ".".join(map(str, (side, *mistake["loc"][1:])))
        msg = f"{where}: expected {side} of an inference, found {place}: {mistake['msg']}"
        raise SchemaMismatch(msg) from error
    tensors, start = dict[str, Tensor](), 0
    for one in found:
        place, size = f"{where}, {one.name}", one.parameters.binary_data_size
        if size is None:
            tensors[one.name] = _of_json(one, where=place)
            continue
        part = raw[start : start + size]
        tensors[one.name] = tensor_of(part, one.datatype, one.shape, where=place)
        start += size
    if start != len(raw):
        msg = f"{where}: expected {start} bytes of tensors behind the JSON, found {len(raw)}"
        raise SchemaMismatch(msg)
    model, version = (document.get(name) or "" for name in ("model_name", "model_version"))
    return Body(str(model), str(version), tensors)


def _split(body: bytes, where: str) -> tuple[Mapping[str, object], bytes]:
    """Give the JSON, and the bytes behind it. How long it is stands in a header of its own."""
    end = len(body)
    try:
        try:
            document = json.loads(body)
        except ValueError:
            # In this encoding a character is a byte, whatever the bytes mean.
            _, end = json.JSONDecoder().raw_decode(body.decode("latin-1"))
            document = json.loads(body[:end])
    except (ValueError, RecursionError) as error:
        msg = f"{where}: expected JSON, found {body[:20]!r}…: {error}"
        raise SchemaMismatch(msg) from error
    if not isinstance(document, dict):
        msg = f"{where}: expected a JSON object, found {type(document).__name__}"
        raise SchemaMismatch(msg)
    return document, body[end:]


def _of_json(one: _Tensor, *, where: str) -> Tensor:
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
