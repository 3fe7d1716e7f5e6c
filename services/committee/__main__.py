"""Serves a committee: `python -m committee`."""

import sys

from kserve import ModelServer

from committee.app import build
from committee.settings import CommitteeSettings
from winnow.domain.errors import BadInput
from winnow.runtime.failures import policy_of
from winnow.runtime.run import read_settings
from winnow.runtime.usage import HELP, tell_usage


def main() -> None:
    """Serve over REST and gRPC until SIGTERM; `--help` says which settings are read."""
    if sys.argv[1:] in HELP:  # other words are KServe's
        sys.exit(tell_usage(sys.argv[1:], CommitteeSettings))
    try:
        settings = read_settings(CommitteeSettings)
    except BadInput as error:
        sys.stderr.write(f"committee: {error}\n")
        sys.exit(policy_of(error).exit_code)
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
