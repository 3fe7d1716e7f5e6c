"""Composition root of rollout."""

from __future__ import annotations

from functools import partial

from rollout import handlers, steps
from rollout.settings import RolloutSettings
from winnow.adapters.connect import connect_blobs, connect_bus, connect_ledger
from winnow.adapters.inline_runner import InlineRunner
from winnow.adapters.kfp_local_runner import KfpLocalRunner
from winnow.adapters.process_deployments import ProcessDeployments
from winnow.adapters.system_clock import SystemClock
from winnow.domain.events import RoundTrained
from winnow.runtime.pipeline_runs import environment_of
from winnow.runtime.service import App, Service, Tick


def build(settings: RolloutSettings) -> Service:
    """Connect to what the settings name and bind the handlers to it."""
    ledger = connect_ledger(settings.ledger_url.get_secret_value())
    bus = connect_bus(settings.bus_url.get_secret_value())
    blobs = connect_blobs(settings.blobs_url.get_secret_value())
    clock = SystemClock()
    context = steps.context_of(settings, blobs=blobs, ledger=ledger)
    runner = make_runner(settings, context)
    on_runs_tick = partial(
        handlers.on_runs_tick,
        ledger=ledger,
        runner=runner,
        attempts_max=settings.run_attempts_max,
    )
    on_servers_tick = partial(
        handlers.on_servers_tick, ledger=ledger, deployments=context.deployments
    )

    # Processes of this machine live as long as this service, which alone can start them again.
    servers = context.deployments if isinstance(context.deployments, ProcessDeployments) else None
    if servers is not None:
        servers.resume()

    def close() -> None:
        runner.close()
        if servers is not None:
            servers.stop()
        bus.close()
        ledger.close()

    return Service(
        name="rollout",
        settings=settings,
        ledger=ledger,
        bus=bus,
        clock=clock,
        on_event={RoundTrained: handlers.on_round_trained},
        on_tick=(
            Tick("runs", settings.runs_tick_seconds, on_runs_tick),
            Tick("servers", settings.servers_tick_seconds, on_servers_tick),
        ),
        close=close,
    )


def make_runner(settings: RolloutSettings, context: steps.Context) -> InlineRunner | KfpLocalRunner:
    """Give the runner that the settings choose."""
    if settings.runner == "inline":
        return InlineRunner({"rollout": partial(steps.run_all, context)})
    return KfpLocalRunner(
        {"rollout": "rollout.pipeline:rollout"},
        environment=environment_of(settings),
        folder=settings.work_dir / "kfp",
    )


app = App("rollout", RolloutSettings, build)
