"""What `make images` builds: each image holds what its extra names, and the chart finds it."""

import importlib
import re
import subprocess
from pathlib import Path

import pytest

from tests.unit.charts.test_values import SERVICES

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "services/Dockerfile").read_text()
WITH_TORCH = {"embedding", "scoring", "committee", "pipelines"}


def _built(*arguments: str) -> dict[str, dict[str, str]]:
    """Give build arguments by image, from commands that are printed instead of run."""
    command = ["make", "images", "DOCKER=echo", *arguments]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {
        line.rpartition("-t ")[2].removesuffix(" ."): dict(
            found.split("=", 1) for found in re.findall(r"--build-arg (\S+=\S*)", line)
        )
        for line in said.splitlines()
    }


def _packages(extra: str) -> set[tuple[str, str]]:
    lock = (ROOT / f"requirements.{extra}.txt").read_text()
    return set(re.findall(r"^([a-z0-9._-]+)(?:\[[a-z,]+\])?==(\S+)", lock, re.M))


GRAPHS = sorted(path.parent.name for path in ROOT.glob("pipelines/*/pipeline.py"))


def test_the_chart_finds_an_image_for_each_of_its_services_and_so_does_each_graph() -> None:
    images = {f"winnow/{name.replace('_', '-')}:0.1.0" for name in {*SERVICES, *GRAPHS}}
    assert set(_built()) == images
    assert {importlib.import_module(f"{name}.pipeline").IMAGE for name in GRAPHS} < images
    elsewhere = _built("REPOSITORY=registry.example.com/team/winnow")
    assert set(elsewhere) == {f"registry.example.com/team/{image}" for image in images}


def test_images_are_built_from_their_own_extra_and_name_the_commit() -> None:
    for name, arguments in {**_built(), **_built("IMAGES=committee")}.items():
        service, extra = arguments["SERVICE"], arguments["EXTRA"]
        assert name.startswith(f"winnow/{service.replace('_', '-')}:")
        assert extra in (service.replace("_", "-"), "pipelines")
        assert arguments["FOUNDATION"] == ("torch" if extra in WITH_TORCH else "plain")
        assert re.match(r"[0-9a-f]{40}(-dirty)?$", arguments["COMMIT"])


NO_IMAGE = ("uv", "vehicle")
"""Locks that no container image is built from."""


@pytest.mark.parametrize("lock", sorted(ROOT.glob("requirements.*.txt")), ids=lambda p: p.name)
def test_shared_layers_hold_nothing_that_an_extra_does_not_name(lock: Path) -> None:
    extra = lock.name.split(".")[1]
    plain, torch = re.findall(r"source=requirements\.([a-z-]+)\.txt", DOCKERFILE)
    if extra not in NO_IMAGE:
        assert _packages(plain) <= _packages(extra)
    if extra in WITH_TORCH:
        assert _packages(torch) <= _packages(extra)
