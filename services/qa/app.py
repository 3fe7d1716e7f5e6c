"""Composition root of QA."""

from __future__ import annotations

from functools import partial
from importlib.metadata import version

from qa import handlers
from qa.settings import QaSettings
from winnow.adapters.connect import connect_blobs, connect_bus, connect_ledger
from winnow.adapters.system_clock import SystemClock
from winnow.domain.events import BatchSelected, TaskClosed
from winnow.evidence.artifact import Producer
from winnow.ports.blobs import Blobs
from winnow.ports.clock import Clock
from winnow.ports.labeling_tool import LabelingTool
from winnow.ports.ledger import Ledger
from winnow.runtime.service import App, Service, Tick
from winnow.testing.oracle import Oracle
from winnow.testing.scripted_annotators import ScriptedAnnotators
from winnow.testing.scripted_crowd import CrowdOptions, CrowdRole


def build(settings: QaSettings) -> Service:
    """Connect to what the settings name and bind the handlers to it."""
    ledger = connect_ledger(settings.ledger_url.get_secret_value())
    bus = connect_bus(settings.bus_url.get_secret_value())
    blobs = connect_blobs(settings.blobs_url.get_secret_value())
    clock = SystemClock()
    ports = handlers.Ports(
        ledger=ledger,
        blobs=blobs,
        clock=clock,
        tool=review_tool(settings, ledger=ledger, blobs=blobs, clock=clock),
        producer=Producer(service="qa", version=version("winnow"), commit=settings.commit_id),
        items_per_tick=settings.items_per_tick,
    )

    def close() -> None:
        bus.close()
        ledger.close()

    return Service(
        name="qa",
        settings=settings,
        ledger=ledger,
        bus=bus,
        clock=clock,
        on_event={
            BatchSelected: handlers.on_batch_selected,
            TaskClosed: partial(handlers.on_task_closed, ports=ports),
        },
        on_tick=ticks(settings, ports),
        on_command={"label.promote": handlers.on_promote},
        close=close,
    )


def ticks(settings: QaSettings, ports: handlers.Ports) -> tuple[Tick, ...]:
    """Give what comes due by the clock."""
    often = settings.tick_seconds
    return (
        Tick("advance", often, partial(handlers.on_advance_tick, ports=ports)),
        Tick("inspect", often, partial(handlers.on_inspect_tick, ports=ports)),
        Tick("verdicts", often, partial(handlers.on_verdicts_tick, ports=ports)),
        Tick("expire", settings.expiry_tick_seconds, partial(handlers.on_expire_tick, ports=ports)),
        Tick(
            "reconcile",
            settings.reconcile_tick_seconds,
            partial(handlers.on_reconcile_tick, ports=ports),
        ),
        Tick(
            "approvals",
            settings.approvals_tick_seconds,
            partial(handlers.on_approvals_tick, ports=ports),
        ),
    )


def review_tool(
    settings: QaSettings, *, ledger: Ledger, blobs: Blobs, clock: Clock
) -> LabelingTool:
    """Give the tool that the settings name; a new tool is one more branch here."""
    options = CrowdOptions(
        role=CrowdRole.REVIEW,
        seed=settings.scripted_seed,
        n_annotators=settings.scripted_n_reviewers,
        accuracy=settings.scripted_accuracy,
        accuracy_spread=0.0,
        lag_seconds=settings.scripted_lag_seconds,
        answers_per_poll=settings.items_per_tick,
    )
    truth = Oracle(ledger, blobs)
    return ScriptedAnnotators(settings.scripted_file(), options, truth=truth, clock=clock)


app = App("qa", QaSettings, build)
