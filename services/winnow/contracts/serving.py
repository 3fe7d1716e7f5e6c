"""What a committee server and its clients call things: model names, versions, tensors."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from winnow.contracts.manifests import Members
from winnow.domain.blob_ref import BlobRef
from winnow.domain.errors import BadInput
from winnow.ports.deployments import Part

FRAMES = "frames"
"""Input, BYTES [N]: encoded images. Without any the server only says who is there."""
PIXELS = "pixels"
"""Input instead, UINT8 [N, 3, H, W]: images that are decoded and resized already."""
SIZES = "sizes"
"""Input beside pixels, INT64 [N, 2]: width and height in which boxes are to be told."""

MEMBERS = "members"
"""Output, BYTES [M]: who answered, in the order of what each member says."""
COMPUTE_MS = "compute_ms"
"""Output, INT64 [1]: measured milliseconds of all members together."""
PROBS = "probs"
"""Output of classification, FP32 [M, N, C]: calibrated probabilities of each member."""
INFORMATION = "information"
"""Output of detection, FP32 [N, C]: mutual information of the members' maps, mean over cells."""
BOXES = "boxes"
"""Output of detection, BYTES [N]: boxes of the mean map as JSON."""
MAPS = "maps"
"""Output of detection on request, FP16 [M, N, C, h, w]: calibrated maps, for a few frames."""

DIGEST_CHARACTERS = 12


def model_name_of(manifest: Members, names: Sequence[str] = ()) -> str:
    """Give the name under which a version, or some of its members, is served.

    Round and version are in it: KServe's own versions (`/models/NAME/versions/V`) answer 501.

    Parameters
    ----------
    names
        Members at this endpoint; none: all.
    """
    return "-".join(["committee", manifest.round_id, manifest.committee_version, *names])


def served_version(version: str, members: BlobRef) -> str:
    """Give what every answer is marked with: the version and the digest of its manifest.

    The digest tells a committee that was trained again under the same version apart.

    Examples
    --------
    >>> served_version("c3", BlobRef("b", "k", "0123456789abcdef", 1, "application/json"))
    'c3@0123456789ab'
    """
    return f"{version}@{members.sha256[:DIGEST_CHARACTERS]}"


def frame_bytes(item: bytes | str, pos: int) -> bytes:
    """Give an encoded image as `frames` holds it: the bytes themselves, in JSON base64.

    Raises
    ------
    BadInput
        A text that is no base64.
    """
    if isinstance(item, bytes):
        return item
    try:
        return base64.b64decode(item, validate=True)
    except ValueError as error:
        msg = f"frame {pos}: expected base64, found: {error}"
        raise BadInput(msg) from error


def parts_of(manifest: Members, *, members_per_endpoint: int) -> list[Part]:
    """Say which server holds which members; 0: one server holds all.

    Raises
    ------
    BadInput
        A committee of detection is to be spread: its members' maps must be in one place.
    """
    names = [member.name for member in manifest.members]
    if not members_per_endpoint or members_per_endpoint >= len(names):
        return [Part(model_name_of(manifest))]
    if manifest.label_kind != "classification":
        msg = f"committee {manifest.committee_version}: expected members_per_endpoint 0 for "
        raise BadInput(f"{msg}{manifest.label_kind}, found {members_per_endpoint}")
    starts = range(0, len(names), members_per_endpoint)
    held = [tuple(names[start : start + members_per_endpoint]) for start in starts]
    return [Part(model_name_of(manifest, some), some) for some in held]
