"""The graph of a run: places side by side, then one report. All that kfp sees."""

from typing import List  # noqa: UP035 - kfp reads component signatures with typing's names

from kfp import dsl

IMAGE = "winnow/ab-test:0.1.0"
"""What each step runs in on a cluster; `kfp.local` runs in the environment at hand."""


@dsl.component(base_image=IMAGE, install_kfp_package=False)  # type: ignore[untyped-decorator]
def compare(place: str, setting: str, result: dsl.Output[dsl.Dataset]) -> None:
    """Choose, train and test at one place."""
    from ab_test import cluster

    cluster.compare_place(place, setting=setting, folder=result.path)


@dsl.component(base_image=IMAGE, install_kfp_package=False)  # type: ignore[untyped-decorator]
def report(
    results: dsl.Input[List[dsl.Dataset]],  # noqa: UP006
    page: dsl.Output[dsl.HTML],
    note: dsl.Output[dsl.Markdown],
    found: dsl.Output[dsl.Metrics],
) -> None:
    """Put all places together."""
    from ab_test import cluster

    folders = [result.path for result in results]
    metrics = cluster.report_places(folders, page=page.path, note=note.path)
    for name, value in metrics.items():
        found.log_metric(name, value)


@dsl.pipeline(name="winnow-ab-test")  # type: ignore[untyped-decorator]
def ab_test(
    places: List[str] = ["roads:town=0,frames=20000", "roads:town=1,frames=20000"],  # noqa: UP006, B006
    setting: str = "",
) -> None:
    """Compare a committee's choice of frames with manual curation and with random.

    Args:
        places: Data sets with boxes (a path that the steps can read) or simulated towns.
        setting: Settings as YAML; empty takes the defaults.
    """
    # A killed step goes on from its last model only where its folder is kept; so few tries.
    with dsl.ParallelFor(items=places, parallelism=4) as place:
        compared = compare(place=place, setting=setting).set_retry(num_retries=2)
    report(results=dsl.Collected(compared.outputs["result"]))
