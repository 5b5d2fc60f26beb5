"""What may stand in `hydra.sweeper`, and on the command line in its place."""

import pytest
import yaml
from hydra.errors import ConfigCompositionException
from hydra_async_sweeper import current_trial
from hydra_async_sweeper.errors import SweepError


def test_the_peers_target_is_refused_by_name(application, task):
    target = "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper"
    config = (application.folder / "conf" / "config.yaml").read_text()
    application.write("config.yaml", config.replace("{n_trials: 3}", f"{{_target_: {target}}}"))
    with pytest.raises(ConfigCompositionException) as refused:
        application.run(task, "-m", "x=interval(0,1)")
    assert "nothing: remove _target_ from hydra.sweeper" in str(refused.value)


def test_the_search_space_of_1_1_is_read(application, task, capsys):
    space = {
        "x": {"type": "float", "low": 0.5, "high": 1.0, "step": 0.25},
        "y": {"type": "int", "low": 1, "high": 2},
        "model": {"type": "categorical", "choices": ["small", "large"]},
        "+z": {"type": "float", "low": 0.1, "high": 1, "log": True},
    }
    config = (application.folder / "conf" / "config.yaml").read_text()
    section = {"search_space": space, "params": {"x": space.pop("x")}}
    application.write("config.yaml", config.replace("{n_trials: 3}", yaml.safe_dump(section, default_flow_style=True)))
    application.run(task, "hydra/job_logging=default", "hydra.sweeper.n_trials=1", "hydra.sweeper.params.y=3")
    [trial] = application.study().trials
    assert {name: str(it) for name, it in trial.distributions.items()} == {
        "x": "FloatDistribution(high=1.0, log=False, low=0.5, step=0.25)",
        "model": "CategoricalDistribution(choices=('small', 'large'))",
        "z": "FloatDistribution(high=1.0, log=True, low=0.1, step=None)",
    }
    assert task.configs[0]["y"] == 3
    assert "hydra.sweeper.search_space is the form of hydra-optuna-sweeper 1.1, and deprecated" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("storage", "file"),
    [
        ("{_target_: optuna.storages.RDBStorage, url: 'sqlite:///a.db', heartbeat_interval: 60}", "a.db"),
        (
            "{_target_: optuna.storages.JournalStorage, "
            "log_storage: {_target_: optuna.storages.journal.JournalFileBackend, file_path: a.log}}",
            "a.log",
        ),
    ],
)
def test_a_storage_object_is_accepted(application, task, storage, file):
    config = (application.folder / "conf" / "config.yaml").read_text()
    application.write("config.yaml", config.replace("{n_trials: 3}", f"{{n_trials: 1, storage: {storage}}}"))
    application.run(task, "x=interval(0,1)")
    assert (application.folder / file).is_file()
    assert len(application.study().trials) == 1


def test_a_storage_that_cannot_be_shared_is_refused_by_name(application, task):
    with pytest.raises(SweepError, match=r"hydra\.sweeper\.storage: optuna\.storages\.InMemoryStorage cannot be shared by"):
        application.run(task, "x=interval(0,1)", "hydra.sweeper.storage={_target_:optuna.storages.InMemoryStorage}")
    assert not (application.folder / "sweep").exists()


def test_params_may_be_filled_from_the_command_line_alone(application, task):
    application.run(task, "hydra.sweeper.params.x='interval(0,1)'", "hydra.sweeper.params.y=[1,2]", "hydra.sweeper.n_trials=1")
    assert set(application.study().trials[0].distributions) == {"x", "y"}


@pytest.mark.parametrize(
    ("override", "line"),
    [
        (
            "hydra.sweeper.sampler=gp",
            "hydra.sweeper.sampler=gp: a mapping with _target_ is accepted; hydra/sweeper/sampler=gp, ",
        ),
        ("hydra.sweeper.pruner=asha", "hydra.sweeper.pruner=asha: a mapping with _target_ is accepted; hydra/sweeper/pruner="),
        ("y=interval(0,1),2", "y=interval(0,1),2: a choice takes values, and no interval or range among them"),
        (
            "hydra.sweeper.params={y:'interval(0'}",
            "hydra.sweeper.params.y=interval(0: a bracket is not closed; inside",
        ),
        ("hydra.sweep.dir=conf/config.yaml", "hydra.sweep.dir="),
        ("hydra.sweeper.params='x=1,2'", "hydra.sweeper.params=x=1,2: a mapping such as {x: interval(0,1)} is accepted"),
    ],
)
def test_text_in_place_of_a_section_is_refused_in_one_line(application, task, override, line):
    with pytest.raises(SweepError) as refused:
        application.run(task, "x=interval(0,1)", override)
    assert str(refused.value).startswith(line)


def test_a_section_in_params_stands_for_its_keys(application, task):
    config = (application.folder / "conf" / "config.yaml").read_text()
    application.write("config.yaml", config.replace("{n_trials: 3}", "{n_trials: 3, params: null}"))
    application.run(task, "hydra.sweeper.params={model:{width:[3,4]}}", "hydra.sweeper.enqueue=[{model:{width:4}}]")
    assert set(application.study().trials[0].distributions) == {"model.width"}
    assert task.configs[0]["model"] == {"width": 4}


def test_arguments_of_a_sampler_and_a_pruner_are_typed_without_a_plus(application, task):
    application.run(
        task, "x=interval(0,1)", "hydra/sweeper/sampler=tpe", "hydra.sweeper.sampler.multivariate=true",
        "hydra/sweeper/pruner=median", "hydra.sweeper.pruner.interval_steps=2", "hydra.sweeper.n_trials=1",
    )  # fmt: skip
    with pytest.raises(
        SweepError, match=r"sampler\.multivariat: unknown argument of TPESampler; did you mean multivariate\?; it acc"
    ):
        application.run(task, "x=interval(0,1)", "hydra/sweeper/sampler=tpe", "hydra.sweeper.sampler.multivariat=true")


def test_a_yaml_list_is_a_choice_and_a_later_one_replaces_it(application, task):
    config = (application.folder / "conf" / "config.yaml").read_text()
    params = "{n_trials: 1, params: {x: [1, 2.5], y: ['1', null, [1, 2], 'c,d'], model: [small, large]}}"
    application.write("config.yaml", config.replace("{n_trials: 3}", params))
    application.write("experiment/e.yaml", "# @package _global_\nhydra: {sweeper: {params: {x: [7, 8]}}}\n")
    application.run(task, "+experiment=e")
    [trial] = application.study().trials
    assert {name: it.choices for name, it in trial.distributions.items()} == {
        "x": (7, 8), "y": ("1", None, "[1,2]", "c,d"), "model": ("small", "large"),
    }  # fmt: skip


def test_the_grids_own_search_space_is_used(application, task):
    config = (application.folder / "conf" / "config.yaml").read_text()
    sampler = "{_target_: optuna.samplers.GridSampler, _partial_: true, search_space: {x: [0.5, 1], y: [3]}}"
    application.write("config.yaml", config.replace("{n_trials: 3}", f"{{sampler: {sampler}, params: {{x: 'interval(0,1)'}}}}"))
    config = (application.folder / "conf" / "config.yaml").read_text()
    application.write("config.yaml", config.replace("  - override hydra/sweeper/sampler: random\n", ""))
    application.run(task)
    assert sorted((config["x"], config["y"]) for config in task.configs) == [(0.5, 3), (1.0, 3)]
    with pytest.raises(SweepError, match=r"hydra\.sweeper\.sampler\.search_space\.x: 2 is outside of interval\(0,1\)"):
        application.run(task, "hydra.sweep.dir=two", "hydra.sweeper.sampler.search_space.x=[2]")


def suggest_or_fail(_, trial):
    if trial.params["x"] < 0.5:
        raise KeyError("nothing fits")
    trial.suggest_float("+z", 0, 1)


def test_what_a_function_of_the_users_suggests_may_be_enqueued_and_its_failure_is_the_trials(application, task, monkeypatch):
    monkeypatch.setattr("os.path.suggest", suggest_or_fail, raising=False)
    application.run(
        task, "x=interval(0,1)", "hydra.sweeper.custom_search_space=os.path.suggest", "hydra.sweeper.n_trials=2",
        "hydra.sweeper.enqueue=[{x:0.25},{x:0.75,+z:0.125}]",
    )  # fmt: skip
    first, second = application.study().trials[:2]
    assert (first.state.name, first.user_attrs["reason"]) == ("FAIL", "KeyError: 'nothing fits'")
    assert (second.state.name, task.configs[0]["x"], task.configs[0]["z"]) == ("COMPLETE", 0.75, 0.125)


def test_where_no_solution_is_within_its_constraints_the_end_is_reported(application, capsys):
    def too_large(config):
        current_trial().constrain("size", 1.0)
        return config.x, -config.x

    application.run(too_large, "x=0.5,0.25", "hydra.sweeper.direction=[minimize,minimize]", "hydra/job_logging=default")
    assert "no complete trial is within its constraints, so there is no best one" in capsys.readouterr().out


def suggest_text(_, trial):
    trial.suggest_categorical("+a", ["None", "1", "c,d", "[1", "true", ""])
    trial.suggest_categorical("+b", [None])
    trial.suggest_categorical("+c", [True])


def test_text_that_becomes_an_override_stays_text(application, task, monkeypatch):
    monkeypatch.setattr("os.path.suggest", suggest_text, raising=False)
    application.run(task, "hydra.sweeper.custom_search_space=os.path.suggest", "hydra.sweeper.n_trials=12")
    assert {config["a"] for config in task.configs} <= {"None", "1", "c,d", "[1", "true", ""}
    assert len({config["a"] for config in task.configs}) > 3
    assert {(config["b"], config["c"]) for config in task.configs} == {(None, True)}
    application.run(
        task, "hydra.sweep.dir=two", "y=choice('None','1','c,d','[1')", "hydra/sweeper/sampler=grid", "hydra.sweeper.n_trials=9"
    )
    assert sorted(config["y"] for config in task.configs[12:]) == ["1", "None", "[1", "c,d"]


def test_a_configuration_to_try_first_has_lists_truth_values_and_new_keys(application, task):
    application.run(
        task, "x=interval(0,1)", "y=choice([1,2],[3,4])", "+use=choice(true,false)", "+fixed=true", "hydra.sweeper.n_trials=1",
        "hydra.sweeper.enqueue=[{x:0.5,y:[3,4],+use:true,+fixed:true}]",
    )  # fmt: skip
    [config] = task.configs
    assert (config["x"], config["y"], config["use"], config["fixed"]) == (0.5, [3, 4], True, True)


def test_every_option_is_composed_before_the_first_trial(application, task):
    application.write("model/broken.yaml", "width: ${oc.env:NOT_THERE\n")
    with pytest.raises(SweepError, match="model=broken"):
        application.run(task, "model=small,large,broken", "x=interval(0,1)")
    with pytest.raises(SweepError, match="model=missing: no such option"):
        application.run(task, "model=small,missing")
    assert task.configs == []
    assert not (application.folder / "sweep").exists()


def test_a_group_is_searched_in_two_packages(application, task):
    config = (application.folder / "conf" / "config.yaml").read_text()
    application.write(
        "config.yaml", config.replace("  - _self_\n", "  - model@left: small\n  - model@right: small\n  - _self_\n")
    )
    params = "hydra.sweeper.params={model@left:[small,large],model@right:{search:[small,large],when:{model@left:large}}}"
    application.run(task, params, "hydra.sweeper.n_trials=12")
    pairs = {(config["left"]["width"], config["right"]["width"]) for config in task.configs}
    assert pairs == {(1, 1), (2, 1), (2, 2)}
    assert {tuple(sorted(trial.params)) for trial in application.study().trials} == {
        ("model@left",),
        ("model@left", "model@right"),
    }


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("hydra.sweeper.storage=${oc.env:NOPE}", "hydra.sweeper.storage: the environment variable NOPE is not set"),
        ("hydra.sweeper.n_trials=${nothing.there}", "hydra.sweeper.n_trials: ${nothing.there} is not a key of the config"),
        ("hydra.sweeper.sampler.seed=${nope:1}", "hydra.sweeper.sampler.seed: Unsupported interpolation type nope"),
        ("hydra.sweeper.enqueue=[{x:${nope}}]", "hydra.sweeper.enqueue[0].x: ${nope} is not a key of the config"),
        ("hydra.sweeper.direction=???", "hydra.sweeper.direction: has no value, and needs one"),
        ("hydra.sweep.dir=${oc.env:NOPE}/a", "hydra.sweep.dir: the environment variable NOPE is not set"),
        ("+hydra.launcher.a=${nope}", "hydra.launcher.a: ${nope} is not a key of the config"),
    ],
)
def test_what_cannot_be_resolved_is_one_line_with_its_key(application, task, override, line):
    with pytest.raises(SweepError) as refused:
        application.run(task, "x=interval(0,1)", override)
    assert str(refused.value) == line
    assert task.configs == []
