"""Private names of Optuna (5.0) that the engine needs.

- `get_lock_file`: the journal's own lock, so that our writes and Optuna's exclude each other.
- `JournalOperation`: the codes of the journal's lines, for a write that depends on what the journal holds.
- `TrialModel`, `TrialUserAttributeModel`: a database's tables, for the same conditional write in one transaction.

Optuna has no public compare-and-set on a trial's attributes; with one, all of this can go.
"""

from optuna.storages._rdb.models import TrialModel, TrialUserAttributeModel
from optuna.storages.journal._file import get_lock_file
from optuna.storages.journal._storage import JournalOperation

__all__ = ["JournalOperation", "TrialModel", "TrialUserAttributeModel", "get_lock_file"]
