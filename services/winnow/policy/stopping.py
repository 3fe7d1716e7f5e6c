"""From the policy's stopping section to rules, and the record of what they decided."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from winnow.policy.stopping_section import StoppingSection
from winnow.stopping.rules import (
    AccuracyTarget,
    Plateau,
    Progress,
    RoundsMax,
    StoppingRule,
    Verdict,
    first_to_stop,
)


def rules_of(section: StoppingSection) -> tuple[StoppingRule, ...]:
    """Give the rules that a policy asks for, in the order in which they are asked."""
    rules: list[StoppingRule] = []
    if section.accuracy_target is not None:
        rules.append(AccuracyTarget(section.accuracy_target))
    if section.plateau_rounds is not None:
        rules.append(Plateau(section.plateau_rounds, section.plateau_gain_min))
    return (*rules, RoundsMax(section.rounds_max))


def verdicts_of(section: StoppingSection, progress: Progress) -> tuple[Verdict, ...]:
    """Ask every rule."""
    return tuple(rule.decide(progress) for rule in rules_of(section))


def stop_record(verdicts: Sequence[Verdict]) -> str:
    """Give the canonical JSON of all verdicts and of the one that stopped the loop, if any."""
    stopper = first_to_stop(verdicts)
    document = {
        "stop": stopper is not None,
        "rule": stopper.rule if stopper else "",
        "reason": stopper.reason if stopper else "",
        "verdicts": [{**asdict(verdict), "numbers": dict(verdict.numbers)} for verdict in verdicts],
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":"))
