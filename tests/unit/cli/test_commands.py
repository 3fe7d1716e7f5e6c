"""What people type, what they read, and the code that scripts read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.cli import COMMANDS, app, load
from winnow.domain.boxes import Box, label_of
from winnow.domain.ids import FrameId
from winnow.domain.labels import DETECTION, Actor, LabelKey, LabelState, Role, Transition

Winnow = Callable[..., Result]


@pytest.fixture
def winnow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Winnow:
    """Run a command on an empty state folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("WINNOW_STATE", "WINNOW_CONSOLE_URL", "WINNOW_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments))

    return run


@pytest.fixture
def funded(winnow: Winnow) -> Winnow:
    assert winnow("budget", "allocate", "human_annotation", "100.00").exit_code == 0
    return winnow


def test_help_comes_without_importing_what_it_does_not_need() -> None:
    code = (
        "import sys\n"
        "from winnow.cli import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'sklearn', 'sqlalchemy', 'numpy', 'pyarrow', 'httpx', 'pydantic'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(name in done.stdout for name in COMMANDS)


def test_a_wrong_setting_of_the_console_is_named_as_the_variable_that_was_set(
    winnow: Winnow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WINNOW_CONSOLE_HTTP_PORT", "no port")
    result = winnow("budget", "allocate", "upload", "1GB")
    assert result.exit_code == 2
    assert "  WINNOW_CONSOLE_HTTP_PORT: expected" in result.stderr


def test_the_version_is_that_of_the_package(winnow: Winnow) -> None:
    assert winnow("--version").stdout == f"winnow {version('winnow')}\n"


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, f"{path} {name}")


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_and_option_has_help(name: str) -> None:
    for path, command in commands(load(name), f"winnow {name}"):
        assert command.help, path
        options = [option for parameter in command.params for option in parameter.opts]
        assert len(options) == len(set(options)), path
        for parameter in command.params:
            assert getattr(parameter, "help", "said by typer"), f"{path}: {parameter.name}"


def test_a_command_outside_a_state_folder_says_how_to_start(winnow: Winnow, tmp_path: Path) -> None:
    result = winnow("budget", "show")
    assert result.exit_code == 2
    assert "state folder .winnow: expected one that Winnow wrote, found none" in result.stderr
    assert "winnow budget allocate upload 10GB" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_allocation_is_shown_in_its_unit(funded: Winnow) -> None:
    funded("budget", "allocate", "upload", "10GB")
    text = funded("budget", "show").stdout
    assert "100.00 USD" in text
    assert "10 GB" in text
    (annotation,) = [
        budget
        for budget in json.loads(funded("budget", "show", "--json").stdout)
        if budget["id"] == "human_annotation"
    ]
    assert annotation["periods"][0]["balances"]["available"] == 100_000_000


def test_the_same_key_pays_once(winnow: Winnow) -> None:
    for _ in range(2):
        result = winnow("budget", "allocate", "upload", "1GB", "--key", "k", "--json")
        assert result.exit_code == 0
    assert json.loads(result.stdout)["answer"]["balances"]["available"] == 10**9
    other = winnow("budget", "allocate", "upload", "2GB", "--key", "k")
    assert other.exit_code == 1
    assert "Conflict: idempotency key 'k'" in other.stderr


@pytest.mark.parametrize(
    ("amount", "expected"),
    [("-10GB", "found a negative amount"), ("0.5B", "found a finer amount"), ("ten", "10GB")],
)
def test_an_amount_that_is_none_is_bad_usage(winnow: Winnow, amount: str, expected: str) -> None:
    result = winnow("budget", "allocate", "upload", amount)
    assert result.exit_code == 2
    assert expected in result.stderr
    assert "Traceback" not in result.stderr


def test_an_unknown_kind_or_command_is_bad_usage(winnow: Winnow) -> None:
    assert winnow("budget", "allocate", "coffee", "1.00").exit_code == 2
    result = winnow("budgets")
    assert result.exit_code == 2
    assert "Did you mean 'budget'" in result.stderr


def test_money_is_moved_and_a_period_is_closed(funded: Winnow) -> None:
    funded("budget", "allocate", "label_qa", "1.00")
    assert funded("budget", "transfer", "human_annotation", "label_qa", "30.00").exit_code == 0
    closed = funded("budget", "close", "label_qa", "--json")
    assert json.loads(closed.stdout)["answer"]["balances"]["returned"] == 31_000_000
    again = funded("budget", "close", "label_qa", "--period", "none")
    assert again.exit_code == 1
    assert "70.00 USD" in funded("budget", "show", "human_annotation").stdout


def test_json_is_printed_for_errors_too(funded: Winnow) -> None:
    result = funded("round", "show", "7", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"]["kind"] == "NotFound"


def test_a_policy_is_checked_without_a_state_folder(winnow: Winnow, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("qa: {sample_share: 2}\ntraining: {members: many}\nsurprise: 1")
    result = winnow("policy", "check", "policy.yaml")
    assert result.exit_code == 2
    assert "policy.yaml: 3 mistake(s)" in result.stderr
    policy.write_text("seed: 3")
    assert "is sound" in winnow("policy", "check", "policy.yaml").stdout
    assert "batch_size: 100" in winnow("policy", "check", "policy.yaml", "--full").stdout
    assert winnow("policy", "check", "none.yaml").exit_code == 2


def test_a_round_is_asked_for_and_waited_for_with_a_deadline(
    funded: Winnow, tmp_path: Path
) -> None:
    (tmp_path / "policy.yaml").write_text("seed: 3")
    opened = funded("round", "open", "--policy", "policy.yaml", "--key", "k")
    assert (opened.exit_code, opened.stdout.startswith("Asked for")) == (0, True)
    waited = funded(
        "round", "open", "--policy", "policy.yaml", "--key", "k", "--wait", "--timeout", "0"
    )
    assert waited.exit_code == 1
    assert "stays asked for" in waited.stderr
    assert funded("round", "list").exit_code == 0


def test_people_act_under_their_own_token(funded: Winnow) -> None:
    added = funded("people", "add", "rui", "--role", "reviewer", "--json")
    token = json.loads(added.stdout)["token"]
    refused = funded("budget", "allocate", "upload", "1GB", "--token", token)
    assert refused.exit_code == 1
    assert "expected one of the roles budget_owner, found reviewer for rui" in refused.stderr
    log = funded("audit", "--outcome", "refused").stdout
    assert "rui" in log
    assert "budget.allocate" in log
    assert "rui" in funded("people", "list").stdout
    assert funded("people", "remove", "rui").exit_code == 0
    assert funded("budget", "show", "--token", token).exit_code == 1


def test_a_label_of_boxes_is_shown_with_its_boxes(funded: Winnow, tmp_path: Path) -> None:
    ledger, frame_id = SqliteLedger(tmp_path / ".winnow" / "ledger.db"), FrameId("f" * 32)
    at, crowd = datetime(2026, 1, 1, tzinfo=UTC), Actor("ann", Role.ANNOTATOR)
    boxes = label_of([Box("person", 4, 8, 10, 20), Box("bicycle", 1, 2, 3, 4)])
    key = LabelKey(frame_id, DETECTION, 1)
    step = Transition(
        key, 2, LabelState.CANDIDATE, LabelState.HUMAN_LABELED, crowd, "{}", "", at
    )  # fmt: skip
    with ledger.transaction() as tx:
        tx.labels.begin(
            [frame_id], DETECTION, round_id="r0", batch_id="r0-batch",
            actor=Actor("selection", Role.SELECTOR), evidence="chosen", at=at,
        )  # fmt: skip
        value = json.dumps({"label": boxes})
        tx.labels.step(
            step, round_id="r0", batch_id="r0-batch", value=value, annotator="ann"
        )  # fmt: skip
    ledger.close()
    shown = funded("label", "history", frame_id).stdout
    assert "candidate → human_labeled" in shown
    assert "bicycle 1, person 1" in shown
    assert "4, 8: 10 x 20" in shown
    assert '{"box"' not in shown


def test_every_reading_command_reads_a_fresh_folder(funded: Winnow) -> None:
    for arguments in (
        ["status"], ["round", "list"], ["label", "counts"], ["exception", "list"], ["audit"],
        ["people", "list"], ["budget", "show"], ["budget", "report"],
    ):  # fmt: skip
        assert funded(*arguments).exit_code == 0, arguments
        assert json.loads(funded(*arguments, "--json").stdout) is not None, arguments


def test_an_outcome_that_no_act_has_is_bad_usage_and_no_empty_list(funded: Winnow) -> None:
    assert "budget.allocate" in funded("audit", "--outcome", "allowed").stdout
    result = funded("audit", "--outcome", "alowed")
    assert result.exit_code == 2
    assert "'allowed', 'refused' or 'repeated'" in result.stderr


def test_a_console_that_is_away_is_one_clear_line(winnow: Winnow) -> None:
    result = winnow("status", "--console", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert "console at http://127.0.0.1:9" in result.stderr
