"""The graph of a run: plan, train the members side by side, register. All that kfp sees."""

from typing import List  # noqa: UP035 - kfp reads component signatures with typing's names

from kfp import dsl

IMAGE = "winnow/pipelines:0.1.0"
"""What each step runs in on a cluster; `kfp.local` runs in the environment at hand."""


@dsl.component(base_image=IMAGE, install_kfp_package=False)  # type: ignore[untyped-decorator]
def plan(round_id: str, dataset: str) -> List[str]:  # noqa: UP006
    """Decode frames once and give the training tasks."""
    from retrain import steps

    return steps.plan(steps.open_context(), round_id=round_id, dataset=dataset)


@dsl.component(base_image=IMAGE, install_kfp_package=False)  # type: ignore[untyped-decorator]
def train(orders: str) -> str:
    """Train and calibrate the members of one task."""
    from retrain import steps

    return steps.train_members(steps.open_context(), orders=orders)


@dsl.component(base_image=IMAGE, install_kfp_package=False)  # type: ignore[untyped-decorator]
def register(round_id: str, dataset: str, members: List[str]) -> str:  # noqa: UP006
    """Evaluate the committee and enter it into the ledger."""
    from retrain import steps

    context = steps.open_context()
    return steps.register(context, round_id=round_id, dataset=dataset, members=members)


@dsl.pipeline(name="winnow-retrain")  # type: ignore[untyped-decorator]
def retrain(round_id: str, dataset: str) -> None:
    """Train a committee on a dataset snapshot.

    Args:
        round_id: Round whose labels were promoted, for example r3.
        dataset: Reference of the dataset manifest, as JSON.
    """
    tasks = plan(round_id=round_id, dataset=dataset)
    # A killed pod goes on from its training state, so trying again costs little.
    with dsl.ParallelFor(items=tasks.output, parallelism=2) as orders:
        members = train(orders=orders).set_retry(num_retries=2)
    # Registering writes to the ledger: an answer out of a cache would be no registration.
    register(
        round_id=round_id, dataset=dataset, members=dsl.Collected(members.output)
    ).set_caching_options(enable_caching=False)
