"""Runs open_round once by hand, compiles its graph, or runs one step alone.

`python -m open_round once [name=value …]`
`python -m open_round compile OUT.yaml [IMAGE]`
`python -m open_round step check [name=value …]`, likewise `ask`.
"""

from __future__ import annotations

import sys
import uuid
from pathlib import Path

from open_round.settings import OpenRoundSettings
from winnow.adapters.kfp_compiler import compile_pipeline
from winnow.domain.errors import BadInput
from winnow.runtime.words import run_words


def compile_graph(out: Path, image: str) -> None:
    """Write the graph as YAML for a cluster, its steps running in `image`."""
    compile_pipeline("open_round", out, image=image)


def run_step(name: str, given: dict[str, str]) -> str:
    """Run one step, or both for `once`, with parameters by their names; give what it found."""
    from open_round import steps

    if name not in ("check", "ask", "once"):
        msg = f"open_round: expected check, ask or once, found {name}"
        raise BadInput(msg)
    arguments = {"run_id": uuid.uuid4().hex, **given}
    context = steps.open_context(arguments.pop("console", ""))
    try:
        if name == "once":
            return steps.run_all(context, arguments)
        step = steps.check if name == "check" else steps.ask
        return step(context, arguments).model_dump_json(indent=2)
    finally:
        context.client.close()


if __name__ == "__main__":
    words = ["step", *sys.argv[1:]] if sys.argv[1:2] == ["once"] else sys.argv[1:]
    sys.exit(run_words(words, __doc__ or "", compile_graph, run_step, OpenRoundSettings))
