"""Ed25519 keys as PEM files: one private on each vehicle, the public ones in a folder."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from winnow.domain.errors import BadInput, Conflict, IntegrityError
from winnow.evidence.upload_manifest import check_vehicle_name

_BLOCK: Final = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)


class Ed25519Signer:
    """The private key in a PEM file (PKCS #8, not encrypted).

    Raises
    ------
    BadInput
        The file cannot be read or holds no such key.
    """

    def __init__(self, path: Path) -> None:
        data = _read(path)
        try:
            key = load_pem_private_key(data, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise BadInput(_expected(path, "private", str(error))) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise BadInput(_expected(path, "private", type(key).__name__))
        self._key = key

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the public key."""
        return _fingerprint(self._key.public_key())

    def sign(self, data: bytes) -> bytes:
        """Give the signature, 64 bytes; the same bytes always give the same one."""
        return self._key.sign(data)


class KeyFolder:
    """Public keys by vehicle: `v7.pem` holds those of v7, more than one while a key is replaced."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def check(self, vehicle: str, fingerprint: str, data: bytes, signature: bytes) -> None:
        """See `VehicleKeys.check`."""
        key = self._keys(vehicle).get(fingerprint)
        if key is None:
            msg = (
                f"vehicle {vehicle}: expected a key with fingerprint {fingerprint[:16]} in "
                f"{self._folder / f'{vehicle}.pem'}, found others; was the key replaced?"
            )
            raise BadInput(msg)
        try:
            key.verify(signature, data)
        except InvalidSignature as error:
            msg = (
                f"vehicle {vehicle}: expected a signature by its key {fingerprint[:16]}, found "
                "one that does not fit: the manifest was changed, or another key signed it"
            )
            raise IntegrityError(msg) from error

    def _keys(self, vehicle: str) -> dict[str, Ed25519PublicKey]:
        check_vehicle_name(vehicle)
        path = self._folder / f"{vehicle}.pem"
        if not path.is_file():
            msg = (
                f"vehicle {vehicle}: expected its public key at {path}, found none; register it by "
                "putting there what `winnow upload keygen` wrote as its .pem"
            )
            raise BadInput(msg)
        blocks = _BLOCK.findall(_read(path))
        try:
            keys = [load_pem_public_key(block) for block in blocks]
        except (ValueError, UnsupportedAlgorithm) as error:
            raise BadInput(_expected(path, "public", str(error))) from error
        wrong = [key for key in keys if not isinstance(key, Ed25519PublicKey)]
        if wrong or not keys:
            raise BadInput(_expected(path, "public", type(wrong[0]).__name__ if wrong else "none"))
        return {_fingerprint(key): key for key in keys if isinstance(key, Ed25519PublicKey)}


def write_key_pair(folder: Path, vehicle: str) -> tuple[Path, Path]:
    """Make a vehicle's keys; give the private key's file (mode 0600) and the public key's.

    Raises
    ------
    BadInput
        The name is none that a vehicle may have.
    Conflict
        One of the files exists: whoever has that key would be locked out.
    """
    check_vehicle_name(vehicle)
    private, public = folder / f"{vehicle}.key.pem", folder / f"{vehicle}.pem"
    for path in (private, public):
        if path.exists():
            msg = f"{path}: expected no key yet, found one; move it away to make another"
            raise Conflict(msg)
    key = Ed25519PrivateKey.generate()
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as sink:
        sink.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


def _fingerprint(key: Ed25519PublicKey) -> str:
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        msg = f"{path}: expected a readable key file, found: {error.strerror or error}"
        raise BadInput(msg) from error


def _expected(path: Path, kind: str, found: str) -> str:
    return f"{path}: expected an Ed25519 {kind} key as PEM without a password, found: {found}"
