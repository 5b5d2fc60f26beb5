"""Whose samplers and pruners a config may name: Optuna's, ours, and those of modules that the user trusts."""

from collections.abc import Mapping, Sequence
from typing import Any

from hydra_async_sweeper.errors import SweepError

_ADMITTED = ("optuna.samplers.*", "optuna.integration.*", "optuna.pruners.*", "optuna.storages.*", "hydra_async_sweeper.*")


def is_trusted(target: str, patterns: Sequence[str]) -> bool:
    """Return whether `target` matches one of `patterns`: a full name, or a module such as `my_package.*`."""
    return any(
        target.startswith(pattern.removesuffix("*")) if pattern.endswith(".*") else target == pattern for pattern in patterns
    )


def check_targets(section: Any, key: str, trusted: Sequence[str]) -> None:
    """Refuse a class that is not trusted in a config section, nested ones too.

    Raises:
        SweepError: naming the key, the class and how it is admitted.
    """
    if not isinstance(section, Mapping):
        return
    target = str(section.get("_target_", ""))
    if target and not is_trusted(target, [*_ADMITTED, *trusted]):
        package = target.partition(".")[0]
        raise SweepError(
            f"{key}._target_={target}: is neither Optuna's nor trusted; "
            f"hydra.sweeper.trusted_targets=[{package}.*] admits classes of your own"
        )
    for name, value in section.items():
        check_targets(value, f"{key}.{name}", trusted)
