"""Private names of Hydra (1.3.2 to 1.3.8, and 1.4) and OmegaConf that the engine needs, and what the two do differently."""

import copy
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import cloudpickle
from hydra._internal import config_loader_impl
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig
from omegaconf.basecontainer import BaseContainer


def apply_values(overrides: Sequence[Override], config: DictConfig) -> None:
    """Set the values of `overrides` in a composed config, as Hydra does; none of them may choose an option."""
    config_loader_impl.ConfigLoaderImpl._apply_overrides_to_config(list(overrides), config)


def set_override_dirname(config: DictConfig, task: Sequence[Override]) -> None:
    """Make `hydra.job.override_dirname` what these overrides of the job give.

    Hydra 1.3 sets it once, from a function; for 1.4 it is an interpolation that reads `hydra.overrides.task` when it is used.
    """
    of_overrides = getattr(config_loader_impl, "get_overrides_dirname", None)
    if of_overrides is None:
        return
    settings = config.hydra.job.config.override_dirname
    config.hydra.job.override_dirname = of_overrides(
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


def with_folder(config_loader: ConfigLoader, folder: Path) -> ConfigLoader:
    """Return a config loader that also reads `folder`, as with `--config-dir`."""
    path = copy.deepcopy(config_loader.get_search_path())
    path.prepend(provider="command-line", path=f"file://{folder}", anchor=SearchPathQuery("schema", None))
    return config_loader_impl.ConfigLoaderImpl(config_search_path=path)


def resolvers() -> dict[str, bytes]:
    """Return this process's resolvers of interpolations, pickled, as far as they can be.

    A script registers its own where it is run; the process of a worker only unpickles its task.
    """
    found = {}
    for name, resolver in BaseContainer._resolvers.items():
        with suppress(Exception):
            found[name] = cloudpickle.dumps(resolver)
    return found


def register(resolvers: Mapping[str, bytes]) -> None:
    """Register the resolvers that this process lacks."""
    for name, pickled in resolvers.items():
        if name not in BaseContainer._resolvers:
            BaseContainer._resolvers[name] = cloudpickle.loads(pickled)
