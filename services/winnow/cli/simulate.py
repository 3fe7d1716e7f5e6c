"""`winnow simulate`: write the recording of a simulated town as a COCO folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from winnow.cli.bars import bars
from winnow.testing.roads.coco_folder import ANNOTATIONS, write_coco
from winnow.testing.roads.setting import PREFIX, RoadsSetting, setting_of

DEFAULT = RoadsSetting()
NAMES = ", ".join(asdict(DEFAULT))


def simulate(
    out: Annotated[Path, typer.Argument(help="Folder to write; empty, or begun by the same call.")],
    town: Annotated[int, typer.Option(help="Which town: streets, people, traffic.")] = DEFAULT.town,
    frames: Annotated[int, typer.Option(help="How many frames.")] = DEFAULT.frames,
    seed: Annotated[int, typer.Option(help="Another seed, other towns.")] = DEFAULT.seed,
    width: Annotated[int, typer.Option(help="Pixels.")] = DEFAULT.width,
    height: Annotated[int, typer.Option(help="Pixels.")] = DEFAULT.height,
    more: Annotated[
        str, typer.Option(help=f"Further parameters, as night_share=0.3,vehicles=5. All: {NAMES}.")
    ] = "",
) -> None:
    """Draw roads by day and night with exact boxes, as a COCO folder to look at.

    The same call gives the same bytes. To register a town without writing it:
    [bold]winnow ingest roads:town=3,frames=2000[/bold].
    """
    named = f"town={town},frames={frames},seed={seed},width={width},height={height},{more}"
    setting = setting_of(PREFIX + named)
    with bars() as show:
        n_boxes = write_coco(setting, out, on_progress=show)
    screen = Console(highlight=False, soft_wrap=True)
    screen.print(f"{out / ANNOTATIONS}: {setting.frames} frames, {n_boxes} boxes", markup=False)
