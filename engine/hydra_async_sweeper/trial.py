"""The trial as a task function sees it, under any launcher; imports no Optuna, so that getting it is cheap."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from hydra_async_sweeper.scalars import reported

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


# Keys for `annotate`: how many steps the task will report; after which of them separate short trainings (rungs) were judged;
# the seconds so far, over all attempts and including the trial that this one was promoted from; and the rungs' part of them.
NUM_STEPS = "num_steps"
RUNGS = "rungs"
SECONDS = "seconds"
RUNG_SECONDS = "rung_seconds"
# The main training's own values at the steps of rungs, by step; the reports at these steps hold the rungs' values.
AT_RUNGS = "at_rungs"
# Of a promoted trial: the number of the "trial" that it continues, the "step" after which that one stopped, and its "seconds".
PROMOTED = "promoted_from"
# Of a trial that raised `TrialPruned` although `should_prune` had not returned True: it is never promoted after a milestone.
STOPPED_ITSELF = "stopped_itself"

# What else the engine keeps with a trial: its owner (see `workers.claim`); how many attempts at it have ended in a death;
# how many trials of its study had finished before it; its folder below the sweep's, where that has another name than its
# number; why it ended; and of a copy from another study, which counts in no budget, its origin, "name/number".
LEASE = "lease"
ATTEMPT = "attempt"
FINISHED_BEFORE = "finished_before"
FOLDER = "folder"
REASON = "reason"
WARM_START = "warm_start_from"

_OWN = frozenset({PROMOTED, STOPPED_ITSELF, LEASE, ATTEMPT, FINISHED_BEFORE, FOLDER, REASON, WARM_START})

# Values by override path that, beyond its config, repeat a complete trial exactly.
REPETITION = "repetition"

# Study attribute: what its trials have in common beyond the config, by key; see `Trial.hold_to`.
HELD_TO = "held_to"

# Study attribute: an id that no other study has, as names repeat between storages; a study of 0.1 has none.
STUDY_ID = "study_id"

# Begins the study attributes that name annotations which copies of its trials lack; see `Trial.annotate`.
NOT_COPIED = "not_copied:"


# Study attribute: a line of the application's for the status table, such as what "value" is.
CAPTION = "caption"


class TrialPruned(Exception):  # noqa: N818 - Optuna's name for it
    """Raised by a task function that stops because `should_prune` returned True."""


class TrialLost(Exception):  # noqa: N818 - a state of affairs, not a mistake
    """Raised when another worker has taken the trial over; nothing more may be written for it."""


def check_annotation(key: str) -> None:
    """Refuse the key of an annotation that the engine keeps itself.

    Raises:
        ValueError: a line that names it.
    """
    if key in _OWN:
        raise ValueError(
            f"annotate: key={key}: the engine's own, as are {', '.join(sorted(_OWN - {key}))}; any other is accepted"
        )


class Trial(Protocol):
    """A task function's interface to its trial."""

    @property
    def number(self) -> int | None:
        """The trial's number in its study; None outside a sweep."""

    @property
    def study_name(self) -> str | None:
        """The name of the study; None outside a sweep."""

    @property
    def study_id(self) -> str | None:
        """The id of the study, which none of another storage has; None outside a sweep, and for a study of 0.1."""

    @property
    def log_scaled(self) -> frozenset[str]:
        """The keys searched on a log scale: those of `tag(log, ...)`."""

    @property
    def searched(self) -> frozenset[str]:
        """The keys whose values the sweep chose for this trial."""

    @property
    def promoted_from(self) -> int | None:
        """The number of the trial that this one was promoted from after a rung, if any."""

    @property
    def passed(self) -> Mapping[int, float]:
        """That trial's reports after its rungs, by step; these need not be trained again."""

    @property
    def passed_seconds(self) -> float:
        """The seconds that these rungs took."""

    @property
    def is_judged(self) -> bool:
        """Whether a pruner may stop the trial: not outside a sweep, nor with several objectives."""

    @property
    def annotations(self) -> Mapping[str, Any]:
        """What earlier attempts stored with `annotate`."""

    def check_lease(self) -> None:
        """Raise `TrialLost` if another worker owns the trial by now; call it before writing anything."""

    def check_interruption(self) -> None:
        """Raise `KeyboardInterrupt` if the user asked to stop; `report` does so, too."""

    def restart(self, step: int) -> None:
        """Allow steps after `step` to be reported again: an earlier attempt saved only their reports."""

    def report(self, value: float, step: int) -> None:
        """Record the objective's value after `step` steps, from 1; a step reported before is ignored.

        Scalars of NumPy and PyTorch are numbers, too, and a float may be a whole step.

        Raises:
            ValueError: no number, or no whole number of steps.
        """

    def progress(self, done: float) -> None:
        """Note how many steps are done, the present one in part, for the tables; costs nothing, and may appear late."""

    def should_prune(self) -> bool:
        """Return whether to stop the trial, given its reports; the task then raises `TrialPruned`."""

    def constrain(self, name: str, excess: float) -> None:
        """Record by how much the trial exceeds the limit `name`; 0 or less is within it, and the sampler learns from both."""

    def hold_to(self, key: str, value: str, subject: str) -> None:
        """Require `value` in the whole study, as trials do not compare where it differs; `subject` names it in the error.

        Raises:
            SweepError: an earlier trial set another value. The task must not catch it: it ends the worker, not the trial.
        """

    def annotate(self, key: str, value: object, *, is_copied: bool = True) -> None:
        """Store a JSON value with the trial, under `key`; the engine uses the keys defined above, such as `NUM_STEPS`.

        A study that starts warm from this one copies it, unless `is_copied` is false: an id of this very run, for example.

        Raises:
            ValueError: the key is the engine's own: attempt, finished_before, folder, lease, promoted_from, reason,
                stopped_itself or warm_start_from.
        """


class NullTrial:
    """The trial outside a sweep: never pruned, reports go nowhere."""

    number: int | None = None
    study_name: str | None = None
    study_id: str | None = None
    log_scaled: frozenset[str] = frozenset()
    searched: frozenset[str] = frozenset()
    promoted_from: int | None = None
    passed: Mapping[int, float] = MappingProxyType({})
    passed_seconds: float = 0.0
    is_judged: bool = False
    annotations: Mapping[str, Any] = MappingProxyType({})

    def check_lease(self) -> None:
        """Do nothing."""

    def check_interruption(self) -> None:
        """Do nothing."""

    def restart(self, step: int) -> None:
        """Do nothing."""

    def report(self, value: float, step: int) -> None:
        """Refuse what a sweep would refuse."""
        reported(value, step)

    def progress(self, done: float) -> None:
        """Do nothing."""

    def should_prune(self) -> bool:
        """Return False."""
        return False

    def constrain(self, name: str, excess: float) -> None:
        """Do nothing."""

    def hold_to(self, key: str, value: str, subject: str) -> None:
        """Do nothing."""

    def annotate(self, key: str, value: object, *, is_copied: bool = True) -> None:  # noqa: ARG002
        """Refuse what a sweep would refuse."""
        check_annotation(key)


_current: ContextVar[Trial | None] = ContextVar("trial", default=None)


def current_trial() -> Trial:
    """Return the running task's trial, or one that does nothing."""
    return _current.get() or NullTrial()


@contextmanager
def running(trial: Trial) -> Iterator[None]:
    """Make `trial` the current one inside the context."""
    token = _current.set(trial)
    try:
        yield
    finally:
        _current.reset(token)


def seconds_without_rungs(trial: "FrozenTrial") -> float | None:
    """Return the seconds of training after the rungs, or those of the rungs if it got no further; None if none are recorded."""
    seconds: float | None = trial.user_attrs.get(SECONDS)
    if seconds is None:
        return None
    of_rungs: float = trial.user_attrs.get(RUNG_SECONDS, 0.0)
    return seconds - of_rungs if seconds > of_rungs else seconds


def passed_step(trial: "FrozenTrial") -> int:
    """Return the step after which the trial that this one was promoted from was judged; 0 without one."""
    step: int = trial.user_attrs.get(PROMOTED, {}).get("step", 0)
    return step


def promoted_numbers(trials: "Iterable[FrozenTrial]") -> set[int]:
    """Return the numbers of the trials that have been promoted to new ones."""
    return {trial.user_attrs[PROMOTED]["trial"] for trial in trials if PROMOTED in trial.user_attrs}
