"""The graph of a run: look whether a round makes sense, then ask for it. All that kfp sees."""

from typing import NamedTuple

from kfp import dsl, kubernetes

IMAGE = "winnow/open-round:0.1.0"
"""What each step runs in on a cluster; `kfp.local` runs in the environment at hand."""
RETRIES = 3
"""A console that restarts is back within the backoff."""
TOKEN = {"console-token": "WINNOW_OPEN_ROUND_TOKEN"}
"""Key of the Secret, and the setting that steps read it from."""


@dsl.component(base_image=IMAGE, install_kfp_package=False)  # type: ignore[untyped-decorator]
def check(
    console: str,
    frames_min: int,
    frames_new_min: int,
    budget_micros_min: int,
    budget_micros: int,
    rounds_open_max: int,
    schedule: str,
    window_hours: int,
    run_id: str,
    note: dsl.Output[dsl.Markdown],
    found: dsl.Output[dsl.Metrics],
) -> NamedTuple("Checked", [("window", str), ("why", str)]):  # type: ignore[valid-type]
    """Look at the pool, the rounds under way and the money; ask for nothing yet."""
    from open_round import steps

    return steps.check_and_tell(
        console,
        note_path=note.path,
        log_metric=found.log_metric,
        frames_min=frames_min,
        frames_new_min=frames_new_min,
        budget_micros_min=budget_micros_min,
        budget_micros=budget_micros,
        rounds_open_max=rounds_open_max,
        schedule=schedule,
        window_hours=window_hours,
        run_id=run_id,
    )


@dsl.component(base_image=IMAGE, install_kfp_package=False)  # type: ignore[untyped-decorator]
def ask(
    console: str,
    policy: str,
    budget_micros_min: int,
    budget_micros: int,
    rounds_open_max: int,
    wait_seconds: int,
    run_id: str,
    window: str,
    why_not: str,
    note: dsl.Output[dsl.Markdown],
) -> str:
    """Ask for the round, unless something is against it; give its name."""
    from open_round import steps

    return steps.ask_and_tell(
        console,
        note_path=note.path,
        why_not=why_not,
        policy=policy,
        budget_micros_min=budget_micros_min,
        budget_micros=budget_micros,
        rounds_open_max=rounds_open_max,
        wait_seconds=wait_seconds,
        run_id=run_id,
        window=window,
    )


@dsl.pipeline(  # type: ignore[untyped-decorator]
    name="winnow-open-round",
    description="Opens a round when the pool and the budget allow it; else says why not.",
    display_name="Open a round",
)
def open_round(
    policy: str = "last",
    frames_min: int = 1000,
    frames_new_min: int = 0,
    budget_micros_min: int = 1000000,
    budget_micros: int = 0,
    rounds_open_max: int = 1,
    schedule: str = "open_round",
    window_hours: int = 0,
    wait_seconds: int = 60,
    console: str = "",
    token_secret: str = "winnow-open-round",
) -> None:
    """Open a round when the pool and the budget allow it; else say why not.

    Args:
        policy: Which policy: `last` (that of the newest round), the name of a preset (balanced,
            cheapest, cold_start, rare_classes, safety), or the text of a policy file.
        frames_min: Open none while fewer frames than this are left to choose from.
        frames_new_min: Open none while fewer frames than this came since the last snapshot; 0
            does not ask.
        budget_micros_min: Open none while less is available for annotations in the open budget
            period, in millionths of its currency (1000000 is 1.00).
        budget_micros: Fill the annotation budget up to this before opening, in millionths of its
            currency; needs the role budget_owner; 0 adds nothing.
        rounds_open_max: Open none while so many rounds are asked for, open or training.
        schedule: Name of this schedule; two of different names open rounds of their own.
        window_hours: Open at most one round in each window of so many hours (24 is one a day,
            UTC), whatever runs overlap or are tried again; 0 is one for each run.
        wait_seconds: Wait so long for the name of the round; it is asked for in any case.
        console: Address of Winnow's console, for example https://winnow-console:8443; empty is
            the one in the steps' environment.
        token_secret: Secret in the run's namespace whose key console-token holds the token of the
            person who asks; without it the console refuses the run.
    """
    # Both steps read and write what changes; a cached answer would be about another moment.
    checked = check(
        console=console,
        frames_min=frames_min,
        frames_new_min=frames_new_min,
        budget_micros_min=budget_micros_min,
        budget_micros=budget_micros,
        rounds_open_max=rounds_open_max,
        schedule=schedule,
        window_hours=window_hours,
        run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
    )
    checked.set_caching_options(enable_caching=False)
    checked.set_retry(num_retries=RETRIES, backoff_duration="10s", backoff_factor=2.0)
    # No `dsl.If`: kfp.local cannot read the output it asks about and skips the branch in silence.
    asked = ask(
        console=console,
        policy=policy,
        budget_micros_min=budget_micros_min,
        budget_micros=budget_micros,
        rounds_open_max=rounds_open_max,
        wait_seconds=wait_seconds,
        run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
        window=checked.outputs["window"],
        why_not=checked.outputs["why"],
    )
    asked.set_caching_options(enable_caching=False)
    asked.set_retry(num_retries=RETRIES, backoff_duration="10s", backoff_factor=2.0)
    for step in (checked, asked):
        # Optional: a pod that waits for a Secret says nothing, and never ends.
        kubernetes.use_secret_as_env(step, token_secret, TOKEN, optional=True)
