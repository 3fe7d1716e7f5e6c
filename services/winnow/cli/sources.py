"""From what people type to the source of frames that it names."""

from __future__ import annotations

from pathlib import Path

from winnow.adapters.frame_sources.bdd100k import BOXES, Bdd100kSource
from winnow.adapters.frame_sources.bdd100k_file import ATTRIBUTES
from winnow.adapters.frame_sources.open import open_source
from winnow.adapters.frame_sources.payload_answer import Thresholds
from winnow.adapters.frame_sources.payload_files import PayloadEntries, PayloadFiles
from winnow.adapters.frame_sources.payload_log import PayloadLogSource
from winnow.domain.errors import BadInput
from winnow.domain.labels import CLASSIFICATION, DETECTION
from winnow.ports.frame_source import FrameSource
from winnow.testing.roads.setting import is_roads, setting_of

BDD100K = "bdd100k"
PAYLOAD_LOG = "payload-log"
CLASS = "class"
DEFAULTS = Thresholds()
LABELS = (CLASS, BOXES, *ATTRIBUTES)
"""What `--labels` may say: a class, boxes, or which attribute of BDD100K is the class."""


def source_named(
    path: Path,
    *,
    labels: str = "",
    layout: str = "",
    thresholds: Thresholds = DEFAULTS,
    bus_url: str = "",
) -> FrameSource:
    """Give the source that lies at a path, or the simulated town that `roads:…` names.

    Parameters
    ----------
    labels
        One of `LABELS`; empty: boxes of a simulated town, which has no others, else classes. The
        class of a frame of BDD100K is its weather, unless another attribute is named.
    layout
        `bdd100k`, or `payload-log`: records of KServe's payload logger; empty: found out by what
        lies there.
    thresholds
        Which answers of a payload log make candidates.
    bus_url
        Of a payload log: the Kafka of which the path is a topic; empty: it is a file or folder.

    Raises
    ------
    BadInput
        Nothing lies there, something else, or a town that cannot be; or labels or thresholds for
        what has none.
    """
    if labels and labels not in LABELS:
        msg = f"--labels: expected {' or '.join(LABELS)}, found {labels!r}"
        raise BadInput(msg)
    if layout not in ("", BDD100K, PAYLOAD_LOG):
        msg = (
            f"--format: expected {BDD100K}, {PAYLOAD_LOG}, or none (then it is found out), "
            f"found {layout!r}"
        )
        raise BadInput(msg)
    if layout == PAYLOAD_LOG:
        if labels:
            msg = f"{path}: expected no --labels, as a payload log knows none, found {labels!r}"
            raise BadInput(msg)
        return PayloadLogSource(_payloads(path, bus_url), thresholds=thresholds)
    if thresholds != DEFAULTS or bus_url:
        msg = (
            "--confidence-below, --disagreement-above and --bus-url: expected "
            f"--format {PAYLOAD_LOG}, found {layout or 'none'}"
        )
        raise BadInput(msg)
    attribute = labels if labels in ATTRIBUTES else ATTRIBUTES[0]
    if layout:
        return Bdd100kSource(path, labels=BOXES if labels == BOXES else attribute)
    if not is_roads(str(path)):
        kind = DETECTION if labels == BOXES else CLASSIFICATION
        return open_source(path, label_kind=kind, attribute=attribute)
    if labels not in ("", BOXES):
        msg = f"{path}: expected --labels boxes, as a simulated town knows no others, found "
        raise BadInput(msg + labels)
    from winnow.testing.roads.source import RoadsSource

    return RoadsSource(setting_of(str(path)))


def _payloads(path: Path, bus_url: str) -> PayloadEntries:
    if not bus_url:
        return PayloadFiles(path)
    from winnow.adapters.frame_sources.payload_topic import PayloadTopic
    from winnow.adapters.kafka_settings import kafka_settings

    return PayloadTopic(kafka_settings(bus_url), str(path))
