"""What an earlier version stored, compared with the present config."""

import ast
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hydra_async_sweeper.best_config import is_same

# The present path of a function or class, by its earlier path in a `_target_`. An application adds those of its own.
MOVED_TARGETS: dict[str, str] = {
    f"hydra_plugins.hydra_optuna_sweeper._impl.create_{name.lower()}_sampler": f"optuna.samplers.{name}Sampler"
    for name in ("NSGAII", "NSGAIII")
}

# Stands for the value of a key that one side does not have.
NOTHING = "nothing"


def with_present_targets(section: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config section, and those nested in it, with the present path of each function or class."""
    return {
        key: with_present_targets(value) if isinstance(value, Mapping) else _moved(key, value) for key, value in section.items()
    }


def first_difference(
    stored: Mapping[str, Any], present: Mapping[str, Any], defaults: Callable[[], Mapping[str, Any]] = dict
) -> tuple[str, Any, Any] | None:
    """Return the first key whose values differ, with the stored and the requested value; None if all are the same.

    A key that `stored` lacks comes from a later version. It counts as its default, so a request that differs from it is found.

    Args:
        stored: leaves by override path, as an earlier version wrote them.
        present: the same for the present config.
        defaults: returns the present config files' values of the keys that `stored` lacks; called only if it lacks some.
    """
    stored = {key: _moved(key, value) for key, value in stored.items()}
    if present.keys() - stored.keys():
        stored = {**{key: value for key, value in defaults().items() if key in present}, **stored}
    for key in sorted(stored.keys() | present.keys()):
        old, new = stored.get(key, NOTHING), present.get(key, NOTHING)
        if not is_same(old, new):
            return key, old, new
    return None


def set_stored(config: DictConfig, stored: Mapping[str, Any]) -> None:
    """Set the stored values in a config composed of defaults, so that interpolations from them follow.

    A key that the config no longer has is skipped: it is a difference of its own.
    """
    for key, value in stored.items():
        with suppress(OmegaConfBaseException):
            is_bytes = isinstance(OmegaConf.select(config, key), bytes) and isinstance(value, str)
            kept = ast.literal_eval(value) if is_bytes else _moved(key, value)  # see `as_json`
            OmegaConf.update(config, key, kept, force_add=False)


def _moved(key: str, value: Any) -> Any:
    return MOVED_TARGETS.get(value, value) if key.endswith("_target_") else value
