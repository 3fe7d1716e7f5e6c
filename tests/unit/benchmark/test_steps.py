"""End to end on a folder of pictures, on an ingested pool, and as steps of a pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmark import steps
from benchmark.__main__ import app
from benchmark.pipeline import DEFAULT_METHODS
from benchmark.plan import METHODS, Plan
from tests.unit.benchmark.made import silent
from winnow.domain.errors import BadInput


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """Write forty pictures of two classes as .npz."""
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    images = rng.integers(0, 120, (40, 8, 8), dtype=np.uint8)
    images[labels == 1] += 100
    path = tmp_path / "colours.npz"
    np.savez(path, images=images, labels=labels, class_names=np.array(["dark", "light"]))
    return path


def small(**changes: Any) -> Plan:
    given = {
        "methods": "margin", "budgets": "0.2,0.5,1", "pools": "plain,duplicated",
        "label_price": 0.08, "seeds": 2, "mining": False,
    }  # fmt: skip
    return steps.plan_of(**{**given, **changes})


def test_a_benchmark_leaves_figure_tables_and_report(colours: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    steps.run_here(str(colours), out, small(), encoder="pixel", jobs=1, show=silent)
    outputs = out / "outputs"
    assert (outputs / "figures" / "learning_curves.png").read_bytes()[:4] == b"\x89PNG"
    assert (outputs / "tables" / "budget_gains.csv").read_text().startswith("pool,method,budget")
    text = (outputs / "report.md").read_text()
    for title in ("In short", "Why core-set alone may lose", "near-duplicates", "100×"):
        assert title in text
    assert "data:image/png;base64" in (outputs / "report.html").read_text()


def test_the_same_run_as_steps_of_a_pipeline(
    colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WINNOW_BENCHMARK_BLOBS_URL", f"file://{tmp_path}/blobs")
    monkeypatch.setenv("WINNOW_BENCHMARK_WORK_DIR", str(tmp_path / "work"))
    context = steps.open_context()
    tasks = steps.plan_seeds(context, small(), data=str(colours), encoder="pixel")
    assert len(tasks) == 2
    results = [steps.run_seed(context, task=task) for task in tasks]
    text, html, numbers = steps.report(context, results=results)
    here = steps.run_here(
        str(colours), tmp_path / "out", small(), encoder="pixel", jobs=1, show=silent
    )
    assert numbers == steps.metrics_of(here)
    assert text.startswith("# Which frames earn a label")
    assert html.startswith("<!doctype html>")


def test_data_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with (
        pytest.raises(BadInput, match="expected a folder of images"),
        steps.source_of(str(tmp_path / "no"), tmp_path),
    ):
        pass
    with (
        pytest.raises(BadInput, match="expected a state folder"),
        steps.source_of("pool:/no/such/folder", tmp_path),
    ):
        pass
    with pytest.raises(BadInput, match="pixel or torchvision"):
        steps.encoder_of("resnet18")


def test_the_help_names_every_option_and_the_form_has_the_same_methods() -> None:
    text = CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "200"}).output
    for option in ("--data", "--out", "--seeds", "--methods", "--budgets", "--jobs"):
        assert option in text
    assert ",".join(METHODS) == DEFAULT_METHODS
