"""Composition root of scoring."""

from __future__ import annotations

from functools import partial

from scoring import handlers
from scoring.settings import ScoringSettings
from winnow.adapters.calls import Calls
from winnow.adapters.connect import connect_blobs, connect_bus, connect_ledger
from winnow.adapters.deployed_committee import DeployedCommittee, endpoints_in
from winnow.adapters.system_clock import SystemClock
from winnow.domain.events import RoundOpened
from winnow.runtime.service import App, Service, Tick


def build(settings: ScoringSettings) -> Service:
    """Connect to what the settings name and bind the handlers to it."""
    ledger = connect_ledger(settings.ledger_url.get_secret_value())
    bus = connect_bus(settings.bus_url.get_secret_value())
    blobs = connect_blobs(settings.blobs_url.get_secret_value())
    clock = SystemClock()
    committee = DeployedCommittee(
        blobs,
        endpoints_in(ledger),
        calls=Calls(
            deadline_seconds=settings.call_deadline_seconds,
            attempts_max=settings.call_attempts_max,
            frames_per_request=settings.frames_per_request,
            in_flight_max=settings.requests_in_flight_max,
        ),
        versions_max=settings.committee_versions_max,
    )
    on_parts_tick = partial(
        handlers.on_parts_tick,
        ledger=ledger,
        blobs=blobs,
        committee=committee,
        clock=clock,
        frames_per_call=settings.frames_per_call,
    )

    def close() -> None:
        committee.close()
        bus.close()
        ledger.close()

    return Service(
        name="scoring",
        settings=settings,
        ledger=ledger,
        bus=bus,
        clock=clock,
        on_event={RoundOpened: partial(handlers.on_round_opened, blobs=blobs, clock=clock)},
        on_tick=(Tick("parts", settings.tick_seconds, on_parts_tick),),
        close=close,
    )


app = App("scoring", ScoringSettings, build)
