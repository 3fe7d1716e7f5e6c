"""Logs go to what standard error is when the line is written."""

from __future__ import annotations

import contextlib
import io

import pytest

from winnow.telemetry import logs


def test_a_closed_stand_in_for_standard_error_silences_nobody(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logger = logs.get_logger()
    with io.StringIO() as stand_in, contextlib.redirect_stderr(stand_in):
        logs.configure("json")
        logger.info("batch.selected")
        assert "batch.selected" in stand_in.getvalue()
    logger.info("round.opened")
    assert "round.opened" in capsys.readouterr().err
