"""What hydra-optuna-sweeper's own tests assert of its public behaviour, asserted of ours: see `engine/docs/peer.md`."""

import re
import warnings
from pathlib import Path

import hydra_plugins.hydra_async_sweeper.sweeper as plugin
import numpy as np
import optuna
import pytest
from hydra.core.plugins import Plugins
from hydra.errors import MissingConfigException
from hydra.plugins.sweeper import Sweeper
from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.space import search_space
from hydra_async_sweeper.study import build
from omegaconf import OmegaConf

SPHERE = """
defaults:
  - _self_
  - override hydra/sweeper: async_optuna
  - override hydra/job_logging: none
x: 1.0
y: 1.0
z: a
hydra:
  sweep: {dir: sweep}
  sweeper:
    sampler: {seed: 123}
    n_trials: 20
    params:
      x: range(-5.5,6.0,step=0.5)
      y: choice(-5,0,5)
      z: choice(a,b)
"""


def sphere(config):
    return config.x**2 + config.y**2


def results(application):
    return OmegaConf.load(application.folder / "sweep" / "optimization_results.yaml")


def test_the_sweeper_is_discovered():
    assert "AsyncOptunaSweeper" in [found.__name__ for found in Plugins.instance().discover(Sweeper)]


@pytest.mark.parametrize(
    ("name", "argument", "value"),
    [
        ("grid", "seed", 123), ("tpe", "group", True), ("tpe", "constant_liar", True), ("cmaes", "n_startup_trials", 7),
        ("cmaes", "popsize", 12), ("cmaes", "with_margin", True), ("cmaes", "lr_adapt", True), ("nsgaii", "mutation_prob", 0.5),
    ],
)  # fmt: skip
def test_an_argument_of_a_sampler_is_overridden(name, argument, value):
    node = plugin.ConfigStore.instance().load(f"hydra/sweeper/sampler/{name}.yaml").node
    OmegaConf.set_struct(parent := OmegaConf.create({"sampler": node}), True)
    OmegaConf.update(parent, f"sampler.{argument}", value)
    section = OmegaConf.to_container(parent.sampler)
    assert section[argument] == value
    space = search_space.read({"x": "choice(1,2)"}, [], None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build.sampler(section, space)


@pytest.mark.parametrize("expression", ["range(0,1,0)", "range(0,1,0.0)", "range(0,0)", "range(3,1)", "range(0,1,-0.5)"])
def test_a_range_without_values_is_refused(expression):
    with pytest.raises(SweepError, match="range"):
        search_space.read({"key": expression}, [], None)


@pytest.mark.parametrize(
    ("line", "searched", "fixed"),
    [
        (["key=choice(1,2)"], ["key"], ()),
        (["key=5"], [], ("key=5",)),
        (["key1=choice(1,2)", "key2=5", "key3=range(1,3)"], ["key1", "key3"], ("key2=5",)),
        (["~z"], [], ("~z",)),
        (["~z=10"], [], ("~z=10",)),
    ],
)
def test_overrides_are_searched_fixed_or_deletions(line, searched, fixed):
    space = search_space.read({}, line, None)
    assert (list(space.parameters), space.fixed) == (searched, fixed)


@pytest.mark.parametrize("typed", [[], ["x=choice(0,1,2)", "y=0"]])
def test_a_sphere_is_searched(application, typed):
    application.write("config.yaml", SPHERE)
    application.run(sphere, "-m", "hydra/sweeper/sampler=tpe", "~z", *typed)
    best = results(application)
    study = application.study()
    assert best.name == "optuna"
    assert best.best_params == study.best_trial.params
    assert set(best.best_params) == ({"x"} if typed else {"x", "y"})
    assert best.best_value == study.best_trial.value <= 2.27


@pytest.mark.parametrize("n_trials", [20, 1])
def test_a_grid_of_a_sphere(application, n_trials):
    application.write("config.yaml", SPHERE.replace("sampler: {seed: 123}", "sampler: {_target_: optuna.samplers.GridSampler}"))
    application.run(sphere, "-m", "x=choice(-1,1)", "y=choice(-1,0)", "z=choice(a,b)", f"hydra.sweeper.n_trials={n_trials}")
    best = results(application)
    assert len(application.study().trials) == min(n_trials, 8)
    assert best.best_value == (1 if n_trials == 20 else best.best_params.x**2 + best.best_params.y**2)
    assert best.best_params.z in ("a", "b")


@pytest.mark.parametrize("sampler", ["random", "nsgaiii"])
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_no_solution_dominates_another(application, sampler):
    application.write("config.yaml", SPHERE)

    def two(config):
        return 4 * config.x**2 + 4 * config.y**2, (config.x - 5) ** 2 + (config.y - 5) ** 2

    application.run(
        two, "-m", f"hydra/sweeper/sampler={sampler}", "x=range(0,5)", "y=range(0,3)", "hydra.sweeper.n_trials=8",
        "hydra.sweeper.direction=[minimize,minimize]",
    )  # fmt: skip
    values = [tuple(solution["values"]) for solution in results(application).solutions]
    assert values
    assert not any(a != b and all(i <= j for i, j in zip(a, b, strict=True)) for a in values for b in values)


def near_x(config, trial):
    x = trial.params["x"]
    trial.suggest_float("z", x - config.distance, x + config.distance)
    trial.suggest_float("+w", 0.0, 1.0)


def test_a_function_suggests_further_parameters(application, monkeypatch):
    monkeypatch.setattr("os.path.near_x", near_x, raising=False)
    application.write("config.yaml", SPHERE.replace("      z: choice(a,b)\n", "").replace("z: a", "z: 0\ndistance: 0.3"))
    application.run(
        lambda config: config.x + config.z + config.w, "-m", "hydra.sweeper.custom_search_space=os.path.near_x",
        "hydra.sweeper.n_trials=4",
    )  # fmt: skip
    best = results(application).best_params
    assert abs(best.x - best.z) <= 0.3
    assert 0 <= best["+w"] <= 1


@pytest.mark.parametrize(("direction", "first"), [("minimize", float("nan")), ("[minimize,minimize]", [1.0])])
def test_a_rejected_result_fails_its_trial_alone(application, direction, first):
    application.write("config.yaml", SPHERE)
    returned = [first]

    def task(_):
        return returned.pop() if returned else [1.0] * (1 if direction == "minimize" else 2)

    application.run(task, "-m", f"hydra.sweeper.direction={direction}", "hydra.sweeper.n_trials=2")
    assert [trial.state.name for trial in application.study().trials] == ["FAIL", "COMPLETE", "COMPLETE"]


def test_a_sampler_that_optuna_has_dropped_is_refused(application):
    application.write("config.yaml", SPHERE)
    with pytest.raises(MissingConfigException, match="hydra/sweeper/sampler/motpe"):
        application.run(sphere, "-m", "hydra/sweeper/sampler=motpe")


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_reference_points_become_an_array(monkeypatch):
    given = {}
    monkeypatch.setattr(optuna.samplers, "NSGAIIISampler", lambda reference_points: given.update(points=reference_points))
    build.build({"_target_": "optuna.samplers.NSGAIIISampler", "reference_points": [[0, 1], [1, 0]]}, "sampler")
    assert isinstance(given["points"], np.ndarray)


def test_nothing_to_search_is_refused(application):
    application.write("config.yaml", SPHERE)
    with pytest.raises(SweepError, match="nothing to search"):
        application.run(sphere, "-m", "x=0", "y=0", "z=a", "hydra.sweeper.n_jobs=3")


def test_the_table_names_tests_that_exist():
    engine = Path(__file__).parents[2]
    table = (engine / "docs" / "peer.md").read_text()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("| `test_")]
    assert len({row[0] for row in rows}) == 25
    sources = "".join(path.read_text() for path in (engine / "tests").rglob("test_*.py"))
    for _, result, ours in rows:
        assert re.match(r"passed|differs: \w|private: \w", result), result
        for name in re.findall(r"`(test_\w+)`", ours):
            assert f"def {name}(" in sources, name
