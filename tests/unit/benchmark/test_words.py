"""What `python -m benchmark` answers to words that it cannot use."""

from __future__ import annotations

import sys

import pytest

from benchmark import __main__ as command


def test_an_unknown_option_is_told_in_a_block_of_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmark", "run", "--strategies", "badge"])
    with pytest.raises(SystemExit) as stop:
        command.main()
    assert stop.value.code == 2
    told = capsys.readouterr().err
    assert "No such option: --strategies" in told
    assert "Traceback" not in told


def test_who_stops_it_is_told_that_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["benchmark", "compile", "out.yaml"])
    monkeypatch.setattr(command, "compile_graph", interrupted)
    with pytest.raises(SystemExit) as stop:
        command.main()
    assert stop.value.code == command.INTERRUPTED
    assert "the same command goes on" in capsys.readouterr().err
