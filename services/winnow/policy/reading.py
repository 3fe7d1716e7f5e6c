"""YAML with the place of every value, so that each mistake can be shown where it was made.

Scalars are read as YAML 1.2 reads them: `no` is a text, `1e-3` a number, `2026-11-03` a text;
keys are always the text that stands there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import yaml

from winnow.domain.errors import BadInput

Path: TypeAlias = tuple[str | int, ...]
Place: TypeAlias = tuple[int, int]
"""Line and column, both from 1."""

TEXT_BYTES_MAX: Final = 1 << 18
DEPTH_MAX: Final = 32
NODES_MAX: Final = 50_000
"""Values with every alias written out: a few lines of anchors can name billions."""

_NUMBER_LENGTH_MAX: Final = 40
_INTEGER: Final = re.compile(r"[-+]?[0-9][0-9_]*")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NAMED: Final[Mapping[str, object]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_MAPPING, _SEQUENCE = "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"
_MERGE, _VALUE = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:value"
_TEXT = "tag:yaml.org,2002:str"
_PLAIN = frozenset(
    {_MERGE, _VALUE, _TEXT, "tag:yaml.org,2002:timestamp"}
    | {f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float")}
)


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """Something wrong, and where."""

    place: Place
    path: Path
    text: str

    def __str__(self) -> str:
        """Give it as a line of a report."""
        line, column = self.place
        named = ".".join(str(part) for part in self.path)
        return f"line {line}, column {column}: {f'{named}: ' if named else ''}{self.text}"


@dataclass(slots=True)
class Document:
    """Plain values, where each of them stands, and what is wrong with the YAML itself."""

    value: object = None
    keys: dict[Path, Place] = field(default_factory=dict)
    """Path → where its key (or the item) begins."""
    values: dict[Path, Place] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    def place(self, path: Path, *, of_key: bool = False) -> Place:
        """Give where a path stands; for one that is not there, where its section does.

        Parts that are no key of the document are passed over: a validator's path also names the
        variant that it tried.
        """
        here: Path = ()
        for part in path:
            if (*here, part) in self.values:
                here = (*here, part)
        if not here:
            return (1, 1)
        return (self.keys if of_key else self.values)[here]


def read_document(text: str | bytes, *, where: str = "policy") -> Document:
    """Read one YAML (or JSON) document with the places of its values.

    Raises
    ------
    BadInput
        It is no UTF-8 text or no YAML, larger than 256 KiB, nested deeper than 32 levels, or
        holds more than 50,000 values once its aliases are written out. Duplicate keys and foreign
        tags do not raise: they are in `mistakes`, to be told with all others.
    """
    if len(text) > TEXT_BYTES_MAX:
        msg = f"{where}: expected at most {TEXT_BYTES_MAX} bytes, found {len(text)}"
        raise BadInput(msg)
    document = Document()
    try:
        node = _Loader(_decoded(text, where)).get_single_node()
        if node is not None:
            document.value = _Builder(document).build(node, ())
    except yaml.MarkedYAMLError as error:
        raise BadInput(f"{where}: 1 mistake(s)\n  {_told(error)}") from error
    except yaml.reader.ReaderError as error:
        msg = f"{where}: expected YAML, found the character U+{error.character:04X} in it"
        raise BadInput(msg) from error
    return document


def _decoded(text: str | bytes, where: str) -> str:
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"{where}: expected UTF-8 text, found other bytes at {error.start}"
        raise BadInput(msg) from error


def _told(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    said = ", ".join(part for part in (error.context, error.problem) if part)
    return f"{Mistake(_place(mark), (), f'expected YAML, found: {said}')}"


def _place(mark: yaml.Mark | None) -> Place:
    return (1, 1) if mark is None else (mark.line + 1, mark.column + 1)


class _Loader(yaml.SafeLoader):
    """Composes nodes, and gives up early on a text that is made to be endless."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._level = self._n_nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose one node, unless there are too many of them or too deep ones."""
        self._level += 1
        self._n_nodes += 1
        for found, most, what in (
            (self._level, DEPTH_MAX, "levels"),
            (self._n_nodes, NODES_MAX, "values"),
        ):
            if found > most:
                mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
                raise yaml.composer.ComposerError(None, None, f"more than {most} {what}", mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        self._level -= 1
        return node


class _Builder:
    """Turns nodes into values; what is wrong becomes a mistake and is left out."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._n_values = 0
        self._open: list[int] = []  # nodes around the present one: an alias may name one of them

    def build(self, node: yaml.Node, path: Path) -> object:
        """Give the value of a node."""
        self._document.values.setdefault(path, _place(node.start_mark))
        self._document.keys.setdefault(path, _place(node.start_mark))
        self._n_values += 1
        if self._n_values > NODES_MAX:
            problem = f"more than {NODES_MAX} values once the aliases are written out"
            raise yaml.composer.ComposerError(None, None, problem, node.start_mark)
        if id(node) in self._open:
            return self._wrong(node, path, "expected no anchor that contains itself")
        build = self._builder_of(node)
        if build is None:
            return self._wrong(node, path, f"expected plain YAML, found the tag {node.tag}")
        self._open.append(id(node))
        value = build(node, path)
        self._open.pop()
        return value

    def _builder_of(self, node: yaml.Node) -> Callable[..., object] | None:
        match node:
            case yaml.MappingNode() if node.tag == _MAPPING:
                return self._mapping
            case yaml.SequenceNode() if node.tag == _SEQUENCE:
                return lambda found, path: [
                    self.build(item, (*path, pos)) for pos, item in enumerate(found.value)
                ]
            case yaml.ScalarNode() if node.tag in _PLAIN:
                return self._scalar
        return None

    def _mapping(self, node: yaml.Node, path: Path) -> dict[str, object]:
        found: dict[str, object] = {}
        merged: list[yaml.Node] = []
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._wrong(key, path, "expected a text as key")
            elif key.tag == _MERGE:
                merged.append(value)
            elif key.value in found:
                first = self._document.keys[(*path, key.value)]
                text = f"{key.value!r} is already given in line {first[0]}"
                self._wrong(key, (*path, key.value), text)
            else:
                self._document.keys.setdefault((*path, key.value), _place(key.start_mark))
                found[key.value] = self.build(value, (*path, key.value))
        for value in merged:
            for name, inherited in self._inherited(value, path).items():
                found.setdefault(name, inherited)
        return found

    def _inherited(self, node: yaml.Node, path: Path) -> dict[str, object]:
        """Give what `<<: *anchor` or `<<: [*one, *two]` brings; the first named wins."""
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        found: dict[str, object] = {}
        for one in nodes:
            if isinstance(one, yaml.MappingNode) and id(one) not in self._open:
                value = self.build(one, path)
                found = {**value, **found} if isinstance(value, dict) else found
            else:
                self._wrong(one, path, "expected a mapping to merge")
        return found

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> object:
        # JSON writes a character beyond U+FFFF as two halves.
        halves = str(node.value).encode("utf-16-le", "surrogatepass")
        text = halves.decode("utf-16-le", "surrogatepass")
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            return self._wrong(node, path, "expected characters, found half of one")
        # YAML 1.1, which the loader resolves by, takes `1e-3` for a text; a number with a tag of
        # a text is one that somebody tagged.
        tagged = node.tag == _TEXT and "e" not in text.lower()
        return text if node.style is not None or tagged else _plain(text)

    def _wrong(self, node: yaml.Node, path: Path, text: str) -> object:
        self._document.mistakes.append(Mistake(_place(node.start_mark), path, text))
        return None


def _plain(text: str) -> object:
    if text in _NAMED:
        return _NAMED[text]
    if len(text) <= _NUMBER_LENGTH_MAX:
        if _INTEGER.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
    return text
