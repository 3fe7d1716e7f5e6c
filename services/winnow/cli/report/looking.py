"""The section of the report that shows frames as committees of detectors saw them."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from winnow.cli.report import drawing
from winnow.cli.report.facts import WorldFacts
from winnow.cli.report.looks import Glance, Look, boxes_in, looks
from winnow.ports.blobs import Blobs

FRAMES_MAX = 6
"""Frames of a round."""
LEAD = (
    "First frames that the policy chose in each round. Above, the committee that was asked: its "
    "boxes, and where its members disagree about each class; that disagreement chose the frame. "
    "Below, the next committee, which learned from its label. Heat is on one scale for all frames "
    "of a round."
)


def looking(
    facts: WorldFacts, blobs: Blobs, *, interest: Sequence[str], half_of: str
) -> Iterable[str]:
    """Give the section; nothing where no committee of detectors chose.

    Parameters
    ----------
    interest
        Classes whose heat is shown; none: all.
    half_of
        Tag of half of the frames, see `looks`.
    """
    shown = [
        (round_facts.number, found)
        for round_facts in facts.rounds
        if (found := looks(round_facts, blobs, frames_max=FRAMES_MAX, half_of=half_of))
    ]
    if not shown:
        return
    half = f" Half of them, if there are so many, have {half_of}." if half_of else ""
    yield f'<h2>What the committee saw</h2><p class="lead">{LEAD}{html.escape(half)}</p>'
    yield drawing.key(facts.class_names)
    classes = interest or facts.class_names
    for number, found in shown:
        yield f"<h3>Round {number}</h3>"
        glances = [glance for look in found for glance in (look.before, look.after) if glance]
        top = max(float(glance.heat[name].max()) for glance in glances for name in classes)
        for look in found:
            yield _row(look, facts.class_names, classes, top)


def _row(look: Look, class_names: Sequence[str], classes: Sequence[str], top: float) -> str:
    cells = _cells(look, look.before, "asked committee", class_names, classes, top)
    if look.after:
        cells += _cells(look, look.after, "next committee", class_names, classes, top)
    columns = f"grid-template-columns:repeat({1 + len(classes)},1fr)"
    tags = "".join(f", {name} {value}" for name, value in sorted(look.pick.tags.items()))
    why = html.escape(f"{look.pick.rank + 1} · {look.pick.reason}{tags}")
    return f'<div class="look" style="{columns}">{"".join(cells)}</div><p class="note">{why}</p>'


def _cells(
    look: Look,
    glance: Glance,
    who: str,
    class_names: Sequence[str],
    classes: Sequence[str],
    top: float,
) -> list[str]:
    """Give a row of pictures: boxes beside those of the label, and the heat of each class."""
    boxes = (*boxes_in(look.pick.label), *glance.boxes)
    picture = drawing.boxed(look.frame, boxes, class_names, width=drawing.SHOWN_PIXELS)
    return [
        _cell(picture, f"{who}: its boxes"),
        *(
            _cell(drawing.heated(look.frame, glance.heat[name], top=top), f"{who}: {name}?")
            for name in classes
        ),
    ]


def _cell(picture: str, title: str) -> str:
    return f"<div>{picture}<span>{html.escape(title)}</span></div>"
