"""The house: every service has the same shape, locks are exact, images stay small."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KAFKA_SERVICES = (
    "console", "rounds", "embedding", "scoring", "selection", "labeling_gateway", "qa",
)  # fmt: skip
SEVEN = {
    "README.md", "__init__.py", "__main__.py", "app.py", "handlers.py", "settings.py", "metrics.py",
}  # fmt: skip
LOCKS = sorted(ROOT.glob("requirements.*.txt"))


def python_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*.py") if "generated" not in path.parts]


@pytest.mark.parametrize("service", KAFKA_SERVICES)
def test_every_service_has_the_seven_files(service: str) -> None:
    assert {path.name for path in (ROOT / "services" / service).iterdir()} >= SEVEN


@pytest.mark.parametrize("service", KAFKA_SERVICES)
def test_a_service_keeps_no_utils_and_short_handlers(service: str) -> None:
    names = {path.stem for path in python_files(ROOT / "services" / service)}
    assert not names & {"utils", "helpers", "common", "manager"}
    lines = (ROOT / "services" / service / "handlers.py").read_text().splitlines()
    assert len(lines) <= 300


def test_no_module_is_longer_than_four_hundred_lines() -> None:
    for folder in ("services", "pipelines"):
        for path in python_files(ROOT / folder):
            assert len(path.read_text().splitlines()) <= 400, path


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_locks_hold_exact_versions_and_hashes_and_no_addresses(lock: Path) -> None:
    text = lock.read_text()
    requirements = re.split(r"\n(?=[a-z0-9])", text.strip())
    assert requirements
    for requirement in requirements:
        assert re.match(r"[a-z0-9._-]+(\[[a-z,]+\])?==\S+", requirement), requirement[:80]
        assert "--hash=sha256:" in requirement, requirement[:80]
    assert "://" not in text
    assert "--index" not in text


@pytest.mark.parametrize("extra", ["console", "rounds", "selection", "labeling-gateway", "qa"])
def test_services_that_train_nothing_install_no_torch(extra: str) -> None:
    text = (ROOT / f"requirements.{extra}.txt").read_text()
    assert not re.search(r"^(torch|nvidia-|kfp|kserve)", text, re.MULTILINE)


def test_extras_agree_on_every_version() -> None:
    versions: dict[str, set[str]] = {}
    for lock in LOCKS:
        for name, version in re.findall(r"^([a-z0-9._-]+)==(\S+)", lock.read_text(), re.M):
            versions.setdefault(name, set()).add(version)
    dev = (ROOT / "requirements.dev.txt").read_text()
    for name, found in versions.items():
        known = set(re.findall(rf"^{re.escape(name)}==(\S+)", dev, re.M)) or found
        assert found <= known, name


def test_make_help_names_every_target_with_a_description() -> None:
    text = (ROOT / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY: (.*)$", text, re.M).group(1).split())  # type: ignore[union-attr]
    described = set(re.findall(r"^([a-z0-9-]+):.*## ", text, re.M))
    assert described == phony
