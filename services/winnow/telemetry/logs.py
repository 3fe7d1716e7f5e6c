"""Structured logs: one line per handled message, with fixed event names and no payloads."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog


def configure(log_format: str, *, level: str = "info") -> None:
    """Write logs to standard error, as JSON lines (`json`) or for people (`console`)."""
    json_lines = log_format == "json"
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer()
        if json_lines
        # Plain tracebacks: the pretty ones print local variables, and with them secrets.
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    errors: list[structlog.types.Processor] = (
        [structlog.processors.format_exc_info] if json_lines else []
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *errors,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=_current_stderr,
        cache_logger_on_first_use=False,
    )


def _current_stderr(*_: object) -> structlog.WriteLogger:
    """Give a logger on what standard error is now: whoever exchanged it may have closed his."""
    return structlog.WriteLogger(sys.stderr)


@contextmanager
def bound(**values: str) -> Iterator[None]:
    """Put these values on every line that this thread logs inside the block."""
    with structlog.contextvars.bound_contextvars(**values):
        yield


def get_logger() -> structlog.stdlib.BoundLogger:
    """Give the logger; its first argument is a fixed dotted name such as `batch.selected`."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger()
    return logger
