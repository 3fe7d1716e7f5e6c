"""Which labels fit the temperatures instead of training, so that no near copy is on both sides."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from retrain.data import Pack
from winnow.constraints.leak_groups import leak_groups
from winnow.tasks.examples import Examples

Bools = npt.NDArray[np.bool_]
Groups = npt.NDArray[np.intp]


def calibration_mask(document: Pack, examples: Examples, share: float) -> Bools:
    """Tell which frames are kept out of training: whole sessions and clusters of duplicates.

    Those whose hash falls into `share`, so that the same ones are kept out every round; if that is
    not half the share of the frames, the next ones, too. One that would make it more than twice the
    share, or leave training less than half of the frames or of a class's labels, is passed over.
    Where sessions are too few or too long for half the share, frames are taken one by one.

    Returns
    -------
    Bools
        [N]; nowhere true if there are too few frames or labels of each class.
    """
    n_frames = len(document.frame_ids)
    names = [_name(document, pos) for pos in range(n_frames)]
    kept_out = _taken(names, _groups(document), examples, share)
    if kept_out.sum() < share * n_frames / 2:
        kept_out = _taken(document.frame_ids, np.arange(n_frames), examples, share)
    return kept_out


def n_divided(document: Pack, kept_out: Bools) -> int:
    """Give how many sessions or clusters of duplicates are on both sides."""
    groups_N = _groups(document)
    return len(np.intersect1d(groups_N[kept_out], groups_N[~kept_out]))


def _name(document: Pack, pos: int) -> str:
    session = document.sessions[pos] if document.sessions else None
    return session or document.frame_ids[pos]


def _groups(document: Pack) -> Groups:
    frame_ids = document.frame_ids
    clusters = document.clusters or frame_ids
    names = [cluster or frame_id for cluster, frame_id in zip(clusters, frame_ids, strict=True)]
    clusters_N = np.unique(np.array(names, dtype=np.str_), return_inverse=True)[1]
    return leak_groups([_name(document, pos) for pos in range(len(frame_ids))], clusters_N)


def _taken(names: Sequence[str], groups_N: Groups, examples: Examples, share: float) -> Bools:
    """Take groups in the order of the hash of their first name, within the limits."""
    first: dict[int, str] = {}
    for group, name in zip(groups_N.tolist(), names, strict=True):
        first[group] = min(name, first.get(group, name))
    counts_GK = _counts(groups_N, examples)
    total_K = counts_GK.sum(axis=0)
    most_K = total_K / 2
    most_K[0] *= min(1.0, 4 * share)
    taken_K = np.zeros_like(total_K)
    chosen = []
    for group in sorted(first, key=lambda group: _fraction(first[group])):
        if _fraction(first[group]) >= share and taken_K[0] >= share * total_K[0] / 2:
            break
        if (taken_K + counts_GK[group] <= most_K).all():
            taken_K += counts_GK[group]
            chosen.append(group)
    return np.isin(groups_N, chosen)


def _counts(groups_N: Groups, examples: Examples) -> npt.NDArray[np.float64]:
    """Give how many frames each group has, then how many labels of each class: [G, 1 + C]."""
    classes = examples.values[:, 0].astype(np.intp)
    n_groups = groups_N.max(initial=-1) + 1
    counts_GK = np.zeros((n_groups, 2 + classes.max(initial=-1)))
    np.add.at(counts_GK[:, 0], groups_N, 1)
    np.add.at(counts_GK, (np.repeat(groups_N, examples.counts_N), 1 + classes), 1)
    return counts_GK


def _fraction(name: str) -> float:
    digest = hashlib.sha256(f"calibration\x1f{name}".encode()).hexdigest()
    return int(digest[:8], 16) / 2**32
