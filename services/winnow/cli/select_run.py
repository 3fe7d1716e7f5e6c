"""One selection from files to files, and its replay."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from winnow.cli.select_columns import refuse_silent_cold_start
from winnow.cli.select_files import SourceFile, Step, digest_of, open_frames
from winnow.cli.select_inputs import Loaded, Question, load
from winnow.cli.select_output import (
    BATCH_FILE,
    MANIFEST_FILE,
    REFUSED_FILE,
    Output,
    check_folder,
    output_of,
    read_manifest,
    refuse_to_replace,
    write_output,
)
from winnow.domain.errors import BadInput
from winnow.domain.labels import DETECTION
from winnow.kernels.backend import kernel_of
from winnow.policy.model import STORED, Policy
from winnow.policy.proposal import Proposal
from winnow.policy.replay import Table, first_difference
from winnow.policy.select import SELECTOR_VERSION, propose

FILES = ("frames", "embeddings", "probs", "labeled", "examples")
"""Inputs by the names of their options."""


@dataclass(frozen=True, slots=True)
class Selected:
    """A selection, and the bytes that it leaves."""

    question: Question
    loaded: Loaded
    proposal: Proposal
    output: Output


def choose_from(question: Question, step: Step) -> Selected:
    """Choose a batch from files; writes nothing.

    Raises
    ------
    BadInput
        See `winnow.cli.select_inputs.load` and `refuse_silent_cold_start`.
    """
    return _chosen(question, _digests(question, step), step)


def _chosen(question: Question, sources: Mapping[str, SourceFile], step: Step) -> Selected:
    loaded = load(question, step)
    if question.policy.label.kind == DETECTION:
        columns = open_frames(question.frames).schema_arrow.names
        refuse_silent_cold_start(question.policy, loaded.inputs.standing, columns)
    step("choosing", 0, 0)
    proposal = propose(loaded.inputs, kernel=kernel_of(question.device))
    return Selected(question, loaded, proposal, output_of(question, sources, loaded, proposal))


def select_into(out: Path, question: Question, step: Step, *, overwrite: bool = False) -> Selected:
    """Choose a batch from files and write it, all or nothing.

    Raises
    ------
    BadInput
        See `choose_from` and `write_output`: another selection in the folder stays there unless
        `overwrite`, and is refused before a batch is chosen where something else was asked for.
    """
    check_folder(out, _paths(question).values())
    sources = _digests(question, step)
    if not overwrite:
        refuse_to_replace(out, question, sources)
    selected = _chosen(question, sources, step)
    write_output(out, selected.output, overwrite=overwrite)
    return selected


def _digests(question: Question, step: Step) -> dict[str, SourceFile]:
    return {name: digest_of(path, step) for name, path in _paths(question).items()}


def _paths(question: Question) -> dict[str, Path]:
    paths = {name: getattr(question, name) for name in FILES}
    return {name: path for name, path in paths.items() if path is not None}


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay found."""

    folder: Path
    n_frames: int
    difference: str
    """First row and field that differ; empty if every byte is the same."""


def replay_in(folder: Path, given: Mapping[str, Path], step: Step) -> Replayed:
    """Choose a folder's batch again from what its manifest is pinned to, and compare every byte.

    Parameters
    ----------
    given
        Inputs by name that lie elsewhere now.

    Raises
    ------
    BadInput
        The folder holds no selection, or an input is gone or has other bytes than it had; the text
        names every such file.
    """
    manifest = read_manifest(folder)
    question = _question_of(folder, manifest, given)
    _check_digests(manifest, _digests(question, step))
    loaded = load(question, step)
    step("choosing", 0, 0)
    proposal = propose(loaded.inputs, kernel=kernel_of(question.device))
    sources = {
        name: SourceFile(known["path"], known["sha256"], known["size_bytes"])
        for name, known in manifest["inputs"].items()
    }
    output = output_of(question, sources, loaded, proposal)
    difference = _difference(folder, manifest, output)
    return Replayed(folder, len(proposal.batch), difference)


def _question_of(folder: Path, manifest: Mapping[str, Any], given: Mapping[str, Path]) -> Question:
    try:
        paths: dict[str, Any] = {
            name: given.get(name) or _found(folder, Path(known["path"]))
            for name, known in manifest["inputs"].items()
        }
        return Question(
            policy=Policy.model_validate(manifest["policy"], context=STORED),
            class_names=tuple(manifest["class_names_given"]),
            budget_micros=manifest["budget_micros"],
            seed=manifest["seed"],
            round_number=manifest["round"],
            **paths,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        msg = f"{folder / MANIFEST_FILE}: expected what selector {SELECTOR_VERSION} can choose by, "
        msg += f"found none in a manifest of selector {_selector(manifest)}: {error!r}"
        raise BadInput(msg) from error


def _found(folder: Path, path: Path) -> Path:
    """Give an input's path as it was told, or as seen from the folder beside it."""
    beside = folder / path
    return beside if not path.exists() and beside.exists() else path


def _check_digests(manifest: Mapping[str, Any], found: Mapping[str, SourceFile]) -> None:
    wrong = [
        f"{source.path}: expected SHA-256 {manifest['inputs'][name]['sha256']}, "
        f"found {source.sha256}"
        for name, source in found.items()
        if source.sha256 != manifest["inputs"][name]["sha256"]
    ]
    if wrong:
        msg = "inputs are not those of the manifest:\n  " + "\n  ".join(wrong)
        raise BadInput(msg)


def _difference(folder: Path, manifest: Mapping[str, Any], output: Output) -> str:
    for name, data in ((BATCH_FILE, output.batch), (REFUSED_FILE, output.refused)):
        path = folder / name
        stored = path.read_bytes() if path.exists() else b""
        if stored != data:
            return _by_version(manifest, _first(name, stored, data))
    if (folder / MANIFEST_FILE).read_bytes() != output.manifest:
        return _by_version(
            manifest, f"{MANIFEST_FILE}: the batch is the same, {_told(manifest, output)}"
        )
    return ""


def _first(name: str, stored: bytes, data: bytes) -> str:
    if not stored or not data:
        return f"{name}: recorded {len(stored)} bytes, replayed {len(data)}"
    tables = []
    for which, part in (("recorded", stored), ("replayed", data)):
        try:
            rows = pq.read_table(io.BytesIO(part)).to_pylist()
        except (OSError, ValueError) as error:
            return f"{name}: the {which} file is no Parquet: {error}"
        tables.append(Table(name, which, rows))
    return first_difference(*tables)


def _told(manifest: Mapping[str, Any], output: Output) -> str:
    """Say which entries of the manifest differ."""
    replayed = json.loads(output.manifest)
    names = sorted(manifest.keys() | replayed.keys())
    different = [name for name in names if manifest.get(name) != replayed.get(name)]
    return f"what is told of it differs: {', '.join(different) or 'its layout'}"


def _selector(manifest: Mapping[str, Any]) -> str:
    versions = manifest.get("versions")
    return str(versions.get("selector")) if isinstance(versions, dict) else "unknown"


def _by_version(manifest: Mapping[str, Any], difference: str) -> str:
    found = _selector(manifest)
    if found == SELECTOR_VERSION:
        return difference
    return f"{difference}; chosen by selector {found}, replayed by selector {SELECTOR_VERSION}"
