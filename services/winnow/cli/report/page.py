"""The page: one HTML file with everything inside, readable from a mail attachment."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from winnow.cli.report import drawing, figures
from winnow.cli.report.facts import BudgetFacts, Pick, RoundFacts, WorldFacts, run_of
from winnow.cli.report.looking import looking
from winnow.cli.report.looks import boxes_in
from winnow.cli.report.measures import Measure
from winnow.cli.report.paired import Comparison, PairedDifference
from winnow.domain.boxes import objects_told
from winnow.domain.labels import DETECTION
from winnow.ports.blobs import Blobs

CONTACT_FRAMES_MAX = 60

STYLE = (
    """
:root { --ink:#22303c; --soft:#5b6b78; --line:#dfe5ea; --paper:#fbfcfd; --blue:#0b6e99;
        --orange:#c2571a; --green:#4d8b31; }
* { box-sizing:border-box }
body { margin:0; background:var(--paper); color:var(--ink);
       font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif }
main { max-width:1080px; margin:0 auto; padding:2.2rem 1.4rem 4rem }
h1 { font-size:1.75rem; margin:0 0 .2rem; letter-spacing:-.01em }
h2 { font-size:1.2rem; margin:2.8rem 0 .3rem; padding-top:1.1rem;
     border-top:1px solid var(--line) }
h3 { font-size:1rem; margin:1.6rem 0 .5rem }
p.lead { color:var(--soft); margin:.1rem 0 1rem; max-width:46rem }
.cards { display:grid; grid-template-columns:repeat(3,1fr); gap:.8rem; margin:1.5rem 0 .5rem }
@media (max-width:760px) { .cards { grid-template-columns:repeat(2,1fr) } }
.card { background:#fff; border:1px solid var(--line); border-radius:8px; padding:.8rem 1rem }
.card b { display:block; font-size:1.45rem; line-height:1.25; font-variant-numeric:tabular-nums }
.card span { color:var(--soft); font-size:.84rem }
figure { margin:.6rem 0; background:#fff; border:1px solid var(--line); border-radius:8px;
         padding:.8rem; overflow-x:auto }
figure svg { display:block; max-width:100%; height:auto; margin:0 auto }
table { border-collapse:collapse; width:100%; font-size:.9rem; background:#fff;
        border:1px solid var(--line); border-radius:8px }
th,td { text-align:right; padding:.35rem .7rem; border-bottom:1px solid var(--line);
        font-variant-numeric:tabular-nums }
th { color:var(--soft); font-weight:600 } th:first-child,td:first-child { text-align:left }
.sheet { display:grid; grid-template-columns:repeat(auto-fill,minmax(104px,1fr)); gap:.6rem }
.frame { background:#fff; border:1px solid var(--line); border-radius:6px; padding:.35rem;
         font-size:.7rem; line-height:1.3 }
.frame img { width:100%; aspect-ratio:1; object-fit:contain; background:#eef1f4;
             border-radius:3px; image-rendering:pixelated; display:block; margin-bottom:.25rem }
.frame b { font-size:.76rem } .frame .why { color:var(--soft) }
.frame.random { border-color:var(--orange) } .frame.random b { color:var(--orange) }
.frame s { color:#a33b52 } .frame code { overflow-wrap:anywhere }
.cluster { display:flex; gap:.35rem; align-items:center; flex-wrap:wrap; margin:.35rem 0 }
.cluster img { width:64px; height:64px; object-fit:contain; background:#eef1f4;
               image-rendering:pixelated; border:1px solid var(--line); border-radius:4px }
.cluster img:first-child { border:2px solid var(--green) }
.note { color:var(--soft); font-size:.85rem }
footer { margin-top:3rem; color:var(--soft); font-size:.82rem }
"""
    + drawing.STYLE
)


@dataclass(frozen=True, slots=True)
class Report:
    """All that goes into the page."""

    title: str
    facts: WorldFacts
    comparisons: tuple[Comparison, ...]
    """By each measure, the most telling one first."""
    replayed: tuple[int, int] | None = None
    """(rounds whose replay was identical, rounds replayed); none if not tried."""
    interest: tuple[str, ...] = ()
    """Classes whose disagreement is shown; none: all."""

    @property
    def measures(self) -> tuple[Measure, ...]:
        """What committees are told by."""
        return tuple(comparison.measure for comparison in self.comparisons)


def render(report: Report, blobs: Blobs) -> str:
    """Give the page as HTML text; thumbnails and figures are inside."""
    body = "".join(_sections(report, blobs))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{html.escape(report.title)}</title><style>{STYLE}</style></head>"
        f"<body><main>{body}</main></body></html>"
    )


def _sections(report: Report, blobs: Blobs) -> Iterable[str]:
    facts = report.facts
    yield f"<h1>{html.escape(report.title)}</h1>"
    yield (
        f'<p class="lead">{counted(len(facts.rounds), "round")} over {facts.n_frames:,} frames; '
        "committees "
        f"are measured on {facts.n_holdout:,} frames that were never in the pool.</p>"
    )
    yield _cards(report)
    measured = [comparison for comparison in report.comparisons if comparison.chosen.runs]
    if measured:
        yield _section("Learning curves", _curve_note(measured[0]))
    for comparison in measured:
        yield _figure(figures.learning_curves(comparison))
        if comparison.difference:
            points = signed_points(comparison.difference.mean)
            note = f"{comparison.measure.name}: {points} {_against(comparison.difference)}."
            yield f'<p class="note">{html.escape(note)}</p>'
    yield _section("Rounds", "What each round bought and what the committee then knew.")
    yield _rounds_table(facts.rounds, report.measures)
    yield from looking(facts, blobs, interest=report.interest, half_of=_slice(report))
    yield from _contact_sheets(facts, blobs)
    if histograms := figures.score_histograms(facts.rounds):
        yield _section(
            "Acquisition scores",
            "Worth of a label as the committee sees it: the eligible pool, and the batch out of "
            "it. The random arm and the search for variety take frames of low score too.",
        )
        yield _figure(histograms)
    if drawn := figures.embedding_map(facts):
        yield _section("Embedding map", "The pool by likeness (t-SNE), each batch on it.")
        yield _figure(drawn)
    yield from _duplicates(facts, blobs)
    yield _section("Money", "Integers of the smallest unit, two-phase, from the ledger's entries.")
    yield _figure(figures.budget_burn(facts.budgets))
    yield _money_table(facts.budgets)
    yield _section("Label states", "Where the label of every chosen frame stands now.")
    yield _figure(figures.label_states(facts.label_states))
    yield _footer(report)


def _slice(report: Report) -> str:
    return report.measures[0].slice if report.measures else ""


def _section(title: str, lead: str) -> str:
    return f'<h2>{html.escape(title)}</h2><p class="lead">{html.escape(lead)}</p>'


def _figure(svg: str) -> str:
    return f"<figure>{svg}</figure>" if svg else ""


def _cards(report: Report) -> str:
    facts = report.facts
    frames_of: Counter[str] = Counter()
    for round_facts in facts.rounds:
        frames_of[round_facts.batch_state] += len(round_facts.picks)
    cards = [(f"{frames_of['approved']:,}", "frames sent to annotators")]
    if frames_of["proposed"]:
        cards.append((f"{frames_of['proposed']:,}", "frames that wait for a person's approval"))
    cards.append((f"{facts.n_accepted:,}", "labels accepted"))
    for comparison in report.comparisons[:1]:
        if values := run_of(facts.rounds, comparison.measure)[1]:
            cards.append((f"{values[-1]:.1%}", f"{comparison.measure.name}, on the holdout"))
        if comparison.difference:
            difference = comparison.difference
            cards.append((signed_points(difference.mean), _against(difference)))
    for name, amount in cost_per_label(facts):
        cards.append((amount, name))
    cards.append((f"{sum(facts.refused.values()):,}", "frames refused before any money moved"))
    items = (
        f'<div class="card"><b>{html.escape(value)}</b><span>{html.escape(name)}</span></div>'
        for value, name in cards
    )
    return f'<div class="cards">{"".join(items)}</div>'


def signed_points(share: float) -> str:
    """Give a difference of shares in percentage points, with its sign."""
    return f"{share * 100:+.1f} points"


def _against(difference: PairedDifference) -> str:
    return (
        f"against random at {difference.labels} labels and equal money; "
        f"{counted(difference.n_seeds, 'paired seed')}, {difference.interval}"
    )


def counted(n: int, what: str) -> str:
    """Give a number and what it counts, in the plural where it is not one."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def cost_per_label(facts: WorldFacts) -> list[tuple[str, str]]:
    """Give (what, amount) of all money spent over accepted labels; denominator shown."""
    spent: dict[str, int] = {}
    for budget in facts.budgets:
        if budget.budget.unit.code.startswith("currency:"):
            currency = budget.budget.unit.code.removeprefix("currency:")
            spent[currency] = spent.get(currency, 0) + budget.balances.spent
    return [
        (
            f"per accepted label ({money(total, currency)} / {facts.n_accepted})",
            money(total // facts.n_accepted, currency, digits=4) if facts.n_accepted else "–",
        )
        for currency, total in sorted(spent.items())
    ]


def money(micros: int, currency: str, *, digits: int = 2) -> str:
    """Write micros as an amount of a currency."""
    return f"{micros / 1e6:,.{digits}f} {currency}"


def amount(value: int, unit: str) -> str:
    """Write an amount of a budget in its unit."""
    if unit.startswith("currency:"):
        return money(value, unit.removeprefix("currency:"))
    if unit == "bytes":
        return f"{value / 1e6:,.2f} MB"
    return f"{value:,} ms" if unit == "gpu_ms" else f"{value:,} {unit}"


def _curve_note(comparison: Comparison) -> str:
    n_seeds = len(comparison.chosen.runs)
    if comparison.control is None:
        return "What the committee's mean prediction is worth after each round."
    return (
        f"Mean over {counted(n_seeds, 'paired seed')} with its 95 % Student interval; thin lines "
        "are the single runs. Both sides spend the same."
    )


def _rounds_table(rounds: Sequence[RoundFacts], measures: Sequence[Measure]) -> str:
    names = ["round", "state", "frames", "random arm", "labels so far"]
    names += [measure.name for measure in measures]
    extra = [name for name in ("nll", "ece") if any(name in facts.metrics for facts in rounds)]
    names += [name.upper() for name in extra]
    rows = []
    for facts in rounds:
        n_random = sum(pick.arm in ("random", "both") for pick in facts.picks)
        values = [
            measure.of(facts.evaluation) if facts.evaluation else None for measure in measures
        ]
        values += [facts.metrics.get(name) for name in extra]
        cells = [
            f"{facts.number}", facts.state + (f": {facts.reason}" if facts.reason else ""),
            f"{len(facts.picks)}", f"{n_random}", f"{facts.n_labels}",
            *("–" if value is None else f"{value:.3f}" for value in values),
        ]  # fmt: skip
        rows.append("".join(f"<td>{html.escape(cell)}</td>" for cell in cells))
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _contact_sheets(facts: WorldFacts, blobs: Blobs) -> Iterable[str]:
    yield _section(
        "What was chosen, and why",
        "Every frame of each batch in its order. Orange: drawn by the random arm. "
        + (
            "White: the boxes that annotators drew."
            if facts.label_kind == DETECTION
            else "A struck class is the committee's suggestion that a person replaced."
        ),
    )
    for round_facts in facts.rounds:
        shown = round_facts.picks[:CONTACT_FRAMES_MAX]
        more = len(round_facts.picks) - len(shown)
        proposed = round_facts.batch_state == "proposed"
        cards = "".join(_card_of(pick, facts, blobs, with_id=proposed) for pick in shown)
        yield f"<h3>Round {round_facts.number}</h3>"
        if proposed:
            yield _how_to_decide(round_facts.batch_id)
        yield f'<div class="sheet">{cards}</div>'
        if more > 0:
            command = f"winnow batch show {html.escape(round_facts.batch_id)} --all"
            yield f'<p class="note">… and {more} more: <code>{command}</code></p>'


def _how_to_decide(batch_id: str) -> str:
    batch = html.escape(batch_id)
    return (
        f'<p class="note">It waits for a person: <code>winnow batch approve {batch}</code>, '
        f"or <code>winnow batch reject {batch}</code>, or, with the ids below the frames, "
        f"<code>winnow batch amend {batch} --remove ID --add ID --reason WHY</code>, which lets "
        "the changed batch go.</p>"
    )


def _card_of(pick: Pick, facts: WorldFacts, blobs: Blobs, *, with_id: bool) -> str:
    kind = "frame random" if pick.arm in ("random", "both") else "frame"
    frame = blobs.get(pick.frame)
    if facts.label_kind == DETECTION:
        boxes = boxes_in(pick.label)
        picture = drawing.boxed(frame, boxes, facts.class_names, width=drawing.THUMB_PIXELS)
        label = html.escape(objects_told(box.class_name for box in boxes)) if pick.label else "–"
    else:
        picture, label = drawing.thumbnail(frame), _class_of(pick)
    frame_id = f"<br><code>{html.escape(pick.frame_id)}</code>" if with_id else ""
    return (
        f'<div class="{kind}">{picture}<b>{pick.rank + 1} · {label}</b><br>'
        f'<span class="why">{html.escape(pick.reason)}</span>{frame_id}</div>'
    )


def _class_of(pick: Pick) -> str:
    label = html.escape(pick.label or "–")
    if pick.pre_label and pick.label and pick.pre_label != pick.label:
        return f"<s>{html.escape(pick.pre_label)}</s> {label}"
    return label


def _duplicates(facts: WorldFacts, blobs: Blobs) -> Iterable[str]:
    n_refused = facts.refused.get("duplicate", 0)
    yield _section(
        "Near-duplicates and other refusals",
        f"{n_refused:,} frames repeat another and cost nothing; the largest clusters, the frame "
        "that stands for each first."
        if n_refused
        else "No frame of the pool repeats another.",
    )
    for cluster in facts.clusters:
        images = "".join(drawing.thumbnail(blobs.get(ref)) for ref in cluster.frames)
        more = f'<span class="note">{cluster.size} frames</span>'
        yield f'<div class="cluster">{images}{more}</div>'
    if facts.refused:
        rows = "".join(
            f"<tr><td>{html.escape(gate)}</td><td>{count:,}</td></tr>"
            for gate, count in facts.refused.items()
        )
        yield f"<h3>Refused by gate</h3><table><tr><th>gate</th><th>frames</th></tr>{rows}</table>"


def _money_table(budgets: Sequence[BudgetFacts]) -> str:
    head = (
        "<tr><th>budget</th><th>owner</th><th>period</th><th>allocated</th><th>spent</th>"
        "<th>reserved</th><th>available</th></tr>"
    )
    rows = []
    for facts in budgets:
        unit, balances = facts.budget.unit.code, facts.balances
        amounts = (-balances.funding, balances.spent, balances.reserved, balances.available)
        cells = [facts.budget.kind.value, facts.budget.owner, facts.period]
        cells += [amount(value, unit) for value in amounts]
        rows.append("".join(f"<td>{html.escape(cell)}</td>" for cell in cells))
    return f"<table>{head}{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _footer(report: Report) -> str:
    if report.replayed is None:
        return "<footer>Check a batch with <code>winnow replay N</code>.</footer>"
    identical, replayed = report.replayed
    return (
        f"<footer>Replayed from stored records: {identical} of {replayed} batches identical byte "
        "for byte. Annotators and reviewers of this run are scripted: they know the true "
        "labels and make mistakes on purpose.</footer>"
    )
