"""The three kinds of failure. What is neither refusal nor retryable is a bug and crashes."""

from __future__ import annotations


class WinnowError(Exception):
    """Root of what Winnow raises on purpose; its text names expected, found and id."""


class DomainError(WinnowError):
    """An expected refusal: recorded, the message acknowledged, never retried."""


class Retryable(WinnowError):
    """The world was not ready: raised by adapters only, backed off, then dead-lettered."""


class BadInput(DomainError, ValueError):
    """What a person or a sender gave cannot be used; the text says what, where and what for.

    A `ValueError` too, as who uses the library without the rest expects of a wrong value.
    """


class BudgetExceeded(DomainError):
    """A reservation asked for more than is available."""


class PoolExhausted(DomainError, ValueError):
    """The gated pool holds fewer frames than the batch asks for; a `ValueError` too."""


class SchemaMismatch(DomainError):
    """Bytes or a message of another shape than its schema says."""


class IntegrityError(DomainError):
    """Bytes do not have the digest or size that their reference names."""


class TrainingFailed(DomainError):
    """A member cannot be trained to its end; the round may go on without it."""


class TransitionRefused(DomainError):
    """The label-state matrix or one of its guards forbids this step."""


class Conflict(DomainError):
    """Same identity, other content; or a compare-and-set that came too late."""


class NotFound(DomainError):
    """Nothing is stored under this identity."""


class NotAllowed(DomainError):
    """The role of this person does not cover this act."""


class NotAuthenticated(DomainError):
    """Nobody known stands behind this request: its token is missing or unknown."""


class MessageTooLarge(DomainError):
    """A value over the bus's limit of 16 KiB: carry a reference instead."""


class StateFolderBusy(DomainError):
    """Another process already works on this state folder."""
