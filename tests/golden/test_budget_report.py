"""The budget ledger report and its schema, as readers of its files know them.

Origin of the golden files: this module, `make golden`.
"""

import json
import os
from pathlib import Path
from uuid import UUID

import pytest

from winnow.adapters.sqlite_ledger import SqliteLedger
from winnow.domain.ids import Micros, Period
from winnow.domain.ledger_postings import EMPTY
from winnow.domain.money import Rate, Unit
from winnow.evidence.artifact import Producer
from winnow.evidence.budget_report import BudgetReport, budget_report
from winnow.testing import ledgers as make
from winnow.testing.ledgers import ANNOTATION, LATER, NOW, QUARTER

FOLDER = Path(__file__).parent / "evidence"
SCHEMA = FOLDER / "budget_report.schema.json"
DOCUMENT = FOLDER / "budget_report.1.json"
PRODUCER = Producer(service="console", version="0.1.0", commit="0" * 40)


@pytest.fixture
def report(tmp_path: Path) -> BudgetReport:
    """A period in which everything happened once."""
    ledger = SqliteLedger(tmp_path / "ledger.db")
    spent, back, late = (make.a_reservation(100, name=name) for name in ("a", "b", "c"))
    with ledger.transaction() as tx:
        money = tx.money
        money.put_budget(make.a_budget(overrun_allowed=True))
        money.put_budget(make.a_budget("gpu", unit=Unit("gpu_ms")))
        money.put_rate(Rate("gpu-2026", Unit("gpu_ms"), make.USD, Micros(5), 2, NOW))
        money.allocate(make.an_allocation(1000))
        money.allocate(make.an_allocation(7, period="another"))
        money.allocate(make.an_allocation(10, budget="gpu"))
        money.transfer(make.a_transfer(4, source="gpu", target=ANNOTATION, rate_id="gpu-2026"))
        money.reserve([spent, back, late])
        money.commit(make.a_commit(spent.transfer_id, 60))
        money.release(make.a_release(back.transfer_id))
        money.release(make.a_release(late.transfer_id, expired=True))
        money.overrun(make.an_overrun(spent.transfer_id, 5))
        money.correct(make.a_correction(make.a_commit(spent.transfer_id, 60).transfer_id, 20))
        assert money.close(make.a_closing()).applied
        made = budget_report(
            money.budget(ANNOTATION),
            QUARTER,
            money.balances(ANNOTATION, QUARTER),
            money.entries(ANNOTATION),
            report_id=UUID(int=7),
            created_at=LATER,
            producer=PRODUCER,
        )
    ledger.close()
    return made


def golden(path: Path, text: str) -> str:
    if os.environ.get("WINNOW_GOLDEN") == "rewrite":
        path.write_text(text, encoding="utf-8")
    return path.read_text(encoding="utf-8")


def test_the_schema_is_the_released_one() -> None:
    text = json.dumps(BudgetReport.model_json_schema(), indent=1, sort_keys=True) + "\n"
    assert text == golden(SCHEMA, text)


def test_the_report_is_the_released_one_and_still_verifies(report: BudgetReport) -> None:
    text = report.model_dump_json(indent=1) + "\n"
    kept = BudgetReport.model_validate_json(golden(DOCUMENT, text))
    assert kept == report
    assert kept.verify()
    assert not kept.model_copy(update={"spend": 0}).verify()


def test_the_report_adds_up(report: BudgetReport) -> None:
    b = report.balances
    assert report.allocation == 1010
    assert (report.spend, b.returned, report.remaining, b.reserved) == (45, 965, 0, 0)
    assert report.allocation == b.available + b.reserved + b.spent + b.returned
    assert report.spend_by_round == (("r0", 45),)
    assert dict(report.moved)["expire"] == dict(report.moved)["release"] == 100
    assert report.rate_ids == ("gpu-2026",)
    assert report.close_record is not None
    assert report.close_record.signer == make.OWNER


def test_an_unopened_period_has_an_empty_report() -> None:
    empty = budget_report(
        make.a_budget(),
        Period("never"),
        EMPTY,
        [],
        report_id=UUID(int=8),
        created_at=NOW,
        producer=PRODUCER,
    )
    assert (empty.allocation, empty.entries, empty.close_record) == (0, None, None)
