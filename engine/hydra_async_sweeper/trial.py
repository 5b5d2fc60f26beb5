"""The trial as a task function sees it, under any launcher; imports no Optuna, so that asking for it costs nothing."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


# What a task may say of its trial with `annotate`: how many steps it will report, after which of them short trainings of their
# own were judged, and the seconds that it took so far, in all of its attempts and with what the trial took that it goes on
# from, and of these the ones in such trainings.
NUM_STEPS = "num_steps"
RUNGS = "rungs"
SECONDS = "seconds"
RUNG_SECONDS = "rung_seconds"
# What the training itself gave after as many steps as a rung has, by step, where the report of that step is the rung's.
AT_RUNGS = "at_rungs"
# Of a trial that goes on from another: the number of that "trial", the "step" after which it had stopped, and its "seconds".
PROMOTED = "promoted_from"

# What repeats a complete trial exactly, beyond its config: values by override path.
REPETITION = "repetition"

# The study's attribute with what its trials have in common beyond the config, by key; see `Trial.hold_to`.
HELD_TO = "held_to"


class TrialPruned(Exception):  # noqa: N818 - Optuna's name for it
    """Raised by a task function that gives its trial up because `should_prune` said so."""


class TrialLost(Exception):  # noqa: N818 - a state of affairs, not a mistake
    """Raised where another worker has taken the trial over; whoever gets this must write nothing more for it."""


class Trial(Protocol):
    """What a task function may ask of and tell to the trial that it runs for."""

    @property
    def number(self) -> int | None:
        """The trial's number in its study; None outside a sweep."""

    @property
    def study_name(self) -> str | None:
        """The name of the study; None outside a sweep."""

    @property
    def log_scaled(self) -> frozenset[str]:
        """The searched keys whose values are spread over orders of magnitude: those of `tag(log, ...)`."""

    @property
    def promoted_from(self) -> int | None:
        """The number of the trial that was judged after a rung, and that this one goes on from."""

    @property
    def passed(self) -> Mapping[int, float]:
        """What that trial reported after its rungs, by step; these need not be trained again."""

    @property
    def passed_seconds(self) -> float:
        """The seconds that these rungs took."""

    @property
    def is_judged(self) -> bool:
        """Whether a pruner may give the trial up: not outside a sweep, nor with several objectives."""

    @property
    def annotations(self) -> Mapping[str, Any]:
        """What earlier attempts have kept beside the trial with `annotate`."""

    def check_lease(self) -> None:
        """Raise `TrialLost` where the trial is another worker's by now; to be called before writing anything."""

    def check_interruption(self) -> None:
        """Raise `KeyboardInterrupt` where the user asked to stop; `report` does so, too."""

    def restart(self, step: int) -> None:
        """Let steps behind `step` be reported anew: what an earlier attempt reported of them was not kept elsewhere."""

    def report(self, value: float, step: int) -> None:
        """Record the objective's value after `step` steps (epochs, from 1); a step reported before is ignored."""

    def should_prune(self) -> bool:
        """Tell whether the trial is hopeless after what it reported; the task then raises `TrialPruned`."""

    def constrain(self, name: str, excess: float) -> None:
        """Tell by how much the trial exceeds the limit `name`; 0 or less is within it, and the sampler learns from both."""

    def hold_to(self, key: str, value: str, subject: str) -> None:
        """Keep `value` for the whole study, whose trials would not compare where it differs; `subject` names it in the error.

        Raises:
            SweepError: an earlier trial kept another one. The task lets it pass: it ends the worker, not the trial.
        """

    def annotate(self, key: str, value: object) -> None:
        """Keep a JSON value beside the trial, under `key`; those named above, such as `NUM_STEPS`, are understood."""


class NullTrial:
    """The trial outside a sweep: never pruned, reports go nowhere."""

    number: int | None = None
    study_name: str | None = None
    log_scaled: frozenset[str] = frozenset()
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
        """Do nothing."""

    def should_prune(self) -> bool:
        """Say no."""
        return False

    def constrain(self, name: str, excess: float) -> None:
        """Do nothing."""

    def hold_to(self, key: str, value: str, subject: str) -> None:
        """Do nothing."""

    def annotate(self, key: str, value: object) -> None:
        """Do nothing."""


_current: ContextVar[Trial | None] = ContextVar("trial", default=None)


def current_trial() -> Trial:
    """Return the trial that the running task belongs to, or one that does nothing."""
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
    """Return the seconds of the training behind the rungs, or theirs where it came no further; None where none are told."""
    seconds: float | None = trial.user_attrs.get(SECONDS)
    if seconds is None:
        return None
    of_rungs: float = trial.user_attrs.get(RUNG_SECONDS, 0.0)
    return seconds - of_rungs if seconds > of_rungs else seconds


def passed_step(trial: "FrozenTrial") -> int:
    """Return the last step after which the trial was judged as the one that it goes on from; 0 where it goes on from none."""
    step: int = trial.user_attrs.get(PROMOTED, {}).get("step", 0)
    return step


def promoted_numbers(trials: "Iterable[FrozenTrial]") -> set[int]:
    """Return the numbers of the trials from which another goes on."""
    return {trial.user_attrs[PROMOTED]["trial"] for trial in trials if PROMOTED in trial.user_attrs}
