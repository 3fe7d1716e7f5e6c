"""The page of a round's evaluation: it stays readable however many classes there are."""

from __future__ import annotations

import re

import pytest

from retrain.plots import precision_recall_plot
from retrain.report import html_report
from winnow.contracts.manifests import Evaluation, Member, Members
from winnow.domain.blob_ref import BlobRef

FILE = BlobRef("file", "models/x", sha256="0" * 64, size_bytes=1, media_type="application/x-torch")


def names_of(n_classes: int) -> tuple[str, ...]:
    return tuple(f"class{c}" for c in range(n_classes))


def evaluated(n_classes: int) -> tuple[Members, Evaluation]:
    """Give a committee of two detectors; of later classes everything is worse."""
    names = names_of(n_classes)
    members = Members(
        committee_version="c0",
        round_id="r0",
        task="boxes",
        class_names=names,
        config={},
        dataset_sha256="0" * 64,
        members=tuple(
            Member(
                name=name,
                seed=1,
                checkpoint=FILE,
                temperatures=tuple(1.0 + c / 100 for c in range(n_classes)),
                step=1,
                metrics={},
                compute_ms=1,
            )
            for name in ("m0", "m1")
        ),
        metrics={},
        label_kind="detection",
    )
    worse = {name: c / 1000 for c, name in enumerate(names)}
    evaluation = Evaluation(
        committee_version="c0",
        round_id="r0",
        holdouts=(),
        n_holdout=100,
        n_left_out=0,
        committee={"map50": 0.5},
        members={"m0": {"train_loss": 0.1, "map50": 0.4}, "m1": {"map50": 0.3}},
        classes={name: {"ap": 0.4, "ap50": 0.9 - worse[name], "n": 7.0} for name in names},
        label_kind="detection",
        intervals={f"ap50:{name}": (0.1, 0.8) for name in names},
        slices={"time=night": {"n": 3.0, **{f"ap50:{name}": 0.1 for name in names}, "map50": 0.1}},
        calibration={f"map_ece:{name}": (error, "cells") for name, error in worse.items()},
        map_reliability=dict.fromkeys(names, ((0.5, 0.4, 9),)),
        curves={name: (1.0, 0.9 - worse[name], 0.0) for name in names},
    )
    return members, evaluation


def heads_of(page: str, section: str) -> list[str]:
    head, _, _ = page[page.index(f"<h2>{section}</h2>") :].partition("</tr>")
    return re.findall(r"<th>([^<]*)</th>", head)


def test_each_class_has_its_interval_beside_what_it_is_of() -> None:
    page = html_report(*evaluated(2))
    assert heads_of(page, "Classes") == ["", "n", "AP50", "95 % interval", "COCO AP"]
    row = "<td>class1</td><td>7</td><td>0.899</td><td>0.100 – 0.800</td><td>0.400</td>"
    assert row in page
    assert heads_of(page, "Members") == ["", "mAP50", "training loss"]


def test_an_interval_without_a_width_is_not_sold_as_certainty() -> None:
    members, evaluation = evaluated(2)
    assert "all sessions agree" not in html_report(members, evaluation)
    agreed = evaluation.model_copy(update={"intervals": {"map50": (1.0, 1.0)}})
    assert "where all sessions agree there is no spread" in html_report(members, agreed)


@pytest.mark.parametrize(("n_classes", "n_drawn"), [(3, 3), (40, 12)])
def test_of_many_classes_the_maps_with_the_largest_errors_are_drawn(
    n_classes: int, n_drawn: int
) -> None:
    page = html_report(*evaluated(n_classes))
    drawn = re.findall(r">map of (\w+)</text>", page)
    assert drawn == list(names_of(n_classes)[-n_drawn:])
    assert ("the 12 of 40 with the largest errors" in page) == (n_classes == 40)
    for name in names_of(n_classes):
        assert f"<td>map ECE of {name}</td>" in page, "the errors of all are told"


def test_tables_of_many_classes_grow_down_and_not_to_the_side() -> None:
    page = html_report(*evaluated(40))
    assert max(row.count("<th>") for row in page.split("</tr>")) <= 8
    assert "<td>class39</td><td>1.390</td><td>1.390</td>" in page, "temperatures of both members"
    assert heads_of(page, "Slices") == ["", "n", "mAP50"]
    assert "AP50 class1" in heads_of(html_report(*evaluated(2)), "Slices")


def test_of_many_curves_the_weakest_are_named_and_no_name_leaves_the_plot() -> None:
    plot = precision_recall_plot(evaluated(40)[1].curves)
    named = re.findall(r'<text x="[\d.]+" y="([\d.]+)" fill="[^"]*">([^<]*)</text>', plot)
    assert [name for _, name in named] == [*names_of(40)[-8:], "32 stronger classes"]
    (height,) = map(float, re.findall(r'<svg width="\d+" height="(\d+)"', plot))
    assert all(0 < float(y) < height for y, _ in named)
    assert plot.count("<polyline") == 40


def test_curves_of_few_classes_are_all_named_in_their_order() -> None:
    plot = precision_recall_plot(evaluated(3)[1].curves)
    assert "stronger" not in plot
    assert re.findall(r">(class\d)</text>", plot) == list(names_of(3))
