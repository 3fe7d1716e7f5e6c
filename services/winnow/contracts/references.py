"""References as text, and references out of the tables that list frames."""

from __future__ import annotations

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import SchemaMismatch

COLUMNS = ("bucket", "key", "sha256", "size_bytes", "media_type")
_ADAPTER = TypeAdapter(BlobRef)


def frame_refs(table: pa.Table) -> list[BlobRef]:
    """Give each row's reference, in order; the table has the columns of `FRAMES` or `DATASET`."""
    columns = [table.column(name).to_pylist() for name in COLUMNS]
    return [BlobRef(*row) for row in zip(*columns, strict=True)]


def reference_text(ref: BlobRef) -> str:
    """Give a reference as JSON text, e.g. for the arguments of a pipeline run."""
    return _ADAPTER.dump_json(ref).decode()


def read_reference(text: str) -> BlobRef:
    """Read what `reference_text` gave.

    Raises
    ------
    SchemaMismatch
        The text is no reference.
    """
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError as error:
        msg = f"expected a reference as JSON, found {text[:80]!r}: {error}"
        raise SchemaMismatch(msg) from error
