"""Workers as tasks of a local Ray."""

import pytest

pytestmark = [pytest.mark.real("ray"), pytest.mark.timeout(600)]


def test_a_sweep_runs_on_ray(toy, unavailable):
    try:
        import ray  # noqa: F401
        from hydra_plugins import hydra_ray_launcher  # noqa: F401
    except ImportError as error:
        unavailable(f"Ray is not installed: {error}")
    toy.environment["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
    code, output = toy.run(
        "hydra/launcher=ray", "+hydra.launcher.ray.init.num_cpus=2", "hydra.sweeper.n_jobs=2", "seconds=0.1",
        "hydra.sweeper.n_trials=8", "hydra/sweeper/pruner=median", "hydra.sweeper.pruner.n_startup_trials=2",
    )  # fmt: skip
    assert code == 0, output
    finished = [trial for trial in toy.study().trials if trial.state.name in ("COMPLETE", "PRUNED")]
    assert len(finished) == 8
    numbers = [line[0] for line in toy.ran()]
    assert len(numbers) == len(set(numbers)) == 8
    assert len({trial.user_attrs["lease"]["pid"] for trial in finished}) == 2
