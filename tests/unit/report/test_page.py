"""The page of a report: what it says of batches that nobody has decided yet."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from winnow.adapters.file_blobs import FileBlobs
from winnow.cli.report.facts import Pick, RoundFacts, WorldFacts
from winnow.cli.report.page import Report, render
from winnow.domain.labels import CLASSIFICATION


@pytest.fixture
def blobs(tmp_path: Path) -> FileBlobs:
    return FileBlobs(tmp_path)


def one_round(blobs: FileBlobs, state: str, *, n_frames: int = 1) -> Report:
    """Give a report of one round, whose batch is in this state."""
    sink = io.BytesIO()
    Image.new("RGB", (8, 8)).save(sink, "PNG")
    frame = blobs.put(sink.getvalue(), prefix="frames", media_type="image/png")
    picks = tuple(
        Pick(rank, "f" * 32, frame, "policy", "score 0.7", "", "", {}) for rank in range(n_frames)
    )
    none = np.empty(0)
    chosen = RoundFacts(
        number=0, state="open", reason="", batch_id="r0-batch", batch_state=state, picks=picks,
        scores_N=none, scores_picked_B=none, n_labels=0, metrics={}, stop={},
        label_kind=CLASSIFICATION, asked=None, trained=None, evaluation=None,
    )  # fmt: skip
    facts = WorldFacts(
        sources=("photos",), class_names=("cat",), n_frames=n_frames, n_holdout=0, refused={},
        rounds=(chosen,), budgets=(), label_states={}, n_accepted=0, clusters=(),
        map_frame_ids=(), map_embeddings_ND=np.empty((0, 2), dtype=np.float32),
        label_kind=CLASSIFICATION,
    )  # fmt: skip
    return Report("one round", facts, ())


def test_frames_of_a_proposed_batch_wait_and_are_named_to_whoever_decides(
    blobs: FileBlobs,
) -> None:
    page = render(one_round(blobs, "proposed"), blobs)
    assert "1 round over 1 frames" in page
    assert "<b>0</b><span>frames sent to annotators" in page
    assert "<b>1</b><span>frames that wait for a person" in page
    assert "winnow batch amend r0-batch --remove ID" in page
    assert f"<code>{'f' * 32}</code>" in page


@pytest.mark.parametrize(("state", "sent"), [("approved", 1), ("rejected", 0), ("cancelled", 0)])
def test_a_decided_batch_asks_nobody_and_only_an_approved_one_was_sent(
    blobs: FileBlobs, state: str, sent: int
) -> None:
    page = render(one_round(blobs, state), blobs)
    assert f"<b>{sent}</b><span>frames sent to annotators" in page
    assert "wait for a person" not in page
    assert "winnow batch" not in page
    assert "f" * 32 not in page


def test_a_batch_that_is_too_long_for_the_page_says_where_the_rest_is(blobs: FileBlobs) -> None:
    page = render(one_round(blobs, "proposed", n_frames=63), blobs)
    assert page.count(f"<code>{'f' * 32}</code>") == 60
    assert "… and 3 more: <code>winnow batch show r0-batch --all</code>" in page
