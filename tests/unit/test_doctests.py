"""The examples in docstrings are true."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import pytest

from winnow.acquisition.registry import ACQUISITIONS

ROOT = Path(__file__).parents[2]


def modules_with_examples() -> list[str]:
    return sorted(
        ".".join(path.relative_to(root).with_suffix("").parts)
        for root in (ROOT / "services", ROOT / "pipelines")
        for path in root.rglob("*.py")
        if re.search(r"^\s+>>> ", path.read_text(), re.MULTILINE)
    )


@pytest.mark.parametrize("name", modules_with_examples())
def test_the_examples_of_a_module_hold(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted
    assert not found.failed


@pytest.mark.parametrize("name", sorted(ACQUISITIONS))
def test_every_acquisition_function_has_an_example(name: str) -> None:
    function = ACQUISITIONS[name].score
    assert doctest.DocTestFinder().find(function, name)[0].examples
