"""What an earlier version stored of a config, compared with the config of now."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

# Where the function or class is now that a stored `_target_` names.
MOVED_TARGETS: dict[str, str] = {
    f"densenet_sweep.sweep.{module}.{name}": f"hydra_async_sweeper.study.{module}.{name}"
    for module, name in (
        ("promotion", "PromotionPruner"),
        ("pruners", "BestSharePruner"),
        ("pruners", "TopKAfterOneEpochPruner"),
    )
}

# Stands for the value of a key that one side does not have.
NOTHING = "nothing"


def first_difference(
    stored: Mapping[str, Any], asked: Mapping[str, Any], defaults: Callable[[], Mapping[str, Any]] = dict
) -> tuple[str, Any, Any] | None:
    """Return the first key whose values differ, with the stored value and the asked one; None where all are the same.

    A key that `stored` lacks is a later version's. It counts as its default, so that what was asked for beside it is found.

    Args:
        stored: leaves by override path, as an earlier version wrote them.
        asked: the same of now.
        defaults: returns what the config files of now give the keys that `stored` lacks; called only where it lacks some.
    """
    stored = {key: _moved(key, value) for key, value in stored.items()}
    if asked.keys() - stored.keys():
        stored = {**{key: value for key, value in defaults().items() if key in asked}, **stored}
    for key in sorted(stored.keys() | asked.keys()):
        old, new = stored.get(key, NOTHING), asked.get(key, NOTHING)
        if old != new:
            return key, old, new
    return None


def set_stored(config: DictConfig, stored: Mapping[str, Any]) -> None:
    """Set the stored values in a config composed of defaults, so that what is interpolated from them follows.

    A key that the config no longer has is passed over: it is a difference of its own.
    """
    for key, value in stored.items():
        with suppress(OmegaConfBaseException):
            OmegaConf.update(config, key, _moved(key, value), force_add=False)


def _moved(key: str, value: Any) -> Any:
    return MOVED_TARGETS.get(value, value) if key.endswith("_target_") else value
