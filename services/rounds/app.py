"""Composition root of rounds."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from rounds import handlers
from rounds.settings import RoundsSettings
from winnow.adapters.connect import connect_blobs, connect_bus, connect_ledger
from winnow.adapters.system_clock import SystemClock
from winnow.domain.events import CommitteeRolled, FramesEmbedded, LabelApprovalEnded, RoundHalted
from winnow.domain.tables import ROUNDS_EXCEPTIONS
from winnow.runtime.resolving import resolve_exception
from winnow.runtime.service import App, Service, Tick


def build(settings: RoundsSettings) -> Service:
    """Connect to what the settings name and bind the handlers to it."""
    bus = connect_bus(settings.bus_url.get_secret_value())
    ports = handlers.Ports(
        ledger=connect_ledger(settings.ledger_url.get_secret_value()),
        blobs=connect_blobs(settings.blobs_url.get_secret_value()),
        clock=SystemClock(),
        open_max=settings.open_max,
        stuck_after=timedelta(hours=settings.stuck_hours),
    )

    def close() -> None:
        bus.close()
        ports.ledger.close()

    return Service(
        name="rounds",
        settings=settings,
        ledger=ports.ledger,
        bus=bus,
        clock=ports.clock,
        on_event={
            FramesEmbedded: handlers.on_frames_embedded,
            CommitteeRolled: partial(handlers.on_committee_rolled, ports=ports),
            RoundHalted: partial(handlers.on_round_halted, ports=ports),
            LabelApprovalEnded: handlers.on_approval_ended,
        },
        on_tick=(
            Tick("open", settings.tick_seconds, partial(handlers.on_open_tick, ports=ports)),
            Tick(
                "stuck", settings.stuck_tick_seconds, partial(handlers.on_stuck_tick, ports=ports)
            ),
        ),
        on_command={
            "round.open": partial(handlers.on_round_open, ports=ports),
            "exception.resolve": partial(resolve_exception, table=ROUNDS_EXCEPTIONS),
        },
        close=close,
    )


app = App("rounds", RoundsSettings, build)
