"""Runs retrain (`python -m retrain`), compiles its graph, or runs one step alone.

`python -m retrain compile OUT.yaml [IMAGE]`
`python -m retrain step plan round_id=r0 dataset=JSON`, likewise `train`, `evaluate` and
`register`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from retrain.app import app
from winnow.adapters.kfp_compiler import compile_pipeline
from winnow.domain.errors import BadInput
from winnow.runtime.run import main


def compile_graph(out: Path, image: str) -> None:
    """Write the graph as YAML for a cluster, its steps running in `image`."""
    compile_pipeline("retrain", out, image=image)


def run_step(name: str, given: list[str]) -> str:
    """Run one step with its arguments as `name=text`; give its result as text."""
    from retrain import steps

    arguments = dict(text.split("=", 1) for text in given)
    context = steps.open_context()
    if name == "plan":
        return json.dumps(steps.plan(context, **arguments))
    if name == "train":
        return steps.train_members(context, **arguments)
    if name == "evaluate":
        members = json.loads(arguments["members"])
        round_id, dataset = arguments["round_id"], arguments["dataset"]
        return steps.evaluate(context, round_id=round_id, dataset=dataset, members=members)
    if name == "register":
        return steps.register(context, **arguments)
    msg = f"step: expected plan, train, evaluate or register, found {name!r}"
    raise BadInput(msg)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["compile", out, *image]:
            compile_graph(Path(out), image[0] if image else "")
        case ["step", name, *given]:
            sys.stdout.write(run_step(name, given) + "\n")
        case _:
            main(app)
