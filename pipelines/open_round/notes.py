"""What people read in the Kubeflow UI: one Markdown note for each step."""

from __future__ import annotations

from open_round.verdict import Asked, Checked
from winnow.cli.amounts import format_amount
from winnow.domain.money import Unit


def checked_note(checked: Checked) -> str:
    """Say whether a round makes sense now, and on what that rests."""
    head = "# No round now" if checked.why else "# A round makes sense"
    rows = (
        ("window", checked.window),
        ("frames to choose from", str(checked.n_unlabeled)),
        ("of them new since the last snapshot", str(checked.n_new)),
        ("rounds under way", ", ".join(checked.under_way) or "none"),
        ("annotation budget, period", checked.period or "none open"),
        ("available", format_amount(checked.available_micros, Unit(checked.unit))),
    )
    table = [f"| {name} | {value} |" for name, value in rows]
    reasons = [f"- {reason}" for reason in checked.why]
    return "\n".join([head, "", *reasons, *([""] if reasons else []), "| | |", "|---|---|", *table])


def asked_note(asked: Asked) -> str:
    """Say what was asked for and what came of it."""
    if asked.round_id:
        was = "was asked for in this window already" if asked.repeated else "is asked for"
        head, text = f"# Round {asked.round_id}", f"Round {asked.round_id} {was}."
    else:
        head, text = "# No round yet", asked.why
    facts = [f"- budget: {asked.funded}"] if asked.funded else []
    facts += [f"- command: `{asked.command_id}`"] if asked.command_id else []
    return "\n".join([head, "", text, "", *facts, f"- window: `{asked.window}`"])
