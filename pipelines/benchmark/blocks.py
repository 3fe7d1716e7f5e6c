"""A report as parts that become Markdown or one HTML page."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:1180px;margin:2em auto;padding:0 1em;"
    "color:#1c2430}table{border-collapse:collapse;margin:1em 0}td,th{padding:.25em .7em;"
    "border-bottom:1px solid #d5dae2;text-align:right}td:first-child,th:first-child"
    "{text-align:left}img{max-width:100%}code{background:#f2f4f7;padding:0 .25em}"
)


@dataclass(frozen=True, slots=True)
class Heading:
    """A title; level 1 is the report's."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Text; `**bold**` and backticks are known."""

    text: str


@dataclass(frozen=True, slots=True)
class Points:
    """A list."""

    items: Sequence[str]


@dataclass(frozen=True, slots=True)
class Table:
    """Column names and rows of texts."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Figure:
    """A PNG, and where it lies beside the Markdown."""

    path: str
    png: bytes
    text: str


Block: TypeAlias = Heading | Paragraph | Points | Table | Figure


def markdown(blocks: Sequence[Block]) -> str:
    """Give the report as Markdown; figures are links to their files."""
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def page(blocks: Sequence[Block], title: str) -> str:
    """Give the report as one HTML page that needs no other file."""
    body = "\n".join(_html(block) for block in blocks)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style>\n{body}\n</html>\n"
    )


def _markdown(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"{'#' * level} {text}"
        case Paragraph(text):
            return text
        case Points(items):
            return "\n".join(f"- {item}" for item in items)
        case Table(head, rows):
            lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
            return "\n".join(f"| {' | '.join(line)} |" for line in lines)
        case Figure(path, _, text):
            return f"![{text}]({path})"


def _html(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"<h{level}>{_inline(text)}</h{level}>"
        case Paragraph(text):
            return f"<p>{_inline(text)}</p>"
        case Points(items):
            return f"<ul>{''.join(f'<li>{_inline(item)}</li>' for item in items)}</ul>"
        case Table(head, rows):
            lines = [_row("th", head), *(_row("td", row) for row in rows)]
            return f"<table>{''.join(lines)}</table>"
        case Figure(_, png, text):
            data = base64.b64encode(png).decode()
            return f'<img alt="{html.escape(text)}" src="data:image/png;base64,{data}">'


def _row(cell: str, values: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{cell}>{_inline(value)}</{cell}>' for value in values)}</tr>"


def _inline(text: str) -> str:
    safe = html.escape(text, quote=False)
    bold = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", safe)
    return re.sub(r"`(.+?)`", r"<code>\1</code>", bold)
