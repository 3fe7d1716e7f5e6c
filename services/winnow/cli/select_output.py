"""What `winnow select` leaves: a batch, a manifest that replays it, and the rows it refused."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from winnow.adapters.disk_errors import told
from winnow.cli.select_files import SourceFile, open_frames
from winnow.cli.select_inputs import Loaded, Question, priced
from winnow.domain.errors import BadInput
from winnow.policy.model import Policy
from winnow.policy.proposal import Proposal
from winnow.policy.select import SELECTOR_VERSION

BATCH_FILE, MANIFEST_FILE, REFUSED_FILE = "batch.parquet", "manifest.json", "refused.parquet"
KIND: Final = "winnow.selection"
SCHEMA_VERSION: Final = 1
_PARTIAL: Final = ".partial"


@dataclass(frozen=True, slots=True)
class Output:
    """The bytes of the three files; `refused` is empty where no row was refused."""

    batch: bytes
    manifest: bytes
    refused: bytes


def batch_table(loaded: Loaded, proposal: Proposal) -> pa.Table:
    """Give the batch in rank order."""
    rows, batch = proposal.rows, loaded.order[proposal.batch]
    frame_ids = loaded.ids.column.take(pa.array(batch))
    columns = {
        "rank": pa.array(np.arange(len(batch)), type=pa.int32()),
        "frame_id": frame_ids,
        "utility": _nullable(rows.utilities),
        "reason": pa.array(rows.reasons, type=pa.string()),
        "inclusion_probability": _nullable(rows.inclusion),
        "draw_probability": _nullable(rows.draw),
        "price_micros": pa.array(rows.price_micros, type=pa.int64()),
        "arm": pa.array(rows.arms.tolist(), type=pa.string()),
        "score": _nullable(rows.scores),
        "row": pa.array(batch, type=pa.int64()),
    }
    return pa.table(columns)


def refused_table(loaded: Loaded) -> pa.Table:
    """Give the rows of the frames that were refused, in their order, and why."""
    reasons = dict(sorted(loaded.refused.reasons.items()))
    rows = pa.array(list(reasons), type=pa.int64())
    return pa.table(
        {
            "row": rows,
            "frame_id": loaded.ids.column.take(rows),
            "reason": pa.array(list(reasons.values()), type=pa.string()),
        }
    )


def output_of(
    question: Question, sources: Mapping[str, SourceFile], loaded: Loaded, proposal: Proposal
) -> Output:
    """Give the files' bytes; the same inputs give the same ones."""
    batch = parquet_bytes(batch_table(loaded, proposal))
    refused = parquet_bytes(refused_table(loaded)) if loaded.refused.reasons else b""
    document = _document(question, sources, loaded, proposal)
    document["outputs"] = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}
        for name, data in ((BATCH_FILE, batch), (REFUSED_FILE, refused))
        if data
    }
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    return Output(batch, text.encode(), refused)


def _document(
    question: Question, sources: Mapping[str, SourceFile], loaded: Loaded, proposal: Proposal
) -> dict[str, Any]:
    sizes, decision, inputs = proposal.sizes, proposal.decision, loaded.inputs
    return {
        "kind": KIND,
        "schema_version": SCHEMA_VERSION,
        "versions": {
            "selector": SELECTOR_VERSION,
            **{name: version(name) for name in ("winnow", "numpy", "pyarrow")},
        },
        "policy": inputs.policy.model_dump(mode="json"),
        **_asked(question, inputs.policy),
        "class_names": list(inputs.class_names),
        "inputs": {
            name: {
                "path": source.path,
                "sha256": source.sha256,
                "size_bytes": source.size_bytes,
                "shape": list(loaded.shapes.get(name, ())),
            }
            for name, source in sources.items()
        },
        "not_read": list(loaded.unread),
        "frame_ids": loaded.ids.form,
        "frames": {
            "all": loaded.n_frames,
            "labeled": len(loaded.labeled.rows),
            "labeled_unknown": list(loaded.labeled.strangers),
            "refused": len(loaded.refused.reasons),
            "duplicates": loaded.n_duplicates,
            "pool": sizes.n_eligible,
        },
        "batch": {
            "asked": sizes.n_asked,
            "affordable": sizes.n_affordable,
            "random": sizes.n_random,
            "selected": len(proposal.batch),
            "why_fewer": proposal.why_fewer,
            "price_micros": int(proposal.rows.price_micros.sum()),
        },
        "switch": {
            "cold_start": decision.switch.cold,
            "strategy": decision.switch.strategy.model_dump(mode="json"),
            "because": proposal.because,
        },
        "scores": {"how": proposal.acquisition, "weights": proposal.weights},
        "notes": list(proposal.notes),
    }


def parquet_bytes(table: pa.Table) -> bytes:
    """Give a table as Parquet: the same rows, the same bytes (of one version of the writer)."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", store_schema=False)
    return sink.getvalue()


def _nullable(values: npt.NDArray[np.float64]) -> pa.Array:
    return pa.array(values, type=pa.float64(), mask=np.isnan(values))


def check_folder(out: Path, inputs: Iterable[Path]) -> None:
    """Look at a folder before anything is chosen for it.

    Raises
    ------
    BadInput
        Its manifest is somebody else's, or an input is one of the files that would be written.
    """
    if (out / MANIFEST_FILE).exists():
        read_manifest(out)
    written = {(out / name).resolve() for name in (BATCH_FILE, REFUSED_FILE, MANIFEST_FILE)}
    for path in inputs:
        if path.resolve() in written:
            msg = f"--out: expected a folder whose files are no inputs, found {path} in {out}"
            raise BadInput(msg)


def refuse_to_replace(out: Path, question: Question, sources: Mapping[str, SourceFile]) -> None:
    """Refuse early a folder in which something else was asked for; see `write_output`.

    Raises
    ------
    BadInput
        There is a selection whose manifest names another question or other inputs.
    """
    if not (out / MANIFEST_FILE).exists():
        return
    manifest = read_manifest(out)
    asked = _asked(question, priced(question.policy, open_frames(question.frames)))
    other = [name for name, value in asked.items() if manifest.get(name) != value]
    known = {name: one["sha256"] for name, one in manifest.get("inputs", {}).items()}
    if known != {name: source.sha256 for name, source in sources.items()}:
        other.append("inputs")
    if other:
        raise _occupied(out, f"other {', '.join(other)}")


def _asked(question: Question, policy: Policy) -> dict[str, object]:
    """Give the manifest's entries that are known before anything is chosen; see `priced`."""
    return {
        "policy_sha256": policy.sha256,
        "seed": question.seed,
        "round": question.round_number,
        "budget_micros": question.budget_micros,
        "class_names_given": list(question.class_names),
    }


def write_output(out: Path, output: Output, *, overwrite: bool = False) -> None:
    """Write all files or, for whoever looks at the manifest, none.

    The manifest goes first and comes last: where there is one, everything beside it is whole.

    Parameters
    ----------
    overwrite
        Whether files with other bytes may be replaced; those with the same always stay.

    Raises
    ------
    BadInput
        The folder cannot be made or written, holds another selection that may not be replaced, or
        its manifest is somebody else's.
    """
    files = {BATCH_FILE: output.batch, REFUSED_FILE: output.refused, MANIFEST_FILE: output.manifest}
    try:
        out.mkdir(parents=True, exist_ok=True)
        if (out / MANIFEST_FILE).exists():
            read_manifest(out)
        there = {name: (out / name).read_bytes() for name in files if (out / name).exists()}
        if there == {name: data for name, data in files.items() if data}:
            return
        other = [name for name, data in there.items() if data != files[name]]
        if other and not overwrite:
            raise _occupied(out, f"other bytes in {', '.join(other)}")
        for name, data in files.items():
            _write(out / f".{name}{_PARTIAL}", data)
        (out / MANIFEST_FILE).unlink(missing_ok=True)
        for name, data in files.items():
            partial = out / f".{name}{_PARTIAL}"
            if data:
                partial.replace(out / name)
            else:
                partial.unlink()
                (out / name).unlink(missing_ok=True)
        _flush(out)
    except OSError as error:
        msg = f"{out}: expected a folder to write to, found: {told(error)}"
        raise BadInput(msg) from error


def _occupied(out: Path, why: str) -> BadInput:
    names = [name for name in (BATCH_FILE, REFUSED_FILE, MANIFEST_FILE) if (out / name).exists()]
    batch = read_manifest(out).get("batch", {}) if MANIFEST_FILE in names else {}
    found = f"one of {batch['selected']} frames" if "selected" in batch else "files"
    return BadInput(
        f"{out}: expected a folder without another selection, found {found} ({', '.join(names)}) "
        f"with {why}; --overwrite replaces it, another --out keeps it"
    )


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as sink:
        sink.write(data)
        sink.flush()
        os.fsync(sink.fileno())


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of an earlier selection.

    Raises
    ------
    BadInput
        There is none, or it is another kind of file.
    """
    path = folder / MANIFEST_FILE
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        msg = f"{path}: expected the manifest of a selection, found: {reason}"
        raise BadInput(msg) from error
    kind = document.get("kind") if isinstance(document, dict) else None
    if kind != KIND or document.get("schema_version") != SCHEMA_VERSION:
        msg = f"{path}: expected {KIND!r} of version {SCHEMA_VERSION}, found {kind!r}"
        raise BadInput(msg)
    found: dict[str, Any] = document
    return found
