"""No servers: whoever asks a committee loads it into its own process. Ring 1."""

from __future__ import annotations

from collections.abc import Sequence

from winnow.domain.blob_ref import BlobRef
from winnow.domain.ids import CommitteeVersion
from winnow.ports.deployments import Part


class InProcessDeployments:
    """Always ready; remembers nothing, because there is nothing to end."""

    def apply(
        self, version: CommitteeVersion, members: BlobRef, parts: Sequence[Part]
    ) -> Sequence[str]:
        """Give the endpoint that tells scoring to load the members itself."""
        return (f"local:{version}",)

    def lacks(self, version: CommitteeVersion) -> str:
        """Say that nothing is missing."""
        return ""

    def remove(self, version: CommitteeVersion) -> None:
        """Do nothing: processes forget versions that they are not asked for."""

    def versions(self) -> Sequence[CommitteeVersion]:
        """Give none."""
        return ()
