"""A person who decides on a proposed batch sees what it costs and which frames are in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.unit.selection.pools import StoredPool, store_pool
from tests.unit.selection.world import PERSON, PRICE, World, world_in
from winnow.cli import app, batch


@pytest.fixture
def selection(tmp_path: Path) -> Iterator[World]:
    with world_in(tmp_path) as world:
        world.fund(100 * PRICE)
        yield world


@pytest.fixture
def pool(selection: World) -> StoredPool:
    """Ten frames of it are proposed."""
    pool = store_pool(selection.blobs, PERSON)
    selection.hears(pool)
    return pool


def shown(state: Path, *arguments: str) -> str:
    result = CliRunner().invoke(
        app, ["batch", "show", "r1-batch", *arguments, "--state", str(state)]
    )
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.usefixtures("pool")
def test_a_batch_is_shown_with_its_price_and_first_frames(selection: World, tmp_path: Path) -> None:
    text = shown(tmp_path, "--frames", "3")
    assert "0.80 USD" in text
    assert text.count("0.08 USD") == 3
    assert "random arm: one of 2 drawn from" in text
    assert ", yard" in text
    assert [frame for frame in selection.frames if frame in text] == selection.frames[:3]
    assert "7 more frames: --all shows them" in text


@pytest.mark.usefixtures("pool")
def test_all_frames_are_shown_where_they_are_few_or_asked_for(
    selection: World, tmp_path: Path
) -> None:
    for arguments in ([], ["--all"], ["--frames", "10"], ["--frames", "99"]):
        text = shown(tmp_path, *arguments)
        assert all(frame in text for frame in selection.frames), arguments
        assert "more frames" not in text


@pytest.mark.usefixtures("pool")
def test_json_has_all_frames_however_many_calls_that_takes(
    selection: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "FRAMES_A_CALL", 4)
    document = json.loads(shown(tmp_path, "--frames", "3", "--json"))
    assert [frame["frame_id"] for frame in document["frames"]] == selection.frames
    assert (document["price_micros"], document["unit"]) == (10 * PRICE, "currency:USD")


def test_what_a_person_wrote_is_shown_as_it_is_written(
    selection: World, pool: StoredPool, tmp_path: Path
) -> None:
    added = next(frame for frame in pool.eligible if frame not in selection.frames)
    selection.told("amend", added=[added], reason="rare [wolf] [/]")
    assert "added by rita: rare [wolf] [/]" in shown(tmp_path)
