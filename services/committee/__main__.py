"""Serves a committee: `python -m committee`."""

from kserve import ModelServer

from committee.app import build
from committee.settings import CommitteeSettings


def main() -> None:
    """Serve over REST and gRPC until SIGTERM."""
    settings = CommitteeSettings()
    # One worker: each further one would hold its own models, and gRPC reaches only the first.
    server = ModelServer(
        http_port=settings.http_port,
        grpc_port=settings.grpc_port,
        workers=1,
        enable_latency_logging=False,
    )
    server.start([build(settings)])


if __name__ == "__main__":
    main()
