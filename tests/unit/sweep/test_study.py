import json
from pathlib import Path

import optuna
import pytest

from densenet_sweep.sweep import space, study
from densenet_sweep.sweep.errors import SweepError

SPACE = space.read({"width": "choice(1,2)", "lr": "tag(log,interval(0.1,1))"}, [], None)
BASE = {"width": 1, "lr": 0.5, "data.root": "here", "epochs": 3, "betas": [0.9, 0.99], "decay": None}


def opened(folder: Path, **changes) -> optuna.Study:
    arguments = {
        "directions": ["maximize"],
        "space": SPACE,
        "base": BASE,
        "ignored": ["data.root"],
        "allow_change": False,
        **changes,
    }
    return study.open_study(study.open_storage(None, folder), "mine", **arguments)


def test_the_journal_is_in_the_sweeps_folder(tmp_path):
    opened(tmp_path / "sweep")
    assert (tmp_path / "sweep" / "study.journal").is_file()


def test_the_same_study_is_opened_again(tmp_path):
    first = opened(tmp_path)
    first.tell(first.ask(SPACE.distributions()), 0.5)
    assert len(opened(tmp_path).trials) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"directions": ["minimize"]}, r"^hydra\.sweeper\.direction=minimize: the study mine has maximize; another"),
        ({"base": {**BASE, "epochs": 4}}, r"^epochs: now 4, but the study mine has 3; another hydra\.sweeper\.study_name"),
        ({"base": {**BASE, "new": 1}}, r"^new: now 1, but the study mine has nothing"),
        (
            {"space": space.read({"width": "choice(1,2,3)", "lr": "tag(log,interval(0.1,1))"}, [], None)},
            r"^width: now categorical \{'choices': \[1, 2, 3\]\}, but the study mine searches categorical",
        ),
        ({"space": space.read({"width": "choice(1,2)"}, [], None)}, r"^lr: now nothing, but the study mine searches float"),
    ],
)
def test_another_study_under_the_name_is_refused_with_the_difference(tmp_path, changes, message):
    opened(tmp_path)
    before = (tmp_path / "study.journal").read_bytes()
    with pytest.raises(SweepError, match=message):
        opened(tmp_path, **changes)
    assert (tmp_path / "study.journal").read_bytes() == before


def test_searched_and_ignored_keys_may_differ(tmp_path):
    opened(tmp_path)
    opened(tmp_path, base={**BASE, "width": 2, "lr": 0.1, "data.root": "there"})


def test_a_change_can_be_allowed(tmp_path):
    opened(tmp_path)
    opened(tmp_path, base={**BASE, "epochs": 4}, allow_change=True)
    opened(tmp_path, base={**BASE, "epochs": 4})


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:secret@host/db", "postgresql://me:***@host/db"),
        ("postgresql+psycopg://me:se@cret@host:5432/db", "postgresql+psycopg://me:***@host:5432/db"),
        ("sqlite:///study.db", "sqlite:///study.db"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
    ],
)
def test_passwords_are_not_shown(url, shown):
    assert study.redacted(url) == shown


def test_an_unreachable_storage_is_named_without_its_password(tmp_path):
    with pytest.raises(SweepError, match=r"^hydra\.sweeper\.storage=sqlite:////nonexistent/x\.db: cannot be used"):
        study.open_storage("sqlite:////nonexistent/x.db", tmp_path)
    with pytest.raises(SweepError, match=r"null .a journal file., journal:PATH or a database URL is accepted"):
        study.open_storage("study.db", tmp_path)


def test_a_section_becomes_an_object_with_nested_ones():
    built = study.build(
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
            r"^pruner\.n_startup: unknown argument of MedianPruner; did you mean n_startup_trials\?; n_startup_trials, ",
        ),
        ({"_target_": "optuna.pruners.Median"}, r"^pruner\._target_=optuna\.pruners\.Median: no such class$"),
        ({"_target_": "Median"}, "no such class"),
        ({"_target_": "optuna.pruners.MedianPruner", "n_startup_trials": -1}, "MedianPruner refuses its arguments"),
    ],
)
def test_mistakes_in_a_section_are_named(section, message):
    with pytest.raises(SweepError, match=message):
        study.build(section, "pruner")


def test_directions():
    assert study.directions("maximize") == ["maximize"]
    assert study.directions(["maximize", "minimize"]) == ["maximize", "minimize"]
    with pytest.raises(SweepError, match=r"hydra\.sweeper\.direction=up: one of minimize, maximize is accepted"):
        study.directions("up")


def test_a_grid_is_every_value():
    found = space.read({"a": "choice(x,y)", "b": "range(1,8,3)", "c": "range(0,1,0.5)"}, [], None)
    assert study.grid(found) == {"a": ["x", "y"], "b": [1, 4, 7], "c": [0.0, 0.5]}
    with pytest.raises(SweepError, match=r"lr=tag\(log,interval\(0\.1,1\)\): the grid sampler takes choice"):
        study.grid(SPACE)


def test_what_the_study_keeps_is_json(tmp_path):
    json.dumps(opened(tmp_path).user_attrs)
