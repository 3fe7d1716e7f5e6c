"""Composition root of selection."""

from __future__ import annotations

from functools import partial
from importlib.metadata import version

from selection import handlers
from selection.settings import SelectionSettings
from winnow.adapters.connect import connect_blobs, connect_bus, connect_ledger
from winnow.adapters.system_clock import SystemClock
from winnow.domain.events import PoolScored
from winnow.evidence.artifact import Producer
from winnow.kernels.backend import kernel_of
from winnow.runtime.service import App, Service, Tick


def build(settings: SelectionSettings) -> Service:
    """Put selection together; nothing runs yet."""
    ledger = connect_ledger(settings.ledger_url.get_secret_value())
    bus = connect_bus(settings.bus_url.get_secret_value())
    ports = handlers.Ports(
        ledger=ledger,
        blobs=connect_blobs(settings.blobs_url.get_secret_value()),
        clock=SystemClock(),
        producer=Producer(
            service="selection", version=version("winnow"), commit=settings.commit_id
        ),
        kernel=kernel_of(settings.device),
    )

    def close() -> None:
        bus.close()
        ledger.close()

    tick = partial(handlers.on_expiry_tick, ports=ports)
    return Service(
        name="selection",
        settings=settings,
        ledger=ledger,
        bus=bus,
        clock=ports.clock,
        on_event={PoolScored: partial(handlers.on_pool_scored, ports=ports)},
        on_tick=(Tick("expiry", settings.expiry_tick_seconds, tick),),
        on_command={
            "batch.approve": partial(handlers.on_approve, ports=ports),
            "batch.amend": partial(handlers.on_amend, ports=ports),
            "batch.reject": partial(handlers.on_reject, ports=ports),
        },
        close=close,
    )


app = App("selection", SelectionSettings, build)
