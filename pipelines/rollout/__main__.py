"""Runs rollout (`python -m rollout`), compiles its graph, or runs one step alone.

`python -m rollout compile OUT.yaml [IMAGE]`
`python -m rollout step deploy members=JSON`, likewise `probe`, `conclude`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rollout.app import app
from winnow.adapters.kfp_compiler import compile_pipeline
from winnow.domain.errors import BadInput
from winnow.runtime.run import main


def compile_graph(out: Path, image: str) -> None:
    """Write the graph as YAML for a cluster, its steps running in `image`."""
    compile_pipeline("rollout", out, image=image)


def run_step(name: str, given: list[str]) -> str:
    """Run one step with its arguments as `name=text`; give its result as text."""
    from rollout import steps

    arguments = dict(text.split("=", 1) for text in given)
    context = steps.open_context()
    if name == "deploy":
        return steps.deploy(context, **arguments)
    if name == "probe":
        return steps.probe(context, **arguments)
    if name == "conclude":
        return steps.conclude(context, **arguments)
    msg = f"step: expected deploy, probe or conclude, found {name!r}"
    raise BadInput(msg)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["compile", out, *image]:
            compile_graph(Path(out), image[0] if image else "")
        case ["step", name, *given]:
            sys.stdout.write(run_step(name, given) + "\n")
        case _:
            main(app)
