"""What every service tells about its loop."""

from __future__ import annotations

from winnow.telemetry.metrics import counter, gauge, histogram

MESSAGES = counter(
    "winnow_messages_total",
    "Messages, ticks and commands by what became of them: handled, duplicate, retried, refused, "
    "dead_lettered.",
    ["service", "topic", "outcome"],
)
HANDLER_SECONDS = histogram(
    "winnow_handler_seconds",
    "Time from taking a message up to its commit, failed tries included.",
    ["service", "topic"],
)
DEAD_LETTERS = counter(
    "winnow_dead_letters_total", "Messages put into a dead-letter topic.", ["service", "topic"]
)
OUTBOX_BACKLOG = gauge(
    "winnow_outbox_backlog",
    "Facts in the outbox that are not known to be durable in the log yet.",
    ["service"],
)
CONSUMER_LAG = gauge(
    "winnow_consumer_lag", "Messages that this process has yet to handle.", ["service", "topic"]
)
