import math

import numpy as np
import pytest
from hydra_async_sweeper.space import search_space
from learning_curves import Curve
from replay import run
from search import ifbo_prior, lcbench, methods, recorded, score
from search.task import Task

SPACE = search_space.read({"x": "range(0,4)"}, [], None)
ENDS = (0.1, 0.2, 0.3, 0.9)


def task(**changed):
    values = {
        "name": "four",
        "space": SPACE,
        "num_steps": 2,
        "curves": lambda it: [Curve([0.0, ENDS[it["x"]]], [1.0, 1.0])],
        "best": 0.9,
        "median": 0.25,
    }
    return Task(**(values | changed))


def test_regret_is_0_for_the_best_known_and_1_for_the_median_for_anything_worse_and_for_nothing():
    assert [task().regret(value) for value in (0.9, 0.95, 0.25, 0.1, -math.inf)] == [0, 0, 1, 1, 1]
    assert task().regret(0.575) == pytest.approx(0.5)


def test_the_mean_leaves_out_the_extreme_quarters_and_the_decile_shows_them():
    regrets = np.array([[0.0, 0.4], [0.6, 100.0]])
    assert score.interquartile_mean(regrets) == 0.5
    assert score.worst_decile(np.arange(11.0)) == 9


def test_a_ratio_is_paired_by_task():
    theirs = [[0.1, 0.1], [0.5, 0.5], [0.9, 0.9]]
    ratio = score.ratio([[value / 2 for value in seeds] for seeds in theirs], theirs)
    # Tasks differ much, but the methods' ratio is the same in each.
    assert ratio == pytest.approx((0.5, 0.5, 0.5))


def test_a_method_finds_the_best_of_a_small_space():
    tpe = methods.of_plain_tasks()["TPE"]
    ledger = run(tpe.trials(task(), seed=0), num_workers=1, max_epochs=40)
    assert ledger.best == 0.9


def test_what_is_missing_is_named(monkeypatch, tmp_path):
    monkeypatch.delenv(lcbench.FOLDER, raising=False)
    lcbench._surrogate.cache_clear()
    with pytest.raises(FileNotFoundError, match="DENSENET_SWEEP_YARDSTICK is not set"):
        lcbench.names()
    monkeypatch.setenv(lcbench.FOLDER, str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"no lcbench\.py"):
        lcbench.names()
    monkeypatch.setattr(ifbo_prior, "FOLDER", tmp_path)
    with pytest.raises(FileNotFoundError, match="pip install --no-deps"):
        ifbo_prior.names()


def test_a_recorded_grid_has_a_rung_of_its_own_which_a_plain_method_does_not_train():
    nine = recorded.task("9")
    assert nine.regret(nine.best) == 0
    random = methods.of_tasks_with_rungs()["random"]
    assert run(random.trials(nine, seed=0), num_workers=1, max_epochs=9).epochs == 9
    default = methods.of_tasks_with_rungs()["our default"]
    ledger = run(default.trials(nine, seed=0), num_workers=1, max_epochs=8)
    assert ledger.improvements == []  # eight rungs; the ninth has the first promotion
