"""The graph of a run: plan, train the members side by side, evaluate, register. All kfp sees."""

from typing import Dict, List  # noqa: UP035 - kfp reads component signatures with typing's names

from kfp import dsl, kubernetes

from retrain.settings import RetrainSettings
from winnow.runtime.settings import plain_variables, secret_variables

IMAGE = "winnow/retrain:0.1.0"
"""What each step runs in on a cluster; `kfp.local` runs in the environment at hand."""
SECRETS, SETTINGS = secret_variables(RetrainSettings), plain_variables(RetrainSettings)
"""Keys of the Secret and of the ConfigMap, and the variables that steps read them from."""


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
def evaluate(
    round_id: str,
    dataset: str,
    members: List[str],  # noqa: UP006
    metrics: dsl.Output[dsl.Metrics],
    confusion: dsl.Output[dsl.ClassificationMetrics],
    report: dsl.Output[dsl.HTML],
    decision: dsl.Output[dsl.Markdown],
) -> str:
    """Measure the members and their committee on the holdout."""
    from retrain import report as pages
    from retrain import steps

    return steps.evaluate(
        steps.open_context(),
        round_id=round_id,
        dataset=dataset,
        members=members,
        shown=pages.Shown(metrics, confusion, report, decision),
    )


@dsl.component(base_image=IMAGE, install_kfp_package=False)  # type: ignore[untyped-decorator]
def register(round_id: str, members: str) -> str:
    """Enter the evaluated committee into the ledger."""
    from retrain import steps

    return steps.register(steps.open_context(), round_id=round_id, members=members)


def _connect(step: dsl.PipelineTask, secret: str, config_map: str) -> None:
    """Let a step on a cluster read its settings from there; `kfp.local` passes over it."""
    # Optional: a pod that waits for a Secret says nothing, and never ends.
    kubernetes.use_secret_as_env(step, secret, SECRETS, optional=True)
    kubernetes.use_config_map_as_env(step, config_map, SETTINGS, optional=True)


@dsl.pipeline(name="winnow-train-placed")  # type: ignore[untyped-decorator]
def train_placed(
    orders: str,
    accelerator_type: str,
    accelerator_limit: str,
    cpu_limit: str,
    memory_limit: str,
    node_selector: Dict[str, str],  # noqa: UP006
    tolerations: List[Dict[str, str]],  # noqa: UP006
    connections_secret: str,
    settings_config_map: str,
) -> str:
    """Train the members of one task where the run form says.

    A graph of its own: inside a loop kfp 2.17 would forget to hand limits to the loop's inputs.
    """
    members = train(orders=orders)
    members.set_accelerator_type(accelerator_type).set_accelerator_limit(accelerator_limit)
    members.set_cpu_limit(cpu_limit).set_memory_limit(memory_limit)
    kubernetes.add_node_selector_json(members, node_selector)
    kubernetes.add_toleration_json(members, tolerations)
    # A killed pod goes on from its training state, so trying again costs little.
    members.set_retry(
        num_retries=3, backoff_duration="30s", backoff_factor=2.0, backoff_max_duration="600s"
    )
    _connect(members, connections_secret, settings_config_map)
    return members.output  # type: ignore[no-any-return]


@dsl.pipeline(name="winnow-retrain")  # type: ignore[untyped-decorator]
def retrain(
    round_id: str,
    dataset: str,
    accelerator_type: str = "nvidia.com/gpu",
    accelerator_limit: str = "0",
    cpu_limit: str = "2",
    memory_limit: str = "8Gi",
    node_selector: Dict[str, str] = {},  # noqa: B006, UP006 - kfp reads defaults, none is shared
    tolerations: List[Dict[str, str]] = [],  # noqa: B006, UP006
    connections_secret: str = "winnow-connections",
    settings_config_map: str = "winnow-retrain",
) -> None:
    """Train a committee on a dataset snapshot, evaluate it on the holdout, register it.

    How the members are trained says the policy that the snapshot names; here is only where.

    Args:
        round_id: Round whose labels were promoted, for example r3.
        dataset: Reference of the dataset manifest, as JSON.
        accelerator_type: Resource that a training task asks for, if the limit is above 0.
        accelerator_limit: Accelerators of each training task; 0 trains on CPUs.
        cpu_limit: Most CPUs of each training task, for example 2 or 500m.
        memory_limit: Most memory of each training task, for example 8Gi.
        node_selector: Labels of the nodes to train on, for example {"pool": "gpu"}; {} is any.
        tolerations: Taints to live with, for example
            [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}].
        connections_secret: Secret in the run's namespace whose keys ledger-url, bus-url and
            blobs-url say what the steps connect to.
        settings_config_map: ConfigMap there with the steps' other settings, each under the name
            of its variable, for example WINNOW_RETRAIN_WORK_DIR.
    """
    tasks = plan(round_id=round_id, dataset=dataset)
    with dsl.ParallelFor(items=tasks.output, parallelism=8) as orders:
        members = train_placed(
            orders=orders,
            accelerator_type=accelerator_type,
            accelerator_limit=accelerator_limit,
            cpu_limit=cpu_limit,
            memory_limit=memory_limit,
            node_selector=node_selector,
            tolerations=tolerations,
            connections_secret=connections_secret,
            settings_config_map=settings_config_map,
        )
    evaluated = evaluate(
        round_id=round_id, dataset=dataset, members=dsl.Collected(members.output)
    ).set_retry(num_retries=1)
    # Registering writes to the ledger: an answer out of a cache would be no registration.
    registered = register(round_id=round_id, members=evaluated.outputs["Output"]).set_retry(
        num_retries=3, backoff_duration="10s"
    )
    registered.set_caching_options(enable_caching=False)
    for step in (tasks, evaluated, registered):
        _connect(step, connections_secret, settings_config_map)
