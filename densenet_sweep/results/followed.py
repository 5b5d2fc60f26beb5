"""A study that is looked at again and again while its trials run."""

import time
from collections.abc import Hashable
from pathlib import Path

from hydra_async_sweeper.application import DESCRIPTION

from densenet_sweep.results.from_optuna import read_study
from densenet_sweep.results.studies import CONFIRMATIONS, OUTPUTS, AnyStudy, changes
from densenet_sweep.results.study import Study

# A study that is read from the runs of its trials is read again after so many seconds at the earliest.
_RUNS_SECONDS = 30.0


class Followed:
    """Keeps a study's storage open, so that each look reads what is new."""

    def __init__(self, study: AnyStudy, outputs: Path = OUTPUTS) -> None:
        """Load the study.

        Raises:
            ValueError: its storage has gone, or is not readable from here.
            ConnectionError: MLflow does not answer any more.
        """
        self._study = study
        self._confirmations = outputs / CONFIRMATIONS
        self._loaded = study.load()
        self._read_at = time.monotonic()

    def state(self) -> Hashable:
        """Return what changes whenever a trial of it, or of a confirmation, begins or ends."""
        if isinstance(self._loaded, Study):
            if time.monotonic() - self._read_at > _RUNS_SECONDS:
                self._loaded = self._study.load()
                self._read_at = time.monotonic()
            trials: Hashable = tuple((trial.number, trial.state) for trial in self.values().trials)
        else:
            trials = tuple((trial.number, trial.state.name) for trial in self._loaded.get_trials(deepcopy=False))
        folders = sorted(path.parent for path in self._confirmations.glob(f"*/{DESCRIPTION}"))
        return trials, tuple((folder.name, *changes(folder).items()) for folder in folders)

    def values(self) -> Study:
        """Return the study as it is now."""
        return self._loaded if isinstance(self._loaded, Study) else read_study(self._loaded)
