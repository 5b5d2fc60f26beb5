import datetime
import json

import optuna
from hydra_async_sweeper.application import BEGAN, DIED, EARLIER, RENEWED
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution, distribution_to_json

from densenet_sweep.results.from_optuna import range_from, read_study
from densenet_sweep.results.search_kept import attempts
from densenet_sweep.results.study import Search

SPACE = {
    "optimizer": CategoricalDistribution(["sgd", "adamw"]),
    "optimizer.lr": FloatDistribution(0.01, 1, log=True),
    "architecture.depth": IntDistribution(16, 40, step=6),
}


def at(second: int) -> str:
    return datetime.datetime(2026, 11, 28, 12, 0, second).isoformat()


def test_the_space_its_conditions_and_each_search():
    study = optuna.create_study()
    texts = {name: distribution_to_json(it) for name, it in SPACE.items()}
    texts["optimizer.lr"] = json.dumps({**json.loads(texts["optimizer.lr"]), "when": {"optimizer": ["sgd"]}})
    study.set_user_attr("space", texts)
    entry = {
        "since_trial": 3,
        "date": at(0),
        "sampler": {"_target_": "a.B"},
        "n_trials": 5,
        "defaults": {"x": 1},
        "optuna": "5",
    }
    study.set_user_attr("searches", [entry])
    read = read_study(study)
    assert read.space == {name: range_from(it) for name, it in SPACE.items()}
    assert read.conditions == {"optimizer.lr": {"optimizer": ["sgd"]}}
    assert read.searches == (Search(3, {"sampler": {"_target_": "a.B"}, "n_trials": 5}, {"x": 1}, "5"),)


def test_what_an_older_version_kept_is_not_guessed():
    read = read_study(optuna.create_study())
    assert (read.space, read.searches) == ({}, ())
    assert attempts({"host": "h", "pid": 1, "process_start": 1.0, "gpu": None}, datetime.datetime.now()) == ()


def test_the_attempts_of_a_trial():
    worker = {"host": "h", "pid": 1, "process_start": 5.0}
    died = {**worker, BEGAN: at(1), RENEWED: at(9), DIED: True}
    handed_back = {**worker, BEGAN: at(10), RENEWED: at(10)}
    lease = {**worker, "pid": 2, "gpu": "0", BEGAN: at(20), RENEWED: at(30), EARLIER: [died, handed_back], "phase": "running"}
    first, last = attempts(lease, datetime.datetime.fromisoformat(at(33)))
    assert (first.died, first.end.second) == (True, 9)
    assert (last.pid, last.gpu, last.start.second, last.end.second, last.died) == (2, "0", 20, 33, False)
    assert attempts(lease, None)[-1].end.second == 30


def test_a_trial_that_failed_after_its_last_attempt_has_those_before():
    reclaimed = {"host": "other", "pid": 3, EARLIER: [{"host": "h", "pid": 1, BEGAN: at(1), RENEWED: at(9), DIED: True}]}
    [only] = attempts(reclaimed, datetime.datetime.fromisoformat(at(50)))
    assert (only.host, only.end.second) == ("h", 9)
