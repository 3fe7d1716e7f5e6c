"""Composition root of embedding."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from embedding import handlers
from embedding.settings import EmbeddingSettings
from winnow.adapters.connect import connect_blobs, connect_bus, connect_ledger
from winnow.adapters.pixel_encoder import PixelEncoder
from winnow.adapters.system_clock import SystemClock
from winnow.contracts.references import read_reference
from winnow.domain.errors import BadInput
from winnow.domain.events import FramesIngested
from winnow.ports.blobs import Blobs
from winnow.ports.encoder import Encoder
from winnow.runtime.service import App, Service


def build(settings: EmbeddingSettings) -> Service:
    """Connect to what the settings name and bind the handler to it."""
    ledger = connect_ledger(settings.ledger_url.get_secret_value())
    bus = connect_bus(settings.bus_url.get_secret_value())
    blobs = connect_blobs(settings.blobs_url.get_secret_value())
    on_frames_ingested = partial(
        handlers.on_frames_ingested,
        blobs=blobs,
        encoder=encoder_of(settings, blobs),
        thresholds=settings.thresholds,
        frames_per_call=settings.frames_per_call,
        pixels_max=settings.pixels_max,
    )

    def close() -> None:
        bus.close()
        ledger.close()

    return Service(
        name="embedding",
        settings=settings,
        ledger=ledger,
        bus=bus,
        clock=SystemClock(),
        on_event={FramesIngested: on_frames_ingested},
        close=close,
    )


def encoder_of(settings: EmbeddingSettings, blobs: Blobs) -> Encoder:
    """Make the encoder that the settings name."""
    if settings.encoder == "pixel":
        return PixelEncoder()
    from winnow.adapters.torchvision_encoder import TorchvisionEncoder

    return TorchvisionEncoder(
        settings.encoder.removeprefix("torchvision:"),
        _weights(settings.encoder_weights, blobs),
        side_pixels=settings.encoder_side_pixels,
        device=settings.encoder_device,
    )


def _weights(where: str, blobs: Blobs) -> bytes:
    if where.startswith("{"):
        return blobs.get(read_reference(where))
    try:
        return Path(where).read_bytes()
    except OSError as error:
        msg = f"encoder_weights {where}: expected a readable file, found: {error.strerror or error}"
        raise BadInput(msg) from error


app = App("embedding", EmbeddingSettings, build)
