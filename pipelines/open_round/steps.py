"""The steps of a run: look whether a round makes sense, ask for it. `pipeline.py` wires them.

Both go through the console, as people do: it knows who asks, checks the role, and writes it down.
That something is lacking is an answer and no failure: a recurring run stays green and says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from open_round.notes import asked_note, checked_note
from open_round.request import LAST, Request, request_of
from open_round.settings import OpenRoundSettings
from open_round.verdict import Asked, Checked
from winnow.adapters.system_clock import SystemClock
from winnow.cli.client import ConsoleClient, Document
from winnow.cli.presets import NAMES, preset_text
from winnow.domain.errors import BadInput, Conflict, NotAllowed, NotFound, Retryable
from winnow.domain.money import BudgetKind
from winnow.policy.rounds import UNDER_WAY
from winnow.ports.clock import Clock

BUDGET = BudgetKind.HUMAN_ANNOTATION.value


@dataclass(frozen=True, slots=True)
class Context:
    """The outside of a step."""

    client: ConsoleClient
    clock: Clock


@dataclass(frozen=True, slots=True)
class Money:
    """What the annotation budget holds."""

    period: str = ""
    available_micros: int = 0
    unit: str = "currency:USD"


def open_context(console: str = "") -> Context:
    """Connect to the console that the run's form names, else to the one of the environment.

    Raises
    ------
    BadInput
        Neither names one, and there is no state folder.
    """
    settings = OpenRoundSettings()
    url, token = console or settings.console_url, settings.token.get_secret_value()
    if url:
        return Context(ConsoleClient.at(url, token), SystemClock())
    if settings.state_dir is None:
        msg = (
            "console: expected an address in the form, in WINNOW_OPEN_ROUND_CONSOLE_URL, or a "
            "state folder in WINNOW_OPEN_ROUND_STATE_DIR; found none"
        )
        raise BadInput(msg)
    return Context(ConsoleClient.embedded(settings.state_dir, token), SystemClock())


def check(context: Context, given: Mapping[str, object]) -> Checked:
    """Look at the pool, the rounds under way and the money; ask for nothing yet."""
    request, client = request_of(given), context.client
    pool, rounds = client.get("/v1/pool"), client.get("/v1/rounds")
    under_way = tuple(row["id"] for row in rounds if row["state"] in UNDER_WAY)
    money = _money(client)
    checked = Checked(
        window=request.window_at(context.clock.now()),
        n_unlabeled=pool["n_unlabeled"],
        n_new=pool["n_new"],
        under_way=under_way,
        period=money.period,
        available_micros=money.available_micros,
        unit=money.unit,
    )
    return checked.judged(request, waits=pool["waits"])


def ask(context: Context, given: Mapping[str, object]) -> Asked:
    """Fund the budget if that was asked for, and ask for the round; once for each window.

    Raises
    ------
    BadInput
        The policy is wrong; all its mistakes are listed.
    NotAllowed
        The person may not open rounds.
    """
    request, client = request_of(given), context.client
    window = request.window_at(context.clock.now())
    policy, where = _policy(client, request.policy)
    funded, money = _fund(client, request, window)
    if money.available_micros < request.budget_micros_min:
        why = (
            f"{BUDGET} ({money.period or 'no open period'}): expected at least "
            f"{request.budget_micros_min} micros available, found {money.available_micros}"
        )
        return Asked(window=window, funded=funded, why=why)
    body = {"policy": policy, "where": where, "open_max": request.rounds_open_max}
    try:
        document = _posted(client, window, body)
        answer = _answer(client, document, request.wait_seconds)
    except (Conflict, NotFound) as refusal:
        return Asked(window=window, funded=funded, why=str(refusal))
    return Asked(
        window=window,
        funded=funded,
        command_id=document["id"],
        repeated=document["repeated"],
        **answer,
    )


def check_and_tell(
    console: str, *, note_path: str, log_metric: Callable[[str, float], None], **given: object
) -> tuple[str, str]:
    """Run `check` as a task of a graph: Markdown, metrics, and what follows of it."""
    context = open_context(console)
    try:
        checked = check(context, given)
    finally:
        context.client.close()
    Path(note_path).write_text(checked_note(checked))
    log_metric("frames_to_choose_from", checked.n_unlabeled)
    log_metric("frames_new", checked.n_new)
    log_metric("rounds_under_way", len(checked.under_way))
    log_metric("budget_available_micros", checked.available_micros)
    return checked.window, "; ".join(checked.why)


def ask_and_tell(console: str, *, note_path: str, why_not: str, **given: object) -> str:
    """Run `ask` as a task of a graph, unless `check` found something against it."""
    note = Path(note_path)
    if why_not:
        note.write_text(f"# No round now\n\n{why_not}")
        return ""
    context = open_context(console)
    try:
        asked = ask(context, given)
    finally:
        context.client.close()
    note.write_text(asked_note(asked))
    return asked.round_id


def run_all(context: Context, given: Mapping[str, object]) -> str:
    """Run both steps in this process; give what they say, as Markdown."""
    checked = check(context, given)
    if checked.why:
        return checked_note(checked)
    asked = ask(context, {**given, "window": checked.window})
    return f"{checked_note(checked)}\n{asked_note(asked)}"


def _posted(client: ConsoleClient, window: str, body: Mapping[str, object]) -> Document:
    """Ask under the window's key; a refusal of an earlier run does not use the window up."""
    for attempt in count():
        document = client.post("/v1/rounds", body, key=f"{window}/{attempt}")
        if not (document["repeated"] and document["state"] == "refused"):
            return document
    raise AssertionError


def _policy(client: ConsoleClient, policy: str) -> tuple[str, str]:
    """Give the text of a policy and where it comes from."""
    name = policy.strip()
    if name in NAMES:
        return preset_text(name), f"preset {name}"
    if name != LAST:
        return policy, "policy"
    rounds = client.get("/v1/rounds")
    if not rounds:
        msg = (
            f"policy: expected {', '.join(NAMES)} or the text of a policy for the first round, "
            f"found {LAST!r}, and there is no round yet"
        )
        raise BadInput(msg)
    number = rounds[-1]["number"]
    return client.get(f"/v1/rounds/{number}/policy")["policy"], f"policy of {rounds[-1]['id']}"


def _answer(client: ConsoleClient, document: Document, wait_seconds: float) -> dict[str, str]:
    """Wait for the round's name; a service that sleeps answers later, which is no failure."""
    try:
        settled = client.settled(document, wait_seconds)
    except Retryable as late:
        return {"why": str(late)}
    return {"round_id": settled["answer"]["round_id"]}


def _fund(client: ConsoleClient, request: Request, window: str) -> tuple[str, Money]:
    """Fill the budget up to the wanted amount; give what was done, and what is there now."""
    money = _money(client)
    lacking = request.budget_micros - money.available_micros
    if lacking <= 0:
        return "", money
    body = {"kind": BUDGET, "amount": lacking, "period": money.period or None, "approval": window}
    try:
        client.post("/v1/budgets/allocate", body, key=f"{window}/fund")
    except (NotAllowed, Conflict) as refusal:
        return f"nothing added: {refusal}", _money(client)
    return f"{lacking} micros added to {BUDGET}", _money(client)


def _money(client: ConsoleClient) -> Money:
    """Give what is available for annotations: in the newest open period, from which rounds pay."""
    budgets = {budget["id"]: budget for budget in client.get("/v1/budgets")}
    if BUDGET not in budgets:
        return Money()
    unit, periods = budgets[BUDGET]["unit"], budgets[BUDGET]["periods"]
    still_open = [period for period in periods if not period["closed"]]
    if not still_open:
        return Money(unit=unit)
    newest = still_open[-1]
    return Money(newest["period"], newest["balances"]["available"], unit)
