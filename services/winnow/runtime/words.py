"""The words behind `python -m PIPELINE`: what retrain, rollout and open_round have in common."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic_settings import BaseSettings

from winnow.domain.errors import BadInput, WinnowError
from winnow.runtime.failures import policy_of
from winnow.runtime.usage import settings_usage

Step = TypeVar("Step", bound=Callable[..., object])


def run_words(
    words: Sequence[str],
    usage: str,
    compile_graph: Callable[[Path, str], None],
    run_step: Callable[[str, dict[str, str]], str],
    settings: type[BaseSettings],
) -> int:
    """Compile a graph or run one step; a refusal is one block of text. Gives the exit code.

    Parameters
    ----------
    words
        `compile OUT.yaml [IMAGE]`, `step NAME [name=value …]` or `--help`; others get `usage`.
    settings
        What every step reads; `--help` lists them.
    run_step
        Is called with the step's name and arguments; its text is printed.
    """
    try:
        match words:
            case ["compile", out] | ["compile", out, _]:
                compile_graph(Path(out), "".join(words[2:]))
            case ["step", name, *given]:
                sys.stdout.write(run_step(name, _arguments(given)) + "\n")
            case ["--help" | "-h"]:
                sys.stdout.write(f"{usage}\n{settings_usage(settings)}")
            case _:
                sys.stderr.write(usage)
                return 2
    except WinnowError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return policy_of(error).exit_code
    return 0


def step_of(steps: Mapping[str, Step], name: str, arguments: Mapping[str, str]) -> Step:
    """Give the step of a name.

    Raises
    ------
    BadInput
        There is none, or it takes other arguments.
    """
    if name not in steps:
        msg = f"step: expected one of {', '.join(steps)}, found {name!r}"
        raise BadInput(msg)
    _context, *parameters = inspect.signature(steps[name]).parameters.values()
    wanted = [each.name for each in parameters if each.default is inspect.Parameter.empty]
    if set(wanted) != set(arguments):
        found = " ".join(f"{given}=…" for given in arguments) or "none"
        msg = f"step {name}: expected {' '.join(f'{given}=…' for given in wanted)}, found {found}"
        raise BadInput(msg)
    return steps[name]


def _arguments(given: Sequence[str]) -> dict[str, str]:
    wrong = [text for text in given if "=" not in text]
    if wrong:
        msg = f"arguments: expected name=value, found {', '.join(map(repr, wrong))}"
        raise BadInput(msg)
    return dict(text.split("=", 1) for text in given)
