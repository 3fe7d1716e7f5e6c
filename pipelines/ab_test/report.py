"""One page that a manager can read: what was compared, what came out, what it does not show."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from html import escape

import numpy as np

from ab_test.methods import METHODS
from ab_test.results import (
    ALL_CLASSES,
    INTEREST,
    REFERENCE,
    TESTS,
    UNION,
    PlaceResult,
    verdicts,
)

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 0.8rem 0 } td, th { padding: 0.25rem 0.8rem;
border-bottom: 1px solid #ddd; text-align: right }
td:first-child, th:first-child { text-align: left } td { white-space: nowrap }
img { max-width: 100% } .yes { color: #18794e } .no { color: #b42318 } small { color: #666 }
"""


def render(
    places: Sequence[PlaceResult],
    *,
    improvements: bytes,
    galleries: Mapping[str, bytes],
    failed: Mapping[str, str],
) -> str:
    """Give the page as self-contained HTML.

    Parameters
    ----------
    improvements
        PNG of the bars.
    galleries
        Place → PNG of the frames that the committee chose first.
    failed
        Place → why it has no result.
    """
    parts = [
        "<h1>A/B: the committee's choice against manual curation</h1>",
        _summary(places),
        _image(improvements, "improvement of each method against the reference"),
        "<h2>What the labels were worth</h2>",
        *_improvement_tables(places),
        "<h2>What was labeled</h2>",
        _chosen_table(places),
        "<h2>By size of object</h2>",
        _size_table(places),
        "<h2>How it was done</h2>",
        _method(places),
        *(f"<h2>First choices of the committee: {escape(name)}</h2>{_image(png, 'gallery')}"
          for name, png in galleries.items()),
        *(f"<p class=no>{escape(name)}: {escape(why)}</p>" for name, why in failed.items()),
    ]  # fmt: skip
    body = "\n".join(parts)
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Winnow A/B</title>"
        f"<style>{STYLE}</style><body>{body}</body></html>"
    )


def markdown(places: Sequence[PlaceResult]) -> str:
    """Give the verdicts as a note."""
    lines = ["# A/B: the committee's choice against manual curation", ""]
    lines += [
        f"- {verdict.question}: **{verdict.n_yes} of {verdict.n_places}** ({verdict.detail})"
        for verdict in verdicts(places)
    ]
    return "\n".join(lines) + "\n"


def _summary(places: Sequence[PlaceResult]) -> str:
    items = "".join(
        f"<li class={'yes' if 5 * v.n_yes >= 4 * v.n_places else 'no'}>{escape(v.question)}: "
        f"<b>{v.n_yes} of {v.n_places}</b> <small>({escape(v.detail)})</small></li>"
        for v in verdicts(places)
    )
    names = ", ".join(escape(place.name) for place in places)
    return f"<p>Places: {names}.</p><ul>{items}</ul>"


def _improvement_tables(places: Sequence[PlaceResult]) -> Iterator[str]:
    groups = (*places[0].setting.interest, INTEREST, ALL_CLASSES)
    for test in TESTS:
        rows = []
        for of in groups:
            cells = [_mean_cell(places, method, test, of) for method in METHODS]
            rows.append(f"<tr><td>{escape(of)}</td><td>{_reference(places, test, of)}</td>"
                        + "".join(cells) + "</tr>")  # fmt: skip
        head = "".join(f"<th>{escape(method)}</th>" for method in METHODS)
        yield (
            f"<h3>Test set: {escape(test)}</h3><table><tr><th>weighted AP, overlap 0.5</th>"
            f"<th>{REFERENCE}</th>{head}</tr>{''.join(rows)}</table>"
        )
    yield (
        "<p><small>Mean over places: average precision of the model trained with each method's "
        "labels, and its relative change against the reference model where that finds anything; in "
        "brackets the 95 % "
        "interval drawn over places, or over sessions if there is one place.</small></p>"
    )


def _reference(places: Sequence[PlaceResult], test: str, of: str) -> str:
    found = [place.improvement(METHODS[0], test, of) for place in places]
    values = [one.reference for one in found if one is not None]
    return f"{np.mean(values):.3f}" if values else "–"


def _mean_cell(places: Sequence[PlaceResult], method: str, test: str, of: str) -> str:
    found = [one for place in places if (one := place.improvement(method, test, of)) is not None]
    if not found:
        return "<td>–</td>"
    value = np.mean([one.value for one in found])
    known = [one for one in found if one.relative is not None]
    if not known:
        return f"<td>{value:.3f}</td>"
    relative = np.array([one.relative for one in known])
    low, high = known[0].low, known[0].high
    if len(known) > 1:
        rng = np.random.Generator(np.random.Philox(key=0))
        drawn = rng.choice(relative, size=(1000, len(relative))).mean(axis=1)
        low, high = np.quantile(drawn, [0.025, 0.975]).tolist()
    interval = "" if low is None or high is None else f" [{100 * low:+.0f}, {100 * high:+.0f}]"
    return f"<td>{value:.3f} ({100 * relative.mean():+.0f} %{interval})</td>"


def _chosen_table(places: Sequence[PlaceResult]) -> str:
    names = places[0].class_names
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    rows = []
    for method in METHODS:
        chosen = [one for place in places for one in place.chosen if one.method == method]
        objects = "".join(
            f"<td>{np.mean([one.objects.get(name, 0) for one in chosen]):.0f}</td>"
            for name in names
        )
        rows.append(
            f"<tr><td>{escape(method)}</td>"
            f"<td>{np.mean([len(one.frame_ids) for one in chosen]):.0f}</td>"
            f"<td>{np.mean([one.n_sessions for one in chosen]):.1f}</td>"
            f"<td>{np.mean([one.n_empty for one in chosen]):.0f}</td>{objects}"
            f"<td>{np.mean([one.effort_hours for one in chosen]):.2f} h</td></tr>"
        )
    setting = places[0].setting
    return (
        "<table><tr><th>mean over places</th><th>frames</th><th>sessions</th><th>empty</th>"
        f"{head}<th>effort</th></tr>{''.join(rows)}</table>"
        f"<p><small>Effort: {setting.seconds_per_frame:g} s a frame and "
        f"{setting.seconds_per_box:g} s a box.</small></p>"
    )


def _size_table(places: Sequence[PlaceResult]) -> str:
    rows = []
    for of in places[0].setting.interest:
        bins = dict.fromkeys(
            name for place in places for score in place.scores
            if score.of == of and score.test == UNION for name in score.sizes
        )  # fmt: skip
        for name in sorted(bins, key=_first_number):
            cells = "".join(
                f"<td>{_size_mean(places, method, of, name)}</td>"
                for method in (REFERENCE, *METHODS)
            )
            rows.append(f"<tr><td>{escape(of)}, {escape(name.replace('_', ' '))}</td>{cells}</tr>")
    head = "".join(f"<th>{escape(method)}</th>" for method in (REFERENCE, *METHODS))
    return f"<table><tr><th>AP on tests of A and B</th>{head}</tr>{''.join(rows)}</table>"


def _first_number(name: str) -> float:
    numbers = [float(word) for word in name.split("_") if word.replace(".", "").isdigit()]
    return -1.0 if name.startswith("below") else numbers[0]


def _size_mean(places: Sequence[PlaceResult], method: str, of: str, size: str) -> str:
    values = [
        score.sizes[size]
        for place in places
        for score in place.scores
        if (score.of, score.method, score.test) == (of, method, UNION) and size in score.sizes
    ]
    return f"{np.mean(values):.3f}" if values else "–"


def _method(places: Sequence[PlaceResult]) -> str:
    setting = places[0].setting
    blocked = ", ".join(
        f"{escape(gate)} {count}" for gate, count in _blocked(places).items()
    ) or "none"  # fmt: skip
    times = "once" if setting.n_splits == 1 else f"{setting.n_splits} times"
    tags = ", ".join(f"{name} in {list(values)}" for name, values in setting.pool_tags.items())
    return (
        f"<p>A committee of {setting.members} was trained on {setting.reference_frames} reference "
        f"labels as recorded. Each method then had {setting.batch_frames} frames labeled, of a "
        f"pool of frames with {escape(tags) or 'any tags'} ({_range(p.n_pool for p in places)} a "
        f"place). <b>Committee</b>: mutual information of the members' calibrated maps, mean per "
        f"class; {escape(' and '.join(setting.interest))} take turns; one frame of a duplicate "
        f"cluster, {setting.gap_seconds:g} s between frames. <b>Manual</b>: a curator who sees "
        f"where objects of these classes really are takes the densest stretches of "
        f"{setting.segment_frames} frames. <b>Random</b>: a simple random sample. Models were "
        f"trained anew on reference and method's labels, {times} with "
        f"{setting.test_share:.0%} of them kept for testing; sessions and near-duplicates are "
        f"never on both sides, for any method. Frames that gates blocked: {blocked}.</p>"
    )


def _blocked(places: Sequence[PlaceResult]) -> dict[str, int]:
    total: dict[str, int] = {}
    for place in places:
        for gate, count in place.blocked.items():
            total[gate] = total.get(gate, 0) + count
    return total


def _range(values: Iterator[int]) -> str:
    known = sorted(values)
    return f"{known[0]}" if known[0] == known[-1] else f"{known[0]} to {known[-1]}"


def _image(png: bytes, words: str) -> str:
    return (
        f'<img alt="{escape(words)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
    )
