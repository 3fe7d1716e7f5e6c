"""`winnow ingest`: register the frames that lie at a path, or that a vehicle sent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.filesize import decimal

from winnow.adapters.frame_sources.payload_answer import Thresholds
from winnow.adapters.pixel_encoder import PixelEncoder
from winnow.adapters.system_clock import SystemClock
from winnow.cli.bars import bars
from winnow.cli.door import STATE_DEFAULT
from winnow.cli.sent import KEY_FOLDER, SentTo, VehicleKeyFolder, is_sent, open_sent
from winnow.cli.sources import source_named
from winnow.cli.state_folder import made
from winnow.cli.stores import BlobsUrl, LedgerUrl, State, stores
from winnow.ports.blobs import Blobs
from winnow.ports.frame_source import FrameSource
from winnow.ports.ledger import Ledger
from winnow.runtime.ingestion import IngestOptions, IngestReport, ingest_frames

TOPIC_PREFIX = IngestOptions().topic_prefix
CLASSES_TOLD = 20
"""Names of classes on the screen; there may be thousands."""


def ingest(
    path: Annotated[
        Path,
        typer.Argument(
            help="Folder of images, COCO .json, .npz, BDD100K (its folder, or one of its label "
            "files), a simulated town (roads:town=3,frames=2000), records of KServe's payload "
            "logger (a file, folder or topic, with --format payload-log), or a vehicle's upload "
            "manifest: its file, or its key in the object store."
        ),
    ],
    holdout: Annotated[
        float, typer.Option(help="Share kept aside to measure the committee, never queried.")
    ] = 0.0,
    by: Annotated[
        str, typer.Option(help="Keep whole `session`s or near-duplicate `cluster`s together.")
    ] = "",
    source: Annotated[
        str,
        typer.Option(
            help="Name of the source; by default its path's, of a payload log `production`."
        ),
    ] = "",
    labels: Annotated[
        str,
        typer.Option(
            help="Known labels of a COCO file: the largest box's `class`, or all `boxes`; of "
            "BDD100K `weather` (the default), `scene`, `timeofday` or `boxes`."
        ),
    ] = "",
    layout: Annotated[
        str,
        typer.Option(
            "--format",
            help="`bdd100k`, should it not be found out by itself; `payload-log`: frames that a "
            "serving committee was not sure of.",
        ),
    ] = "",
    confidence_below: Annotated[
        float | None,
        typer.Option(
            help="Of a payload log: take frames whose best class (of detection: least certain box, "
            "there or not) has less than this mean probability …",
            show_default="0.6; of detection 0.55",
        ),
    ] = None,
    disagreement_above: Annotated[
        float | None,
        typer.Option(
            help="… or about which the members disagree by more nats of mutual information (of "
            "detection: the mean over their maps).",
            show_default="0.1; of detection 0.001",
        ),
    ] = None,
    bus_url: Annotated[
        str,
        typer.Option(
            help="Of a payload log in a topic, which is then named instead of a path: its Kafka, "
            "kafka://user:password@host:port,host:port?tls_ca=/path."
        ),
    ] = "",
    vehicle: Annotated[str, typer.Option(help="Which vehicle recorded it.")] = "",
    limit: Annotated[int | None, typer.Option(help="Take so many frames, evenly spaced.")] = None,
    vehicle_keys: VehicleKeyFolder = None,
    from_: SentTo = "",
    state: State = STATE_DEFAULT,
    ledger_url: LedgerUrl = "",
    blobs_url: BlobsUrl = "",
    prefix: Annotated[
        str, typer.Option(envvar="WINNOW_TOPIC_PREFIX", help="A cluster's topicPrefix.")
    ] = TOPIC_PREFIX,
) -> None:
    """Register frames: a folder, COCO file, .npz, BDD100K, a payload log, or a vehicle's upload.

    Sub-folders of a folder are known labels, used by scripted annotators and the holdout only.
    Running it again registers what is new and pays for nothing twice. A vehicle's upload is
    verified first: signature, expiry, every frame's bytes. Of a payload log those frames are
    taken that a committee in production answered with low confidence or disagreement.
    """
    options = IngestOptions(
        source_name=source,
        holdout_share=holdout,
        holdout_by=by,
        limit=limit,
        vehicle=vehicle,
        topic_prefix=prefix,
    )
    sent = is_sent(path)
    thresholds = Thresholds(confidence_below, disagreement_above)
    frames = (
        None
        if sent
        else source_named(
            path, labels=labels, layout=layout, thresholds=thresholds, bus_url=bus_url
        )
    )
    folder = state if ledger_url or blobs_url else made(state)
    with stores(folder, ledger_url, blobs_url) as (ledger, blobs):
        if frames is None:
            keys = vehicle_keys or folder / KEY_FOLDER
            frames, options = open_sent(path, options, blobs, keys=keys, sent_to=from_)
        report = _ingest(frames, options, ledger, blobs)
    screen = Console(highlight=False, soft_wrap=True)
    for line in summary(report):
        screen.print(line, markup=False)


def _ingest(
    source: FrameSource, options: IngestOptions, ledger: Ledger, blobs: Blobs
) -> IngestReport:
    with bars() as show:
        return ingest_frames(
            source,
            ledger=ledger,
            blobs=blobs,
            clock=SystemClock(),
            options=options,
            encoder=PixelEncoder(),
            on_progress=show,
        )


def summary(report: IngestReport) -> list[str]:
    """Say in a few lines what was registered."""
    told = (
        f"{report.n_frames} frames read, {report.n_pool} new in the pool "
        f"({report.n_shards} shard(s)), {report.n_holdout} new in the holdout, "
        f"{report.n_known} already known; {decimal(report.bytes_paid)} paid for"
    )
    lines = [
        f"{report.source}: {told if report.n_frames else 'no frame is taken'}",
        *(f"  {note}" for note in report.notes),
    ]
    if report.class_names:
        told_classes = ", ".join(report.class_names[:CLASSES_TOLD])
        n_more = len(report.class_names) - CLASSES_TOLD
        lines.append(f"  classes: {told_classes}{f' and {n_more} more' if n_more > 0 else ''}")
    plan = report.holdout
    if plan.by:
        lines.append(
            f"  holdout: {len(plan.positions)} frames; whole {plan.by}s, of {plan.n_groups}"
        )
    if plan.n_leaks:
        lines.append(
            f"  {plan.n_leaks} frame(s) of the pool look almost like one of the holdout: "
            "--by cluster keeps them together"
        )
    return lines
