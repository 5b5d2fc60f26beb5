import optuna
from hydra_async_sweeper.study import searches
from hydra_async_sweeper.study.searches import SEARCHES

OPTIONS = {
    "sampler": {"_target_": "optuna.samplers.TPESampler", "seed": 0},
    "pruner": {"_target_": "optuna.pruners.NopPruner"},
    "n_trials": 2,
    "timeout": None,
    "storage": "postgresql://me:hunter2@host/db",
}


def test_a_start_that_changes_nothing_adds_nothing_and_another_says_from_which_trial_on():
    study = optuna.create_study()
    for _ in range(2):
        searches.record(study, OPTIONS, {"lr": 0.1})
    study.tell(study.ask(), 1.0)
    study.enqueue_trial({})  # waits
    searches.record(study, {**OPTIONS, "n_trials": 4, "timeout": 60.0}, {"lr": 0.1})
    first, second = study.user_attrs[SEARCHES]
    assert (first["since_trial"], second["since_trial"]) == (0, 1)
    assert first["sampler"] == OPTIONS["sampler"]
    assert "timeout" not in first
    assert (second["n_trials"], second["timeout"], second["defaults"]) == (4, 60.0, {"lr": 0.1})
    assert second["optuna"] == optuna.__version__


def test_no_password_is_kept_and_what_is_not_json_is_text():
    study = optuna.create_study()
    searches.record(study, {**OPTIONS, "sampler": {"url": OPTIONS["storage"], "of": {object}}}, {"blocks": (1, 2)})
    [entry] = study.user_attrs[SEARCHES]
    assert "hunter2" not in str(entry)
    assert entry["sampler"]["of"].startswith("{<class")
    assert entry["defaults"] == {"blocks": [1, 2]}
