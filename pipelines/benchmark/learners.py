"""The learners: a head on frozen features, a small network."""

from __future__ import annotations

from dataclasses import replace

from benchmark.frames import Numbers
from benchmark.learning import CALIBRATION_MIN, Answers, Learner, kept_out_of
from benchmark.network import NetworkLearner
from benchmark.plan import Plan
from benchmark.pools import Pool
from winnow.tasks.probe import fit_probe


def learner_of(plan: Plan) -> Learner:
    """Give the learner that a plan names."""
    if plan.learner == "probe":
        return ProbeLearner()
    return NetworkLearner(members=plan.network_members, steps=plan.network_steps)


class ProbeLearner:
    """A linear head on frozen features; K = 20 ways of dropout stand for members."""

    def learn(self, pool: Pool, labeled: Numbers, *, seed: int) -> Answers:
        """See `Learner.learn`; the temperature comes from a head that a tenth was kept from."""
        rows_LD, labels_L = pool.rows_ND[labeled], pool.labels_N[labeled]
        n_classes = len(pool.class_names)
        kept_out = kept_out_of(pool, labeled)
        probe = fit_probe(rows_LD, labels_L, n_classes=n_classes, seed=seed)
        if kept_out.sum() >= CALIBRATION_MIN:
            other = fit_probe(
                rows_LD[~kept_out], labels_L[~kept_out], n_classes=n_classes, seed=seed
            ).calibrated(rows_LD[kept_out], labels_L[kept_out])
            probe = replace(probe, temperature=other.temperature)
        return Answers(probe.probs(pool.rows_ND), probe.probs(pool.held_HD))
