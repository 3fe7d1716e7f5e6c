"""The steps as a pipeline engine calls them: paths and texts in, files and numbers out."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from ab_test import steps
from ab_test.results import INTEREST, UNION, PlaceResult, verdicts
from ab_test.setting import read_setting
from winnow.tasks.whole_files import write_whole


def compare_place(place: str, *, setting: str, folder: str) -> None:
    """Compare at one place; its result and gallery go into the folder."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "setting.yaml"
        file.write_text(setting, encoding="utf-8")
        chosen = read_setting(file)
        work = Path(scratch) / "place"
        steps.compare(place, chosen, work, manual=None, done=lambda _: None)
        kept = Path(folder)
        kept.mkdir(parents=True, exist_ok=True)
        for name in ("result.json", "gallery.png"):
            write_whole(kept / name, (work / name).read_bytes())


def report_places(folders: Sequence[str], *, page: str, note: str) -> dict[str, float]:
    """Write page and note of all places; give what Kubeflow shows as metrics."""
    results = [
        PlaceResult.model_validate_json((Path(folder) / "result.json").read_bytes())
        for folder in folders
    ]
    galleries = {
        result.name: (Path(folder) / "gallery.png").read_bytes()
        for result, folder in zip(results, folders, strict=True)
    }
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch)
        steps.write_report(results, galleries, {}, out)
        Path(page).write_bytes((out / "report.html").read_bytes())
        Path(note).write_bytes((out / "report.md").read_bytes())
    found = {
        verdict.question: verdict.n_yes / max(1, verdict.n_places) for verdict in verdicts(results)
    }
    for method in ("committee", "manual", "random"):
        known = [
            one.relative
            for result in results
            if (one := result.improvement(method, UNION, INTEREST)) is not None
            and one.relative is not None
        ]
        if known:
            found[f"improvement of {method}"] = sum(known) / len(known)
    return found
