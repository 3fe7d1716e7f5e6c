"""The graph of a run: start a committee dark, probe it, decide. All that kfp sees."""

from kfp import dsl, kubernetes

from rollout.settings import RolloutSettings
from winnow.runtime.settings import plain_variables, secret_variables

IMAGE = "winnow/rollout:0.1.0"
"""What each step runs in on a cluster; `kfp.local` runs in the environment at hand."""
SECRETS, SETTINGS = secret_variables(RolloutSettings), plain_variables(RolloutSettings)
"""Keys of the Secret and of the ConfigMap, and the variables that steps read them from."""


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
def rollout(
    round_id: str,
    members: str,
    connections_secret: str = "winnow-connections",
    settings_config_map: str = "winnow-rollout",
) -> None:
    """Roll out a trained committee.

    Args:
        round_id: Round that trained it, for example r3.
        members: Reference of the members manifest, as JSON.
        connections_secret: Secret in the run's namespace whose keys ledger-url, bus-url and
            blobs-url say what the steps connect to.
        settings_config_map: ConfigMap there with the steps' other settings, each under the name
            of its variable, for example WINNOW_ROLLOUT_WORK_DIR.
    """
    # What a cache says of an earlier moment does not make a committee serve now.
    deployed = deploy(members=members).set_retry(num_retries=2)
    deployed.set_caching_options(enable_caching=False)
    probed = probe(members=members, endpoints=deployed.output).set_retry(num_retries=2)
    probed.set_caching_options(enable_caching=False)
    concluded = conclude(round_id=round_id, members=members, probed=probed.output)
    concluded.set_caching_options(enable_caching=False)
    for step in (deployed, probed, concluded):
        # Optional: a pod that waits for a Secret says nothing, and never ends.
        kubernetes.use_secret_as_env(step, connections_secret, SECRETS, optional=True)
        kubernetes.use_config_map_as_env(step, settings_config_map, SETTINGS, optional=True)
