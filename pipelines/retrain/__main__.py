"""Runs retrain (`python -m retrain`), compiles its graph, or runs one step alone.

`python -m retrain compile OUT.yaml [IMAGE]`
`python -m retrain step plan round_id=r0 dataset=JSON`, likewise `train`, `evaluate` and
`register`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from retrain.app import app
from winnow.adapters.kfp_compiler import compile_pipeline
from winnow.runtime.run import main
from winnow.runtime.words import run_words, step_of


def compile_graph(out: Path, image: str) -> None:
    """Write the graph as YAML for a cluster, its steps running in `image`."""
    compile_pipeline("retrain", out, image=image)


def run_step(name: str, arguments: dict[str, str]) -> str:
    """Run one step with its arguments as texts; give its result as text."""
    from retrain import steps

    known: dict[str, Callable[..., str | list[str]]] = {
        "plan": steps.plan,
        "train": steps.train_members,
        "evaluate": steps.evaluate,
        "register": steps.register,
    }
    step = step_of(known, name, arguments)
    given: dict[str, Any] = dict(arguments)
    if name == "evaluate":
        given["members"] = json.loads(arguments["members"])
    found = step(steps.open_context(), **given)
    return found if isinstance(found, str) else json.dumps(found)


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(run_words(sys.argv[1:], __doc__ or "", compile_graph, run_step, app.settings))
    main(app)
