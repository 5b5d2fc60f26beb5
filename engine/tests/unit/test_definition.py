import json
from pathlib import Path

import optuna
import pytest
from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.space import search_space as space
from hydra_async_sweeper.study import definition as study
from hydra_async_sweeper.study.storage import open_storage
from hydra_async_sweeper.trial import STUDY_ID
from omegaconf import OmegaConf

SPACE = space.read({"width": "choice(1,2)", "lr": "tag(log,interval(0.1,1))"}, [], None)
BASE = {"width": 1, "lr": 0.5, "data": {"root": "here"}, "epochs": 3, "betas": [0.9, 0.99], "decay": None}


def opened(folder: Path, *, directions=("maximize",), space=SPACE, base=BASE, option="sgd", **arguments) -> optuna.Study:
    runtime = {"runtime": {"choices": {"optimizer": option, "sweep": "wide", "hydra/launcher": "basic"}}}
    definition = study.define(directions, space, OmegaConf.create({**base, "hydra": runtime}), ["data.root"])
    return study.open_study(open_storage(None, folder), "mine", definition, **arguments)


def test_the_journal_is_in_the_sweeps_folder(tmp_path):
    opened(tmp_path / "sweep")
    assert (tmp_path / "sweep" / "study.journal").is_file()


def test_the_same_study_is_opened_again(tmp_path):
    first = opened(tmp_path)
    first.tell(first.ask(SPACE.distributions()), 0.5)
    assert len(opened(tmp_path).trials) == 1


def test_it_keeps_its_id_and_another_of_its_name_has_another(tmp_path):
    first = opened(tmp_path / "first").user_attrs[STUDY_ID]
    assert opened(tmp_path / "first").user_attrs[STUDY_ID] == first
    assert opened(tmp_path / "second").user_attrs[STUDY_ID] != first


def test_a_study_of_an_earlier_version_gets_none(tmp_path):
    older = optuna.create_study(study_name="mine", storage=open_storage(None, tmp_path), direction="maximize")
    for key, value in opened(tmp_path / "present").user_attrs.items():
        if key != STUDY_ID:
            older.set_user_attr(key, value)
    assert STUDY_ID not in opened(tmp_path).user_attrs


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"directions": ["minimize"]}, r"^hydra\.sweeper\.direction=minimize: the study mine has maximize; another"),
        ({"base": {**BASE, "epochs": 4}}, r"^epochs: now 4, but the study mine has 3; another hydra\.sweeper\.study_name"),
        ({"base": {**BASE, "new": 1}}, r"^new: now 1, but the study mine has nothing"),
        (
            {"space": space.read({"width": "choice(1,2,3)", "lr": "tag(log,interval(0.1,1))"}, [], None)},
            r"^width: now choice\(1,2,3\), but the study mine searches choice\(1,2\);",
        ),
        (
            {"space": space.read({"width": "choice(1,2)"}, [], None)},
            r"^lr: now nothing, but the study mine searches tag\(log,interval\(0\.1,1\.0\)\);",
        ),
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
    opened(tmp_path, base={**BASE, "width": 2, "lr": 0.1, "data": {"root": "there"}})


@pytest.mark.parametrize("other", [{}, {"lease": {"token": "b"}}])
def test_where_the_task_refused_each_trial_that_began_the_config_may_change(tmp_path, other):
    refused = {"lease": {"token": "a", "refused": True}}
    first = opened(tmp_path)
    for attributes in (refused, other):
        first.enqueue_trial({"width": 1, "lr": 0.5}, user_attrs=attributes)
    if other:  # it began, and was interrupted
        with pytest.raises(SweepError, match=r"^epochs: now 4"):
            opened(tmp_path, base={**BASE, "epochs": 4})
    else:
        assert opened(tmp_path, base={**BASE, "epochs": 4}).user_attrs["config"]["epochs"] == 4


def test_a_change_can_be_allowed(tmp_path):
    opened(tmp_path)
    opened(tmp_path, base={**BASE, "epochs": 4}, allow_change=True)
    opened(tmp_path, base={**BASE, "epochs": 4})


def test_the_default_of_a_key_that_was_added_is_that_of_the_stored_option(tmp_path):
    def reread(choices, stored):
        return {**stored, "ema": {"sgd": 0.0, "sgd_with_ema": 0.9}[choices["optimizer"]]}

    opened(tmp_path)
    opened(tmp_path, base={**BASE, "ema": 0.0}, reread=reread)
    with pytest.raises(SweepError, match=r"^ema: now 0\.9, but the study mine has 0\.0"):
        opened(tmp_path, base={**BASE, "ema": 0.9}, option="sgd_with_ema", reread=reread)


def test_directions():
    assert study.directions("maximize") == ["maximize"]
    assert study.directions(["maximize", "minimize"]) == ["maximize", "minimize"]
    with pytest.raises(SweepError, match=r"hydra\.sweeper\.direction=up: one of minimize, maximize, or a list"):
        study.directions("up")


def test_what_the_study_keeps_is_json(tmp_path):
    json.dumps(opened(tmp_path).user_attrs)
