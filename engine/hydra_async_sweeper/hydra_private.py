"""Private names of Hydra (1.3.2 to 1.3.8) that the engine needs."""

from collections.abc import Sequence
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig


def apply_values(overrides: Sequence[Override], config: DictConfig) -> None:
    """Set the values of `overrides` in a composed config, as Hydra does; none of them may choose an option."""
    ConfigLoaderImpl._apply_overrides_to_config(list(overrides), config)


def override_dirname(config: DictConfig, task: Sequence[Override]) -> str:
    """Return `hydra.job.override_dirname` for these overrides of the job."""
    settings = config.hydra.job.config.override_dirname
    return get_overrides_dirname(
        overrides=list(task), kv_sep=settings.kv_sep, item_sep=settings.item_sep, exclude_keys=settings.exclude_keys
    )


def returned_by(job: JobReturn) -> Any:
    """Return what a job returned or raised; `JobReturn.return_value` raises the latter, and prints a line."""
    return job._return_value


def failed(error: Exception) -> JobReturn:
    """Return the outcome of a job that raised `error` before it began."""
    return JobReturn(status=JobStatus.FAILED, _return_value=error)


def element_text(element: Any) -> str:
    """Return one value of a sweep override as override text, as Hydra writes it into `.hydra/overrides.yaml`."""
    return str(Override._get_value_element_as_str(element))
