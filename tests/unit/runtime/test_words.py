"""What `python -m PIPELINE` answers to words: help, steps, and mistakes in either."""

from __future__ import annotations

from pathlib import Path

import pytest

from open_round.__main__ import run_step as run_open_round
from open_round.settings import OpenRoundSettings
from retrain.__main__ import run_step as run_retrain
from rollout.__main__ import run_step as run_rollout
from winnow.domain.errors import BadInput, BudgetExceeded
from winnow.runtime.words import run_words, step_of


def answer(words: list[str]) -> int:
    def compile_graph(out: Path, image: str) -> None:
        out.write_text(image)

    def run_step(name: str, arguments: dict[str, str]) -> str:
        if name == "pay":
            raise BudgetExceeded("human_annotation: expected 8.00 USD, found 0.00 USD")
        return f"{name} {arguments}"

    return run_words(words, "the usage\n", compile_graph, run_step, OpenRoundSettings)


def test_help_is_given_on_request_and_to_words_that_nobody_knows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert answer(["--help"]) == 0
    said, mistakes = capsys.readouterr()
    assert said.startswith("the usage\n\nSettings, read from the environment:\n")
    assert "  WINNOW_OPEN_ROUND_TOKEN        Token of the person" in said
    assert mistakes == ""
    assert answer(["nonsense"]) == 2
    assert capsys.readouterr() == ("", "the usage\n")


def test_a_graph_is_compiled_for_an_image_or_its_own(tmp_path: Path) -> None:
    out = tmp_path / "graph.yaml"
    assert answer(["compile", str(out), "registry/pipelines:7"]) == 0
    assert out.read_text() == "registry/pipelines:7"
    assert answer(["compile", str(out)]) == 0
    assert out.read_text() == ""


def test_a_step_gets_its_arguments_and_a_refusal_is_one_block_of_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert answer(["step", "plan", "dataset={'a': 'b=c'}"]) == 0
    assert capsys.readouterr().out == """plan {'dataset': "{'a': 'b=c'}"}\n"""
    assert answer(["step", "plan", "dataset"]) == 2
    assert capsys.readouterr().err == "BadInput: arguments: expected name=value, found 'dataset'\n"
    assert answer(["step", "pay"]) == 1
    assert capsys.readouterr().err.startswith("BudgetExceeded: human_annotation: expected")


def test_a_step_that_is_called_wrongly_says_what_it_takes() -> None:
    def plan(context: object, *, dataset: str, shown: object = None) -> str:
        return f"{context} {dataset} {shown}"

    assert step_of({"plan": plan}, "plan", {"dataset": "d"}) is plan
    with pytest.raises(BadInput, match=r"step: expected one of plan, found 'paln'"):
        step_of({"plan": plan}, "paln", {})
    with pytest.raises(BadInput, match=r"step plan: expected dataset=…, found data=…"):
        step_of({"plan": plan}, "plan", {"data": "d"})


def test_pipelines_name_their_steps_before_they_connect_to_anything() -> None:
    with pytest.raises(BadInput, match="plan, train, evaluate, register, found 'foo'"):
        run_retrain("foo", {})
    with pytest.raises(BadInput, match=r"evaluate: expected round_id=… dataset=… members=…"):
        run_retrain("evaluate", {})
    with pytest.raises(BadInput, match="deploy, probe, conclude, found 'foo'"):
        run_rollout("foo", {})
    with pytest.raises(BadInput, match="expected check, ask or once, found foo"):
        run_open_round("foo", {})


def test_a_step_without_settings_names_their_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WINNOW_RETRAIN_LEDGER_URL", raising=False)
    with pytest.raises(BadInput, match="WINNOW_RETRAIN_LEDGER_URL: expected a value"):
        run_retrain("train", {"orders": "[]"})
