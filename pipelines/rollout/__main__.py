"""Runs rollout (`python -m rollout`), compiles its graph, or runs one step alone.

`python -m rollout compile OUT.yaml [IMAGE]`
`python -m rollout step deploy members=JSON`, likewise `probe`, `conclude`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from rollout.app import app
from winnow.adapters.kfp_compiler import compile_pipeline
from winnow.runtime.run import main
from winnow.runtime.words import run_words, step_of


def compile_graph(out: Path, image: str) -> None:
    """Write the graph as YAML for a cluster, its steps running in `image`."""
    compile_pipeline("rollout", out, image=image)


def run_step(name: str, arguments: dict[str, str]) -> str:
    """Run one step with its arguments as texts; give its result as text."""
    from rollout import steps

    known: dict[str, Callable[..., str]] = {
        "deploy": steps.deploy,
        "probe": steps.probe,
        "conclude": steps.conclude,
    }
    step = step_of(known, name, arguments)
    return step(steps.open_context(), **arguments)


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(run_words(sys.argv[1:], __doc__ or "", compile_graph, run_step, app.settings))
    main(app)
