"""Composition root of the console."""

from __future__ import annotations

from functools import partial
from importlib.metadata import version

from console.api.application import create_application
from console.api.desk import Desk
from console.api.identity import Gate, token_digest
from console.gauges import read_gauges
from console.settings import ConsoleSettings
from winnow.adapters.connect import connect_blobs, connect_bus, connect_ledger
from winnow.adapters.system_clock import SystemClock
from winnow.evidence.artifact import Producer
from winnow.runtime.service import App, Service, Tick


def build(settings: ConsoleSettings) -> Service:
    """Put the console together; nothing is served yet."""
    ledger = connect_ledger(settings.ledger_url.get_secret_value())
    bus = connect_bus(settings.bus_url.get_secret_value())
    clock = SystemClock()
    token = settings.bootstrap_token
    desk = Desk(
        gate=Gate(
            ledger=ledger,
            local_person=settings.local_person,
            bootstrap_sha256=token_digest(token.get_secret_value()) if token else "",
        ),
        ledger=ledger,
        blobs=connect_blobs(settings.blobs_url.get_secret_value()),
        bus=bus,
        clock=clock,
        topic_prefix=settings.topic_prefix,
        producer=Producer(service="console", version=version("winnow"), commit=settings.commit_id),
    )

    def close() -> None:
        bus.close()
        ledger.close()

    gauges = Tick("gauges", settings.gauges_tick_seconds, partial(read_gauges, ledger=ledger))
    return Service(
        name="console",
        settings=settings,
        ledger=ledger,
        bus=bus,
        clock=clock,
        on_tick=(gauges,),
        relays=("ingest",),
        http=lambda: create_application(desk),
        close=close,
    )


app = App("console", ConsoleSettings, build)
