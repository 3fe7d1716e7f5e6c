"""The language of triggers: which texts are in it, and how each is written in one way.

Python's own parser reads the text and nothing ever runs it: every node of the tree must be on the
short list here, with the kind that its place asks for.
"""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from winnow.domain.errors import BadInput

Kind = Literal["condition", "number"]

TEXT_MAX: Final = 2000
DEPTH_MAX: Final = 60
SHOWN_MAX: Final = 200
EXAMPLE: Final = "a condition such as `score > 0.5`"
FUNCTIONS: Final = ("abs", "max", "min")
COMPARISONS: Final[dict[type[ast.cmpop], str]] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
ARITHMETIC: Final[dict[type[ast.operator], str]] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
}
_OTHER_OPERATORS: Final[dict[type[ast.operator], str]] = {
    ast.BitAnd: "& (write `and`)",
    ast.BitOr: "| (write `or`)",
    ast.BitXor: "^",
    ast.Pow: "**",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.MatMult: "@",
    ast.LShift: "<<",
    ast.RShift: ">>",
}
_CONSTRUCTS: Final[dict[type[ast.expr], str]] = {
    ast.Call: "a call",
    ast.Attribute: "an attribute (.)",
    ast.Subscript: "a subscript ([])",
    ast.Lambda: "lambda",
    ast.IfExp: "if … else",
    ast.NamedExpr: "an assignment (:=)",
    ast.JoinedStr: "a text",
    ast.Tuple: "a tuple (,)",
    ast.List: "a list",
    ast.Dict: "a dict",
    ast.Set: "a set",
    ast.ListComp: "a comprehension",
    ast.SetComp: "a comprehension",
    ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.Starred: "a star (*)",
    ast.Await: "await",
}
# How strongly a node holds together; a weaker one inside a stronger one stands in parentheses.
_OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _SIGN, _ATOM = range(8)


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a trigger, for pointing at places in it."""

    text: str

    def refusal(self, expected: str, found: str, column: int | None = None) -> BadInput:
        """Give the error that says what was expected where."""
        where = "" if column is None else f"column {column}: "
        shown = self.text if len(self.text) <= SHOWN_MAX else f"{self.text[:SHOWN_MAX]}…"
        return BadInput(f"trigger {shown!r}: {where}expected {expected}, found {found}")

    def column(self, node: ast.expr) -> int:
        """Give where a node begins, in characters from 1."""
        begin = self._begin()
        parsed = self.text[begin:].encode()  # the parser counts bytes
        return begin + len(parsed[: node.col_offset].decode(errors="ignore")) + 1

    def parsed(self) -> ast.expr:
        """Give what Python's parser reads in it, as one line.

        Raises
        ------
        BadInput
            Nothing that Python could read.
        """
        line = "".join(" " if letter.isspace() else letter for letter in self.text)
        try:
            with warnings.catch_warnings(action="ignore"):  # about `1and`, for the reader of code
                return ast.parse(line[self._begin() :], mode="eval").body
        except SyntaxError as error:
            column = self._begin() + max(1, error.offset or 1)
            rest = line[column - 1 :].strip()[:20] or "the end"
            raise self.refusal(EXAMPLE, f"{error.msg} at `{rest}`", column) from None
        except (ValueError, MemoryError, RecursionError) as error:
            raise self.refusal(EXAMPLE, str(error) or "too many levels") from None

    def _begin(self) -> int:
        return len(self.text) - len(self.text.lstrip())


def tree_of(source: Source) -> ast.expr:
    """Parse a condition and check every node of it.

    Raises
    ------
    BadInput
        The text is not a condition of this language.
    """
    if len(source.text) > TEXT_MAX:
        raise source.refusal(f"at most {TEXT_MAX} characters", str(len(source.text)))
    if "#" in source.text:  # a comment would swallow what follows it in a folded text
        raise source.refusal(EXAMPLE, "a #", source.text.index("#") + 1)
    tree = source.parsed()
    _check(tree, "condition", source, depth=0)
    if not names_in(tree):
        raise source.refusal("the name of a score", "only numbers")
    return tree


def names_in(tree: ast.expr) -> dict[str, ast.Name]:
    """Give the scores that a condition names, each with its first place."""
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in called]
    return {n.id: n for n in sorted(names, key=lambda n: (n.id, -n.lineno, -n.col_offset))}


def _check(node: ast.expr, kind: Kind, source: Source, *, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise source.refusal(f"at most {DEPTH_MAX} levels", "more", source.column(node))
    parts = _conditions(node) if kind == "condition" else _numbers(node, source)
    if parts is None:
        raise source.refusal(_wanted(kind), _construct(node), source.column(node))
    for part, part_kind in parts:
        _check(part, part_kind, source, depth=depth + 1)


def _wanted(kind: Kind) -> str:
    if kind == "condition":
        return EXAMPLE
    return "a number, the name of a score, + - * / or min(), max(), abs()"


def _conditions(node: ast.expr) -> list[tuple[ast.expr, Kind]] | None:
    """Give the parts of a condition and their kinds; none if it is not one."""
    match node:
        case ast.BoolOp():
            return [(value, "condition") for value in node.values]
        case ast.UnaryOp(op=ast.Not()):
            return [(node.operand, "condition")]
        case ast.Compare() if all(type(op) in COMPARISONS for op in node.ops):
            return [(value, "number") for value in (node.left, *node.comparators)]
    return None


def _numbers(node: ast.expr, source: Source) -> list[tuple[ast.expr, Kind]] | None:
    """Give the parts of a number and their kinds; none if it is not one."""
    match node:
        case ast.Constant(value=(int() | float()) as value) if not isinstance(value, bool):
            _check_constant(node, value, source)
            return []
        case ast.Name() if node.id not in FUNCTIONS:
            return []
        case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
            return [(node.operand, "number")]
        case ast.BinOp() if type(node.op) in ARITHMETIC:
            return [(node.left, "number"), (node.right, "number")]
        case ast.Call(func=ast.Name(id=name)) if name in FUNCTIONS:
            _check_arguments(node, name, source)
            return [(value, "number") for value in node.args]
    return None


def _check_constant(node: ast.Constant, value: float, source: Source) -> None:
    try:
        finite = np.isfinite(float(value))
    except OverflowError:
        finite = False
    if not finite:
        raise source.refusal("a number below 1.8e308", "a larger one", source.column(node))


def _check_arguments(node: ast.Call, name: str, source: Source) -> None:
    n, stars = len(node.args), [a for a in node.args if isinstance(a, ast.Starred)]
    if stars or node.keywords or (n != 1 if name == "abs" else n < 2):
        few = "one number" if name == "abs" else "at least two numbers"
        found = "a name or a star before one" if stars or node.keywords else str(n)
        raise source.refusal(f"{few} in {name}()", found, source.column(node))


def _construct(node: ast.expr) -> str:
    """Say what a node is that is not on the list, or not in this place."""
    match node:
        case ast.BinOp() if type(node.op) in _OTHER_OPERATORS:
            return _OTHER_OPERATORS[type(node.op)]
        case ast.UnaryOp(op=ast.Invert()):
            return "~ (write `not`)"
        case ast.Compare():
            wrong = {ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in"}
            return next((wrong[type(op)] for op in node.ops if type(op) in wrong), "a condition")
        case ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
            return "a condition"
        case ast.Constant(value=(bool() | None) as value):
            return f"{value}"
        case ast.Constant(value=int() | float()) | ast.BinOp() | ast.UnaryOp():
            return "a number"
        case ast.Constant():
            return "a complex number" if isinstance(node.value, complex) else "a text"
        case ast.Name():
            return f"the function {node.id}" if node.id in FUNCTIONS else f"only the name {node.id}"
        case ast.Call(func=ast.Name(id=name)):
            return "a number" if name in FUNCTIONS else f"a call of {name}"
    return _CONSTRUCTS.get(type(node), type(node).__name__)


def written(tree: ast.expr) -> str:
    """Give the canonical text: same spaces, same numbers, no parentheses that change nothing."""
    return _written(tree, _OR)


def _written(node: ast.expr, around: int) -> str:
    text, strength = _parts(node)
    return f"({text})" if strength < around else text


def _parts(node: ast.expr) -> tuple[str, int]:
    match node:
        case ast.BoolOp():
            word, own = ("or", _OR) if isinstance(node.op, ast.Or) else ("and", _AND)
            return f" {word} ".join(_written(value, own) for value in node.values), own
        case ast.UnaryOp(op=ast.Not()):
            return f"not {_written(node.operand, _NOT)}", _NOT
        case ast.UnaryOp(op=ast.UAdd()):
            return _parts(node.operand)
        case ast.UnaryOp():
            return f"-{_written(node.operand, _SIGN)}", _SIGN
        case ast.Compare():
            steps = zip(node.ops, node.comparators, strict=True)
            rest = [f"{COMPARISONS[type(op)]} {_written(right, _SUM)}" for op, right in steps]
            return " ".join([_written(node.left, _SUM), *rest]), _COMPARE
        case ast.BinOp():
            own = _SUM if isinstance(node.op, (ast.Add, ast.Sub)) else _PRODUCT
            left, right = _written(node.left, own), _written(node.right, own + 1)
            return f"{left} {ARITHMETIC[type(node.op)]} {right}", own
        case ast.Call(func=ast.Name(id=name)):
            return f"{name}({', '.join(_written(value, _OR) for value in node.args)})", _ATOM
        case ast.Constant(value=(int() | float()) as value):
            number = float(value)
            whole = number.is_integer() and number < 1e15
            return str(int(number)) if whole else repr(number), _ATOM
        case ast.Name():
            return node.id, _ATOM
    msg = f"{type(node).__name__} is not part of a checked tree"
    raise AssertionError(msg)
