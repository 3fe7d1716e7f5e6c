"""Composition root of the labeling gateway."""

from __future__ import annotations

from functools import partial
from importlib.metadata import version

from labeling_gateway import handlers
from labeling_gateway.settings import LabelingGatewaySettings
from winnow.adapters.connect import connect_blobs, connect_bus, connect_ledger
from winnow.adapters.system_clock import SystemClock
from winnow.domain.events import BatchSelected, LabelReviewed
from winnow.domain.tables import GATEWAY_EXCEPTIONS
from winnow.evidence.artifact import Producer
from winnow.ports.blobs import Blobs
from winnow.ports.clock import Clock
from winnow.ports.labeling_tool import LabelingTool
from winnow.ports.ledger import Ledger
from winnow.runtime.resolving import resolve_exception
from winnow.runtime.service import App, Service, Tick
from winnow.testing.oracle import Oracle
from winnow.testing.scripted_annotators import ScriptedAnnotators
from winnow.testing.scripted_crowd import CrowdOptions


def build(settings: LabelingGatewaySettings) -> Service:
    """Connect to what the settings name and bind the handlers to it."""
    ledger = connect_ledger(settings.ledger_url.get_secret_value())
    bus = connect_bus(settings.bus_url.get_secret_value())
    blobs = connect_blobs(settings.blobs_url.get_secret_value())
    clock = SystemClock()
    ports = handlers.Ports(
        ledger=ledger,
        blobs=blobs,
        clock=clock,
        tool=labeling_tool(settings, ledger=ledger, blobs=blobs, clock=clock),
        producer=Producer(
            service="labeling_gateway", version=version("winnow"), commit=settings.commit_id
        ),
        tasks_per_tick=settings.tasks_per_tick,
    )

    def close() -> None:
        bus.close()
        ledger.close()

    return Service(
        name="labeling_gateway",
        settings=settings,
        ledger=ledger,
        bus=bus,
        clock=clock,
        on_event={
            BatchSelected: partial(handlers.on_batch_selected, ports=ports),
            LabelReviewed: partial(handlers.on_label_reviewed, ports=ports),
        },
        on_tick=ticks(settings, ports),
        on_command={"exception.resolve": partial(resolve_exception, table=GATEWAY_EXCEPTIONS)},
        close=close,
    )


def ticks(settings: LabelingGatewaySettings, ports: handlers.Ports) -> tuple[Tick, ...]:
    """Give what comes due by the clock."""
    often, seldom = settings.tick_seconds, settings.expiry_tick_seconds
    return (
        Tick("submit", often, partial(handlers.on_submit_tick, ports=ports)),
        Tick("collect", often, partial(handlers.on_collect_tick, ports=ports)),
        Tick("expire", seldom, partial(handlers.on_expire_tick, ports=ports)),
        Tick(
            "reconcile",
            settings.reconcile_tick_seconds,
            partial(handlers.on_reconcile_tick, ports=ports),
        ),
    )


def labeling_tool(
    settings: LabelingGatewaySettings, *, ledger: Ledger, blobs: Blobs, clock: Clock
) -> LabelingTool:
    """Give the tool that the settings name; a new tool is one more branch here."""
    options = CrowdOptions(
        seed=settings.scripted_seed,
        n_annotators=settings.scripted_n_annotators,
        accuracy=settings.scripted_accuracy,
        accuracy_spread=settings.scripted_accuracy_spread,
        skip_share=settings.scripted_skip_share,
        careless_share=settings.scripted_careless_share,
        duplicate_share=settings.scripted_duplicate_share,
        lag_seconds=settings.scripted_lag_seconds,
        answers_per_poll=settings.tasks_per_tick,
    )
    truth = Oracle(ledger, blobs)
    return ScriptedAnnotators(settings.scripted_file(), options, truth=truth, clock=clock)


app = App("labeling_gateway", LabelingGatewaySettings, build)
