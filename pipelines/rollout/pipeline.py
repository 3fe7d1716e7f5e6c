"""The graph of a run: probe the new committee, make it the active one. All that kfp sees."""

from kfp import dsl

IMAGE = "winnow/pipelines:0.1.0"
"""What each step runs in on a cluster; `kfp.local` runs in the environment at hand."""


@dsl.component(base_image=IMAGE, install_kfp_package=False)  # type: ignore[untyped-decorator]
def probe(members: str) -> str:
    """Let the new committee answer fixed frames."""
    from rollout import steps

    return steps.probe(steps.open_context(), members=members)


@dsl.component(base_image=IMAGE, install_kfp_package=False)  # type: ignore[untyped-decorator]
def activate(round_id: str, members: str, probed: str) -> None:
    """Make the committee the active one."""
    from rollout import steps

    steps.activate(steps.open_context(), round_id=round_id, members=members, probed=probed)


@dsl.pipeline(name="winnow-rollout")  # type: ignore[untyped-decorator]
def rollout(round_id: str, members: str) -> None:
    """Roll out a trained committee.

    Args:
        round_id: Round that trained it, for example r3.
        members: Reference of the members manifest, as JSON.
    """
    probed = probe(members=members).set_retry(num_retries=2)
    # What a cache says of an earlier moment does not make a committee serve now.
    probed.set_caching_options(enable_caching=False)
    activate(round_id=round_id, members=members, probed=probed.output).set_caching_options(
        enable_caching=False
    )
