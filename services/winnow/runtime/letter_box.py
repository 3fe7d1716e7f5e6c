"""The dead letters of a world: read from the log, and compared with what was handled since."""

from __future__ import annotations

from dataclasses import dataclass

from winnow.contracts.topics import DEAD_LETTER_SUFFIX, TOPICS
from winnow.domain.errors import NotFound
from winnow.ports.bus import Bus
from winnow.ports.ledger import Ledger
from winnow.runtime.dead_letters import DeadLetter, read_dead_letter


@dataclass(frozen=True, slots=True)
class LetterBox:
    """The dead letters of a world, and whether their messages were handled since."""

    bus: Bus
    ledger: Ledger
    topic_prefix: str

    def all(self) -> list[tuple[DeadLetter, str]]:
        """Give (letter, `open` or `handled`), oldest first."""
        topics = [f"{self.topic_prefix}{topic.name}{DEAD_LETTER_SUFFIX}" for topic in TOPICS]
        letters = [read_dead_letter(one) for topic in topics for one in self.bus.read(topic)]
        with self.ledger.snapshot() as view:
            states = [
                "handled" if view.boxes.seen(one.consumer, one.source, one.event_id) else "open"
                for one in letters
            ]
        found = zip(letters, states, strict=True)
        return sorted(found, key=lambda pair: (pair[0].at, pair[0].topic, pair[0].offset))

    def chosen(self, wanted: str) -> list[tuple[DeadLetter, str]]:
        """Give those whose id begins with this text.

        Raises
        ------
        NotFound
            None does.
        """
        found = [pair for pair in self.all() if pair[0].event_id.startswith(wanted)]
        if not found:
            msg = f"dead letter {wanted}: expected one in `winnow dlq list --all`, found none"
            raise NotFound(msg)
        return found
