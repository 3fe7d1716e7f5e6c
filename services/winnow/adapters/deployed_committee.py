"""The committee wherever its version was rolled out to: in this process, or behind endpoints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from winnow.adapters.calls import Calls
from winnow.adapters.local_committee import LocalCommittee
from winnow.domain.blob_ref import BlobRef
from winnow.domain.ids import CommitteeVersion
from winnow.domain.tables import COMMITTEES
from winnow.ports.blobs import Blobs
from winnow.ports.committee import Committee, CommitteeAnswer
from winnow.ports.ledger import Ledger

if TYPE_CHECKING:
    from winnow.adapters.kserve_committee import KServeCommittee

LOCAL = "local:"
"""Endpoints that begin so are in the asking process itself."""


EndpointsOf = Callable[[CommitteeVersion], Sequence[str]]


def endpoints_in(ledger: Ledger) -> EndpointsOf:
    """Give what a rollout noted for a version; unknown versions have no endpoints."""

    def endpoints_of(version: CommitteeVersion) -> Sequence[str]:
        with ledger.snapshot() as view:
            row = view.records.get(COMMITTEES, version)
        return row.endpoints if row is not None else ()

    return endpoints_of


class DeployedCommittee:
    """Chooses by the endpoints of a version; a version without any is local.

    Parameters
    ----------
    endpoints_of
        Where a version is served, e.g. `endpoints_in(ledger)`.
    calls
        How endpoints are asked.
    versions_max
        Versions kept in memory or connected, of each sort.
    """

    def __init__(
        self,
        blobs: Blobs,
        endpoints_of: EndpointsOf,
        *,
        calls: Calls | None = None,
        versions_max: int = 2,
    ) -> None:
        self._blobs = blobs
        self._endpoints_of = endpoints_of
        self._calls = calls
        self._versions_max = versions_max
        self._local = LocalCommittee(blobs, versions_max=versions_max)
        self._remote: KServeCommittee | None = None
        self._chosen: dict[CommitteeVersion, Committee] = {}

    def load(self, version: CommitteeVersion, members: BlobRef) -> Sequence[str]:
        """Make a version ready where it is served."""
        self._chosen[version] = self._where(version)
        return self._chosen[version].load(version, members)

    def score(self, version: CommitteeVersion, frames: Sequence[bytes]) -> CommitteeAnswer:
        """Score where the version was found at its last load."""
        return self._chosen.get(version, self._local).score(version, frames)

    def maps(self, version: CommitteeVersion, frames: Sequence[bytes]) -> npt.NDArray[np.float16]:
        """Give probability maps where the version was found at its last load."""
        return self._chosen.get(version, self._local).maps(version, frames)

    def close(self) -> None:
        """End the connections, if there are any."""
        if self._remote is not None:
            self._remote.close()

    def _where(self, version: CommitteeVersion) -> Committee:
        endpoints = self._endpoints_of(version)
        if all(url.startswith(LOCAL) for url in endpoints):
            return self._local
        if self._remote is None:
            # Only where a committee is served: elsewhere nobody waits for grpc's import.
            from winnow.adapters.kserve_committee import KServeCommittee

            self._remote = KServeCommittee(
                self._blobs,
                self._endpoints_of,
                calls=self._calls,
                versions_max=self._versions_max,
            )
        return self._remote
