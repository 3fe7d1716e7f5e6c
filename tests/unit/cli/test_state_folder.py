"""Two `winnow up` on one state folder: the second is refused and told who has it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from winnow.cli.state_folder import owned
from winnow.domain.errors import BadInput, StateFolderBusy

TRY = "import sys; from pathlib import Path; from winnow.cli.state_folder import owned\n"
TRY += "with owned(Path(sys.argv[1])): pass"


def test_the_second_is_refused_and_told_the_pid(tmp_path: Path) -> None:
    with (
        owned(tmp_path / "state"),
        pytest.raises(StateFolderBusy, match=rf"pid {os.getpid()}\b.*--state DIR"),
        owned(tmp_path / "state"),
    ):
        pass


def test_another_process_is_refused_too_and_a_freed_folder_can_be_had(tmp_path: Path) -> None:
    with owned(tmp_path):
        other = subprocess.run(
            [sys.executable, "-c", TRY, str(tmp_path)], capture_output=True, text=True, check=False
        )
    assert "StateFolderBusy" in other.stderr
    with owned(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(BadInput, match="file/state"), owned(tmp_path / "file" / "state"):
        pass
