"""How servers of a committee are asked. Imports no transport: settings become one of these."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Calls:
    """Bounds of a request.

    Sixty-four frames keep a model busy; several requests in flight hide the way there and back.
    KServe refuses messages above 8 MiB unless it is told otherwise.
    """

    deadline_seconds: float = 60.0
    """For one request and its repetitions."""
    attempts_max: int = 3
    frames_per_request: int = 64
    bytes_per_request_max: int = 6 * 1024**2
    in_flight_max: int = 4
    """Requests that wait for one endpoint at once."""
