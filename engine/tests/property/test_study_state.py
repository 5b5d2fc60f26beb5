"""What a worker keeps of a study equals what is computed from all its trials, whatever this and other workers do to it."""

import math
from collections.abc import Callable

import optuna
import pytest
from hydra_async_sweeper.study.budget import Budget, num_finished
from hydra_async_sweeper.study.expected_gain import Draws
from hydra_async_sweeper.study.promotion import PromotionPruner, promotion_of
from hydra_async_sweeper.study.pruners import BestSharePruner, TopKAfterOneEpochPruner
from hydra_async_sweeper.study.ranking import best_first, best_trial
from hydra_async_sweeper.study.state import state_of
from hydra_async_sweeper.study.storage import open_storage
from hydra_async_sweeper.trial import FINISHED_BEFORE, PROMOTED, RUNGS, WARM_START
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import FrozenTrial, TrialState, create_trial

COUNTED = (TrialState.COMPLETE, TrialState.PRUNED)
VALUES = [0.0, 0.25, 0.5, 1.0, math.inf]


def is_allowed(trial: FrozenTrial) -> bool:
    return all(excess <= 0 for excess in trial.constraints.values())


class Naive:
    """What the engine says of a study, computed from all its trials at each call, as it was before anything was kept."""

    def __init__(self, study: optuna.Study) -> None:
        self.study = study
        self.trials = study.get_trials()
        self.own = [trial for trial in self.trials if WARM_START not in trial.user_attrs]
        self.finished = [trial for trial in self.own if trial.state in COUNTED]
        self.sign = -1 if study.directions[0].name == "MAXIMIZE" else 1

    def in_state(self, name: str) -> list[FrozenTrial]:
        return [trial for trial in self.own if trial.state.name == name]

    def bests(self) -> list[float]:
        bests: list[float] = []
        for trial in sorted(self.finished, key=lambda it: (it.user_attrs[FINISHED_BEFORE], it.number)):
            if trial.state is TrialState.COMPLETE and is_allowed(trial):
                bests.append(min([trial.value, *bests[-1:]], key=lambda value: self.sign * value))
            elif bests:
                bests.append(bests[-1])
        return bests

    def draws(self) -> tuple[int, int]:
        """Return how many configurations the sampler drew, and how many of them have a value."""
        drawn = {it.number for it in self.finished if "fixed_params" not in it.system_attrs}
        for trial in self.finished:
            if (continued := trial.user_attrs.get(PROMOTED, {}).get("trial")) in drawn:
                drawn = {*drawn, trial.number} - {continued}
        complete = [it for it in self.in_state("COMPLETE") if it.number in drawn and self.sign * it.value < math.inf]
        return len(drawn), sum(map(is_allowed, complete))

    def best_first(self) -> list[int]:
        front = {trial.number for trial in self.study.best_trials} if len(self.study.directions) > 1 else set()
        own = self.in_state("COMPLETE")
        return [it.number for it in sorted(own, key=lambda it: (it.number not in front, self.sign * it.values[0], it.number))]

    def place(self, trial: FrozenTrial, step: int) -> tuple[int, int]:
        ours = (self.sign * trial.intermediate_values[step], trial.number)
        others = [
            (self.sign * it.intermediate_values[step], it.number)
            for it in self.trials
            if step in it.intermediate_values and it.number != trial.number
        ]
        return sum(other < ours for other in others), 1 + len(others)

    def rung(self, step: int) -> tuple[list[FrozenTrial], list[FrozenTrial]]:
        """Return who was judged after the rung, best first, and who stopped there."""
        judged = [
            it
            for it in self.trials
            if step in it.user_attrs.get(RUNGS, ())
            and step in it.intermediate_values
            and step > it.user_attrs.get(PROMOTED, {}).get("step", 0)
        ]
        judged.sort(key=lambda it: (self.sign * it.intermediate_values[step], it.number))
        promoted = {it.user_attrs[PROMOTED]["trial"] for it in self.trials if PROMOTED in it.user_attrs}
        stopped = [
            it
            for it in judged
            if it.state is TrialState.PRUNED and max(it.intermediate_values) == step and it.number not in promoted
        ]
        return judged, stopped

    def promotable(self, pruner: PromotionPruner, reduction_factor: int, at_least: int) -> int | None:
        steps = sorted({step for trial in self.trials for step in trial.user_attrs.get(RUNGS, ())})
        for step in reversed(steps):
            judged, stopped = self.rung(step)
            is_first = step == steps[0]
            chosen = judged[: max(len(judged) // reduction_factor, 0 if is_first else 1)]
            is_last_chance = is_first and len(judged) - len(stopped) + pruner.num_left <= at_least
            if stopped and (stopped[0].number in {it.number for it in chosen} or is_last_chance):
                return stopped[0].number
        return None

    def prunes(self, pruner: PromotionPruner, reduction_factor: int, at_least: int, trial: FrozenTrial) -> bool:
        rungs = sorted(trial.user_attrs.get(RUNGS, ()))
        step = max(trial.intermediate_values, default=0)
        if step not in rungs or step <= trial.user_attrs.get(PROMOTED, {}).get("step", 0):
            return False
        if "fixed_params" in trial.system_attrs and PROMOTED not in trial.user_attrs:
            return False
        judged, stopped = self.rung(step)
        is_first = step == rungs[0]
        if is_first and len(judged) - len(stopped) - 1 + pruner.num_left - 1 < at_least:
            return False
        return trial.number not in {it.number for it in judged[: max(len(judged) // reduction_factor, 0 if is_first else 1)]}


def act(study: optuna.Study, draw: Callable, num_objectives: int) -> None:
    """Do to the study what some worker may do."""
    unfinished = [it for it in study.get_trials(deepcopy=False) if not it.state.is_finished()]
    storage = study._storage
    kind = draw(st.sampled_from(["ask", "report", "report", "tell", "tell", "requeue", "enqueue", "copy", "promote", "exceed"]))
    if kind == "enqueue":
        study.enqueue_trial({"x": draw(st.sampled_from(VALUES[:3]))})
    elif kind == "copy":
        values = draw(st.lists(st.sampled_from(VALUES), min_size=num_objectives, max_size=num_objectives))
        study.add_trial(create_trial(values=values, user_attrs={WARM_START: "other/0"}))
    elif kind == "promote":
        stopped = [it for it in study.trials if it.state is TrialState.PRUNED and it.intermediate_values]
        promoted = {it.user_attrs[PROMOTED]["trial"] for it in study.trials if PROMOTED in it.user_attrs}
        if candidates := [it for it in stopped if it.number not in promoted]:
            study.add_trial(promotion_of(draw(st.sampled_from(candidates))))
    elif kind == "ask" or not unfinished:
        trial = study.ask()
        if draw(st.booleans()):
            trial.set_user_attr(RUNGS, draw(st.sampled_from([[1], [1, 3]])))
    else:
        trial = draw(st.sampled_from(unfinished))
        if kind == "report":
            step = draw(st.sampled_from([1, 2, 3]))
            storage.set_trial_intermediate_value(trial._trial_id, step, draw(st.sampled_from(VALUES)))
        elif kind == "requeue":
            wanted = TrialState.WAITING if trial.state is TrialState.RUNNING else TrialState.RUNNING
            storage.set_trial_state_values(trial._trial_id, wanted)
        elif kind == "exceed":
            storage.set_trial_system_attr(trial._trial_id, "constraints:memory", draw(st.sampled_from([-1.0, 1.0])))
        else:
            end(study, draw, trial, num_objectives)


def end(study: optuna.Study, draw: Callable, trial: FrozenTrial, num_objectives: int) -> None:
    state = draw(st.sampled_from([TrialState.COMPLETE, TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]))
    values = draw(st.lists(st.sampled_from(VALUES), min_size=num_objectives, max_size=num_objectives))
    study._storage.set_trial_user_attr(trial._trial_id, FINISHED_BEFORE, draw(st.integers(0, 9)))
    study._storage.set_trial_state_values(trial._trial_id, state, values if state is TrialState.COMPLETE else None)


def check(study: optuna.Study) -> None:
    naive = Naive(study)
    assert num_finished(study) == len(naive.finished)
    assert [it.number for it in state_of(study).running] == [it.number for it in naive.in_state("RUNNING")]
    budget = Budget(n_trials=5, max_failure_rate=1)
    used = max(len(naive.finished), len(naive.in_state("FAIL")))
    unfinished = [it.number for it in (*naive.in_state("RUNNING"), *naive.in_state("WAITING"))]
    assert budget.num_left(study) == 5 - used - len(naive.in_state("RUNNING"))
    for number in unfinished:
        assert budget.admits(study, number) is (used + sum(it < number for it in unfinished) < 5)
    assert best_first(study) == naive.best_first()
    if len(study.directions) > 1:
        return
    feasible = [
        it for it in naive.trials if it.state is TrialState.COMPLETE and all(excess <= 0 for excess in it.constraints.values())
    ]
    best = best_trial(study)
    wanted = min(feasible, key=lambda it: (naive.sign * it.value, it.number), default=None)
    assert (best and best.number) == (wanted and wanted.number)
    bests = naive.bests()
    reason = Budget(n_trials=99, max_failure_rate=1, patience=2).reason_to_stop(study, math.inf)
    assert (reason is not None) is (len(bests) > 2 and bests[-1] == bests[-3])
    draws, again = state_of(study).index(Draws, study.direction.name), Draws(study.direction.name)
    for trial in naive.trials:
        again.update(trial)
    assert (draws.num_drawn, draws.num_complete) == naive.draws()
    if draws.num_drawn > 0:
        assert draws.expected_gain(1) == again.expected_gain(1)
    check_pruners(study, naive)


def check_pruners(study: optuna.Study, naive: Naive) -> None:
    promotion = PromotionPruner(reduction_factor=2, at_least=1)
    for promotion.num_left in (1, 9):
        promoted = promotion.promotable(study)
        assert (promoted and promoted.number) == naive.promotable(promotion, 2, 1)
        for trial in naive.in_state("RUNNING"):
            if trial.user_attrs.get(RUNGS):
                assert promotion.prune(study, trial) is naive.prunes(promotion, 2, 1, trial)
    for trial in naive.in_state("RUNNING"):
        if trial.intermediate_values:
            num_better, num_judged = naive.place(trial, max(trial.intermediate_values))
            assert BestSharePruner(3).prune(study, trial) is (num_better >= max(1, num_judged // 3))
        if 1 in trial.intermediate_values:
            assert TopKAfterOneEpochPruner(k=2).prune(study, trial) is (naive.place(trial, 1)[0] >= 2)


@pytest.mark.parametrize("kind", ["journal", "memory", "sqlite"])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_what_is_kept_equals_what_is_computed(tmp_path_factory, kind, data):
    folder = tmp_path_factory.mktemp("study")
    directions = data.draw(st.sampled_from([["maximize"], ["minimize"], ["minimize", "maximize"]]))

    def opened() -> optuna.storages.BaseStorage:
        return open_storage(None if kind == "journal" else kind, folder)

    storage = optuna.storages.InMemoryStorage() if kind == "memory" else opened()
    ours = optuna.create_study(study_name="one", storage=storage, directions=directions)
    beside = ours if kind == "memory" else optuna.load_study(study_name="one", storage=opened())
    for _ in range(data.draw(st.integers(1, 12 if kind == "sqlite" else 30))):
        act(data.draw(st.sampled_from([ours, beside])), data.draw, len(directions))
        if data.draw(st.booleans()):
            check(ours)
    check(ours)
