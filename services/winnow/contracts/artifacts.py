"""Writing and reading the files that references point to: Parquet tables and JSON manifests.

Writers check against the schema (`contracts.tables`, `contracts.manifests`), readers check again:
a missing or differently typed column is a `SchemaMismatch` that names it.
"""

from __future__ import annotations

import io
import json
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError

from winnow.contracts.manifests import Manifest
from winnow.contracts.tables import LATER
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import SchemaMismatch
from winnow.ports.blobs import Blobs

PARQUET = "application/vnd.apache.parquet"
JSON = "application/json"

M = TypeVar("M", bound=Manifest)


def write_table(blobs: Blobs, table: pa.Table, schema: pa.Schema, *, prefix: str) -> BlobRef:
    """Store a table as Parquet after checking it against its schema; same rows, same bytes.

    Raises
    ------
    SchemaMismatch
        Columns differ from the schema.
    """
    data = table_bytes(table, schema, where=f"table for {prefix}")
    return blobs.put(data, prefix=prefix, media_type=PARQUET)


def table_bytes(table: pa.Table, schema: pa.Schema, *, where: str = "table") -> bytes:
    """Give the bytes that `write_table` stores."""
    _check(table.schema, schema, where=where)
    sink = io.BytesIO()
    pq.write_table(table.select(schema.names), sink, compression="zstd", store_schema=False)
    return sink.getvalue()


def read_table(
    blobs: Blobs, ref: BlobRef, schema: pa.Schema, *, columns: list[str] | None = None
) -> pa.Table:
    """Load a table (or some of its columns) after checking digest and schema.

    A column marked `LATER` that it lacks is null.
    """
    with blobs.open(ref) as source:
        file = pq.ParquetFile(source)
        written = _written(file.schema_arrow, schema)
        _check(file.schema_arrow, written, where=ref.key)
        lacking = [field for field in schema if field.name not in written.names]
        if columns is not None:
            lacking = [field for field in lacking if field.name in columns]
            columns = [name for name in columns if name not in {one.name for one in lacking}]
        table = file.read(columns=columns)
    for field in lacking:
        table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return table


def written_schema(blobs: Blobs, ref: BlobRef, schema: pa.Schema) -> pa.Schema:
    """Give a schema without the columns marked `LATER` that a stored table lacks."""
    with blobs.open(ref) as source:
        return _written(pq.ParquetFile(source).schema_arrow, schema)


def _written(found: pa.Schema, schema: pa.Schema) -> pa.Schema:
    return pa.schema(one for one in schema if one.name in found.names or one.metadata != LATER)


def _check(found: pa.Schema, expected: pa.Schema, *, where: str) -> None:
    for field in expected:
        pos = found.get_field_index(field.name)
        if pos < 0:
            msg = f"{where}: expected column {field.name!r}, found {', '.join(found.names)}"
            raise SchemaMismatch(msg)
        kind = found.field(pos).type
        lists = pa.types.is_list(kind) and pa.types.is_list(field.type)
        same = kind.value_type == field.type.value_type if lists else kind == field.type
        if not same:
            msg = f"{where}: column {field.name!r}: expected {field.type}, found {kind}"
            raise SchemaMismatch(msg)


def write_manifest(blobs: Blobs, manifest: Manifest, *, prefix: str) -> BlobRef:
    """Store a manifest as JSON with sorted keys, so that equal content has one key."""
    return blobs.put(canonical_json(manifest), prefix=prefix, media_type=JSON)


def read_manifest(blobs: Blobs, ref: BlobRef, kind: type[M]) -> M:
    """Load a manifest.

    Raises
    ------
    SchemaMismatch
        It is no manifest of this kind; the text lists every difference.
    """
    try:
        return kind.model_validate_json(blobs.get(ref))
    except ValidationError as error:
        msg = f"{ref.key}: expected a {kind.__name__} manifest: {error}"
        raise SchemaMismatch(msg) from error


def canonical_json(model: BaseModel) -> bytes:
    """Give the bytes whose SHA-256 names this document."""
    document = model.model_dump(mode="json")
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
