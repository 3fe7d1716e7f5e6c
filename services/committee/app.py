"""Composition root of the committee server."""

from __future__ import annotations

from committee.metrics import COMMITTEE
from committee.model import CommitteeServer
from committee.settings import CommitteeSettings
from winnow.adapters.connect import connect_blobs
from winnow.contracts.artifacts import read_manifest
from winnow.contracts.manifests import Members
from winnow.contracts.references import read_reference
from winnow.contracts.serving import model_name_of, served_version
from winnow.tasks.committee import CommitteeModel
from winnow.tasks.devices import chosen_device


def build(settings: CommitteeSettings) -> CommitteeServer:
    """Load the members that the settings name.

    Raises
    ------
    IntegrityError
        A checkpoint is not what the manifest says: the server must not become ready.
    """
    import torch

    torch.set_num_threads(settings.torch_threads)
    blobs = connect_blobs(settings.blobs_url.get_secret_value())
    reference = read_reference(settings.members)
    manifest = read_manifest(blobs, reference, Members)
    COMMITTEE.info({"committee_version": manifest.committee_version})
    device = chosen_device(settings.device)
    model = CommitteeModel.load(blobs, reference, names=settings.member_names, device=device)
    model.warm_up()
    return CommitteeServer(
        model_name_of(manifest, settings.member_names),
        model,
        version=served_version(manifest.committee_version, reference),
        frames_max=settings.frames_max,
    )
