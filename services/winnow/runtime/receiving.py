"""One database transaction for inbox row, effects and outbox; begun by its first use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from winnow.ports.ledger import Boxes, Labels, Ledger, Money, Records, Transaction
from winnow.runtime.failures import AlreadyHandled

Receive = Callable[[Boxes], bool]
"""Records the input as handled; False if it already was."""


class ReceivingTransaction:
    """A transaction whose first use records what is being handled.

    A duplicate is found there at the latest, before any effect: `AlreadyHandled` unwinds it.
    """

    def __init__(self, inner: Transaction, receive: Receive) -> None:
        self._inner = inner
        self._receive = receive
        self._begun = False

    @property
    def money(self) -> Money:
        """Budgets."""
        return self.begin().money

    @property
    def labels(self) -> Labels:
        """Label states."""
        return self.begin().labels

    @property
    def records(self) -> Records:
        """Service tables."""
        return self.begin().records

    @property
    def boxes(self) -> Boxes:
        """Inbox and outbox."""
        return self.begin().boxes

    def begin(self) -> Transaction:
        """Begin, if not done yet.

        Raises
        ------
        AlreadyHandled
            The inbox has it.
        """
        if not self._begun:
            if not self._receive(self._inner.boxes):
                raise AlreadyHandled
            self._begun = True
        return self._inner


@contextmanager
def handled_once(
    ledger: Ledger, receive: Receive, may_commit: Callable[[], None]
) -> Iterator[ReceivingTransaction]:
    """Open the transaction of one input; it is recorded as handled even if nothing else is."""
    with ledger.transaction() as inner:
        tx = ReceivingTransaction(inner, receive)
        yield tx
        tx.begin()
        may_commit()
