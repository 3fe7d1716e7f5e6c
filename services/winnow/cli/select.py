"""`winnow select`: a batch from files alone, without any service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from winnow.domain.errors import BadInput


def select(
    frames: Annotated[
        Path | None,
        typer.Option(
            help="Parquet with frame_id and, as far as the policy asks for them: session, "
            "captured_at, cluster, vehicle, site, price_micros, tags, score columns; for a policy "
            "of detection what the committee says: map_information:CLASS of each class, or "
            "map_information, and box_entropy_max, _mean or _sum if the policy names it.",
        ),
    ] = None,
    embeddings: Annotated[
        Path | None, typer.Option(help="Embeddings, .npy \\[frames, D]; row i is frame i.")
    ] = None,
    probs: Annotated[
        Path | None,
        typer.Option(
            help="The committee's calibrated probabilities, .npy \\[frames, members, classes] or "
            "\\[frames, classes]; row i is frame i. Detection needs none."
        ),
    ] = None,
    labeled: Annotated[
        Path | None,
        typer.Option(
            help="Frames that have a label: a frame_id a line, or `frame_id class`. They leave "
            "the pool and are what new frames keep away from. Detection counts no classes here."
        ),
    ] = None,
    examples: Annotated[
        Path | None,
        typer.Option(
            help="What to look for, e.g. known failures: .npy \\[examples, D], or "
            "a frame_id a line."
        ),
    ] = None,
    policy: Annotated[
        str,
        typer.Option(help="Policy file, or a preset's name; the default policy without it."),
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="Folder for batch.parquet and manifest.json.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace another selection that lies in --out.")
    ] = False,
    budget_micros: Annotated[
        int | None,
        typer.Option(min=0, help="Money for labels in micros; without it the policy's cap alone."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**64 - 1, help="Of every random draw; without it the policy's."),
    ] = None,
    class_names: Annotated[
        str,
        typer.Option(
            help="Classes in the order of the probabilities: apart by commas, or a file with one "
            "a line."
        ),
    ] = "",
    round_number: Annotated[
        int | None,
        typer.Option("--round", min=0, help="Number of the round, for the policy's cold rounds."),
    ] = None,
    device: Annotated[
        str,
        typer.Option(help="Where distances are measured: cpu, cuda, faiss, auto. Same batch."),
    ] = "cpu",
    replay: Annotated[
        Path | None,
        typer.Option(
            help="Folder of an earlier selection: choose it again and compare every byte."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Choose a batch from files alone: no service, no ledger, the same batch on every machine.

    [bold]winnow select --frames frames.parquet --embeddings emb.npy --probs probs.npy
    --labeled labeled.txt --policy policy.yaml --out DIR[/bold]

    Only what the policy needs is read: arrays are memory-mapped, columns of the table by name.
    DIR gets batch.parquet (rank, frame_id, utility, reason, inclusion and draw probability,
    price, arm), manifest.json (digests of all inputs, policy, seed, versions), and
    refused.parquet if rows hold no numbers (NaN) or no probabilities: they are left out. Another
    selection that lies there stays, and is told; the same again changes nothing.

    [bold]winnow select --replay DIR[/bold] chooses it again and says which byte differs, if one
    does.
    """
    inputs = {
        "frames": frames, "embeddings": embeddings, "probs": probs,
        "labeled": labeled, "examples": examples,
    }  # fmt: skip
    if replay is not None:
        other = policy or out or class_names or overwrite
        if other or budget_micros is not None or seed is not None or round_number is not None:
            msg = (
                "--replay: expected only inputs that lie elsewhere now; all else is in its manifest"
            )
            raise BadInput(msg)
        _replay(replay, {name: path for name, path in inputs.items() if path}, as_json=as_json)
        return
    if frames is None or out is None:
        msg = "expected --frames and --out, or --replay; see winnow select --help"
        raise BadInput(msg)
    _select(
        inputs, policy, out, budget_micros, seed, class_names, round_number, device,
        overwrite=overwrite, as_json=as_json,
    )  # fmt: skip


def _select(
    inputs: dict[str, Path | None],
    policy: str,
    out: Path,
    budget_micros: int | None,
    seed: int | None,
    class_names: str,
    round_number: int | None,
    device: str,
    *,
    overwrite: bool,
    as_json: bool,
) -> None:
    from winnow.cli.bars import bars
    from winnow.cli.policy import policy_named
    from winnow.cli.select_files import read_names
    from winnow.cli.select_inputs import Question
    from winnow.cli.select_run import select_into
    from winnow.cli.select_summary import summary

    parsed = policy_named(policy)
    frames = inputs.pop("frames")
    assert frames is not None
    question = Question(
        frames=frames,
        policy=parsed,
        class_names=read_names(class_names) or parsed.label.class_names,
        budget_micros=budget_micros,
        seed=parsed.seed if seed is None else seed,
        round_number=round_number,
        device=device,
        **inputs,
    )
    with bars() as show:
        selected = select_into(out, question, show, overwrite=overwrite)
    if as_json:
        print(selected.output.manifest.decode(), end="")
        return
    for line in summary(out, selected):
        print(line)


def _replay(folder: Path, given: dict[str, Path], *, as_json: bool) -> None:
    from winnow.cli.bars import bars
    from winnow.cli.select_run import replay_in

    with bars() as show:
        found = replay_in(folder, given, show)
    if as_json:
        document = {"identical": not found.difference, "first_difference": found.difference}
        print(json.dumps(document, indent=2, sort_keys=True))
    elif found.difference:
        print(f"{folder}: differs\n  {found.difference}")
    else:
        print(f"{folder}: identical, byte for byte ({found.n_frames} frames)")
    raise typer.Exit(1 if found.difference else 0)
