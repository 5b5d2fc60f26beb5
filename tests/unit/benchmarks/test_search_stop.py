import math
from types import SimpleNamespace

import pytest
import search_stop
from hydra_async_sweeper.space import search_space
from learning_curves import Curve
from search import methods
from search.task import Task
from search_regret import Family

SPACE = search_space.read({"x": "range(0,4)"}, [], None)
ENDS = (0.1, 0.2, 0.3, 0.9)
TASK = Task("four", SPACE, 2, lambda it: [Curve([0.0, ENDS[it["x"]]], [1.0, 1.0])], best=0.9, median=0.25)


@pytest.fixture
def ends(monkeypatch):
    """Return where each rule ends a random search of a space whose best value one trial in four finds."""
    family = Family(SimpleNamespace(task=lambda _: TASK), methods.of_plain_tasks, 1)
    monkeypatch.setattr(search_stop, "FAMILIES", {"small": family})
    return search_stop.replay("small", "random", "four", 0)


def test_each_rule_ends_the_search_where_the_engine_does(ends):
    assert {rule: ends[rule].trials for rule in ("20 trials", "40 trials", "60 trials")} == {
        "20 trials": 20, "40 trials": 40, "60 trials": 60
    }  # fmt: skip
    assert 20 <= ends["stop_when"].trials < 30  # several of the first twenty found the best value
    assert ends["patience=10"].trials < ends["patience=20"].trials
    assert all(end.trainings == end.trials for end in ends.values())
    assert ends["40 trials"].regret == 0


def test_what_the_next_ten_trials_gain_is_known_until_the_last_ten(ends, monkeypatch):
    assert ends["40 trials"].next_gain == 0
    monkeypatch.setattr(search_stop, "MOST_TRIALS", 45)
    last = search_stop.replay("small", "random", "four", 0)
    assert math.isnan(last["40 trials"].next_gain)
    assert last["20 trials"] == ends["20 trials"]
