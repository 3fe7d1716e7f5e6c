"""What follows from each kind of failure: one table for messages, processes and HTTP answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pydantic import ValidationError

from winnow.domain import errors


class Action(StrEnum):
    """What becomes of the message in hand."""

    ACK = "ack"
    RETRY = "retry"
    """Back off and try again; after `attempts_max` tries it is dead-lettered."""
    DEAD_LETTER = "dead_letter"


@dataclass(frozen=True, slots=True)
class Policy:
    """One line of the table."""

    error: type[BaseException]
    action: Action
    exit_code: int
    http_status: int


class AlreadyHandled(Exception):
    """The inbox knows this message: whatever is in hand is rolled back, the message is done."""


class Abandoned(Exception):
    """The process must stop before this work could end: it is rolled back and comes again."""


TABLE: tuple[Policy, ...] = (
    Policy(AlreadyHandled, Action.ACK, 0, 200),
    Policy(Abandoned, Action.RETRY, 75, 503),
    Policy(ValidationError, Action.DEAD_LETTER, 2, 422),
    Policy(errors.BadInput, Action.DEAD_LETTER, 2, 422),
    Policy(errors.SchemaMismatch, Action.DEAD_LETTER, 65, 422),
    Policy(errors.IntegrityError, Action.DEAD_LETTER, 65, 422),
    Policy(errors.MessageTooLarge, Action.DEAD_LETTER, 65, 413),
    Policy(errors.NotFound, Action.DEAD_LETTER, 66, 404),
    Policy(errors.NotAuthenticated, Action.DEAD_LETTER, 77, 401),
    Policy(errors.NotAllowed, Action.DEAD_LETTER, 77, 403),
    Policy(errors.StateFolderBusy, Action.DEAD_LETTER, 75, 409),
    Policy(errors.Conflict, Action.DEAD_LETTER, 1, 409),
    Policy(errors.TransitionRefused, Action.DEAD_LETTER, 1, 409),
    Policy(errors.BudgetExceeded, Action.DEAD_LETTER, 1, 409),
    Policy(errors.DomainError, Action.DEAD_LETTER, 1, 422),
    Policy(errors.Retryable, Action.RETRY, 75, 503),
    Policy(BaseException, Action.RETRY, 70, 500),
)
"""First line whose type fits. Exit codes are those of sysexits.h; 1 is a refusal, 2 bad usage.

The last line is bugs: they are tried again too, because a message must not be lost to a bug that
the next release mends, and end as dead letters.
"""


def policy_of(error: BaseException) -> Policy:
    """Give the line for an error."""
    return next(policy for policy in TABLE if isinstance(error, policy.error))
