"""The best trial as an option file, and the command that runs it again, in any application."""

import dataclasses
import enum
import shlex
from pathlib import Path

import pytest
import yaml
from hydra.core.config_store import ConfigStore
from hydra.experimental.callback import Callback
from hydra_async_sweeper.errors import SweepError
from omegaconf import OmegaConf


def best(application, sweep="sweep"):
    return yaml.safe_load((application.folder / sweep / "experiment" / "best.yaml").read_text())


def typed_best(application, sweep="sweep", group="experiment") -> list[str]:
    """Return the arguments of the command in the header of the best trial's file."""
    lines = (application.folder / sweep / group / "best.yaml").read_text().splitlines()
    [line] = [line for line in lines if line.startswith("#   python")]
    words = shlex.split(line.removeprefix("#   "))
    assert words[:2] == ["python", "src/app.py"]
    return words[2:]


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
    raw: bytes = b"\xff\n"
    others: list[bytes] = dataclasses.field(default_factory=lambda: [b"a"])
    kinds: dict[Kind, Kind] = dataclasses.field(default_factory=lambda: {Kind.PLAIN: Kind.BOLD})
    weights: dict[int, float] = dataclasses.field(default_factory=lambda: {0: 1.0})


def test_a_config_of_dataclasses_is_searched_continued_and_run_again(application, task):
    ConfigStore.instance().store(group="style", name="typed", node=Typed)
    config = (application.folder / "conf" / "config.yaml").read_text()
    application.write("config.yaml", config.replace("defaults:\n", "defaults:\n  - style: typed\n"))
    application.write("raw/short.yaml", "# @package _global_\nstyle: {raw: !!binary YWI=, others: [!!binary YWM=]}\n")
    searched = ["x=interval(0,1)", "+raw=short", "style.kind=BOLD", "style.path=there/a,there/b", "style.weights={0:2.0}"]
    application.run(task, *searched)
    application.run(task, *searched, "hydra.sweeper.n_trials=4")
    assert len(task.configs) == 4
    winner = min(task.configs, key=lambda config: config["x"])
    application.run(task, *typed_best(application))
    assert task.configs[-1] == winner
    assert (winner["style"]["kind"], winner["style"]["weights"]) == (Kind.BOLD, {0: 2.0})
    assert (winner["style"]["raw"], best(application)["style"]["others"]) == (b"ab", [b"ac"])
    application.write("raw/short.yaml", "# @package _global_\nstyle: {raw: !!binary YWM=, others: [!!binary YWM=]}\n")
    with pytest.raises(SweepError, match=r"style\.raw: now b'ac', but the study sweep has b'ab'"):
        application.run(task, *searched)


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
    ends, ids = [], []

    class Listener(Callback):
        def on_study_open(self, study_id, **_):
            ids.append(study_id)

        def on_trial_end(self, study_id, **_):
            ids.append(study_id)

        def on_study_end(self, reason, study_id, **_):
            ids.append(study_id)
            ends.append(reason)

    monkeypatch.setattr("hydra_async_sweeper.best_file.BestFile.write", lambda *_: 1 / 0)
    monkeypatch.setattr(
        "hydra._internal.callbacks.Callbacks.__init__", lambda self, *_: setattr(self, "callbacks", [Listener()])
    )
    application.run(task, "x=0.5,0.25", "hydra/job_logging=default", "hydra/sweeper/sampler=grid")
    assert "the best trial's config is not written: division by zero" in capsys.readouterr().out
    assert ends == ["the sampler has tried every combination"]
    assert len(ids) == 4
    assert None not in ids
    assert len(set(ids)) == 1  # each event names the same study


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
