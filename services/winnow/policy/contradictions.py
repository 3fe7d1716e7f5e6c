"""Settings that are sound by themselves and cannot all be true together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from winnow.acquisition.detection import (
    CLASS_PREFIX,
    DETECTION_ACQUISITIONS,
    class_column,
    is_detection_score,
)
from winnow.domain.labels import DETECTION
from winnow.policy.chosen_strategy import ChosenStrategy
from winnow.policy.committee import cold_names, needs_committee, strategy_columns
from winnow.policy.constraint_section import (
    MODALITY,
    PREDICTED_CLASS,
    Caps,
    ConstraintSection,
    MinimumSection,
)
from winnow.policy.random_arm import arm_size
from winnow.policy.reading import Path
from winnow.policy.round_sections import (
    LabelSection,
    MoneySection,
    QaSection,
    RandomArmSection,
    ScoringSection,
)
from winnow.policy.score_section import SCORERS, ScoresSection
from winnow.policy.section import did_you_mean
from winnow.policy.selection_section import SelectionSection, names_asked
from winnow.policy.stopping_section import StoppingSection
from winnow.policy.training_section import FAMILIES, TrainingSection


class Sections(Protocol):
    """The parts of a policy that may contradict each other."""

    @property
    def label(self) -> LabelSection:
        """Give what people are asked."""
        ...

    @property
    def random_arm(self) -> RandomArmSection:
        """Give what is drawn."""
        ...

    @property
    def scoring(self) -> ScoringSection:
        """Give when an answer is enough."""
        ...

    @property
    def selection(self) -> SelectionSection:
        """Give which frames."""
        ...

    @property
    def scores(self) -> ScoresSection:
        """Give what a frame is worth."""
        ...

    @property
    def constraints(self) -> ConstraintSection:
        """Give what a batch must satisfy."""
        ...

    @property
    def money(self) -> MoneySection:
        """Give what a label may cost."""
        ...

    @property
    def qa(self) -> QaSection:
        """Give how labels are checked."""
        ...

    @property
    def training(self) -> TrainingSection:
        """Give the committee."""
        ...

    @property
    def stopping(self) -> StoppingSection:
        """Give when the loop ends."""
        ...


@dataclass(frozen=True, slots=True)
class Contradiction:
    """What cannot be, and the settings that it lies between; the first is to blame."""

    paths: tuple[Path, ...]
    text: str

    def __str__(self) -> str:
        """Give it with the first setting's path."""
        return f"{'.'.join(map(str, self.paths[0]))}: {self.text}"


def contradictions(policy: Sections) -> list[Contradiction]:
    """Find all of them."""
    return [
        *_committee(policy),
        *_networks(policy),
        *_kinds(policy),
        *_attempts(policy),
        *_cold_start(policy),
        *_caps(policy),
        *_minimums(policy),
        *_classes(policy),
        *_allocation(policy),
        *_money(policy),
    ]


def _committee(policy: Sections) -> list[Contradiction]:
    trained = policy.training.members
    members = ("training", "members")
    asked = (
        (("scoring", "members_min"), policy.scoring.members_min),
        (("training", "members_min"), policy.training.members_min or 1),
    )
    return [
        Contradiction((path, members), f"expected at most training.members ({trained}), found {n}")
        for path, n in asked
        if n > trained
    ]


def _networks(policy: Sections) -> list[Contradiction]:
    kind = policy.label.kind
    asked = [name.partition(":")[0] for name in policy.training.networks]
    strangers = [name for name in asked if name not in FAMILIES[kind]]
    if not strangers:
        return []
    text = f"expected families of {kind} ({', '.join(FAMILIES[kind])}), found "
    text += ", ".join(strangers) + did_you_mean(strangers, FAMILIES[kind])
    return [Contradiction((("training", "networks"), ("label", "kind")), text)]


def _kinds(policy: Sections) -> Iterator[Contradiction]:
    """Hold scores, strategy and constraints against what a committee of this kind says."""
    detects, selection = policy.label.kind == DETECTION, policy.selection
    functions, columns = names_asked(policy.scores, selection)
    known = DETECTION_ACQUISITIONS if detects else SCORERS
    kind: Path = ("label", "kind")
    strangers = sorted(functions - set(known))
    if strangers:
        path: Path = ("scores",) if policy.scores.parts() else ("selection", "acquisition")
        text = f"expected scores of {policy.label.kind} ({', '.join(sorted(known))}), found "
        yield Contradiction((path, kind), text + ", ".join(strangers))
    if not detects:
        of_strategy = strategy_columns(selection.strategy.strategy())
        for place, names in ((("scores",), columns), (("selection", "strategy"), of_strategy)):
            if of_maps := sorted(filter(is_detection_score, names)):
                text = f"expected no column that only a committee of kind {DETECTION} gives, found "
                text += f"{', '.join(of_maps)}; label: {{kind: {DETECTION}}} has it"
                yield Contradiction((place, kind), text)
        return
    for name in ("strategy", "cold_start"):
        choice: ChosenStrategy = getattr(selection, name)
        if "probs" in choice.strategy().needs:
            text = (
                f"expected a strategy that needs no class probabilities, as labels are of kind "
                f"{DETECTION}, found {choice.name}"
            )
            if choice.name == "round_robin":
                text += "; name columns, e.g. columns: [map_information:person]"
            yield Contradiction((("selection", name), kind), text)
    if PREDICTED_CLASS in policy.constraints.columns():
        text = f"expected no constraint on {PREDICTED_CLASS}: a frame of kind {DETECTION} has none"
        yield Contradiction((("constraints",), kind), text)
    if (most := policy.stopping.mean_entropy_max) is not None:
        text = (
            f"expected none, as labels are of kind {DETECTION}, found {most}: nearly all of a map "
            "is sure of nothing being there; stopping.kappa_min asks whether boxes still change"
        )
        yield Contradiction((("stopping", "mean_entropy_max"), kind), text)


def _attempts(policy: Sections) -> list[Contradiction]:
    attempts, reworks = policy.label.attempts_max, policy.qa.reworks_max
    if attempts > reworks:
        return []
    text = f"expected more than qa.reworks_max ({reworks}), found {attempts}"
    return [Contradiction((("label", "attempts_max"), ("qa", "reworks_max")), text)]


def _cold_start(policy: Sections) -> list[Contradiction]:
    choice = policy.selection.cold_start
    if not needs_committee(choice, policy.scores):
        return []
    names = ", ".join(cold_names(policy.scores))
    text = f"expected one of {names}, found {choice.name}: it needs a committee's answers"
    return [Contradiction((("selection", "cold_start"), ("scores",)), text)]


def _caps(policy: Sections) -> list[Contradiction]:
    text = "expected at least 1 of every value, found 0: no frame could be chosen"
    caps = policy.constraints.caps
    return [
        Contradiction((("constraints", "caps", name),), text) for name in caps if not caps[name]
    ]


def _minimums(policy: Sections) -> Iterator[Contradiction]:
    """Hold the minimums against the batch, its random arm, and the caps."""
    constraints, n_asked = policy.constraints, policy.selection.batch_size_least
    if not constraints.minimums:
        return
    path: Path = ("constraints", "minimums")
    n_chosen = n_asked - arm_size(policy.random_arm.share, n_asked)
    sized = (("selection", "batch_size"), ("random_arm", "share"))
    of_column: dict[str, int] = {}
    seen: set[tuple[str, str | None]] = set()
    for place, minimum in enumerate(constraints.minimums):
        here: Path = (*path, place)
        least = minimum.least(n_asked)
        named = minimum.column if minimum.value is None else f"{minimum.column}={minimum.value}"
        if (minimum.column, minimum.value) in seen:
            yield Contradiction((here,), f"expected one minimum of {named}, found another above")
            continue
        seen.add((minimum.column, minimum.value))
        of_column[minimum.column] = of_column.get(minimum.column, 0) + least
        if least > n_chosen:
            text = (
                f"expected at most the {n_chosen} frames that are chosen (batch_size {n_asked} "
                f"without the random arm), found {least} of {named}"
            )
            yield Contradiction((here, *sized), text)
        if (n_paid := _n_paid(policy)) and least > n_paid:
            text = f"expected at most the {n_paid} frames that money.batch_micros_max pays, found "
            yield Contradiction((here, ("money", "batch_micros_max")), f"{text}{least} of {named}")
        yield from _capped(constraints, here, minimum, least)
    for column, least in of_column.items():
        n_minimums = sum(minimum.column == column for minimum in constraints.minimums)
        if n_minimums > 1 and least > n_chosen:
            text = (
                f"expected minimums of {column} that sum to at most the {n_chosen} frames that "
                f"are chosen (batch_size {n_asked} without the random arm), found {least}"
            )
            yield Contradiction((path, *sized), text)
        elif n_minimums > 1 and (n_paid := _n_paid(policy)) and least > n_paid:
            text = (
                f"expected minimums of {column} that sum to at most the {n_paid} frames that "
                f"money.batch_micros_max pays, found {least}"
            )
            yield Contradiction((path, ("money", "batch_micros_max")), text)


def _allocation(policy: Sections) -> Iterator[Contradiction]:
    section, n_asked = policy.constraints.allocation, policy.selection.batch_size_least
    if section is None:
        return
    path: Path = ("constraints", "allocation", "column")
    if section.column == MODALITY and not policy.scores.modalities:
        text = f"expected modalities in scores.modalities, as the column is {MODALITY}, found none"
        yield Contradiction((path, ("scores", "modalities")), text)
    for place, minimum in enumerate(policy.constraints.minimums):
        if minimum.column == section.column:
            text = f"expected a column without minimums, found {section.column} in minimums.{place}"
            yield Contradiction((path, ("constraints", "minimums", place)), text)
    frames = {task: n for task, n in section.frames(n_asked).items() if n}
    if not frames:
        text = "expected money for a frame of some task, found none"
        yield Contradiction((("constraints", "allocation", "budget_micros"),), text)
    caps = policy.constraints.caps.get(section.column)
    if caps is not None and any(n > _most(caps, task, n) for task, n in frames.items()):
        told = ", ".join(f"{n} of {task}" for task, n in frames.items())
        cap = f"constraints.caps.{section.column}"
        text = f"expected shares of the batch within {cap} ({_told(caps)}), found {told}"
        yield Contradiction((path, ("constraints", "caps", section.column)), text)


def _capped(
    constraints: ConstraintSection, here: Path, minimum: MinimumSection, least: int
) -> Iterator[Contradiction]:
    """Hold a minimum against the caps; one of every value may be capped at 0: that one is out."""
    caps = constraints.caps.get(minimum.column)
    if caps is None:
        return
    others = constraints.minimums
    named = {other.value for other in others if other.column == minimum.column}
    values = [minimum.value]
    if minimum.value is None and isinstance(caps, dict):
        values = [value for value, most in caps.items() if most and value not in named]
    for value in values:
        if (most := _most(caps, value, least)) < least:
            of = f" of {value}" if isinstance(caps, dict) else ""
            text = f"expected at most constraints.caps.{minimum.column}{of} ({most}), found {least}"
            yield Contradiction((here, ("constraints", "caps", minimum.column)), text)


def _most(caps: Caps, value: str | None, otherwise: int) -> int:
    """Give the cap of a value, or `otherwise` if it has none."""
    return caps.get(value or "", otherwise) if isinstance(caps, dict) else caps


def _told(caps: Caps) -> str:
    if isinstance(caps, dict):
        return ", ".join(f"{value} {most}" for value, most in caps.items())
    return str(caps)


def _classes(policy: Sections) -> Iterator[Contradiction]:
    """Look for the classes that a policy names among those of its labels, if it lists them."""
    known, constraints = policy.label.class_names, policy.constraints
    if "" in known or len(set(known)) < len(known):
        text = f"expected distinct names, found {', '.join(map(repr, known))}"
        yield Contradiction((("label", "class_names"),), text)
    caps = constraints.caps.get(PREDICTED_CLASS)
    capped = set(caps) if isinstance(caps, dict) else set()
    minimums = {m.value or "" for m in constraints.minimums if m.column == PREDICTED_CLASS} - {""}
    _, of_scores = names_asked(policy.scores, policy.selection)
    of_strategy = strategy_columns(policy.selection.strategy.strategy())
    for path, what, names in (
        (("constraints", "caps"), PREDICTED_CLASS, capped),
        (("constraints", "minimums"), PREDICTED_CLASS, minimums),
        (("scores",), class_column("CLASS"), _classes_of(of_scores)),
        (("selection", "strategy"), class_column("CLASS"), _classes_of(of_strategy)),
    ):
        strangers = sorted(names - set(known)) if known else []
        if strangers:
            text = f"expected {what} of label.class_names ({', '.join(known)}), found "
            text += ", ".join(strangers) + did_you_mean(strangers, known)
            yield Contradiction((path, ("label", "class_names")), text)


def _classes_of(columns: Iterable[str]) -> set[str]:
    """Give the classes whose maps columns tell of."""
    return {name.removeprefix(CLASS_PREFIX) for name in columns if name.startswith(CLASS_PREFIX)}


def _n_paid(policy: Sections) -> int | None:
    """Give how many frames a batch's money pays; None where frames have prices of their own."""
    price = policy.money.label_price_micros * policy.label.slots
    most = policy.money.batch_micros_max
    if policy.money.price_column is not None or most is None or not price:
        return None
    return most // price


def _money(policy: Sections) -> list[Contradiction]:
    price = policy.money.label_price_micros * policy.label.slots
    most = policy.money.batch_micros_max
    if _n_paid(policy) != 0:
        return []
    text = (
        f"expected at least the price of one frame ({price} = label_price_micros x slots), "
        f"found {most}: no batch could have a frame"
    )
    paths: tuple[Path, ...] = (
        ("money", "batch_micros_max"),
        ("money", "label_price_micros"),
        ("label", "slots"),
    )
    return [Contradiction(paths, text)]
