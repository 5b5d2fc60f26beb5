import sys
import textwrap

import pytest
import search_peers
from hydra_async_sweeper.space import search_space
from learning_curves import Curve
from replay import run
from search import peer
from search.task import Task

SPACE = search_space.read({"x": "interval(0,1)", "n": "tag(log,int(interval(1,8)))"}, [], None)
TASK = Task("three", SPACE, 3, lambda it: [Curve([it["x"], it["x"] + 1, it["x"] + 2], [1.0] * 3)], best=2.9, median=2.4)


class Halving:
    """Pauses each trial after its first step, and continues it when the next one has paused, as one of two."""

    def __init__(self):
        self.configurations, self.paused, self.reports = [], [], []

    def suggest(self):
        if len(self.paused) == 2:
            trial, *_ = self.paused
            self.paused.clear()
            return trial, self.configurations[trial]
        self.configurations.append({"x": 0.1 * len(self.configurations), "n": 1})
        return len(self.configurations) - 1, self.configurations[-1]

    def report(self, trial, step, value):
        self.reports.append((trial, step, value))
        if step == 1:
            self.paused.append(trial)
        return "pause" if step == 1 else "continue"


@pytest.mark.parametrize(("resumes", "epochs"), [(True, 4), (False, 5)])
def test_a_paused_trial_continues_or_trains_its_first_step_once_more_and_reports_it_once(resumes, epochs):
    search = Halving()
    ledger = run(peer.sweep(search, TASK, resumes=resumes), num_workers=1, max_epochs=epochs)
    assert [(it.epochs, it.value) for it in ledger.improvements] == [(epochs, 2.0)]
    assert search.reports == [(0, 1, 0.0), (1, 1, 0.1), (0, 2, 1.0), (0, 3, 2.0)]


@pytest.mark.parametrize("num_workers", [1, 4])
def test_no_epoch_is_trained_beyond_the_budget(num_workers):
    assert run(peer.sweep(Halving(), TASK), num_workers=num_workers, max_epochs=50).epochs == 50


class FirstSteps:
    """Stops each trial after its first step."""

    def __init__(self):
        self.number = 0

    def suggest(self):
        self.number += 1
        return self.number, {"x": 0.5, "n": 1}

    def report(self, *_):
        return "stop"


def test_regrets_are_of_complete_trials_and_of_the_pick_as_if_it_were_complete():
    complete, picked = search_peers.replay(lambda task, _: peer.sweep(FirstSteps(), task), TASK, seed=0, num_workers=1)
    assert complete == [1, 1, 1]
    assert picked == pytest.approx([0.8, 0.8, 0.8])  # 2.5, between 2.4 and 2.9


SCRIPT = """
    import sys
    sys.path.insert(0, {folder!r})
    from lines import serve

    class Fixed:
        def __init__(self, *begun):
            print("a line that is no answer")
            self.begun = begun

        def suggest(self):
            return 7, {{"begun": self.begun}}

        def report(self, trial, step, value):
            if value < 0:
                raise ValueError(value)
            return f"{{trial}} {{step}} {{value}}"

    serve(Fixed)
"""


def test_a_search_in_another_process_gets_the_space_and_answers_until_it_ends(tmp_path):
    script = tmp_path / "fixed.py"
    script.write_text(textwrap.dedent(SCRIPT.format(folder=str(peer.FOLDER))))
    process = peer.Process(sys.executable, script)
    search = process.begin("ASHA", TASK, 5)
    assert search.suggest() == (7, {"begun": ["ASHA", {"n": [1, 8, True, True], "x": [0.0, 1.0, False, False]}, 3, 5]})
    assert search.report(7, 2, 0.5) == "7 2 0.5"
    with pytest.raises(RuntimeError, match=r"fixed\.py has ended"):
        search.report(7, 3, -1.0)
    process.close()
