"""What strangers' applications, configs and tasks look like."""

import dataclasses
import enum
import os
import shlex
import time
from pathlib import Path

import hydra
import pytest
import yaml
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import ConfigCompositionException
from hydra.experimental.callback import Callback
from hydra_async_sweeper import TrialPruned, current_trial
from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.study import study_file
from omegaconf import OmegaConf

SWEEPER = "hydra.sweeper."


class Task:
    """Returns `x`, and keeps the configs that it was called with."""

    def __init__(self) -> None:
        self.configs: list = []
        self.folders: list[Path] = []

    def __call__(self, config):
        self.configs.append(OmegaConf.to_container(config, resolve=False))
        self.folders.append(Path(HydraConfig.get().runtime.output_dir))
        return config.x


@pytest.fixture
def task() -> Task:
    return Task()


def best(application, sweep="sweep"):
    return yaml.safe_load((application.folder / sweep / "experiment" / "best.yaml").read_text())


def typed_best(application, sweep="sweep", group="experiment") -> list[str]:
    """Return the arguments of the command in the header of the best trial's file."""
    lines = (application.folder / sweep / group / "best.yaml").read_text().splitlines()
    [line] = [line for line in lines if line.startswith("#   python")]
    words = shlex.split(line.removeprefix("#   "))
    assert words[:2] == ["python", "src/app.py"]
    return words[2:]


def curve(*, asks: bool):
    """Return a task that reports 18 steps, and stops where the pruner says so if it `asks`."""

    def task(config):
        trial = current_trial()
        for step in range(1, 19):
            trial.report(config.x * step, step)
            if asks and trial.should_prune():
                raise TrialPruned
        return config.x * 18

    return task


def test_by_default_trials_stop_where_a_task_asks_and_are_complete_where_it_does_not(application, capsys):
    typed = [
        "x=interval(0,1)",
        "hydra.sweeper.direction=maximize",
        "hydra.sweeper.n_trials=30",
        "hydra.sweeper.trial_files=none",
    ]
    application.run(curve(asks=True), *typed)
    states = [trial.state.name for trial in application.study().trials]
    assert len(states) == 30
    assert min(states.count("COMPLETE"), states.count("PRUNED")) >= 2
    assert capsys.readouterr().out.count("hydra/sweeper/pruner=none trains each to its end") == 1
    application.run(curve(asks=False), *typed, "hydra.sweep.dir=silent")
    assert [trial.state.name for trial in application.study("silent").trials] == ["COMPLETE"] * 30


def test_where_every_trial_may_fail_a_sweep_ends(application):
    numbers = []

    def fails(config):
        numbers.append(config.x)
        raise RuntimeError("no")

    application.run(fails, "x=interval(0,1)", "hydra.sweeper.max_failure_rate=1.0")
    assert len(numbers) == 3
    assert [trial.state.name for trial in application.study().trials] == ["FAIL"] * 3


# --- best.yaml


@pytest.mark.parametrize(
    ("files", "overrides", "expected"),
    [
        # What was searched and typed, not what follows from it.
        ({}, ["x=0.5,0.25", "y=3"], {"defaults": ["_self_"], "y": 3}),
        # The most copied template: a local file that is not there.
        ({"defaults": "  - optional local: default\n"}, ["x=0.5,0.25"], {"defaults": ["_self_"]}),
        # A group that the defaults lack, searched.
        ({"data/a.yaml": "n: 1\n"}, ["x=0.5,0.25", "+data=a"], {"defaults": [{"/data": "a"}, "_self_"]}),
        ({}, ["x=0.5,0.25", "model=large"], {"defaults": ["_self_", {"override /model": "large"}]}),
        # Options that set other groups' keys, before and behind `experiment`.
        (
            {"search/s.yaml": "# @package _global_\nw: 7\nhydra: {sweeper: {n_trials: 2}}\n",
             "defaults": "  - search: null\n  - experiment: null\n"},
            ["search=s", "x=0.5,0.25"],
            {"defaults": ["_self_"], "w": 7},
        ),
        (
            {"search/s.yaml": "# @package _global_\nw: 7\nhydra: {sweeper: {n_trials: 2}}\n",
             "experiment/e.yaml": "# @package _global_\ndefaults:\n  - override /model: large\nz: 1\n",
             "defaults": "  - experiment: null\n  - search: null\n"},
            ["search=s", "experiment=e", "x=0.5,0.25"],
            {"defaults": ["_self_", {"override /model": "large"}], "w": 7, "z": 1},
        ),
        # A group in two packages.
        (
            {"defaults": "  - model@left: small\n  - model@right: small\n"},
            ["x=0.5,0.25", "model@right=large"],
            {"defaults": ["_self_", {"override /model@right": "large"}]},
        ),
        # A default that is removed, a key that is added, a value that is an interpolation.
        ({}, ["x=0.5,0.25", "~model", "+new.key=[a,b]", "y=${x}"],
         {"defaults": ["_self_", {"override /model": None}], "new": {"key": ["a", "b"]}, "y": "${x}"}),
    ],
)  # fmt: skip
def test_the_best_is_what_was_searched_and_typed_and_runs_again(application, task, files, overrides, expected):
    files = dict(files)
    config = (application.folder / "conf" / "config.yaml").read_text()
    application.write("config.yaml", config.replace("  - _self_\n", files.pop("defaults", "") + "  - _self_\n"))
    for path, text in files.items():
        application.write(path, text)
    application.run(task, *overrides, "hydra/sweeper/sampler=grid", "hydra.sweeper.direction=minimize")
    found = best(application)
    assert found.pop("x") == 0.25
    assert found == expected
    winner = min(task.configs, key=lambda config: config["x"])
    application.run(task, *typed_best(application))
    assert task.configs[-1] == winner
    assert len(task.configs) == 3  # and no new sweep


@pytest.mark.parametrize(
    ("defaults", "overrides", "typed"),
    [
        ("  - experiment: null\n  - model: small\n", ["model=large"], "model=large"),  # behind the experiment
        ("  - model: ???\n", ["model=large"], "model=large"),  # without a default
        ("  - model: small\n", ["~y"], "~y"),  # a key that is removed
    ],
)
def test_what_an_option_file_cannot_do_is_typed(application, task, defaults, overrides, typed):
    config = (application.folder / "conf" / "config.yaml").read_text()
    application.write("config.yaml", config.replace("  - model: small\n", defaults))
    application.write("experiment/other.yaml", "")
    application.run(task, "x=0.5,0.25", *overrides, "hydra/sweeper/sampler=grid")
    assert typed in typed_best(application)
    winner = min(task.configs, key=lambda config: config["x"])
    application.run(task, *typed_best(application))
    assert task.configs[-1] == winner


def test_the_best_of_another_config_and_of_a_folder_that_were_typed_runs_again(application, task):
    config = (application.folder / "conf" / "config.yaml").read_text()
    application.write("other.yaml", config + "z: 5\n")
    (application.folder / "my conf" / "model").mkdir(parents=True)
    (application.folder / "my conf" / "model" / "mine.yaml").write_text("width: 7\n")
    typed = ["--config-name", "other", "--config-dir", "my conf", "model=mine", "x=choice(0.5,0.25)"]
    application.run(task, *typed, "hydra/sweeper/sampler=grid")
    winner = min(task.configs, key=lambda config: config["x"])
    application.run(task, *typed_best(application))
    assert task.configs[-1] == winner
    assert (winner["z"], winner["model"]["width"], len(task.configs)) == (5, 7, 3)


class Kind(enum.Enum):
    PLAIN = 1
    BOLD = 2


@dataclasses.dataclass
class Typed:
    """Values that YAML and JSON lack."""

    kind: Kind = Kind.PLAIN
    path: Path = Path("here")
    weights: dict[int, float] = dataclasses.field(default_factory=lambda: {0: 1.0})


def test_a_config_of_dataclasses_is_searched_continued_and_run_again(application, task):
    ConfigStore.instance().store(group="style", name="typed", node=Typed)
    config = (application.folder / "conf" / "config.yaml").read_text()
    application.write("config.yaml", config.replace("defaults:\n", "defaults:\n  - style: typed\n"))
    searched = ["x=interval(0,1)", "style.kind=BOLD", "style.path=there/a,there/b", "style.weights={0:2.0}"]
    application.run(task, *searched)
    application.run(task, *searched, "hydra.sweeper.n_trials=4")
    assert len(task.configs) == 4
    winner = min(task.configs, key=lambda config: config["x"])
    application.run(task, *typed_best(application))
    assert task.configs[-1] == winner
    assert (winner["style"]["kind"], winner["style"]["weights"]) == (Kind.BOLD, {0: 2.0})


def test_the_best_file_is_an_option_of_the_group_that_is_named(application, task):
    application.write("recipe/fast/r.yaml", "# @package _global_\ny: 1\n")
    application.write("recipe/slow/r.yaml", "# @package _global_\ny: 2\n")
    application.run(
        task, "x=0.5,0.25", "+recipe=fast/r,slow/r", "hydra/sweeper/sampler=grid", "hydra.sweeper.n_trials=9",
        "hydra.sweeper.best_group=recipe",
    )  # fmt: skip
    assert sorted(config["y"] for config in task.configs) == [1, 1, 2, 2]
    winner = min(task.configs, key=lambda config: config["x"])
    application.run(task, *typed_best(application, group="recipe"))
    assert task.configs[-1] == winner


def test_whatever_goes_wrong_while_the_best_is_written_the_end_is_reported(application, task, monkeypatch, capsys):
    ends = []

    class Listener(Callback):
        def on_study_end(self, reason, **_):
            ends.append(reason)

    monkeypatch.setattr("hydra_async_sweeper.best_file.BestFile.write", lambda *_: 1 / 0)
    monkeypatch.setattr(
        "hydra._internal.callbacks.Callbacks.__init__", lambda self, *_: setattr(self, "callbacks", [Listener()])
    )
    application.run(task, "x=0.5,0.25", "hydra/job_logging=default", "hydra/sweeper/sampler=grid")
    assert "the best trial's config is not written: division by zero" in capsys.readouterr().out
    assert ends == ["the sampler has tried every combination"]


def test_the_peers_file_of_results_is_written(application, task):
    application.run(task, "x=0.5,0.25", "+z=1,2", "hydra/sweeper/sampler=grid", "hydra.sweeper.n_trials=9")
    results = OmegaConf.load(application.folder / "sweep" / "optimization_results.yaml")
    assert results.name == "optuna"
    assert results.best_params == {"x": 0.25, "+z": results.best_params["+z"]}
    assert results.best_value == 0.25
    application.run(
        lambda config: (config.x, -config.x), "x=0.5,0.25", "hydra/sweeper/sampler=grid", "hydra.sweep.dir=two",
        "hydra.sweeper.direction=[minimize,minimize]",
    )  # fmt: skip
    solutions = OmegaConf.load(application.folder / "two" / "optimization_results.yaml").solutions
    assert sorted((it["params"]["x"], list(it["values"])) for it in solutions) == [(0.25, [0.25, -0.25]), (0.5, [0.5, -0.5])]


# --- folders


@pytest.mark.parametrize("url", ["sqlite:///kept/study.db", "journal:kept/study.log"])
@pytest.mark.filterwarnings("ignore:Future Hydra versions", "ignore::hydra.errors.Hydra14MigrationWarning")
@pytest.mark.parametrize("version_base", ["1.1", "1.3"])
def test_where_jobs_change_their_folder_a_relative_storage_is_found(application, url, version_base):
    application.version_base = version_base
    (application.folder / "kept").mkdir()
    seen = []

    def task(config):
        seen.append((Path.cwd(), hydra.utils.get_original_cwd(), config.where))
        return config.x

    application.run(
        task, "x=interval(0,1)", "+where=${hydra:runtime.cwd}", f"hydra.sweeper.storage={url}",
        *([] if version_base == "1.1" else ["hydra.job.chdir=true"]),
    )  # fmt: skip
    folder = application.folder
    assert seen == [(folder / "sweep" / str(number), str(folder), str(folder)) for number in range(3)]
    assert (folder / "kept" / Path(url).name).is_file()
    os.chdir("/")
    assert len(application.study().trials) == 3


def test_the_folder_of_a_trial_is_the_users(application, task):
    application.run(task, "x=0.5,0.25", "y=1", "hydra.sweep.subdir=${hydra.job.override_dirname}", "hydra/sweeper/sampler=grid")
    sweep = application.folder / "sweep"
    assert {folder.relative_to(sweep).name for folder in task.folders} == {"x=0.5,y=1", "x=0.25,y=1"}
    application.run(task, "x=0.5,0.25", "hydra.sweep.subdir=all", "hydra/sweeper/sampler=grid", "hydra.sweep.dir=two")
    assert [folder.name for folder in task.folders[2:]] == ["all", "all-1"]  # no two trials share one


def test_the_command_continues_a_sweep_whose_folder_and_config_hold_the_time(application, task):
    config = (application.folder / "conf" / "config.yaml").read_text()
    config = config.replace("{dir: sweep}", "{dir: '${logs}/at-${now:%f}'}")
    application.write("config.yaml", config + "logs: logs\nname: ${now:%f}\nlong: at ${name}\n")
    application.run(task, "x=interval(0,1)", "-m")
    [folder] = (application.folder / "logs").iterdir()
    typed = shlex.split(study_file.read(folder).command)[2:]
    assert typed == [f"hydra.sweep.dir=logs/{folder.name}", "x=interval(0,1)", "-m"]
    application.run(task, "hydra.sweeper.n_trials=4", *typed)
    assert [folder] == list((application.folder / "logs").iterdir())
    assert len(task.configs) == 4


def test_to_the_applications_callbacks_a_job_is_a_trial(application, task, monkeypatch):
    jobs = []

    class Listener(Callback):
        def on_job_start(self, config, **_):
            jobs.append(("start", config.hydra.job.num))

        def on_job_end(self, config, job_return, **_):
            jobs.append((job_return.return_value, config.hydra.job.num))

    monkeypatch.setattr(
        "hydra._internal.callbacks.Callbacks.__init__", lambda self, *_: setattr(self, "callbacks", [Listener()])
    )
    application.run(task, "x=0.5,0.25", "hydra/sweeper/sampler=grid")
    values = [config["x"] for config in task.configs]
    assert jobs == [("start", 0), (values[0], 0), ("start", 1), (values[1], 1)]


# --- the sweeper's section


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
    application.write(
        "config.yaml", config.replace("{n_trials: 3}", yaml.safe_dump({"search_space": space}, default_flow_style=True))
    )
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


# --- other spaces


def test_a_warm_start_takes_what_lies_in_another_space(application, task, capsys):
    first = ["hydra.sweep.dir=sweeps/first", "hydra.sweeper.study_name=first", "hydra/sweeper/sampler=grid"]
    application.run(task, *first, "x=0.25,0.5,2", "y=1,2", "hydra.sweeper.n_trials=6")
    second = ["hydra.sweep.dir=sweeps/second", "hydra.sweeper.study_name=second", "hydra.sweeper.warm_start_from=first"]
    # Narrower and continuous, with one parameter more and one less.
    space = ["x=interval(0,1)", "model=small,large", "+z=3"]
    application.run(task, *second, *space[:2], "hydra.sweeper.n_trials=1", "hydra/job_logging=default")
    printed = capsys.readouterr().out
    assert "hydra.sweeper.warm_start_from: left out 2 trials outside of the space" in printed
    assert "taken over: 4 finished trials of first" in printed
    taken = application.study("sweeps/second").trials[:4]
    assert sorted((trial.params["x"], trial.params["model"]) for trial in taken) == [(0.25, "small")] * 2 + [(0.5, "small")] * 2
    with pytest.raises(SweepError, match="z: now 3, but the study first has nothing"):
        application.run(task, "hydra.sweep.dir=sweeps/third", "hydra.sweeper.warm_start_from=first", *space)


# --- trials that hang


def test_a_trial_that_hangs_is_ended_with_its_reason(application):
    def hangs(_):
        while True:
            time.sleep(60)

    limits = ["hydra.sweeper.trial_timeout=0.5", "hydra.sweeper.max_retries=1", "hydra.sweeper.max_failure_rate=0"]
    with pytest.raises(SweepError, match=r"it ran longer than hydra\.sweeper\.trial_timeout=0\.5 s 2 times \(hydra\.sw"):
        application.run(hangs, "x=interval(0,1)", *limits)
    assert [trial.state.name for trial in application.study().trials] == ["FAIL"]
