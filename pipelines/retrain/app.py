"""Composition root of retrain."""

from __future__ import annotations

from functools import partial

from retrain import handlers, steps
from retrain.settings import RetrainSettings
from winnow.adapters.connect import connect_blobs, connect_bus, connect_ledger
from winnow.adapters.inline_runner import InlineRunner
from winnow.adapters.kfp_local_runner import KfpLocalRunner
from winnow.adapters.system_clock import SystemClock
from winnow.domain.events import DatasetPromoted
from winnow.runtime.pipeline_runs import environment_of
from winnow.runtime.service import App, Service, Tick


def build(settings: RetrainSettings) -> Service:
    """Connect to what the settings name and bind the handlers to it."""
    ledger = connect_ledger(settings.ledger_url.get_secret_value())
    bus = connect_bus(settings.bus_url.get_secret_value())
    blobs = connect_blobs(settings.blobs_url.get_secret_value())
    clock = SystemClock()
    context = steps.Context(blobs=blobs, ledger=ledger, clock=clock, settings=settings)
    runner = make_runner(settings, context)
    on_runs_tick = partial(
        handlers.on_runs_tick,
        ledger=ledger,
        runner=runner,
        attempts_max=settings.run_attempts_max,
    )

    def close() -> None:
        runner.close()
        bus.close()
        ledger.close()

    return Service(
        name="retrain",
        settings=settings,
        ledger=ledger,
        bus=bus,
        clock=clock,
        on_event={DatasetPromoted: handlers.on_dataset_promoted},
        on_tick=(Tick("runs", settings.runs_tick_seconds, on_runs_tick),),
        close=close,
    )


def make_runner(settings: RetrainSettings, context: steps.Context) -> InlineRunner | KfpLocalRunner:
    """Give the runner that the settings choose."""
    if settings.runner == "inline":
        return InlineRunner({"retrain": partial(steps.run_all, context)})
    return KfpLocalRunner(
        {"retrain": "retrain.pipeline:retrain"},
        environment=environment_of(settings),
        folder=settings.work_dir / "kfp",
    )


app = App("retrain", RetrainSettings, build)
