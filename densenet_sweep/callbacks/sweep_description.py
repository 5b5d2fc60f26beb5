"""What the config of a sweep says in MLflow of its study: objectives, searched ranges, and the text of its run's page."""

from collections.abc import Mapping
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra_async_sweeper.application import is_search
from omegaconf import DictConfig, ListConfig, OmegaConf

from densenet_sweep.config.metrics import full_name, on_test
from densenet_sweep.tracking import run_note
from densenet_sweep.tracking.store import redacted


def objectives(config: DictConfig) -> list[str]:
    """Return the names of the values that trials return."""
    names = _as_list(config.objective)
    return [on_test(names[0])] if is_repeated(config) else [full_name(name) for name in names]


def is_repeated(config: DictConfig) -> bool:
    """Return whether the trials are runs of a confirmation, which are tested."""
    return bool(config.hydra.sweeper.get("repeats"))


def has_best(config: DictConfig) -> bool:
    """Return whether one of the trials is the best: with one objective, and not among repetitions."""
    return isinstance(config.objective, str) and not is_repeated(config)


def overrides(config: DictConfig) -> list[str]:
    """Return the overrides as typed, unresolved: `${oc.env:PASSWORD}` stays as it is."""
    typed: Any = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
    return [str(override) for override in typed]


def study_tags(config: DictConfig) -> dict[str, str]:
    """Return the tags that lead from the MLflow server to the study and explain its runs."""
    return {
        "study.storage": redacted(config.hydra.sweeper.get("storage") or "journal"),
        "study.directions": " ".join(_as_list(config.hydra.sweeper.direction)),
        "study.objectives": " ".join(objectives(config)),
    }


def searched(config: DictConfig) -> dict[str, str]:
    """Return each searched key with its range: as the command line gives it, else as the config does."""
    params: Mapping[str, Any] = config.hydra.sweeper.params or {}
    found = {key.lstrip("+"): str(text) for key, text in params.items()}
    for override in OverridesParser.create().parse_overrides(overrides(config)):
        key = override.key_or_group
        if override.is_sweep_override() or key in found:
            found[key] = str(override.input_line).partition("=")[2]
    return found


def note(config: DictConfig, study_name: str, command: str, ended: str = "") -> str:
    """Return the description of the sweep, as its page shows it."""
    together = (objectives(config), _as_list(config.hydra.sweeper.direction))
    return run_note.of_sweep(
        study_name=study_name,
        objectives=dict(zip(*together, strict=False)),
        n_trials=config.hydra.sweeper.n_trials,
        searched={key: text for key, text in searched(config).items() if is_search(text)},
        typed=command,
        ending=ended,
        is_repeated=is_repeated(config),
        may_end_earlier=is_repeated(config) and len(config.hydra.sweeper.get("enqueue") or []) < config.hydra.sweeper.n_trials,
    )


def _as_list(one_or_more: Any) -> list[str]:
    return [str(it) for it in one_or_more] if isinstance(one_or_more, ListConfig) else [str(one_or_more)]
