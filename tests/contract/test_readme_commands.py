"""Every command and make target that a README shows exists, with the options it shows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from winnow.cli import COMMANDS, load
from winnow.policy.model import Policy, parse_policy

ROOT = Path(__file__).parents[2]
READMES = sorted(
    path
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("*/**/README.md")]
    if ".venv" not in path.parts and "build" not in path.parts
)
CODE = re.compile(r"```[a-z]*\n(.*?)```|`([^`\n]+)`", re.DOTALL)


def shown(pattern: str) -> Iterator[tuple[str, str]]:
    for readme in READMES:
        for block, inline in CODE.findall(readme.read_text(encoding="utf-8")):
            for line in (block or inline).splitlines():
                if re.match(pattern, line.strip()):
                    yield str(readme.relative_to(ROOT)), line.strip()


def _resolved(words: list[str]) -> tuple[Any, list[str]]:
    """Give the command that the words name, and the words after its name."""
    found: Any = load(words[0])
    rest = words[1:]
    while hasattr(found, "commands") and rest and rest[0] in found.commands:
        found, rest = found.commands[rest[0]], rest[1:]
    return found, rest


@pytest.mark.parametrize(("readme", "line"), sorted(set(shown(r"winnow [a-z]"))))
def test_every_winnow_command_exists_with_its_options(readme: str, line: str) -> None:
    text = re.split(r"\s#|\s\|", line)[0].replace("…", "").replace("[", " ").replace("]", " ")
    for variant in text.split("|"):
        words = shlex.split(variant.strip())[1:] if variant.startswith("winnow") else []
        if not words:
            continue
        assert words[0] in COMMANDS, f"{readme}: {line}"
        command, rest = _resolved(words)
        alone = getattr(command, "invoke_without_command", False)
        assert not hasattr(command, "commands") or not rest or alone, f"{readme}: {line}"
        options = {name for parameter in command.params for name in parameter.opts}
        for word in rest:
            if word.startswith("--"):
                assert word.split("=")[0] in options, f"{readme}: {line}: {word}"


@pytest.mark.parametrize(("readme", "line"), sorted(set(shown(r"make [a-z]"))))
def test_every_make_target_exists(readme: str, line: str) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    word = line.split()[1]
    assert word in targets, f"{readme}: {line}"


def test_the_policy_of_the_readme_is_a_policy() -> None:
    block = re.search(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block is not None
    policy = parse_policy(block.group(1))
    assert policy != Policy()
    assert set(yaml.safe_load(block.group(1))) <= set(Policy.model_fields)
