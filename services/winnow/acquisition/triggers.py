"""Conditions over named scores: `lidar_entropy > 0.8 and rgb_entropy < 0.5`."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from winnow.acquisition.checked import check_lengths, numbers_of
from winnow.acquisition.reproducible import Floats
from winnow.acquisition.trigger_syntax import Source, names_in, tree_of, written
from winnow.domain.errors import BadInput

Flags = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.intp]
Column = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Trigger:
    """A condition on the scores of a frame, read from text and never run as code.

    The language: names of scores, numbers, `+ - * /`, `min(…)`, `max(…)`, `abs(…)`, the
    comparisons `< <= > >= == !=` (also chained: `0.2 < x < 0.8`), `and`, `or`, `not` and
    parentheses, with the meaning and the precedence that Python gives them. Two triggers are equal
    if they are written alike but for spaces, spellings of numbers and needless parentheses.

    Examples
    --------
    >>> trigger = Trigger.parse("lidar_entropy>.8 and (rgb_entropy < .5)")
    >>> trigger.text
    'lidar_entropy > 0.8 and rgb_entropy < 0.5'
    >>> trigger.names
    ('lidar_entropy', 'rgb_entropy')
    >>> scores = {"lidar_entropy": np.array([0.9, 0.9]), "rgb_entropy": np.array([0.1, 0.7])}
    >>> trigger.mask(scores).tolist()
    [True, False]
    """

    text: str
    """The canonical text, which parses to the same trigger: what is stored and hashed."""
    _tree: ast.expr = field(repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a trigger.

        Raises
        ------
        BadInput
            Anything else than a condition of this language; the error says at which column what
            was expected and what was found.
        """
        canonical = written(tree_of(Source(text)))
        return cls(canonical, tree_of(Source(canonical)))

    @property
    def names(self) -> tuple[str, ...]:
        """Give the scores that it asks for, sorted."""
        return tuple(names_in(self._tree))

    def check_names(self, known: Iterable[str]) -> None:
        """Check that every score it names exists.

        Raises
        ------
        BadInput
            One does not; the error lists those that do.
        """
        known = sorted(known)
        for name, node in names_in(self._tree).items():
            if name not in known:
                source = Source(self.text)
                column = source.column(node)
                raise source.refusal(f"one of {', '.join(known) or 'no scores'}", name, column)

    def mask(self, columns: Mapping[str, Column]) -> Flags:
        """Say for which frames the condition holds.

        Parameters
        ----------
        columns
            Name → [N] numbers; others than the named ones are not looked at.

        Returns
        -------
        numpy.ndarray
            bool [N].

        Raises
        ------
        BadInput
            A name that is missing, columns of different lengths, one that is not numbers, a NaN
            or infinity where it is asked for, a division by zero or an overflow; the error names
            the row.

        Notes
        -----
        As in Python, what follows `and` and `or` is asked only where it still decides, so
        `has_lidar == 1 and lidar_entropy > 0.8` may have no lidar scores elsewhere. Costs one pass
        over N and one temporary for each operation.
        """
        self.check_names(columns)
        named = {
            name: numbers_of(columns[name], name=name, axes=("frames",)) for name in self.names
        }
        check_lengths({name: len(column) for name, column in named.items()})
        n_frames = len(named[self.names[0]])
        table = _Table(Source(self.text), named)
        return table.holds(self._tree, np.arange(n_frames))


@dataclass(frozen=True, slots=True)
class ModalitiesAsked:
    """Which modalities of which frames ask for a label."""

    modalities: tuple[str, ...]
    """K names, in the order of the triggers."""
    asked_NK: Flags

    def of(self, pos: int) -> tuple[str, ...]:
        """Give the modalities that a frame asks for."""
        asked = zip(self.modalities, self.asked_NK[pos].tolist(), strict=True)
        return tuple(modality for modality, is_asked in asked if is_asked)


def modalities_asked(
    triggers: Mapping[str, Trigger], columns: Mapping[str, Column]
) -> ModalitiesAsked:
    """Say which modalities of each frame are worth a label.

    Parameters
    ----------
    triggers
        Modality → the condition under which it is labeled; at least one.
    columns
        See `Trigger.mask`.

    Raises
    ------
    BadInput
        No trigger at all, or see `Trigger.mask`; the error names the modality.

    Examples
    --------
    >>> triggers = {
    ...     "lidar": Trigger.parse("lidar_entropy > 0.8 and rgb_entropy < 0.5"),
    ...     "rgb": Trigger.parse("rgb_entropy >= 0.5"),
    ... }
    >>> scores = {"lidar_entropy": np.array([0.9, 0.9]), "rgb_entropy": np.array([0.1, 0.7])}
    >>> asked = modalities_asked(triggers, scores)
    >>> asked.of(0), asked.of(1)
    (('lidar',), ('rgb',))
    """
    if not triggers:
        msg = "triggers: expected at least one modality, found none"
        raise BadInput(msg)
    masks = []
    for modality, trigger in triggers.items():
        try:
            masks.append(trigger.mask(columns))
        except BadInput as error:
            msg = f"modality {modality}: {error}"
            raise BadInput(msg) from error
    check_lengths({m: len(mask) for m, mask in zip(triggers, masks, strict=True)})
    return ModalitiesAsked(tuple(triggers), np.stack(masks, axis=1))


@dataclass(frozen=True, slots=True)
class _Table:
    """Columns that a checked tree is evaluated on, at some rows."""

    source: Source
    columns: Mapping[str, Column]

    def holds(self, node: ast.expr, rows: Positions) -> Flags:
        match node:
            case ast.UnaryOp():
                return ~self.holds(node.operand, rows)
            case ast.BoolOp():
                return self._either(node, rows)
            case ast.Compare():
                return self._compare(node, rows)
        msg = f"{type(node).__name__} is not a condition of a checked tree"
        raise AssertionError(msg)

    def _either(self, node: ast.BoolOp, rows: Positions) -> Flags:
        """Evaluate `and` or `or`, each part only where the ones before leave it open."""
        ends_with = isinstance(node.op, ast.Or)
        result: Flags = np.full(len(rows), not ends_with)
        for part in node.values:
            open_places = np.flatnonzero(result != ends_with)
            result[open_places] = self.holds(part, rows[open_places])
        return result

    def _compare(self, node: ast.Compare, rows: Positions) -> Flags:
        result: Flags = np.ones(len(rows), dtype=np.bool_)
        left = self.numbers(node.left, rows)
        for operator, part in zip(node.ops, node.comparators, strict=True):
            right = np.zeros(len(rows))
            right[result] = self.numbers(part, rows[result])
            result &= _COMPARE[type(operator)](left, right)
            left = right
        return result

    def numbers(self, node: ast.expr, rows: Positions) -> Floats:
        match node:
            case ast.Constant(value=(int() | float()) as value):
                return np.full(len(rows), float(value))
            case ast.Name():
                values: Floats = self.columns[node.id][rows].astype(np.float64)
                return self._finite(values, "a finite number", node, rows)
            case ast.UnaryOp():
                return -self.numbers(node.operand, rows)
            case ast.BinOp():
                return self._arithmetic(node, rows)
            case ast.Call(func=ast.Name(id="abs")):
                return np.abs(self.numbers(node.args[0], rows))
            case ast.Call(func=ast.Name(id=name)):
                pick = np.minimum if name == "min" else np.maximum
                best = self.numbers(node.args[0], rows)
                for part in node.args[1:]:
                    best = pick(best, self.numbers(part, rows))
                return best
        msg = f"{type(node).__name__} is not a number of a checked tree"
        raise AssertionError(msg)

    def _arithmetic(self, node: ast.BinOp, rows: Positions) -> Floats:
        left, right = self.numbers(node.left, rows), self.numbers(node.right, rows)
        if isinstance(node.op, ast.Div) and (right == 0.0).any():
            row = int(rows[right == 0.0][0])
            found = f"0 in row {row}"
            raise self.source.refusal("a divisor", found, self.source.column(node.right))
        with np.errstate(over="ignore"):
            values: Floats = _ARITHMETIC[type(node.op)](left, right)
        return self._finite(values, "a result below 1.8e308", node, rows)

    def _finite(self, values: Floats, expected: str, node: ast.expr, rows: Positions) -> Floats:
        wrong = ~np.isfinite(values)
        if wrong.any():
            row = int(rows[wrong][0])
            name = f" of {node.id}" if isinstance(node, ast.Name) else ""
            found = f"{values[wrong][0]!s} in row {row}{name}"
            raise self.source.refusal(expected, found, self.source.column(node))
        return values


_COMPARE: Mapping[type[ast.cmpop], np.ufunc] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}
_ARITHMETIC: Mapping[type[ast.operator], np.ufunc] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
}
