"""Runs open_round once by hand, compiles its graph, or runs one step alone.

`python -m open_round once [name=value …]`
`python -m open_round compile OUT.yaml [IMAGE]`
`python -m open_round step check [name=value …]`, likewise `ask`.
"""

from __future__ import annotations

import sys
import uuid
from pathlib import Path

from winnow.adapters.kfp_compiler import compile_pipeline
from winnow.domain.errors import BadInput, WinnowError


def compile_graph(out: Path, image: str) -> None:
    """Write the graph as YAML for a cluster, its steps running in `image`."""
    compile_pipeline("open_round", out, image=image)


def run_step(name: str, given: list[str]) -> str:
    """Run one step, or both for `once`, with parameters as `name=value`; give what it found."""
    from open_round import steps

    wrong = [text for text in given if "=" not in text]
    if name not in ("check", "ask", "once") or wrong:
        msg = f"open_round: expected check, ask or once and name=value, found {name} {wrong}"
        raise BadInput(msg)
    arguments = {"run_id": uuid.uuid4().hex, **dict(text.split("=", 1) for text in given)}
    context = steps.open_context(arguments.pop("console", ""))
    try:
        if name == "once":
            return steps.run_all(context, arguments)
        step = steps.check if name == "check" else steps.ask
        return step(context, arguments).model_dump_json(indent=2)
    finally:
        context.client.close()


def main(words: list[str]) -> int:
    """Do what the command line says; a refusal is one block of text."""
    try:
        match words:
            case ["compile", out, *image]:
                compile_graph(Path(out), image[0] if image else "")
            case ["step", name, *given]:
                sys.stdout.write(run_step(name, given) + "\n")
            case ["once", *given]:
                sys.stdout.write(run_step("once", given) + "\n")
            case _:
                sys.stderr.write(__doc__ or "")
                return 2
    except WinnowError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 2 if isinstance(error, BadInput) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
