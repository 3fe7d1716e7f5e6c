"""The README's table and picture of topics, drawn from `topics.py`.

`python -m winnow.contracts.picture README.md` writes them between the markers.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

from winnow.contracts.topics import TOPICS, Topic
from winnow.domain.errors import BadInput

BEGIN = "<!-- topics:begin -->"
END = "<!-- topics:end -->"


def render() -> str:
    """Give the markdown that stands between the markers: picture, then table."""
    return f"{picture()}\n\n{table()}"


def table() -> str:
    """Give a markdown table with one row for each topic."""
    head = ["| topic | key | from | to | says |", "|---|---|---|---|---|"]
    return "\n".join([*head, *(_row(topic) for topic in TOPICS)])


def picture() -> str:
    """Give a mermaid flow chart; the declared back edges are dotted.

    `round.halted.v1` is left out: every stage may state it, and five more arrows hide the rest.
    """
    return "\n".join(["```mermaid", "flowchart LR", *_edges(), "```"])


def put_into(document: str) -> str:
    """Give the document with what stands between its markers replaced.

    Raises
    ------
    BadInput
        The document lacks the markers.
    """
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        msg = f"document: expected the lines {BEGIN} and {END}, found no such pair"
        raise BadInput(msg)
    return f"{before}{BEGIN}\n{render()}\n{END}{after}"


def _row(topic: Topic) -> str:
    doc = inspect.getdoc(topic.event) or ""
    cells = [
        f"`{topic.name}`",
        f"`{topic.key}`",
        ", ".join(topic.producers),
        ", ".join(topic.consumers),
        doc.partition("\n")[0],
    ]
    return f"| {' | '.join(cells)} |"


def _edges() -> Iterator[str]:
    for topic in TOPICS:
        if len(topic.producers) > 1:
            continue
        label = topic.name.removesuffix(".v1")
        for consumer in topic.consumers:
            arrow = "-.->" if consumer in topic.back_edges else "-->"
            yield f"    {topic.producers[0]} {arrow}|{label}| {consumer}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(put_into(path.read_text()))
