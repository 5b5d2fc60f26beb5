"""Sections of `hydra.sweeper` as public repositories have them; each runs as it stands, with our sweeper's name alone."""

import pytest
from hydra.core.hydra_config import HydraConfig

# The keys that hydra-optuna-sweeper's own samplers have, of which Optuna has deprecated some.
SECTIONS = {
    "old TPE keys with sqlite": """
      sampler:
        _target_: optuna.samplers.TPESampler
        seed: 1234
        consider_prior: true
        prior_weight: 1.0
        consider_magic_clip: true
        consider_endpoints: false
        n_startup_trials: 2
        n_ei_candidates: 24
        multivariate: false
        warn_independent_sampling: true
      direction: minimize
      study_name: sphere
      storage: sqlite:///sphere.db
      n_jobs: 1
      max_failure_rate: 0.0
      params:
        x: range(-5.5, 5.5, step=0.5)
        y: choice(-5, 0, 5)
    """,
    "two objectives": """
      sampler: {_target_: optuna.samplers.NSGAIISampler, seed: 123}
      direction: [minimize, maximize]
      params: {x: "interval(0, 1)"}
    """,
    "a seed of the application's": """
      sampler: {seed: "${seed}"}
      params: {x: "interval(0, 1)"}
    """,
    "an interpolated name": """
      study_name: ${name}_${model.width}
      params: {x: "interval(0, 1)"}
    """,
    "no sampler": """
      sampler: null
      params: {x: "interval(0, 1)"}
    """,
    "its direction used by the application": """
      direction: maximize
      params: {x: "interval(0, 1)"}
    """,
    "lists as choices": """
      params:
        x: [0.5, 1]
        model: [small, large]
        y: [[1, 2], [3]]
    """,
    "all keys of CMA-ES": """
      sampler:
        _target_: optuna.samplers.CmaEsSampler
        seed: 123
        x0: null
        sigma0: null
        n_startup_trials: 1
        independent_sampler: null
        warn_independent_sampling: true
        consider_pruned_trials: false
        restart_strategy: null
        popsize: null
        inc_popsize: -1
        use_separable_cma: false
        with_margin: false
        lr_adapt: false
        source_trials: null
      params: {x: "interval(0, 1)", y: "interval(0, 1)"}
    """,
    "all keys of NSGA-II": """
      sampler:
        _target_: hydra_plugins.hydra_optuna_sweeper._impl.create_nsgaii_sampler
        seed: 123
        population_size: 2
        mutation_prob: null
        mutation: null
        crossover: {_target_: optuna.samplers.nsgaii.UniformCrossover}
        crossover_prob: 0.9
        swapping_prob: 0.5
        constraints_func: null
      params: {x: "interval(0, 1)"}
    """,
    "a storage object": """
      storage:
        _target_: optuna.storages.RDBStorage
        url: sqlite:///object.db
        engine_kwargs: {connect_args: {timeout: 10}}
      params: {x: "interval(0, 1)"}
    """,
}


@pytest.mark.parametrize("section", SECTIONS.values(), ids=SECTIONS.keys())
def test_a_public_section_runs_as_it_stands(application, section):
    application.write(
        "config.yaml",
        f"""
defaults:
  - model: small
  - _self_
  - override hydra/sweeper: async_optuna
  - override hydra/job_logging: none
name: run
seed: 7
x: 1.0
y: 0
metric_direction: ${{hydra:sweeper.direction}}
hydra:
  sweep: {{dir: sweep}}
  sweeper:
      n_trials: 3
{section}
""",
    )
    tried = []

    def task(config):
        direction = HydraConfig.get().sweeper.direction
        assert config.metric_direction == direction
        tried.append(config.x)
        return config.x if isinstance(direction, str) else (config.x, config.x)

    application.run(task, "-m")
    study = application.study()
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 3
    assert [trial.params["x"] for trial in study.trials] == tried
    assert study.study_name == {"run": "run_1", "sphere": "sphere"}.get(study.study_name.split("_")[0], "sweep")
    again = tried.copy()
    application.run(task, "-m", "hydra.sweeper.n_trials=3")  # finished: nothing more runs
    assert tried == again
