import optuna
import pytest
from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.space import search_space
from hydra_async_sweeper.study.build import build, grid, pruner, reseeded, reuse_search_space_cache, sampler

SPACE = search_space.read({"width": "choice(1,2)", "lr": "tag(log,interval(0.1,1))"}, [], None)
CONDITIONAL = search_space.read({"a": "choice(x,y)", "b": {"search": "choice(1,2)", "when": {"a": "x"}}}, [], None)
TPE = {"_target_": "optuna.samplers.TPESampler"}


def test_a_section_becomes_an_object_with_nested_ones():
    built = build(
        {
            "_target_": "optuna.pruners.PatientPruner",
            "patience": 2,
            "wrapped_pruner": {"_target_": "optuna.pruners.MedianPruner", "n_startup_trials": 3},
        },
        "hydra.sweeper.pruner",
    )
    assert isinstance(built, optuna.pruners.PatientPruner)
    assert built._wrapped_pruner._n_startup_trials == 3


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            {"_target_": "optuna.pruners.MedianPruner", "n_startup": 3},
            r"^pruner\.n_startup: unknown argument of MedianPruner; did you mean n_startup_trials\?; it accepts n_startup",
        ),
        ({"_target_": "optuna.pruners.Median"}, r"^pruner\._target_=optuna\.pruners\.Median: no such class$"),
        ({"_target_": "Median"}, "no such class"),
        ({"_target_": "optuna.pruners.MedianPruner", "n_startup_trials": -1}, "MedianPruner refuses its arguments"),
    ],
)
def test_mistakes_in_a_section_are_named(section, message):
    with pytest.raises(SweepError, match=message):
        build(section, "pruner")


def test_a_grid_is_every_value():
    found = search_space.read({"a": "choice(x,y)", "b": "range(1,8,3)", "c": "range(0,1,0.5)"}, [], None)
    assert grid(found) == {"a": ["x", "y"], "b": [1, 4, 7], "c": [0.0, 0.5]}
    with pytest.raises(SweepError, match=r"lr=tag\(log,interval\(0\.1,1\)\): the grid sampler takes choice"):
        grid(SPACE)


def test_tpe_searches_conditional_parameters_by_groups():
    assert sampler(TPE, SPACE)._group is False
    assert sampler(TPE, CONDITIONAL)._group is True
    assert sampler({**TPE, "group": False}, CONDITIONAL)._group is False


def test_a_grid_has_no_conditions():
    with pytest.raises(SweepError, match="a grid has no conditions; hydra/sweeper/sampler=brute_force is accepted"):
        sampler({"_target_": "optuna.samplers.GridSampler"}, CONDITIONAL)


def test_several_objectives_take_no_pruner():
    assert isinstance(pruner({"_target_": "optuna.pruners.NopPruner"}, 2), optuna.pruners.NopPruner)
    with pytest.raises(SweepError, match="MedianPruner cannot prune by 2 objectives; hydra/sweeper/pruner=none is accepted"):
        pruner({"_target_": "optuna.pruners.MedianPruner"}, 2)


def test_an_heir_knows_the_trials_and_suggests_what_a_newcomer_does():
    def suggest(study: optuna.Study, the_sampler: optuna.samplers.BaseSampler) -> dict[str, object]:
        study.sampler = the_sampler
        trial = study.ask(SPACE.distributions())
        study.tell(trial, trial.params["lr"])
        return trial.params

    section = {**TPE, "seed": 3, "n_startup_trials": 2}
    first, second = optuna.create_study(), optuna.create_study()
    last = sampler(section, SPACE)
    for _ in range(6):
        suggest(first, last)
    second.add_trials(first.trials)
    newcomer, heir = sampler(section, SPACE), sampler(section, SPACE)
    reuse_search_space_cache(heir, last)
    assert newcomer._search_space._cached_trial_number == -1
    assert heir._search_space._cached_trial_number == 5
    assert suggest(first, heir) == suggest(second, newcomer)


def test_an_argument_by_its_earlier_name_is_taken_and_said(caplog):
    section = {"_target_": "hydra_async_sweeper.study.pruners.BestSharePruner", "reduction_factor": 6, "one_in": 2}
    with caplog.at_level("WARNING"):
        assert build(section, "hydra.sweeper.pruner").reduction_factor == 2
    assert "hydra.sweeper.pruner.one_in is now called reduction_factor" in caplog.text


def test_what_the_default_sampler_alone_takes_is_left_out_for_another():
    section = {"seed": 0, "n_startup_trials": 10, "_target_": "optuna.samplers.PartialFixedSampler", "fixed_params": {"x": 1}}
    base = {"_target_": "optuna.samplers.RandomSampler"}
    assert build(reseeded({**section, "base_sampler": base}, 3), "sampler")
    with pytest.raises(SweepError, match=r"^sampler\.seed: unknown argument of PartialFixedSampler"):
        build(reseeded({**section, "base_sampler": base, "seed": 3}, 3), "sampler")
    of_auto = {"at_least": 5, "milestone_factor": 3, "num_random": 20}
    pruner({"_target_": "optuna.pruners.MedianPruner", **of_auto}, num_objectives=1)


def test_a_package_that_a_sampler_imports_late_is_missed_at_the_start(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda package: None if package == "torch" else package)
    with pytest.raises(SweepError, match=r"^hydra\.sweeper\.sampler: GPSampler needs torch, which is not installed$"):
        sampler({"_target_": "optuna.samplers.GPSampler"}, search_space.read({"x": "interval(0,1)"}, [], None))
