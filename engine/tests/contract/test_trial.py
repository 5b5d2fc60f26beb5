"""What every trial promises to the task that runs for it: in a sweep (a study's), and outside of one (the null trial)."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy
import optuna
import pytest
from hydra_async_sweeper import NUM_STEPS, current_trial
from hydra_async_sweeper.study.enqueue import copies
from hydra_async_sweeper.trial import STUDY_ID, NullTrial, Trial, TrialLost, running
from hydra_async_sweeper.workers.interruption import Interruption
from hydra_async_sweeper.workers.lease import Lease
from hydra_async_sweeper.workers.optuna_trial import RunningTrial
from optuna.distributions import FloatDistribution

SPACE = {"optimizer.lr": FloatDistribution(0.01, 1, log=True), "optimizer.momentum": FloatDistribution(0, 1)}


class AlwaysPrunes(optuna.pruners.BasePruner):
    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:  # noqa: ARG002
        return True


class InAStudy:
    """A trial of a study in memory, with what a test does to it from outside."""

    def __init__(self, pruner: optuna.pruners.BasePruner | None = None, directions: tuple[str, ...] = ("maximize",)) -> None:
        self.study = optuna.create_study(study_name="mine", directions=directions, pruner=pruner or AlwaysPrunes())
        self.study.set_user_attr(STUDY_ID, "an id")
        asked_trial = self.study.ask(SPACE)
        lease = Lease.take(self.study, asked_trial._trial_id, 60.0)
        assert lease is not None
        self.lease = lease
        self.interruption = Interruption()
        self.trial = RunningTrial(self.study, asked_trial, lease, self.interruption, self.study.trials[0])

    @property
    def attributes(self) -> Mapping[str, Any]:
        return self.study.trials[0].user_attrs


@pytest.fixture
def in_a_study() -> Iterator[InAStudy]:
    made = InAStudy()
    yield made
    made.lease.release()


@pytest.fixture(params=["null", "running"])
def any_trial(request: pytest.FixtureRequest) -> Trial:
    return NullTrial() if request.param == "null" else request.getfixturevalue("in_a_study").trial


# --- every trial ------------------------------------------------------------------------------------------------------


def test_it_has_all_that_the_protocol_names(any_trial):
    for name in [name for name in vars(Trial) if not name.startswith("_")]:
        assert hasattr(any_trial, name), name


def test_a_trial_of_its_own_continues_from_none(any_trial):
    assert any_trial.promoted_from is None
    assert dict(any_trial.passed) == {}
    assert any_trial.passed_seconds == 0.0


def test_whatever_a_task_tells_it_is_taken(any_trial):
    any_trial.check_lease()
    any_trial.check_interruption()
    any_trial.annotate(NUM_STEPS, 3)
    any_trial.constrain("num_parameters", 0.5)
    for step, value in ((1, 0.5), (2, float("nan")), (2, 0.7), (3, 1)):
        any_trial.report(value, step)
    assert isinstance(any_trial.should_prune(), bool)


@pytest.mark.parametrize("kind", [int, float, numpy.int64, numpy.float32, numpy.array])
def test_steps_and_values_are_numbers_of_any_kind(any_trial, kind, request):
    any_trial.report(kind(1), step=kind(3))
    any_trial.report(0.5, step=3)
    if "running" in request.node.name:
        reports = request.getfixturevalue("in_a_study").study.trials[0].intermediate_values
        assert (reports, *map(type, [*reports, *reports.values()])) == ({3: 1.0}, int, float)


@pytest.mark.parametrize(
    ("value", "step", "message"),
    [
        (0.5, 0.5, "step=0.5: a whole number from 0 is accepted"),
        (0.5, -1, "step=-1: a whole number from 0 is accepted"),
        (0.5, "3", "step='3': a whole number from 0 is accepted"),
        (0.5, math.nan, "step=nan: a whole number from 0 is accepted"),
        (None, 1, "value=None: a number is accepted"),
    ],
)
def test_what_is_no_number_is_refused_in_a_line(any_trial, value, step, message):
    with pytest.raises(ValueError, match=f"^report: {message}$"):
        any_trial.report(value, step)


@pytest.mark.parametrize("key", ["lease", "attempt", "warm_start_from", "promoted_from", "reason", "folder"])
def test_the_engines_own_keys_are_refused(any_trial, key):
    with pytest.raises(ValueError, match=f"^annotate: key={key}: the engine's own, as are [a-z_, ]*; any other is accepted$"):
        any_trial.annotate(key, "checkpoint.pt")


def test_it_is_the_current_one_inside_of_its_context_alone(any_trial):
    with running(any_trial):
        assert current_trial() is any_trial
    assert isinstance(current_trial(), NullTrial)


# --- outside of a sweep -----------------------------------------------------------------------------------------------


def test_the_null_trial_is_nobodys_and_never_pruned():
    trial = NullTrial()
    assert (trial.number, trial.study_name, trial.log_scaled, trial.is_judged) == (None, None, frozenset(), False)
    assert trial.study_id is None
    trial.report(0.0, 1)
    assert not trial.should_prune()
    trial.annotate("num_parameters", 12)
    assert vars(trial) == {}


# --- in a sweep -------------------------------------------------------------------------------------------------------


def test_it_knows_its_study_and_its_number(in_a_study):
    trial = in_a_study.trial
    assert (trial.number, trial.study_name, trial.log_scaled, trial.is_judged) == (0, "mine", {"optimizer.lr"}, True)
    assert trial.study_id == "an id"


def test_the_first_report_of_a_step_counts(in_a_study):
    for step, value in ((1, 0.5), (2, 0.7), (1, 0.9)):
        in_a_study.trial.report(value, step)
    assert in_a_study.study.trials[0].intermediate_values == {1: 0.5, 2: 0.7}


def test_a_copy_lacks_the_annotations_of_the_run_alone(in_a_study):
    in_a_study.trial.annotate("num_parameters", 12)
    in_a_study.trial.annotate("run_id", "a1", is_copied=False)
    in_a_study.study.tell(0, 0.5)
    (copy,) = copies(in_a_study.study)
    assert copy.user_attrs == {"num_parameters": 12, "warm_start_from": f"{in_a_study.study.study_name}/0"}


def test_what_is_annotated_is_kept(in_a_study):
    in_a_study.trial.annotate("num_parameters", 12)
    in_a_study.trial.annotate("num_parameters", 13)
    assert in_a_study.attributes["num_parameters"] == 13


@pytest.mark.parametrize(
    ("pruner", "directions", "is_judged"),
    [
        (AlwaysPrunes(), ("maximize",), True),
        (optuna.pruners.NopPruner(), ("maximize",), False),
        (AlwaysPrunes(), ("maximize", "minimize"), False),
    ],
)
def test_a_pruner_judges_one_objective(pruner, directions, is_judged):
    made = InAStudy(pruner, directions)
    made.trial.report(0.5, 1)
    assert made.trial.is_judged is is_judged
    assert made.trial.should_prune() is is_judged
    made.lease.release()


def test_who_is_asked_to_stop_keeps_the_report_first(in_a_study):
    in_a_study.interruption.is_requested = True
    with pytest.raises(KeyboardInterrupt):
        in_a_study.trial.report(0.5, 1)
    assert in_a_study.study.trials[0].intermediate_values == {1: 0.5}
    with pytest.raises(KeyboardInterrupt):
        in_a_study.trial.check_interruption()


def test_a_trial_that_is_another_workers_is_not_written(in_a_study):
    before = dict(in_a_study.attributes)
    in_a_study.lease.is_held = lambda: False
    trial = in_a_study.trial
    for write in (
        trial.check_lease,
        lambda: trial.report(0.5, 1),
        lambda: trial.annotate("num_parameters", 1),
        lambda: trial.constrain("num_parameters", 1.0),
    ):
        with pytest.raises(TrialLost):
            write()
    assert in_a_study.study.trials[0].intermediate_values == {}
    assert {key: value for key, value in in_a_study.attributes.items() if key != "lease"} == {
        key: value for key, value in before.items() if key != "lease"
    }
