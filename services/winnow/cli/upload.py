"""`winnow upload`: what a vehicle does, and what the cloud gives it beforehand.

A vehicle opens no ledger: it reads its own recordings and writes to an object store.
"""

from __future__ import annotations

from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import typer
from rich.console import RenderableType
from rich.filesize import decimal
from rich.table import Table

from winnow.adapters.frame_sources.open import open_source
from winnow.adapters.pixel_encoder import PixelEncoder
from winnow.adapters.system_clock import SystemClock
from winnow.cli.amounts import parse_amount
from winnow.cli.bars import bars
from winnow.cli.door import STATE_DEFAULT, screen_of_width
from winnow.cli.sent import KEY_FOLDER, store_at
from winnow.cli.stores import BlobsUrl, LedgerUrl, State, stores
from winnow.domain.errors import BadInput
from winnow.domain.money import Unit
from winnow.evidence.artifact import Producer
from winnow.evidence.upload_manifest import check_vehicle_name
from winnow.ports.frame_source import FrameSource
from winnow.ports.signatures import Signer
from winnow.runtime.cloud_set import cloud_set_bytes, read_cloud_set
from winnow.runtime.upload_looking import OnProgress, look_at
from winnow.runtime.upload_planning import UploadOptions, UploadPlan, plan_upload
from winnow.runtime.uploading import SentUpload, send_upload
from winnow.strategies.upload import OBSERVATIONS_MAX

app = typer.Typer(
    add_completion=False,
    invoke_without_command=True,
    rich_markup_mode="rich",
    help="Send, from a vehicle, the segments that show the cloud most of what it does not know.",
)
BYTES, MILLISECONDS = Unit("bytes"), Unit("gpu_ms")
SEGMENTS_SHOWN = 20


@app.callback()
def upload(
    context: typer.Context,
    vehicle: Annotated[str, typer.Option(help="This vehicle's name.", show_default=False)] = "",
    source: Annotated[
        Path | None,
        typer.Option(help="Its recordings: a folder, COCO .json or .npz.", show_default=False),
    ] = None,
    budget_bytes: Annotated[
        str, typer.Option(help="What may be sent, e.g. 500MB.", show_default=False)
    ] = "",
    storage_bytes: Annotated[
        str, typer.Option(help="What the vehicle keeps until its next upload.", show_default=False)
    ] = "",
    retention: Annotated[
        str, typer.Option(help="How long it keeps a segment, e.g. 72h.", show_default=False)
    ] = "",
    next_window: Annotated[
        str, typer.Option(help="Until it can upload again, e.g. 24h.", show_default=False)
    ] = "",
    last_chance: Annotated[
        Literal["first", "alike"],
        typer.Option(help="Segments lost before the next upload go first, or by worth alone."),
    ] = "first",
    cloud_set: Annotated[
        Path | None,
        typer.Option(help="What the cloud knows: see cloud-set, or .npy.", show_default=False),
    ] = None,
    embeddings: Annotated[
        Path | None,
        typer.Option(help="Embeddings (.npy), row i for frame i; computed if not given."),
    ] = None,
    encoder_version: Annotated[str, typer.Option(help="Which encoder those are of.")] = "",
    scores: Annotated[
        Path | None,
        typer.Option(help="Uncertainty of the local model (.npy), number i for frame i."),
    ] = None,
    model_version: Annotated[str, typer.Option(help="Of that model, for the record.")] = "",
    segment_frames: Annotated[int, typer.Option(min=1, help="Frames of a segment at most.")] = 64,
    segment_gap_seconds: Annotated[
        float, typer.Option(min=0, help="A pause this long ends a segment.")
    ] = 60.0,
    observations: Annotated[
        int, typer.Option(min=1, help="Measure coverage on so many frames at most.")
    ] = OBSERVATIONS_MAX,
    seed: Annotated[int, typer.Option(min=0, help="Draws them.")] = 0,
    valid: Annotated[str, typer.Option(help="The cloud takes the manifest for so long.")] = "30d",
    key: Annotated[
        Path | None, typer.Option(help="Private key (keygen) that signs.", show_default=False)
    ] = None,
    to: Annotated[
        str,
        typer.Option(
            envvar="WINNOW_UPLOAD_TO",
            show_envvar=True,
            help="Object store: a folder, or s3://…",
            show_default=False,
        ),
    ] = "",
    labels: Annotated[
        bool,
        typer.Option(
            "--labels",
            help="Send known labels along (of a folder: sub-folders are classes), for trying "
            "things out with scripted annotators.",
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Choose, and send nothing.")] = False,
) -> None:
    """Choose segments under bytes, send their frames and a signed manifest.

    Killed and started again it sends what is missing; done twice it sends nothing.

    [bold]winnow upload --vehicle v7 --source recordings/ --budget-bytes 500MB
    --cloud-set cloud.npz --key v7.key.pem --to s3://…[/bold]
    """
    if context.invoked_subcommand is not None:
        return
    needed = {"--vehicle": vehicle, "--source": source, "--budget-bytes": budget_bytes}
    if not dry_run:
        needed |= {"--key": key, "--to": to}
    missing = [name for name, value in needed.items() if not value]
    if missing or source is None:
        msg = f"winnow upload: expected {', '.join(missing)} as well (see winnow upload --help)"
        raise BadInput(msg)
    check_vehicle_name(vehicle)
    options = UploadOptions(
        vehicle=vehicle,
        budget_bytes=parse_amount(budget_bytes, BYTES),
        storage_bytes=parse_amount(storage_bytes, BYTES) if storage_bytes else None,
        retention=_duration(retention) if retention else None,
        next_window=_duration(next_window) if next_window else None,
        last_chance=last_chance,
        segment_frames=segment_frames,
        segment_gap=timedelta(seconds=segment_gap_seconds),
        model_version=model_version,
        seed=seed,
        observations_max=observations,
        valid=_duration(valid),
        labels=labels,
    )
    known = None if cloud_set is None else read_cloud_set(_read(cloud_set), where=str(cloud_set))
    weights = None if scores is None else _array(scores, 1).astype(np.float64)
    frames = open_source(source, has_classes=labels)
    _check_scores(weights, frames)
    signer = None if dry_run or key is None else _signer(key)
    with bars() as show:
        look = look_at(
            frames,
            vehicle=vehicle,
            encoder=PixelEncoder(),
            given=None if embeddings is None else _array(embeddings, 2).astype(np.float32),
            given_version=encoder_version,
            on_progress=show,
        )
        plan = plan_upload(look, options, known=known, scores=weights, now=SystemClock().now())
        sent = None if signer is None else _send(plan, frames, signer, to, show)
    lines = _arrived(sent, to) if sent else ["nothing was sent (--dry-run)"]
    screen = screen_of_width()
    for part in (*_told(plan, frames), *lines):
        screen.print(part, highlight=False, soft_wrap=True)


def _signer(key: Path) -> Signer:
    from winnow.adapters.ed25519_keys import Ed25519Signer

    return Ed25519Signer(key)


def _send(
    plan: UploadPlan, frames: FrameSource, signer: Signer, to: str, show: OnProgress
) -> SentUpload:
    return send_upload(
        plan,
        frames,
        blobs=store_at(to),
        signer=signer,
        producer=Producer(service="vehicle", version=version("winnow"), commit=""),
        now=SystemClock().now(),
        on_progress=show,
    )


def _told(plan: UploadPlan, frames: FrameSource) -> list[RenderableType]:
    """Say what was chosen, what was not, and why."""
    look, choice, options = plan.look, plan.choice, plan.options
    chosen = [plan.segments[group] for group in choice.order]
    mean_before, mean_after = (
        value / max(1, choice.n_observations)
        for value in (choice.coverage_before, choice.coverage_after)
    )
    gained = choice.coverage_after - choice.coverage_before
    possible = choice.coverage_ceiling - choice.coverage_before
    share = f", at least {100 * gained / possible:.0f} % of what is possible" if possible else ""
    lines: list[RenderableType] = [
        f"{options.vehicle}: {len(look.usable)} frames in {len(plan.segments)} segments to choose "
        f"from; {len(chosen)} segments with {len(plan.sent)} frames chosen, "
        f"{decimal(choice.used_bytes)} of {decimal(options.budget_bytes)}",
        *(f"  {note}" for note in frames.notes),
        f"  coverage of {choice.n_observations} observations: mean similarity to the cloud's "
        f"frames {mean_before:.4f}, then {mean_after:.4f}{share}",
    ]
    for count, what in (
        (len(look.blocked), "blocked for privacy: neither looked at nor sent"),
        (len(look.unreadable), "unreadable"),
    ):
        if count:
            lines.append(f"  {count} frame(s) {what}")
    return [*lines, _table(plan)] if plan.segments else lines


def _table(plan: UploadPlan) -> Table:
    table = Table("segment", "frames", "size", "rank", "utility", "why", box=None)
    verdicts = plan.choice.verdicts
    left = [group for group in range(len(verdicts)) if verdicts[group].rank is None]
    left.sort(key=lambda group: -verdicts[group].utility)
    groups = [*plan.choice.order, *left]
    for group in groups[:SEGMENTS_SHOWN]:
        segment, verdict = plan.segments[group], verdicts[group]
        table.add_row(
            segment.name,
            str(len(segment.positions)),
            decimal(segment.size_bytes),
            "" if verdict.rank is None else str(verdict.rank),
            f"{verdict.utility:.4g}",
            verdict.reason if verdict.kept else f"{verdict.reason}; will be overwritten",
        )
    if len(groups) > SEGMENTS_SHOWN:
        table.add_row(f"… and {len(groups) - SEGMENTS_SHOWN} more", "", "", "", "", "")
    return table


def _arrived(sent: SentUpload, to: str) -> list[str]:
    state = "was sent before; nothing was sent again" if sent.sent_before else "sent"
    until = f"{sent.manifest.expires_at:%Y-%m-%d %H:%M} UTC"
    return [
        f"manifest {sent.ref.key} {state}; valid until {until}",
        f"in the cloud: winnow ingest {sent.ref.key}" + ("" if "://" in to else f" --from {to}"),
    ]


@app.command("keygen")
def keygen(
    vehicle: Annotated[str, typer.Option(help="The vehicle's name.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder for the two files.")] = Path(),
) -> None:
    """Make a vehicle's keys: VEHICLE.key.pem stays on it, VEHICLE.pem is registered.

    [bold]winnow upload keygen --vehicle v7[/bold]
    """
    from winnow.adapters.ed25519_keys import write_key_pair

    private, public = write_key_pair(out, vehicle)
    typer.echo(f"{private}: keep it on the vehicle, and nowhere else")
    typer.echo(
        f"{public}: register the vehicle by copying it into the folder `{KEY_FOLDER}` of the state "
        "folder (or the one that winnow ingest --vehicle-keys names)"
    )


@app.command("cloud-set")
def cloud_set_file(
    file: Annotated[Path, typer.Argument(help="Where to write it (.npz).", show_default=False)],
    limit: Annotated[
        int | None, typer.Option(min=1, help="Embeddings of so many frames at most, drawn.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws them.")] = 0,
    state: State = STATE_DEFAULT,
    ledger_url: LedgerUrl = "",
    blobs_url: BlobsUrl = "",
) -> None:
    """In the cloud: write what it knows, for vehicles to choose against.

    [bold]winnow upload cloud-set cloud.npz --limit 20000[/bold]
    """
    with stores(state, ledger_url, blobs_url) as (ledger, blobs):
        data = cloud_set_bytes(ledger, blobs, limit=limit, seed=seed)
    file.write_bytes(data)
    known = read_cloud_set(data, where=str(file))
    typer.echo(
        f"{file}: embeddings of {len(known.embeddings)} frames by {known.encoder_version}, "
        f"{len(known.frame_ids)} frame ids, {decimal(len(data))}"
    )


def _duration(text: str) -> timedelta:
    return timedelta(milliseconds=parse_amount(text, MILLISECONDS))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        msg = f"{path}: expected a readable file, found: {error.strerror or error}"
        raise BadInput(msg) from error


def _array(path: Path, axes: int) -> npt.NDArray[np.generic]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        msg = f"{path}: expected an array (.npy), found: {error}"
        raise BadInput(msg) from error
    if not isinstance(array, np.ndarray) or array.ndim != axes or array.dtype.kind not in "fiu":
        msg = f"{path}: expected numbers in {axes} dimension(s), found something else"
        raise BadInput(msg)
    return array


def _check_scores(weights: npt.NDArray[np.float64] | None, frames: FrameSource) -> None:
    if weights is not None and len(weights) != frames.n_frames:
        msg = f"scores: expected one for each of {frames.n_frames} frames, found {len(weights)}"
        raise BadInput(msg)
