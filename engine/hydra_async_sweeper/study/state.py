"""What a process keeps of a study, so that a trial costs the same in a study of any length.

A finished trial never changes, and every storage numbers trials in order. So what may have changed since the last look are the
trials that were unfinished then, and new ones. Counts, best values and ranks are indices: each takes in the changed trials
alone, and gives at any time what it would give had it been made just then.
"""

import threading
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from hydra_async_sweeper.optuna_private import storage_of, study_id_of

if TYPE_CHECKING:
    import optuna
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial


class Index(Protocol):
    """What is derived from a study's trials."""

    def update(self, trial: "FrozenTrial") -> None:
        """Take in a trial that is new or may have changed; it is called exactly once for a finished one."""


Kind = TypeVar("Kind", bound=Index)


class StudyState:
    """The trials of one study as last read, and what is derived from them; for one thread at a time.

    Attributes:
        trials: by number.
        unfinished: those that are running or in the queue, by number, in no order.
    """

    def __init__(self) -> None:
        self.trials: Sequence[FrozenTrial] = ()
        self.unfinished: dict[int, FrozenTrial] = {}
        self._indices: dict[tuple[Any, ...], Index] = {}
        self._reading = threading.Lock()

    @property
    def running(self) -> "list[FrozenTrial]":
        """The running trials, in order."""
        return [trial for number, trial in sorted(self.unfinished.items()) if trial.state.name == "RUNNING"]

    def index(self, kind: type[Kind], *arguments: Any) -> Kind:
        """Return the index `kind(*arguments)`, which is made at its first use."""
        key = (kind, *arguments)
        found = self._indices.get(key)
        if found is None:
            found = kind(*arguments)
            for trial in self.trials:
                found.update(trial)
            self._indices[key] = found
        assert isinstance(found, kind)
        return found

    def read(self, storage: "BaseStorage", study_id: int) -> None:
        """Take in what has changed in the storage."""
        with self._reading:
            trials = storage.get_all_trials(study_id, deepcopy=False)
            known = len(self.trials)
            if len(trials) < known:  # another study by the same id
                self._indices.clear()
                self.unfinished, known = {}, 0
            changed = [*(trials[number] for number in sorted(self.unfinished)), *trials[known:]]
            self.trials = trials
            for trial in changed:
                self.unfinished[trial.number] = trial
                if trial.state.is_finished():
                    del self.unfinished[trial.number]
                for index in self._indices.values():
                    index.update(trial)


_states: "weakref.WeakKeyDictionary[BaseStorage, dict[int, StudyState]]" = weakref.WeakKeyDictionary()


def state_of(study: "optuna.Study") -> StudyState:
    """Return the present state of `study`, kept with its storage object."""
    storage, study_id = storage_of(study), study_id_of(study)
    state = _states.setdefault(storage, {}).setdefault(study_id, StudyState())
    state.read(storage, study_id)
    return state
