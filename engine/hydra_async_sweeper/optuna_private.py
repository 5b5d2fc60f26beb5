"""Private names of Optuna (5.0) that the engine needs, each once. Optuna is imported where a function is called.

Optuna has no public compare-and-set on a trial's attributes; with one, the database's tables and most of `INHERITED` can go.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

# Members of Optuna's storages that ours use or override, by Optuna's class: a journal's lock and what it has read, for a write
# that depends on what the journal holds; and the calls of the gRPC proxy, which has no option for a timeout.
INHERITED: Mapping[str, tuple[str, ...]] = {
    "JournalStorage": ("_replay_result", "_sync_with_backend", "_thread_lock", "_worker_id_prefix"),
    "GrpcStorageProxy": ("_setup", "_stub"),
}

# Methods beyond the interface that Optuna's cache before a database calls.
CALLED_BY_THE_CACHE = ("_create_new_trial", "_get_trials", "_set_trial_param", "get_trial_id_from_study_id_trial_number")


def storage_of(study: "optuna.Study") -> "optuna.storages.BaseStorage":
    """Return the study's storage, for calls that `Study` does not have; not public since optuna#472."""
    return study._storage


def study_id_of(study: "optuna.Study") -> int:
    """Return the study's id in its storage."""
    return study._study_id


def trial_ids(journal: "optuna.storages.JournalStorage", study_id: int) -> Sequence[int]:
    """Return the ids of a study's trials, by number, as far as the journal has been read."""
    return journal._replay_result._study_id_to_trial_ids[study_id]


def restore(journal: "optuna.storages.JournalStorage", records: Any) -> None:
    """Let a journal's storage begin with `records` of another process, as `JournalStorage.restore_replay_result` does."""
    records._worker_id_prefix = journal._worker_id_prefix
    records._worker_id_to_owned_trial_id = {}
    records._last_created_trial_id_by_this_process = -1
    journal._replay_result = records


def id_of(trial: "optuna.Trial | FrozenTrial") -> int:
    """Return the trial's id in its storage.

    `get_trial_id_from_study_id_trial_number` is public, but reads the storage once more for each call.
    """
    return trial._trial_id


def next_waiting(study: "optuna.Study", distributions: "Mapping[str, BaseDistribution]") -> "optuna.Trial | None":
    """Begin the next trial of the queue, with a value of each distribution; None if the queue is empty.

    `Study.ask` would then begin a new trial.
    """
    import optuna

    trial_id = study._pop_waiting_trial_id()
    if trial_id is None:
        return None
    trial = optuna.Trial(study, trial_id)
    for name, distribution in distributions.items():
        trial._suggest(name, distribution)
    return trial


def has_begun_all(study: "optuna.Study") -> bool:
    """Return whether each combination of a sampler that enumerates is finished, running or in the queue.

    Optuna's samplers (5.0) then suggest one of them again, until the last one has ended.
    """
    from optuna.samplers import BruteForceSampler, GridSampler

    sampler = study.sampler
    if isinstance(sampler, GridSampler):
        kept = [trial.system_attrs for trial in study.get_trials(deepcopy=False)]
        ours = [it["grid_id"] for it in kept if "grid_id" in it and sampler._same_search_space(it["search_space"])]
        return len(set(ours)) >= len(sampler._all_grids)
    if isinstance(sampler, BruteForceSampler):
        from optuna.samplers._brute_force import _TreeNode

        tree = _TreeNode()
        sampler._populate_tree(tree, [trial for trial in study.get_trials(deepcopy=False) if trial.params], {})
        return not tree.is_any_expandable(exclude_running=True)
    return False


def limit_calls(proxy: "optuna.storages.GrpcStorageProxy", limited: Callable[[Any], Any]) -> None:
    """Replace each remote call of `proxy` by what `limited` returns for it."""
    stub = proxy._stub
    for name, call in vars(stub).items():
        setattr(stub, name, limited(call))


def attribute_code() -> int:
    """Return the code of a journal's lines that set a trial's user attribute."""
    from optuna.storages.journal._storage import JournalOperation

    return JournalOperation.SET_TRIAL_USER_ATTR


def trial_tables() -> tuple[Any, Any]:
    """Return a database's tables of trials and of their user attributes."""
    from optuna.storages._rdb.models import TrialModel, TrialUserAttributeModel

    return TrialModel, TrialUserAttributeModel
