"""The steps of a benchmark: prepare frames once, run each seed, report. Plain functions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmark.blocks import markdown, page
from benchmark.curve import Run
from benchmark.figure import learning_curves
from benchmark.frames import Frames, Show, digest_of, frames_of, load, save
from benchmark.ingested import IngestedSource
from benchmark.plan import Plan
from benchmark.report import FIGURE, report_of
from benchmark.runs import orders_of, read_runs, run_all
from benchmark.settings import BenchmarkSettings
from benchmark.tables import (
    GAIN_BUDGETS,
    Found,
    Row,
    class_rows,
    cost_rows,
    csv_text,
    gain_rows,
    mining_rows,
    needed_rows,
    repeat_rows,
    time_rows,
)
from benchmark.worst_slice import MiningRun
from winnow.adapters.connect import connect_blobs, connect_ledger
from winnow.adapters.frame_sources.open import open_source
from winnow.adapters.pixel_encoder import PixelEncoder
from winnow.contracts.references import read_reference, reference_text
from winnow.domain.errors import BadInput
from winnow.policy.select import SELECTOR_VERSION
from winnow.ports.blobs import Blobs
from winnow.ports.encoder import Encoder
from winnow.ports.frame_source import FrameSource
from winnow.runtime.settings import ServiceSettings
from winnow.tasks.features import FeatureCache
from winnow.tasks.whole_files import write_whole

DIGITS, POOL = "digits", "pool"
COPIES = 3
"""Versions of each frame in the duplicated pools."""
SIDE_PIXELS = 32
REPORT, PAGE = "report.md", "report.html"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Context:
    """The outside of a step on a cluster."""

    blobs: Blobs
    settings: BenchmarkSettings


def open_context() -> Context:
    """Connect to what the environment names."""
    settings = BenchmarkSettings()
    return Context(connect_blobs(settings.blobs_url.get_secret_value()), settings)


def run_here(data: str, out: Path, plan: Plan, *, encoder: str, jobs: int, show: Show) -> Found:
    """Run a benchmark on this machine, or go on with one; write its outputs below `out`.

    Raises
    ------
    BadInput
        Data or encoder that cannot be; the text says what was expected.
    TrainingFailed
        A process was killed from outside; finished runs are kept.
    """
    file = prepared(data, out / "work", plan, encoder=encoder, show=show)
    frames = load(file)
    folder = out / "work" / "runs" / plan.digest(digest_of(frames), SELECTOR_VERSION)
    seeds = range(plan.seeds)
    run_all(plan, file, folder, seeds=seeds, jobs=jobs, show=show)
    found = _found(plan, frames, *read_runs(folder, plan, seeds))
    write_outputs(found, out)
    return found


def prepared(data: str, work: Path, plan: Plan, *, encoder: str, show: Show) -> Path:
    """Give the file of the frames of some data; what was computed once is kept."""
    with source_of(data, work) as source:
        coder = encoder_of(encoder)
        copies = 1 if set(plan.pools) == {"plain"} else COPIES
        side = SIDE_PIXELS if plan.learner == "network" else None
        key = _source_digest(source, f"{coder.version}\x1f{copies}\x1f{side}", show)
        file = work / f"frames-{key}.npz"
        if not file.exists():
            features = FeatureCache(work / "features", coder).features
            frames = frames_of(
                source, features, encoder=coder.version, copies=copies, side_pixels=side, show=show
            )
            save(frames, file)
    return file


@contextmanager
def source_of(data: str, work: Path) -> Iterator[FrameSource]:
    """Open `digits`, `pool` (the environment's), `pool:STATE_FOLDER`, or what lies at a path.

    Raises
    ------
    BadInput
        None of these.
    """
    if data == DIGITS:
        from winnow.cli.demo.plan import write_digits

        file = work / "scikit-learn" / "digits.npz"
        file.parent.mkdir(parents=True, exist_ok=True)
        yield open_source(write_digits(file))
        return
    name, _, folder = data.partition(":")
    if name != POOL:
        yield open_source(Path(data))
        return
    if folder and not Path(folder).is_dir():
        msg = f"{data}: expected a state folder, nothing is there"
        raise BadInput(msg)
    settings = ServiceSettings.embedded(Path(folder).absolute()) if folder else BenchmarkSettings()
    ledger = connect_ledger(settings.ledger_url.get_secret_value())
    try:
        yield IngestedSource(ledger, connect_blobs(settings.blobs_url.get_secret_value()))
    finally:
        ledger.close()


def encoder_of(name: str) -> Encoder:
    """Give `pixel`, or `torchvision:MODEL:WEIGHTS_FILE`; nothing is downloaded.

    Raises
    ------
    BadInput
        Another name, or weights that are not there.
    """
    if name == "pixel":
        return PixelEncoder()
    kind, _, rest = name.partition(":")
    model, _, path = rest.partition(":")
    if kind != "torchvision" or not Path(path).is_file():
        msg = f"encoder: expected pixel or torchvision:MODEL:WEIGHTS_FILE, found {name!r}"
        raise BadInput(msg)
    from winnow.adapters.torchvision_encoder import TorchvisionEncoder

    return TorchvisionEncoder(model, Path(path).read_bytes())


def write_outputs(found: Found, out: Path) -> None:
    """Write figure, tables and report, each aside and then renamed."""
    png = learning_curves(found)
    blocks = report_of(found, png)
    files = {
        FIGURE: png,
        REPORT: markdown(blocks).encode(),
        PAGE: page(blocks, f"Benchmark: {found.source}").encode(),
        **{f"tables/{name}.csv": csv_text(rows).encode() for name, rows in _tables(found).items()},
    }
    for name, content in files.items():
        write_whole(out / "outputs" / name, content)


def plan_of(
    *,
    methods: str,
    budgets: str,
    pools: str,
    label_price: float,
    **others: object,
) -> Plan:
    """Make a plan from texts with commas and a price in whole units, as people give them.

    Raises
    ------
    BadInput
        Something that cannot be; every mistake is listed.
    """
    return Plan.told(
        methods=split(methods),
        budgets=split(budgets),
        pools=split(pools),
        label_price_micros=round(label_price * 1e6),
        **others,
    )


def split(text: str) -> tuple[str, ...]:
    """Give the parts between commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def plan_seeds(context: Context, plan: Plan, *, data: str, encoder: str) -> list[str]:
    """Prepare the frames and give a task, as JSON, for each seed."""
    file = prepared(data, context.settings.work_dir, plan, encoder=encoder, show=_silent)
    ref = context.blobs.put(file.read_bytes(), prefix="benchmark", media_type="application/x-npz")
    told = {"frames": reference_text(ref), "plan": plan.model_dump_json()}
    return [json.dumps({**told, "seed": seed}) for seed in range(plan.seeds)]


def run_seed(context: Context, *, task: str) -> str:
    """Do all runs of one seed; give the reference of their results as JSON."""
    told = json.loads(task)
    plan, seed = Plan.model_validate_json(told["plan"]), int(told["seed"])
    file = _fetched(context, told["frames"])
    digest = plan.digest(digest_of(load(file)), SELECTOR_VERSION)
    folder = context.settings.work_dir / "runs" / digest
    run_all(plan, file, folder, seeds=[seed], jobs=1, show=_silent)
    texts = {
        order.file_name: (folder / order.file_name).read_text() for order in orders_of(plan, [seed])
    }
    ref = context.blobs.put(json.dumps(texts).encode(), prefix="benchmark", media_type=JSON)
    return json.dumps({"frames": told["frames"], "plan": told["plan"], "runs": reference_text(ref)})


def report(context: Context, *, results: Sequence[str]) -> tuple[str, str, dict[str, float]]:
    """Give the report of all seeds as Markdown and as HTML, and the numbers to compare runs by."""
    told = [json.loads(result) for result in results]
    plan = Plan.model_validate_json(told[0]["plan"])
    folder = context.settings.work_dir / "report" / hashlib.sha256(results[0].encode()).hexdigest()
    for one in told:
        for name, text in json.loads(context.blobs.get(read_reference(one["runs"]))).items():
            write_whole(folder / name, text.encode())
    frames = load(_fetched(context, told[0]["frames"]))
    found = _found(plan, frames, *read_runs(folder, plan, range(plan.seeds)))
    blocks = report_of(found, learning_curves(found))
    return markdown(blocks), page(blocks, f"Benchmark: {found.source}"), metrics_of(found)


def metrics_of(found: Found) -> dict[str, float]:
    """Give accuracy at a quarter of the labels, and labels to come within a point, by method."""
    rows = [row for row in gain_rows(found, *GAIN_BUDGETS) if row["pool"] == found.plan.pools[0]]
    first = min((float(row["budget"] or 0) for row in rows), default=0.0)
    metrics = {
        f"{row['method']} gain at {100 * first:g} %": float(row["gain_points"] or 0)
        for row in rows
        if row["budget"] == first
    }
    for row in needed_rows(found):
        if row["pool"] == found.plan.pools[0] and row["labels"] is not None:
            metrics[f"{row['method']} labels to within a point"] = float(row["labels"])
    return metrics


def _tables(found: Found) -> dict[str, list[Row]]:
    return {
        "budget_gains": gain_rows(found, *GAIN_BUDGETS),
        "low_budget_gains": gain_rows(found, 0, GAIN_BUDGETS[0] - 1e-9),
        "labels_needed": needed_rows(found),
        "selection_time": time_rows(found),
        "class_counts": class_rows(found),
        "duplicates": repeat_rows(found),
        "cost": cost_rows(found),
        "worst_slice": mining_rows(found),
    }


def _found(plan: Plan, frames: Frames, curves: list[Run], mined: list[MiningRun]) -> Found:
    return Found(
        plan=plan,
        curves=curves,
        mined=mined,
        source=frames.source,
        encoder=frames.encoder,
        class_names=frames.class_names,
        n_unreadable=frames.n_unreadable,
    )


def _fetched(context: Context, reference: str) -> Path:
    ref = read_reference(reference)
    file = context.settings.work_dir / f"frames-{ref.sha256[:16]}.npz"
    if not file.exists():
        write_whole(file, context.blobs.get(ref))
    return file


def _source_digest(source: FrameSource, salt: str, show: Show) -> str:
    """Name the frames by what they are: a data set that changed is prepared anew."""
    digest = hashlib.sha256(salt.encode())
    for place, frame in enumerate(source.frames()):
        show("reading", place + 1, source.n_frames)
        told = (frame.name, frame.label, frame.session, frame.site, sorted(frame.tags.items()))
        digest.update(repr((told, hashlib.sha256(frame.data).hexdigest())).encode())
    return digest.hexdigest()[:16]


def _silent(what: str, done: int, total: int) -> None:
    """Show nothing: a step's log is no place for bars."""
