"""How a study was searched: sampler, pruner and limits of each start of its sweep that changed one of them.

Optuna keeps neither the sampler nor the pruner with a study. A study of an earlier version has no entries, and a continued one
has none for its first trials.
"""

import datetime
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hydra_async_sweeper.best_config import is_same
from hydra_async_sweeper.study.passwords import redacted

if TYPE_CHECKING:
    import optuna

# Attribute of a study: a list of mappings. `since_trial` is the number of trials that had begun by then; `defaults` are the
# config's own values of the searched keys; the others are options of `hydra.sweeper`.
SEARCHES = "searches"

_OPTIONS = (
    "sampler", "pruner", "n_trials", "timeout", "target", "patience", "stop_when", "max_retries", "trial_timeout", "repeats",
)  # fmt: skip


def record(study: "optuna.Study", options: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Add an entry to the study unless its last one says the same; only one process may do so at a time.

    Args:
        study: that is about to be searched.
        options: of `hydra.sweeper`.
        defaults: the config's values of the searched keys.
    """
    import optuna

    kept = {name: options[name] for name in _OPTIONS if options.get(name) is not None}
    entry = _plain({**kept, "defaults": dict(defaults), "optuna": optuna.__version__})
    before: list[dict[str, Any]] = study.user_attrs.get(SEARCHES, [])
    if before and all(is_same(before[-1].get(key), entry.get(key)) for key in {*before[-1], *entry} - {"since_trial", "date"}):
        return
    num_begun = sum(trial.state.name != "WAITING" for trial in study.get_trials(deepcopy=False))
    date = datetime.datetime.now().isoformat(timespec="seconds")
    study.set_user_attr(SEARCHES, [*before, {"since_trial": num_begun, "date": date, **entry}])


def _plain(value: Any) -> Any:
    """Return `value` as JSON holds it, without passwords."""
    return _redacted(json.loads(json.dumps(value, default=str)))


def _redacted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _redacted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_redacted(item) for item in value]
    return redacted(value) if isinstance(value, str) else value
