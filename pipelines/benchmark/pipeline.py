"""The graph of a benchmark: prepare, all seeds side by side, report. All that kfp sees."""

from typing import List  # noqa: UP035 - kfp reads component signatures with typing's names

from kfp import dsl, kubernetes

from benchmark.settings import BenchmarkSettings
from winnow.runtime.settings import plain_variables, secret_variables

IMAGE = "winnow/benchmark:0.1.0"
"""What each step runs in on a cluster; `kfp.local` runs in the environment at hand."""
SECRETS, SETTINGS = secret_variables(BenchmarkSettings), plain_variables(BenchmarkSettings)
"""Keys of the Secret and of the ConfigMap, and the variables that steps read them from."""
DEFAULT_METHODS = (
    "random,random_warm,entropy,margin,least_confidence,bald,k_center,badge,hybrid,default"
)


@dsl.component(base_image=IMAGE, install_kfp_package=False)  # type: ignore[untyped-decorator]
def prepare(
    data: str,
    encoder: str,
    methods: str,
    budgets: str,
    seeds: int,
    pools: str,
    learner: str,
    label_price: float,
) -> List[str]:  # noqa: UP006
    """Decode and encode the frames once; give a task for each seed."""
    from benchmark import steps

    plan = steps.plan_of(
        methods=methods,
        budgets=budgets,
        pools=pools,
        label_price=label_price,
        seeds=seeds,
        learner=learner,
    )
    return steps.plan_seeds(steps.open_context(), plan, data=data, encoder=encoder)


@dsl.component(base_image=IMAGE, install_kfp_package=False)  # type: ignore[untyped-decorator]
def run_seed(task: str) -> str:
    """Do every method on every pool with one seed."""
    from benchmark import steps

    return steps.run_seed(steps.open_context(), task=task)


@dsl.component(base_image=IMAGE, install_kfp_package=False)  # type: ignore[untyped-decorator]
def report(
    results: List[str],  # noqa: UP006
    page: dsl.Output[dsl.HTML],
    summary: dsl.Output[dsl.Markdown],
    numbers: dsl.Output[dsl.Metrics],
) -> None:
    """Compare the methods over all seeds."""
    from pathlib import Path

    from benchmark import steps

    text, html, metrics = steps.report(steps.open_context(), results=results)
    Path(summary.path).write_text(text)
    Path(page.path).write_text(html)
    for name, value in metrics.items():
        numbers.log_metric(name, value)


@dsl.pipeline(  # type: ignore[untyped-decorator]
    name="winnow-benchmark",
    description="Query strategies x budgets x seeds on one data set: which frames earn a label.",
    display_name="Benchmark query strategies",
)
def benchmark(
    data: str = "digits",
    encoder: str = "pixel",
    methods: str = DEFAULT_METHODS,
    budgets: str = "0.05,0.1,0.25,0.5,0.75,1",
    seeds: int = 5,
    pools: str = "plain,duplicated,deduplicated",
    learner: str = "probe",
    label_price: float = 0.08,
    connections_secret: str = "winnow-connections",
    settings_config_map: str = "winnow-benchmark",
) -> None:
    """Compare query strategies with random choice on one data set.

    Args:
        data: `digits`, `pool` (the ingested pool with its known labels), or a path in the steps'
            image or volume: a folder with one sub-folder per class, an .npz, a COCO .json.
        encoder: `pixel`, or torchvision:MODEL:WEIGHTS_FILE.
        methods: Names, apart by commas; any strategy, or STRATEGY:ACQUISITION.
        budgets: Shares of the pool that are labeled, rising, apart by commas.
        seeds: How many seeds; at least 3 for a test.
        pools: Some of plain, duplicated, deduplicated, apart by commas.
        learner: `probe` (a head on frozen features) or `network` (a small CNN).
        label_price: Price of one label, in the currency of your budget.
        connections_secret: Secret in the run's namespace whose keys blobs-url and (for the data
            `pool`) ledger-url say what the steps connect to.
        settings_config_map: ConfigMap there with the steps' other settings, each under the name
            of its variable, for example WINNOW_BENCHMARK_WORK_DIR.
    """
    tasks = prepare(
        data=data, encoder=encoder, methods=methods, budgets=budgets, seeds=seeds, pools=pools,
        learner=learner, label_price=label_price,
    )  # fmt: skip
    # A pool changes; only the ledger knows what it holds now.
    tasks.set_caching_options(enable_caching=False)
    with dsl.ParallelFor(items=tasks.output, parallelism=4, name="seeds") as task:
        results = run_seed(task=task).set_retry(num_retries=2)
    compared = report(results=dsl.Collected(results.output))
    for step in (tasks, results, compared):
        # Optional: a pod that waits for a Secret says nothing, and never ends.
        kubernetes.use_secret_as_env(step, connections_secret, SECRETS, optional=True)
        kubernetes.use_config_map_as_env(step, settings_config_map, SETTINGS, optional=True)
