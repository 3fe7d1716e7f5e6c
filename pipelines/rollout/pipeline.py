"""The graph of a run: start a committee dark, probe it, decide. All that kfp sees."""

from kfp import dsl

IMAGE = "winnow/rollout:0.1.0"
"""What each step runs in on a cluster; `kfp.local` runs in the environment at hand."""


@dsl.component(base_image=IMAGE, install_kfp_package=False)  # type: ignore[untyped-decorator]
def deploy(members: str) -> str:
    """Start the new committee beside the one that serves."""
    from rollout import steps

    return steps.deploy(steps.open_context(), members=members)


@dsl.component(base_image=IMAGE, install_kfp_package=False)  # type: ignore[untyped-decorator]
def probe(members: str, endpoints: str) -> str:
    """Wait until it serves; ask it and the active one about the same frames."""
    from rollout import steps

    return steps.probe(steps.open_context(), members=members, endpoints=endpoints)


@dsl.component(base_image=IMAGE, install_kfp_package=False)  # type: ignore[untyped-decorator]
def conclude(round_id: str, members: str, probed: str, decision: dsl.Output[dsl.Markdown]) -> None:
    """Let it take over, or keep the active one and halt the round."""
    from pathlib import Path

    from rollout import steps

    context = steps.open_context()
    text = steps.conclude(context, round_id=round_id, members=members, probed=probed)
    Path(decision.path).write_text(text)


@dsl.pipeline(  # type: ignore[untyped-decorator]
    name="winnow-rollout",
    description="Serves a trained committee beside the active one, compares both, swaps or not.",
)
def rollout(round_id: str, members: str) -> None:
    """Roll out a trained committee.

    Args:
        round_id: Round that trained it, for example r3.
        members: Reference of the members manifest, as JSON.
    """
    # What a cache says of an earlier moment does not make a committee serve now.
    deployed = deploy(members=members).set_retry(num_retries=2)
    deployed.set_caching_options(enable_caching=False)
    probed = probe(members=members, endpoints=deployed.output).set_retry(num_retries=2)
    probed.set_caching_options(enable_caching=False)
    conclude(round_id=round_id, members=members, probed=probed.output).set_caching_options(
        enable_caching=False
    )
