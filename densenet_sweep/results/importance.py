"""What each parameter contributes to a trial's value, by Optuna's PED-ANOVA (Watanabe et al., IJCAI 2023)."""

from densenet_sweep.results.from_optuna import distribution_from
from densenet_sweep.results.study import Study


def param_importances(study: Study) -> dict[str, float]:
    """Return each parameter's share, the largest first; empty where no parameter is common to all trials, or none varied.

    Over the complete trials of a study with one objective.
    """
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    in_memory = optuna.create_study(direction=study.directions[0])
    distributions = {id(values): distribution_from(values) for trial in study.complete for values in trial.ranges.values()}
    in_memory.add_trials(
        optuna.trial.create_trial(
            value=trial.values[0],
            params=dict(trial.params),
            distributions={name: distributions[id(values)] for name, values in trial.ranges.items()},
        )
        for trial in study.complete
    )
    try:
        return get_param_importances(in_memory, evaluator=PedAnovaImportanceEvaluator())
    except (ValueError, RuntimeError):
        return {}
