"""Who signs on a vehicle, and who knows the fleet's keys."""

from __future__ import annotations

from typing import Protocol


class Signer(Protocol):
    """A private key."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the public key, hexadecimal."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Give the signature of some bytes."""
        ...


class VehicleKeys(Protocol):
    """The public keys of the vehicles that may upload."""

    def check(self, vehicle: str, fingerprint: str, data: bytes, signature: bytes) -> None:
        """Make sure that this vehicle signed these bytes.

        Raises
        ------
        BadInput
            No key of this vehicle is registered, or none with this fingerprint.
        IntegrityError
            The signature is of another key, or of other bytes.
        """
        ...
