"""Deployments in memory, with a platform that is slow, breaks, or refuses when it is told to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import NotFound
from winnow.domain.ids import CommitteeVersion
from winnow.ports.deployments import Part


@dataclass
class MemoryDeployments:
    """Remembers what is applied; a version is ready after `looks_until_ready` looks."""

    looks_until_ready: int = 0
    endpoint: str = "local:"
    applied: dict[CommitteeVersion, list[Part]] = field(default_factory=dict)
    removed: list[CommitteeVersion] = field(default_factory=list)
    looks: dict[CommitteeVersion, int] = field(default_factory=dict)

    def apply(
        self, version: CommitteeVersion, members: BlobRef, parts: Sequence[Part]
    ) -> Sequence[str]:
        """Remember the parts; give an endpoint for each."""
        self.applied[version] = list(parts)
        return tuple(f"{self.endpoint}{part.model_name}" for part in parts)

    def lacks(self, version: CommitteeVersion) -> str:
        """Count the looks."""
        if version not in self.applied:
            msg = f"committee {version}: expected it to be applied, found it is not"
            raise NotFound(msg)
        self.looks[version] = self.looks.get(version, 0) + 1
        ready = self.looks[version] > self.looks_until_ready
        return "" if ready else f"look {self.looks[version]} of {self.looks_until_ready}"

    def remove(self, version: CommitteeVersion) -> None:
        """Forget a version."""
        if self.applied.pop(version, None) is not None:
            self.removed.append(version)

    def versions(self) -> Sequence[CommitteeVersion]:
        """Give what is applied."""
        return tuple(self.applied)
