"""The same sweep under launchers that others have written."""

import pytest


@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_workers_run_under_any_launcher(toy, launcher):
    code, output = toy.run(
        f"hydra/launcher={launcher}", "hydra.sweeper.n_jobs=2", "seconds=0.03", "hydra.sweeper.n_trials=8",
        "hydra/sweeper/pruner=median", "hydra.sweeper.pruner.n_startup_trials=2",
    )  # fmt: skip
    assert code == 0, output
    finished = [trial for trial in toy.study().trials if trial.state.name in ("COMPLETE", "PRUNED")]
    assert len(finished) == 8
    numbers = [line[0] for line in toy.ran()]
    assert len(numbers) == len(set(numbers)) == 8
    assert len({trial.user_attrs["lease"]["pid"] for trial in finished}) == 2
