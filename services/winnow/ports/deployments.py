"""Where committees are served: on KServe, as processes, or nowhere but inside who asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from winnow.domain.blob_ref import BlobRef
from winnow.domain.ids import CommitteeVersion


@dataclass(frozen=True, slots=True)
class Part:
    """What one server holds."""

    model_name: str
    """Round, version and, if it does not hold all members, theirs are in it."""
    member_names: tuple[str, ...] = ()
    """Empty: all."""


class Deployments(Protocol):
    """Starts and ends the servers of committee versions. Who asks a version is not its business."""

    def apply(
        self, version: CommitteeVersion, members: BlobRef, parts: Sequence[Part]
    ) -> Sequence[str]:
        """Start to serve a version beside all others and give its endpoints, one for each part.

        Applied again nothing is started twice.

        Raises
        ------
        BadInput
            The platform refuses what is asked for.
        Retryable
            The platform does not answer.
        """
        ...

    def lacks(self, version: CommitteeVersion) -> str:
        """Say what is still missing until a version's servers are ready; empty if nothing.

        Raises
        ------
        NotFound
            It is not applied, or a server ended and will not come back.
        """
        ...

    def remove(self, version: CommitteeVersion) -> None:
        """End a version's servers; harmless where there are none."""
        ...

    def versions(self) -> Sequence[CommitteeVersion]:
        """Give what is applied, in no particular order."""
        ...
