import math
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import optuna
import pytest
from hydra_async_sweeper.errors import SweepError
from hydra_async_sweeper.study.auto_pruner import AutoPruner, remark
from hydra_async_sweeper.study.milestones import Length, milestones
from hydra_async_sweeper.study.promotion import PromotionPruner, promote
from hydra_async_sweeper.study.storage import open_storage
from hydra_async_sweeper.trial import NUM_STEPS, PROMOTED, RUNG_SECONDS, RUNGS, SECONDS, STOPPED_ITSELF
from optuna.trial import FrozenTrial, TrialState


class Sweep:
    """A study whose trials are trained, judged and promoted as a worker does it."""

    def __init__(self, *, direction="maximize", rungs=(1,), kind=PromotionPruner, **arguments):
        self.study = optuna.create_study(direction=direction, pruner=kind(**arguments))
        self.sign = 1 if direction == "maximize" else -1
        self.rungs = list(rungs)

    def train(self, *values: float, num_left: float = math.inf) -> FrozenTrial:
        """Run one trial that gives `values` after the rungs that are ahead of it, and then 1; return what became of it."""
        self.study.pruner.num_left = num_left
        promote(self.study, self.study.pruner)
        trial = self.study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
        trial.set_user_attr(RUNGS, self.rungs)
        passed = trial.user_attrs.get(PROMOTED, {"step": 0})["step"]
        for rung, value in zip([it for it in self.rungs if it > passed], values, strict=False):
            trial.report(self.sign * value, rung)
            if trial.should_prune():
                return self.study.tell(trial, state=TrialState.PRUNED)
        return self.study.tell(trial, self.sign * 1.0)

    def origins(self) -> dict[int, int]:
        """Return from which trial each one went on that did."""
        return {it.number: it.user_attrs[PROMOTED]["trial"] for it in self.study.trials if PROMOTED in it.user_attrs}


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_none_continues_before_so_many_were_judged_and_then_the_best_does(direction):
    sweep = Sweep(direction=direction, reduction_factor=3, at_least=0)
    assert [sweep.train(value).state.name for value in (0.5, 0.9, 0.1)] == ["PRUNED"] * 3
    promoted = sweep.train()
    assert promoted.state.name == "COMPLETE"
    assert sweep.origins() == {3: 1}
    assert promoted.params == sweep.study.trials[1].params
    assert promoted.intermediate_values == sweep.study.trials[1].intermediate_values
    # The next place is there after three more, of which two are better than the best that stopped.
    assert [sweep.train(value).state.name for value in (0.6, 0.7)] == ["PRUNED"] * 2
    assert sweep.train(0.2).state.name == "PRUNED"
    sweep.train()
    assert sweep.origins() == {3: 1, 7: 5}


def test_a_trial_continues_at_once_where_it_is_its_turn():
    sweep = Sweep(reduction_factor=2, at_least=0)
    assert sweep.train(0.5).state.name == "PRUNED"
    assert sweep.train(0.9).state.name == "COMPLETE"
    assert sweep.origins() == {}


def test_what_the_user_named_continues():
    sweep = Sweep(at_least=0)
    sweep.study.enqueue_trial({"x": 0.5})
    assert [sweep.train(value).state.name for value in (0.1, 0.9)] == ["COMPLETE", "PRUNED"]


def test_the_last_trials_of_the_budget_are_kept_for_the_best():
    sweep = Sweep(at_least=2)
    for left, value in zip((5, 4, 3), (0.1, 0.3, 0.2), strict=True):
        sweep.train(value, num_left=left)
    assert [sweep.train(num_left=left).state.name for left in (2, 1)] == ["COMPLETE"] * 2
    assert sweep.origins() == {3: 1, 4: 2}


@pytest.mark.parametrize("n_trials", [1, 2, 3, 4, 5])
def test_of_a_sweep_of_few_trials_as_many_continue_as_can(n_trials):
    sweep = Sweep(at_least=3)
    for index in range(n_trials):
        sweep.train(0.9 - index / 10, num_left=n_trials - index)
    assert sum(it.state.name == "COMPLETE" for it in sweep.study.trials) == min(3, n_trials)


def test_after_a_later_rung_the_best_so_far_continues_at_once():
    sweep = Sweep(rungs=(1, 3), reduction_factor=2, at_least=0)
    assert sweep.train(0.5).state.name == "PRUNED"
    assert sweep.train(0.6, 0.6).state.name == "COMPLETE"  # the first there
    sweep.train(0.1)
    assert sweep.train(0.55, 0.4).intermediate_values == {1: 0.55, 3: 0.4}  # second of two
    # Of four judged after one epoch two went on, the second of them until the later rung.
    assert sweep.study.trials[3].state.name == "PRUNED"
    assert sweep.train(0.2).state.name == "PRUNED"
    assert sweep.train(0.7, 0.7).state.name == "COMPLETE"


def test_a_promoted_trial_is_judged_after_the_rungs_ahead_of_it_alone():
    sweep = Sweep(rungs=(1, 3), reduction_factor=2, at_least=0)
    for value in (0.9, 0.1):
        sweep.train(value)
    promoted = sweep.train(0.8)
    assert promoted.intermediate_values == {1: 0.9, 3: 0.8}
    assert sweep.origins() == {2: 0}
    sweep.train(0.2)
    # Three were judged after one epoch, not four, so one alone is to go on.
    assert sweep.origins() == {2: 0}


def test_a_task_that_trains_its_rung_again_is_not_judged_by_it_again():
    sweep = Sweep(reduction_factor=2, at_least=0)
    for value in (0.9, 0.1):
        sweep.train(value)
    promote(sweep.study, sweep.study.pruner)
    promoted = sweep.study.ask()
    assert PROMOTED in promoted.user_attrs
    assert not promoted.should_prune()


def test_what_is_known_of_a_trial_continues_with_it():
    sweep = Sweep(reduction_factor=2, at_least=0)
    first = sweep.study.ask()
    for key, value in ((RUNGS, [1]), (NUM_STEPS, 9), (SECONDS, 2.5), ("run_id", "abc")):
        first.set_user_attr(key, value)
    first.report(0.9, 1)
    sweep.study.tell(first, state=TrialState.PRUNED)
    sweep.train(0.1)
    promote(sweep.study, sweep.study.pruner)
    waiting = sweep.study.trials[-1]
    promoted = {"trial": 0, "step": 1, "seconds": 2.5}
    assert waiting.user_attrs == {RUNGS: [1], NUM_STEPS: 9, SECONDS: 2.5, RUNG_SECONDS: 2.5, PROMOTED: promoted}


class Plain(Sweep):
    """A study whose task reports each step of one training, from 1 to 18, and may begin anew."""

    def run(self, early: float, end: float = 0.0, num_left: float = math.inf, returned: float | None = None) -> FrozenTrial:
        """Run one trial with the value `early` up to step 8 and `end` from then on."""
        self.study.pruner.num_left = num_left
        promote(self.study, self.study.pruner)
        trial = self.study.ask({"x": optuna.distributions.FloatDistribution(0, 1)})
        if self.train_to(trial, range(1, 19), early, end):
            return self.study.tell(trial, state=TrialState.PRUNED)
        return self.study.tell(trial, self.sign * end if returned is None else returned)

    def train_to(self, trial: optuna.Trial, steps: Iterable[int], early: float, end: float = 0.0) -> bool:
        """Report these steps until the trial is to stop, and return whether it is."""
        trial.set_user_attr(RUNGS, [])
        passed = trial.user_attrs.get(PROMOTED, {"step": 0})["step"]
        for step in steps:
            if step > passed:
                trial.report(self.sign * (early if step < 9 else end), step)
            if trial.should_prune():
                return True
        return False


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_without_rungs_the_best_third_continues_at_each_milestone(direction):
    sweep = Plain(direction=direction, at_least=0)
    # The length of a training is unknown before the first ends. Milestones are then after 1, 3 and 9 of 18 steps.
    assert sweep.run(0.5).state.name == "COMPLETE"
    assert max(sweep.run(0.9).intermediate_values) == 1  # of two, none
    assert max(sweep.run(0.6).intermediate_values) == 1  # of three, the one that stopped before
    promoted = sweep.run(0.9, 0.7)
    assert sweep.origins() == {3: 1}
    # Of two at step 3 none continues yet.
    assert max(promoted.intermediate_values) == 3
    assert promoted.state.name == "PRUNED"


def test_a_short_training_has_no_milestones():
    lengths = (0, 8, 9, 52, 1000)
    assert [milestones(range(1, num + 1)) for num in lengths] == [[], [], [2, 4], [3, 9, 26], [56, 167, 500]]
    # Shares of the reports, whatever the task counts.
    assert milestones(range(500, 10_000, 500)) == [500, 1500, 5000]


def length_of(*trials):
    length = Length()
    for trial in trials:
        length.update(optuna.trial.create_trial(**trial))
    return length


def test_the_length_of_a_training_is_that_of_the_longest_complete_one_or_annotated():
    stated = {"state": TrialState.RUNNING, "user_attrs": {NUM_STEPS: 30}}
    complete = {"state": TrialState.COMPLETE, "value": 0.0, "intermediate_values": {2: 0.0, 4: 0.0}}
    longer = {**complete, "intermediate_values": {2: 0.0, 4: 0.0, 6: 1.0}}
    assert length_of({"state": TrialState.RUNNING, "intermediate_values": {1: 0.0}}).reported == ()
    assert length_of(stated).reported == range(1, 31)
    assert length_of(stated, complete).reported == [2, 4] == length_of(complete, stated).reported
    assert length_of(complete, longer, complete).reported == [2, 4, 6]


def test_the_last_trials_of_the_budget_complete_what_got_furthest():
    sweep = Plain(at_least=3)
    assert [sweep.run(value, num_left=8 - index).state.name for index, value in enumerate((0.5, 0.4, 0.3, 0.2))] == [
        "COMPLETE", "PRUNED", "PRUNED", "PRUNED",
    ]  # fmt: skip
    assert [sweep.run(0.0, 0.9, num_left=2).state.name, sweep.run(0.0, 0.8, num_left=1).state.name] == ["COMPLETE"] * 2
    assert sweep.origins() == {4: 1, 5: 2}


def test_workers_that_began_before_the_length_was_known_are_judged_as_soon_as_it_is():
    sweep = Plain(at_least=3)
    trials = [sweep.study.ask() for _ in range(4)]
    for trial, early in zip(trials, (0.5, 0.6, 0.4, 0.3), strict=True):
        assert not sweep.train_to(trial, range(1, 5), early)
    assert not sweep.train_to(trials[0], range(5, 19), 0.5)
    sweep.study.tell(trials[0], 0.0)
    # By their reports after 3 steps, of four the best one continues, and is judged next after 9; of those there, none.
    assert [sweep.train_to(it, [5], 0.9) for it in trials[1:]] == [False, True, True]
    sweep.study.tell(trials[3], state=TrialState.PRUNED)
    sweep.study.tell(trials[2], state=TrialState.PRUNED)
    assert not sweep.train_to(trials[1], range(6, 9), 0.6)
    assert sweep.train_to(trials[1], [9], 0.6, 0.5)
    sweep.study.tell(trials[1], state=TrialState.PRUNED)
    # On the last chance the best by the milestone are promoted, from where they stopped.
    promoted = [sweep.run(0.0, num_left=left).user_attrs[PROMOTED] for left in (2, 1)]
    assert [(it["trial"], it["step"]) for it in promoted] == [(1, 9), (2, 5)]


def test_a_task_that_reports_some_steps_is_judged_at_the_first_after_a_milestone():
    sweep = Plain(at_least=0)
    every_other = range(2, 37, 2)
    first = sweep.study.ask()
    assert not sweep.train_to(first, every_other, 0.5)
    sweep.study.tell(first, 0.0)
    assert sweep.study.pruner.promotable(sweep.study) is None
    second = sweep.study.ask()
    assert sweep.train_to(second, every_other, 0.4)
    assert sweep.study.tell(second, state=TrialState.PRUNED).intermediate_values == {2: 0.4}


def test_after_its_last_step_a_trial_is_complete():
    sweep = Plain(at_least=0)
    sweep.run(0.5)
    late = sweep.study.ask()
    late.report(0.0, 18)
    assert not late.should_prune()


def test_by_default_nothing_is_stopped_where_a_task_returns_what_it_did_not_report():
    sweep = Plain(kind=AutoPruner)
    assert [sweep.run(0.9 - index / 10, returned=5.0).state.name for index in range(4)] == ["COMPLETE"] * 4
    assert remark(sweep.study, 1) is None
    sweep = Plain(kind=AutoPruner)
    sweep.run(0.9, returned=5.0)
    assert remark(sweep.study, 0).startswith("trial 0 returned a value that it had not reported, so none is stopped early; ")


def test_by_default_trials_stop_at_milestones_and_the_first_one_says_so():
    sweep = Plain(kind=AutoPruner)
    assert [sweep.run(value).state.name for value in (0.5, 0.4, 0.3)] == ["COMPLETE", "PRUNED", "PRUNED"]
    assert [remark(sweep.study, number) for number in (0, 2)] == [None, None]
    sweep = Plain(kind=AutoPruner)
    sweep.run(0.5)
    sweep.run(0.4)
    assert remark(sweep.study, 1) == (
        "trial 1 stopped at step 1, and is promoted later if it is among the best; "
        "hydra/sweeper/pruner=none trains each to its end"
    )


def test_by_default_a_task_with_rungs_is_not_judged():
    sweep = Sweep(kind=AutoPruner, rungs=(1, 3))
    assert [sweep.train(value, value).state.name for value in (0.5, 0.4, 0.3, 0.2)] == ["COMPLETE"] * 4


def test_a_trial_that_stopped_itself_is_not_promoted_after_a_milestone():
    sweep = Plain(at_least=3)
    sweep.run(0.5)
    trial = sweep.study.ask()
    trial.report(0.9, 1)
    trial.set_user_attr(STOPPED_ITSELF, True)
    sweep.study.tell(trial, state=TrialState.PRUNED)
    sweep.study.pruner.num_left = 1
    assert sweep.study.pruner.promotable(sweep.study) is None


def test_a_failed_trial_is_not_promoted():
    sweep = Sweep(reduction_factor=1, at_least=3)
    trial = sweep.study.ask()
    trial.set_user_attr(RUNGS, [1])
    trial.report(0.9, 1)
    sweep.study.tell(trial, state=TrialState.FAIL)
    sweep.study.pruner.num_left = 1
    assert sweep.study.pruner.promotable(sweep.study) is None


@pytest.mark.parametrize("kind", [None, "sqlite"])
def test_of_workers_that_choose_at_once_one_promotes(tmp_path, kind):
    storages = [open_storage(kind, tmp_path) for _ in range(6)]
    study = optuna.create_study(study_name="one", storage=storages[0], direction="maximize")
    for value in (0.9, 0.1):
        trial = study.ask()
        trial.set_user_attr(RUNGS, [1])
        trial.report(value, 1)
        study.tell(trial, state=TrialState.PRUNED)
    at_once = threading.Barrier(len(storages))

    def choose(storage):
        own = optuna.load_study(study_name="one", storage=storage)
        at_once.wait()
        promote(own, PromotionPruner(reduction_factor=2))

    with ThreadPoolExecutor(len(storages)) as workers:
        list(workers.map(choose, storages))
    assert [it.number for it in study.get_trials(states=(TrialState.WAITING,))] == [2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reduction_factor": 0}, r"hydra\.sweeper\.pruner\.reduction_factor=0: a whole number of at least 1 is accepted"),
        ({"reduction_factor": "a"}, r"hydra\.sweeper\.pruner\.reduction_factor=a: a whole number of at least 1 is accepted"),
        ({"reduction_factor": 2.5}, r"hydra\.sweeper\.pruner\.reduction_factor=2\.5: a whole number of at least 1 is accepted"),
        ({"at_least": -1}, r"hydra\.sweeper\.pruner\.at_least=-1: a whole number of at least 0 is accepted"),
    ],
)
def test_what_is_no_number_or_too_small_is_refused(arguments, message):
    with pytest.raises(SweepError, match=message):
        PromotionPruner(**arguments)
