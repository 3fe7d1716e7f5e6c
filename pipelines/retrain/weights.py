"""Published weights that networks start from: named by their content, kept in the object store."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from winnow.domain.errors import BadInput
from winnow.ports.blobs import Blobs
from winnow.tasks.task import OpenWeights

PREFIX: Final = "models/weights"
IN_STORE: Final = "blob:"
MEDIA_TYPE: Final = "application/x-torch"
_CHUNK_BYTES: Final = 1 << 20


def pinned(blobs: Blobs, network: str) -> str:
    """Give a network as the policy names it, with weights named by a key that is their digest.

    A file is stored first, so that members train from the same bytes wherever they do, and say
    which in their config: `backbone:resnet18@/models/resnet18.pth` becomes
    `backbone:resnet18@blob:models/weights/5c/5c10…`.

    Raises
    ------
    BadInput
        There is no such file, or no key of the object store.
    NotFound
        Nothing lies under the key.
    """
    name, _, where = network.partition("@")
    if not where:
        return network
    if where.startswith(IN_STORE):
        blobs.ref_of(where.removeprefix(IN_STORE), media_type=MEDIA_TYPE)
        return network
    try:
        with Path(where).open("rb") as file:
            chunks = iter(partial(file.read, _CHUNK_BYTES), b"")
            ref = blobs.put_stream(chunks, prefix=PREFIX, media_type=MEDIA_TYPE)
    except OSError as error:
        msg = f"network {name}: expected its weights in {where}, found: {error.strerror or error}"
        raise BadInput(msg) from error
    return f"{name}@{IN_STORE}{ref.key}"


def opener(blobs: Blobs) -> OpenWeights:
    """Give what opens the weights that a pinned network names; the store verifies them."""

    def open_weights(where: str) -> BinaryIO:
        return blobs.open(blobs.ref_of(where.removeprefix(IN_STORE), media_type=MEDIA_TYPE))

    return open_weights
